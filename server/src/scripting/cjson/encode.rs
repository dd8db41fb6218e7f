//! From values to JSON.

use thermocline_protocol::double::write_general;

use super::{Invalid, NULL, Settings, only_argument, settings};
use crate::scripting::lua::{Kind, Raised, Stack};

/// What encoding may need of the stack at one level.
const ROOM_PER_LEVEL: i32 = 4;

pub(super) fn encode(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    only_argument(stack)?;
    let settings = settings(stack);
    let mut encoder = Encoder { out: Vec::new(), settings };
    match encoder.write(stack, 0) {
        Ok(()) => {
            stack.push_bytes(&encoder.out);
            Ok(1)
        }
        Err(problem) => Err(stack.raise(problem)),
    }
}

struct Encoder {
    out: Vec<u8>,
    settings: Settings,
}

impl Encoder {
    /// Writes the value on top, which stays there.
    fn write(&mut self, stack: &mut Stack<'_>, depth: i32) -> Result<(), String> {
        match stack.kind(-1) {
            Kind::String => self.write_string(stack.bytes(-1).unwrap_or_default()),
            Kind::Number => self.write_number(stack.number(-1).unwrap_or_default())?,
            Kind::Boolean => self.out.extend_from_slice(if stack.is_true(-1) { b"true" } else { b"false" }),
            Kind::Table => self.write_table(stack, depth + 1)?,
            Kind::Nil => self.out.extend_from_slice(b"null"),
            Kind::Pointer if stack.is_pointer(-1, NULL) => self.out.extend_from_slice(b"null"),
            other => return Err(refuse(other, "type not supported")),
        }
        Ok(())
    }

    fn write_table(&mut self, stack: &mut Stack<'_>, depth: i32) -> Result<(), String> {
        if depth > self.settings.encode_depth_max || !stack.has_room(ROOM_PER_LEVEL) {
            return Err(format!("Cannot serialise, excessive nesting ({depth})"));
        }
        match self.array_length(stack)? {
            Some(length) if length > 0 => self.write_array(stack, length, depth),
            _ => self.write_object(stack, depth),
        }
    }

    /// The highest index of the table on top, if all its keys are indexes.
    fn array_length(&self, stack: &mut Stack<'_>) -> Result<Option<i32>, String> {
        let (mut highest, mut elements) = (0.0f64, 0.0);
        let walked = stack.walk(-1, |stack| match stack.number(-2) {
            Some(index) if index >= 1.0 && index.trunc() == index => {
                highest = highest.max(index);
                elements += 1.0;
                Ok(())
            }
            _ => Err(()),
        });
        if walked.is_err() {
            stack.pop(2);
            return Ok(None);
        }
        let settings = &self.settings;
        let is_sparse = settings.sparse_ratio > 0
            && highest > elements * f64::from(settings.sparse_ratio)
            && highest > f64::from(settings.sparse_safe);
        match is_sparse {
            true if settings.sparse_convert => Ok(None),
            true => Err(refuse(Kind::Table, "excessively sparse array")),
            false => Ok(Some(highest as i32)),
        }
    }

    fn write_array(&mut self, stack: &mut Stack<'_>, length: i32, depth: i32) -> Result<(), String> {
        self.out.push(b'[');
        for index in 1..=length {
            if index > 1 {
                self.out.push(b',');
            }
            stack.raw_get_index(-1, index);
            self.write(stack, depth)?;
            stack.pop(1);
        }
        self.out.push(b']');
        Ok(())
    }

    fn write_object(&mut self, stack: &mut Stack<'_>, depth: i32) -> Result<(), String> {
        self.out.push(b'{');
        let mut is_first = true;
        stack.walk(-1, |stack| {
            if !std::mem::take(&mut is_first) {
                self.out.push(b',');
            }
            match stack.kind(-2) {
                Kind::String => self.write_string(stack.bytes(-2).unwrap_or_default()),
                Kind::Number => {
                    self.out.push(b'"');
                    self.write_number(stack.number(-2).unwrap_or_default())?;
                    self.out.push(b'"');
                }
                other => return Err(refuse(other, "table key must be a number or string")),
            }
            self.out.push(b':');
            self.write(stack, depth)
        })?;
        self.out.push(b'}');
        Ok(())
    }

    fn write_number(&mut self, number: f64) -> Result<(), String> {
        if number.is_finite() {
            write_general(&mut self.out, number, self.settings.precision as usize);
            return Ok(());
        }
        match self.settings.encode_invalid {
            Invalid::Refuse => return Err(refuse(Kind::Number, "must not be NaN or Inf")),
            Invalid::Null => self.out.extend_from_slice(b"null"),
            Invalid::Write if number.is_nan() => self.out.extend_from_slice(b"nan"),
            Invalid::Write if number > 0.0 => self.out.extend_from_slice(b"inf"),
            Invalid::Write => self.out.extend_from_slice(b"-inf"),
        }
        Ok(())
    }

    fn write_string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        let mut plain = 0;
        for (at, &byte) in text.iter().enumerate() {
            let short = match byte {
                b'"' | b'\\' | b'/' => byte,
                0x08 => b'b',
                b'\t' => b't',
                b'\n' => b'n',
                0x0c => b'f',
                b'\r' => b'r',
                0..=0x1f | 0x7f => 0,
                _ => continue,
            };
            self.out.extend_from_slice(&text[plain..at]);
            plain = at + 1;
            self.out.push(b'\\');
            match short {
                0 => self.out.extend_from_slice(format!("u{byte:04x}").as_bytes()),
                short => self.out.push(short),
            }
        }
        self.out.extend_from_slice(&text[plain..]);
        self.out.push(b'"');
    }
}

fn refuse(kind: Kind, problem: &str) -> String {
    format!("Cannot serialise {}: {problem}", kind.name())
}
