//! The `struct` table: numbers and strings as C lays them out.

use super::lua::{Raised, Stack};
use super::sandbox::add_natives;

/// An integer may be this many bytes long at most.
const INTEGER_BYTES_MAX: usize = 32;
/// What `!` alone aligns to.
const NATIVE_ALIGNMENT: usize = 8;

/// Pushes the module.
pub(super) fn push_module(stack: &mut Stack<'_>) {
    stack.push_table(0, 3);
    add_natives(stack, &[("pack", pack), ("unpack", unpack), ("size", size)]);
}

/// A format, as far as it has been read.
struct Format {
    text: Vec<u8>,
    at: usize,
    is_little: bool,
    alignment: usize,
}

/// One item of a format.
#[derive(Clone, Copy)]
struct Item {
    option: u8,
    bytes: usize,
}

impl Format {
    fn of_first_argument(stack: &mut Stack<'_>) -> Result<Self, Raised> {
        let Some(text) = stack.as_bytes(1) else { return Err(stack.raise_type(1, "string")) };
        // It is a string of C: it ends at its first zero.
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default().to_vec();
        Ok(Self { text, at: 0, is_little: cfg!(target_endian = "little"), alignment: 1 })
    }

    fn next(&mut self, stack: &mut Stack<'_>) -> Result<Option<Item>, Raised> {
        let Some(&option) = self.text.get(self.at) else { return Ok(None) };
        self.at += 1;
        let bytes = match option {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'L' | b'l' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number(stack, 1)?,
            b'i' | b'I' => {
                let bytes = self.number(stack, 4)?;
                if bytes > INTEGER_BYTES_MAX {
                    let text = format!("integral size {bytes} is larger than limit of {INTEGER_BYTES_MAX}");
                    return Err(stack.raise(text));
                }
                bytes
            }
            _ => 0,
        };
        Ok(Some(Item { option, bytes }))
    }

    fn number(&mut self, stack: &mut Stack<'_>, default: usize) -> Result<usize, Raised> {
        let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(default);
        }
        let text = &self.text[self.at..self.at + digits];
        self.at += digits;
        let number = text
            .iter()
            .try_fold(0i32, |sum, digit| sum.checked_mul(10)?.checked_add(i32::from(digit - b'0')));
        number.map(|number| number as usize).ok_or_else(|| stack.raise("integral size overflow"))
    }

    /// How many bytes of padding come before an item at `position`.
    fn padding(&self, position: usize, item: Item) -> usize {
        if item.bytes == 0 || item.option == b'c' {
            return 0;
        }
        let alignment = item.bytes.min(self.alignment);
        alignment.wrapping_sub(position & (alignment - 1)) & (alignment - 1)
    }

    /// An option that is no item.
    fn control(&mut self, stack: &mut Stack<'_>, option: u8) -> Result<(), Raised> {
        match option {
            b' ' => {}
            b'>' => self.is_little = false,
            b'<' => self.is_little = true,
            b'!' => {
                let alignment = self.number(stack, NATIVE_ALIGNMENT)?;
                if !alignment.is_power_of_two() {
                    return Err(stack.raise(format!("alignment {alignment} is not a power of 2")));
                }
                self.alignment = alignment;
            }
            _ => {
                let problem = format!("invalid format option '{}'", char::from(option));
                return Err(stack.raise_argument(1, &problem));
            }
        }
        Ok(())
    }
}

fn number(stack: &mut Stack<'_>, at: i32) -> Result<f64, Raised> {
    match stack.as_number(at) {
        Some(number) => Ok(number),
        None => Err(stack.raise_type(at, "number")),
    }
}

fn pack(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    let mut format = Format::of_first_argument(stack)?;
    let mut out = Vec::new();
    let mut argument = 2;
    // What is missing is nil, as messages say.
    stack.push_nil();
    while let Some(item) = format.next(stack)? {
        out.resize(out.len() + format.padding(out.len(), item), 0);
        match item.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let value = number(stack, argument)?;
                let value = if value < 0.0 { value as i64 as u64 } else { value as u64 };
                push_integer(&mut out, value, item.bytes, format.is_little);
                argument += 1;
            }
            b'x' => out.push(0),
            b'f' => {
                let value = number(stack, argument)? as f32;
                out.extend_from_slice(&if format.is_little {
                    value.to_le_bytes()
                } else {
                    value.to_be_bytes()
                });
                argument += 1;
            }
            b'd' => {
                let value = number(stack, argument)?;
                out.extend_from_slice(&if format.is_little {
                    value.to_le_bytes()
                } else {
                    value.to_be_bytes()
                });
                argument += 1;
            }
            b'c' | b's' => {
                let Some(text) = stack.as_bytes(argument) else {
                    return Err(stack.raise_type(argument, "string"));
                };
                argument += 1;
                let bytes = if item.bytes == 0 { text.len() } else { item.bytes };
                match text.get(..bytes) {
                    Some(text) => out.extend_from_slice(text),
                    None => return Err(stack.raise_argument(argument, "string too short")),
                }
                if item.option == b's' {
                    out.push(0);
                }
            }
            option => format.control(stack, option)?,
        }
    }
    stack.push_bytes(&out);
    Ok(1)
}

