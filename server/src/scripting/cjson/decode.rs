//! From JSON to values.

use super::number::read_number;
use super::{NULL, Settings, only_argument, settings};
use crate::scripting::lua::stack::TABLE_SIZE_MAX;
use crate::scripting::lua::{Raised, Stack};

/// What decoding may need of the stack at one level.
const ROOM_PER_LEVEL: i32 = 6;

pub(super) fn decode(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    only_argument(stack)?;
    let Some(text) = stack.as_bytes(1) else { return Err(stack.raise_type(1, "string")) };
    let text = text.to_vec();
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(stack.raise("JSON parser does not support UTF-16 or UTF-32"));
    }
    let settings = settings(stack);
    let mut decoder = Decoder { text: &text, at: 0, depth: 0, settings };
    match decoder.push_document(stack) {
        Ok(()) => Ok(1),
        Err(problem) => Err(stack.raise(problem)),
    }
}

enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl Token {
    /// As messages call it.
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::String(_) => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Error(problem) => problem,
        }
    }
}

/// A token, and where it or what is wrong with it begins.
struct Found {
    token: Token,
    index: usize,
}

impl Found {
    fn unexpected(&self, expected: &str) -> String {
        format!("Expected {expected} but found {} at character {}", self.token.name(), self.index + 1)
    }
}

struct Decoder<'t> {
    text: &'t [u8],
    at: usize,
    depth: i32,
    settings: Settings,
}

