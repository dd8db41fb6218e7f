//! Strings: integers, short strings in place, longer ones on the heap.
//!
//! The representation follows Redis' so that `OBJECT ENCODING` does: a string set as a whole is an integer
//! where it spells one, else embedded up to 44 bytes; a string changed in place is raw from then on.

use super::{Encoding, allocation_bytes};

/// Redis embeds strings up to this length in their object.
const EMBEDDED_BYTES: usize = 44;
/// Strings up to this length need no heap memory here.
const INLINE_BYTES: usize = 22;

/// Scratch space for an integer's digits.
pub type IntegerDigits = itoa::Buffer;

/// A string value.
#[derive(Clone, PartialEq, Eq)]
pub struct StringValue(Form);

#[derive(Clone, PartialEq, Eq)]
enum Form {
    Int(i64),
    Inline { length: u8, bytes: [u8; INLINE_BYTES] },
    Embedded(Box<[u8]>),
    Raw(Box<[u8]>),
}

impl StringValue {
    /// The string as `SET` stores it: an integer where it spells one exactly.
    pub fn encoded(bytes: &[u8]) -> Self {
        match parse_integer(bytes) {
            Some(integer) => Self::integer(integer),
            None => Self::plain(bytes),
        }
    }

    /// The bytes, where they are on the heap.
    pub(crate) fn heap_start(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Int(_) | Form::Inline { .. } => None,
            Form::Embedded(bytes) | Form::Raw(bytes) => Some(bytes),
        }
    }

    pub(crate) fn payload_bytes(&self) -> usize {
        match self.0 {
            Form::Int(_) => size_of::<i64>(),
            _ => self.len(),
        }
    }

    /// An integer.
    pub fn integer(integer: i64) -> Self {
        Self(Form::Int(integer))
    }

    /// The string as it is, even where it spells an integer.
    pub fn plain(bytes: &[u8]) -> Self {
        Self(match bytes.len() {
            length @ 0..=INLINE_BYTES => {
                let mut inline = [0; INLINE_BYTES];
                inline[..length].copy_from_slice(bytes);
                Form::Inline { length: length as u8, bytes: inline }
            }
            ..=EMBEDDED_BYTES => Form::Embedded(bytes.into()),
            _ => Form::Raw(bytes.into()),
        })
    }

    /// A string that counts as changed in place, whatever its length.
    pub fn raw(bytes: Vec<u8>) -> Self {
        Self(Form::Raw(bytes.into_boxed_slice()))
    }

    /// How `OBJECT ENCODING` names the representation.
    pub fn encoding(&self) -> Encoding {
        match self.0 {
            Form::Int(_) => Encoding::Int,
            Form::Inline { .. } | Form::Embedded(_) => Encoding::EmbStr,
            Form::Raw(_) => Encoding::Raw,
        }
    }

    /// The string's bytes; an integer's digits are written to `digits`.
    #[inline]
    pub fn bytes<'a>(&'a self, digits: &'a mut IntegerDigits) -> &'a [u8] {
        match &self.0 {
            Form::Int(integer) => digits.format(*integer).as_bytes(),
            Form::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Form::Embedded(bytes) | Form::Raw(bytes) => bytes,
        }
    }

    /// The string's bytes in a vector of their own.
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes(&mut IntegerDigits::new()).to_vec()
    }

    /// The string's length in bytes.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Int(integer) => decimal_length(*integer),
            Form::Inline { length, .. } => usize::from(*length),
            Form::Embedded(bytes) | Form::Raw(bytes) => bytes.len(),
        }
    }

    /// Whether the string is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The integer that the string is, or spells exactly as `INCR` wants it: no sign but `-`, no spaces,
    /// no leading zeros, within 64 bits.
    pub fn as_integer(&self) -> Option<i64> {
        match &self.0 {
            Form::Int(integer) => Some(*integer),
            Form::Inline { length, bytes } => parse_integer(&bytes[..usize::from(*length)]),
            Form::Embedded(bytes) | Form::Raw(bytes) => parse_integer(bytes),
        }
    }

    /// Changes the bytes in place. The string is raw afterwards, as in Redis after `APPEND` or `SETRANGE`.
    ///
    /// A heap string's memory is handed to `edit` as a vector without spare capacity; `edit` should grow it
    /// with `reserve_exact`, so that nothing is left over.
    pub fn edit<T>(&mut self, edit: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let mut bytes = match &mut self.0 {
            Form::Embedded(bytes) | Form::Raw(bytes) => std::mem::take(bytes).into_vec(),
            _ => self.to_vec(),
        };
        let result = edit(&mut bytes);
        self.0 = Form::Raw(bytes.into_boxed_slice());
        result
    }

    /// Heap memory behind the string in bytes, rounded up as the allocator does.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Int(_) | Form::Inline { .. } => 0,
            Form::Embedded(bytes) | Form::Raw(bytes) => allocation_bytes(bytes.len()),
        }
    }
}

impl std::fmt::Debug for StringValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({})", self.encoding().name(), self.bytes(&mut IntegerDigits::new()).escape_ascii())
    }
}

/// The 64-bit integer that `bytes` spell exactly as it would be printed.
pub(super) fn parse_integer(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut magnitude: u64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // Nineteen digits are below 10^19, which fits 64 bits unsigned.
        magnitude = magnitude * 10 + u64::from(digit - b'0');
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// How many bytes an integer's digits and sign are.
pub(super) fn decimal_length(integer: i64) -> usize {
    let digits = integer.unsigned_abs().checked_ilog10().map_or(1, |log| log as usize + 1);
    digits + usize::from(integer < 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_integers_are_integers() {
        for text in ["0", "-1", "9223372036854775807", "-9223372036854775808", "10"] {
            let string = StringValue::encoded(text.as_bytes());
            assert_eq!(string.encoding(), Encoding::Int, "{text}");
            assert_eq!(string.to_vec(), text.as_bytes());
            assert_eq!(string.len(), text.len());
        }
        for text in
            ["", "-", "-0", "01", "+1", " 1", "1 ", "9223372036854775808", "-9223372036854775809", "1e3"]
        {
            let string = StringValue::encoded(text.as_bytes());
            assert_eq!(string.encoding(), Encoding::EmbStr, "{text}");
            assert_eq!(string.as_integer(), None, "{text}");
        }
    }

    #[test]
    fn lengths_choose_the_representation() {
        for length in 0..200 {
            let string = StringValue::plain(&vec![b'x'; length]);
            assert_eq!(string.len(), length);
            let expected = if length <= 44 { Encoding::EmbStr } else { Encoding::Raw };
            assert_eq!(string.encoding(), expected);
        }
    }

    #[test]
    fn an_edited_string_is_raw() {
        let mut string = StringValue::encoded(b"12");
        string.edit(|bytes| bytes.extend_from_slice(b"3"));
        assert_eq!(string.encoding(), Encoding::Raw);
        assert_eq!(string.as_integer(), Some(123));
    }
}