fn push_integer(out: &mut Vec<u8>, value: u64, bytes: usize, is_little: bool) {
    let start = out.len();
    out.extend((0..bytes).map(|index| if index < 8 { (value >> (8 * index)) as u8 } else { 0 }));
    if !is_little {
        out[start..].reverse();
    }
}

fn read_integer(bytes: &[u8], is_little: bool, is_signed: bool) -> f64 {
    let shift_in = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    let value = match is_little {
        true => bytes.iter().rev().fold(0, shift_in),
        false => bytes.iter().fold(0, shift_in),
    };
    if !is_signed || bytes.is_empty() {
        return value as f64;
    }
    let unused_bits = 64 - 8 * bytes.len().min(8) as u32;
    ((value << unused_bits) as i64 >> unused_bits) as f64
}

fn unpack(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    let mut format = Format::of_first_argument(stack)?;
    let Some(data) = stack.as_bytes(2) else { return Err(stack.raise_type(2, "string")) };
    let data = data.to_vec();
    let start = if stack.top() < 3 { 1.0 } else { number(stack, 3)?.trunc() };
    if start < 1.0 {
        return Err(stack.raise_argument(3, "offset must be 1 or greater"));
    }
    let mut position = start as usize - 1;
    let mut results = 0;
    while let Some(mut item) = format.next(stack)? {
        position = position.saturating_add(format.padding(position, item));
        if position.checked_add(item.bytes).is_none_or(|end| end > data.len()) {
            return Err(stack.raise_argument(2, "data string too short"));
        }
        if !stack.has_room(2) {
            return Err(stack.raise("stack overflow (too many results)"));
        }
        let bytes = &data[position..position + item.bytes];
        match item.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                stack.push_number(read_integer(bytes, format.is_little, item.option.is_ascii_lowercase()));
            }
            b'x' => results -= 1,
            b'f' => {
                let bytes = <[u8; 4]>::try_from(bytes).expect("four bytes");
                let value =
                    if format.is_little { f32::from_le_bytes(bytes) } else { f32::from_be_bytes(bytes) };
                stack.push_number(f64::from(value));
            }
            b'd' => {
                let bytes = <[u8; 8]>::try_from(bytes).expect("eight bytes");
                let value =
                    if format.is_little { f64::from_le_bytes(bytes) } else { f64::from_be_bytes(bytes) };
                stack.push_number(value);
            }
            b'c' => {
                if item.bytes == 0 {
                    let Some(length) = stack.as_number(-1).filter(|_| results > 0) else {
                        return Err(stack.raise("format 'c0' needs a previous size"));
                    };
                    stack.pop(1);
                    results -= 1;
                    item.bytes = length as usize;
                    if length < 0.0 || position.checked_add(item.bytes).is_none_or(|end| end > data.len()) {
                        return Err(stack.raise_argument(2, "data string too short"));
                    }
                }
                stack.push_bytes(&data[position..position + item.bytes]);
            }
            b's' => {
                let Some(length) = data[position..].iter().position(|&byte| byte == 0) else {
                    return Err(stack.raise("unfinished string in data"));
                };
                stack.push_bytes(&data[position..position + length]);
                item.bytes = length + 1;
            }
            option => {
                format.control(stack, option)?;
                results -= 1;
            }
        }
        results += 1;
        position += item.bytes;
    }
    stack.push_number(position as f64 + 1.0);
    Ok(results + 1)
}

fn size(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    let mut format = Format::of_first_argument(stack)?;
    let mut position = 0usize;
    while let Some(item) = format.next(stack)? {
        position = position.saturating_add(format.padding(position, item));
        match item.option {
            b's' => return Err(stack.raise_argument(1, "option 's' has no fixed size")),
            b'c' if item.bytes == 0 => {
                return Err(stack.raise_argument(1, "option 'c0' has no fixed size"));
            }
            option if !option.is_ascii_alphanumeric() => format.control(stack, option)?,
            _ => {}
        }
        position = position.saturating_add(item.bytes);
    }
    stack.push_number(position as f64);
    Ok(1)
}