impl Decoder<'_> {
    fn push_document(&mut self, stack: &mut Stack<'_>) -> Result<(), String> {
        let found = self.next();
        self.push_value(stack, found)?;
        match self.next() {
            Found { token: Token::End, .. } => Ok(()),
            other => Err(other.unexpected("the end")),
        }
    }

    fn push_value(&mut self, stack: &mut Stack<'_>, found: Found) -> Result<(), String> {
        match found.token {
            Token::String(text) => stack.push_bytes(&text),
            Token::Number(number) => stack.push_number(number),
            Token::Boolean(value) => stack.push_boolean(value),
            Token::Null => stack.push_pointer(NULL),
            Token::ObjectBegin => self.push_object(stack)?,
            Token::ArrayBegin => self.push_array(stack)?,
            _ => return Err(found.unexpected("value")),
        }
        Ok(())
    }

    fn descend(&mut self, stack: &mut Stack<'_>) -> Result<(), String> {
        self.depth += 1;
        match self.depth <= self.settings.decode_depth_max && stack.has_room(ROOM_PER_LEVEL) {
            true => Ok(()),
            false => {
                let (depth, at) = (self.depth, self.at);
                Err(format!("Found too many nested data structures ({depth}) at character {at}"))
            }
        }
    }

    fn push_object(&mut self, stack: &mut Stack<'_>) -> Result<(), String> {
        self.descend(stack)?;
        stack.push_table(0, 0);
        let mut found = self.next();
        if matches!(found.token, Token::ObjectEnd) {
            self.depth -= 1;
            return Ok(());
        }
        for _ in 0..TABLE_SIZE_MAX {
            match &found.token {
                Token::String(key) => stack.push_bytes(key),
                _ => return Err(found.unexpected("object key string")),
            }
            let colon = self.next();
            if !matches!(colon.token, Token::Colon) {
                return Err(colon.unexpected("colon"));
            }
            let value = self.next();
            self.push_value(stack, value)?;
            stack.raw_set(-3);
            match self.next() {
                Found { token: Token::ObjectEnd, .. } => {
                    self.depth -= 1;
                    return Ok(());
                }
                Found { token: Token::Comma, .. } => found = self.next(),
                other => return Err(other.unexpected("comma or object end")),
            }
        }
        Err("table overflow".to_owned())
    }

    fn push_array(&mut self, stack: &mut Stack<'_>) -> Result<(), String> {
        self.descend(stack)?;
        stack.push_table(0, 0);
        let mut found = self.next();
        if matches!(found.token, Token::ArrayEnd) {
            self.depth -= 1;
            return Ok(());
        }
        for index in 1..=TABLE_SIZE_MAX {
            self.push_value(stack, found)?;
            stack.raw_set_index(-2, index as i32);
            match self.next() {
                Found { token: Token::ArrayEnd, .. } => {
                    self.depth -= 1;
                    return Ok(());
                }
                Found { token: Token::Comma, .. } => found = self.next(),
                other => return Err(other.unexpected("comma or array end")),
            }
        }
        Err("table overflow".to_owned())
    }

    /// The byte at `at`; 0 behind the end, which is taken for the end wherever it is.
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    fn next(&mut self) -> Found {
        while matches!(self.byte(self.at), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let index = self.at;
        let token = match self.byte(index) {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b':' => Token::Colon,
            b',' => Token::Comma,
            0 => return Found { token: Token::End, index },
            b'"' => return self.next_string(),
            b'-' | b'0'..=b'9' if !self.settings.decode_invalid && self.is_invalid_number() => {
                return Found { token: Token::Error("invalid number"), index };
            }
            b'-' | b'0'..=b'9' => return self.next_number(),
            _ => return self.next_word(),
        };
        self.at += 1;
        Found { token, index }
    }

    fn next_word(&mut self) -> Found {
        let index = self.at;
        let rest = &self.text[index..];
        for (word, token) in
            [("true", Token::Boolean(true)), ("false", Token::Boolean(false)), ("null", Token::Null)]
        {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Found { token, index };
            }
        }
        let may_be_number = matches!(rest[0], b'i' | b'I' | b'n' | b'N' | b'+');
        if self.settings.decode_invalid && may_be_number && self.is_invalid_number() {
            return self.next_number();
        }
        Found { token: Token::Error("invalid token"), index }
    }

    /// Whether what follows is a number that JSON does not have.
    fn is_invalid_number(&self) -> bool {
        let mut at = self.at;
        if self.byte(at) == b'+' {
            return true;
        }
        if self.byte(at) == b'-' {
            at += 1;
        }
        let rest = self.text.get(at..at + 3).unwrap_or_default();
        match self.byte(at) {
            b'0' => matches!(self.byte(at + 1), b'x' | b'X' | b'0'..=b'9'),
            0..=b'9' => false,
            _ => rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"nan"),
        }
    }

    fn next_number(&mut self) -> Found {
        let index = self.at;
        match read_number(&self.text[index..]) {
            Some((number, length)) => {
                self.at += length;
                Found { token: Token::Number(number), index }
            }
            None => Found { token: Token::Error("invalid number"), index },
        }
    }

    fn next_string(&mut self) -> Found {
        let index = self.at;
        self.at += 1;
        let mut text = Vec::new();
        let problem = loop {
            match self.byte(self.at) {
                b'"' => {
                    self.at += 1;
                    return Found { token: Token::String(text), index };
                }
                0 => break "unexpected end of string",
                b'\\' => match self.escaped() {
                    Some(Escaped::Byte(byte)) => {
                        text.push(byte);
                        self.at += 2;
                    }
                    Some(Escaped::Unicode) => match self.unicode_escape() {
                        Some((character, length)) => {
                            text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                            self.at += length;
                        }
                        None => break "invalid unicode escape code",
                    },
                    None => break "invalid escape code",
                },
                byte => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        };
        Found { token: Token::Error(problem), index: self.at }
    }

    fn escaped(&self) -> Option<Escaped> {
        Some(match self.byte(self.at + 1) {
            byte @ (b'"' | b'\\' | b'/') => Escaped::Byte(byte),
            b'b' => Escaped::Byte(0x08),
            b't' => Escaped::Byte(b'\t'),
            b'n' => Escaped::Byte(b'\n'),
            b'f' => Escaped::Byte(0x0c),
            b'r' => Escaped::Byte(b'\r'),
            b'u' => Escaped::Unicode,
            _ => return None,
        })
    }

    /// The character of `\u` and four digits, or of two of them that are surrogates, and how long that is.
    fn unicode_escape(&self) -> Option<(char, usize)> {
        let first = self.hexadecimal(self.at + 2)?;
        if first & 0xf800 != 0xd800 {
            return Some((char::from_u32(first)?, 6));
        }
        let has_second =
            first & 0x400 == 0 && self.byte(self.at + 6) == b'\\' && self.byte(self.at + 7) == b'u';
        let second = self.hexadecimal(self.at + 8).filter(|_| has_second)?;
        if second & 0xfc00 != 0xdc00 {
            return None;
        }
        Some((char::from_u32(0x1_0000 + ((first & 0x3ff) << 10 | (second & 0x3ff)))?, 12))
    }

    fn hexadecimal(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        digits.iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
    }
}

enum Escaped {
    Byte(u8),
    Unicode,
}
