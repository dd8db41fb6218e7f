//! A command as its arguments.

use std::fmt;

use rand::Rng;
use rand::rngs::StdRng;

/// How many bytes of an argument are shown.
const SHOWN_BYTES: usize = 60;

/// One command. Shows as words, long arguments cut.
#[derive(Clone, PartialEq, Eq)]
pub struct Request(pub Vec<Vec<u8>>);

impl Request {
    /// A command without arguments.
    pub fn new(name: &str) -> Self {
        Self(vec![name.as_bytes().to_vec()])
    }

    /// The same with one more argument.
    pub fn arg(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.0.push(argument.into());
        self
    }

    /// The same with a number as one more argument.
    pub fn number(self, number: impl fmt::Display) -> Self {
        self.arg(number.to_string())
    }

    /// The same with more arguments.
    pub fn args<T: Into<Vec<u8>>>(self, arguments: impl IntoIterator<Item = T>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// The same with `word` as one more argument, in one of `of` cases.
    pub fn maybe(self, rng: &mut StdRng, of: u32, word: &str) -> Self {
        if rng.random_ratio(1, of) { self.arg(word) } else { self }
    }

    /// The command's name in upper case.
    pub fn name(&self) -> String {
        self.upper(0)
    }

    /// An argument in upper case; empty if there is none.
    pub fn upper(&self, index: usize) -> String {
        self.0.get(index).map(|word| String::from_utf8_lossy(word).to_uppercase()).unwrap_or_default()
    }

    /// Whether any argument after the name is also one of `other`'s.
    pub fn shares_argument(&self, other: &Request) -> bool {
        self.0.iter().skip(1).any(|argument| other.0[1..].contains(argument))
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, argument) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { " " };
            let shown = &argument[..argument.len().min(SHOWN_BYTES)];
            let is_plain = !argument.is_empty() && shown.iter().all(u8::is_ascii_graphic);
            let quote = if is_plain { "" } else { "\"" };
            write!(f, "{separator}{quote}{}", shown.escape_ascii())?;
            if shown.len() < argument.len() {
                write!(f, "...[{} bytes]", argument.len())?;
            }
            f.write_str(quote)?;
        }
        Ok(())
    }
}
