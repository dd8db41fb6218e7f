//! Elements of packs: byte strings, and integers where a string spells one exactly.
//!
//! An element's first byte tells what it is and how long; the layout is that of the elements of Redis' listpacks, which is
//! hard to make smaller:
//!
//! ```text
//! 0iiiiiii                        an integer from 0 to 127
//! 10llllll | bytes                a string of up to 63 bytes
//! 110iiiii iiiiiiii               a signed integer of 13 bits, the high bits first
//! 1110llll llllllll | bytes       a string of up to 4095 bytes, the high bits first
//! 0xF0 | length 4 | bytes         any other string                   numbers from here on in little-endian order
//! 0xF1 | 2   0xF2 | 3   0xF3 | 4   0xF4 | 8       signed integers of so many bytes
//! ```
//!
//! In packs that are walked both ways each element is followed by its own length, in groups of seven bits that are read
//! from the end: every byte but the first of them has its top bit set.
//!
//! **Invariant:** an element has one representation only, the shortest. Two elements are equal if and only if their
//! bytes are, and no element is the beginning of another: a search compares bytes and parses nothing.

use super::string::{IntegerDigits, decimal_length, parse_integer};

const STRING_6_BITS: u8 = 0x80;
const INTEGER_13_BITS: u8 = 0xc0;
const STRING_12_BITS: u8 = 0xe0;
const STRING_32_BITS: u8 = 0xf0;
const INTEGER_16_BITS: u8 = 0xf1;
const INTEGER_24_BITS: u8 = 0xf2;
const INTEGER_32_BITS: u8 = 0xf3;
const INTEGER_64_BITS: u8 = 0xf4;

/// The most bytes that an element has before a string's own.
const MAX_HEAD_BYTES: usize = 9;
/// Longer texts spell no 64-bit integer.
const MAX_INTEGER_DIGITS: usize = 20;

/// How many bytes an element with this first byte has; 0 where more bytes tell.
pub(super) static ELEMENT_BYTES: [u8; 256] = element_bytes_by_first();

const fn element_bytes_by_first() -> [u8; 256] {
    let mut table = [0; 256];
    let mut first = 0;
    while first < 256 {
        table[first] = match first as u8 {
            0..STRING_6_BITS => 1,
            byte @ STRING_6_BITS..INTEGER_13_BITS => 1 + (byte - STRING_6_BITS),
            INTEGER_13_BITS..STRING_12_BITS => 2,
            INTEGER_16_BITS => 3,
            INTEGER_24_BITS => 4,
            INTEGER_32_BITS => 5,
            INTEGER_64_BITS => 9,
            _ => 0,
        };
        first += 1;
    }
    table
}

/// An element of a collection, as it is stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Element<'a> {
    /// A byte string that spells no integer.
    Bytes(&'a [u8]),
    /// A byte string that spells this integer.
    Integer(i64),
}

impl<'a> Element<'a> {
    /// The element that a byte string is.
    #[inline]
    pub fn of(bytes: &'a [u8]) -> Self {
        match integer_spelled(bytes) {
            Some(integer) => Self::Integer(integer),
            None => Self::Bytes(bytes),
        }
    }

    /// The byte string; an integer's digits are written to `digits`.
    #[inline]
    pub fn bytes<'b>(self, digits: &'b mut IntegerDigits) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Integer(integer) => digits.format(integer).as_bytes(),
        }
    }

    /// The byte string in a vector of its own.
    pub fn to_vec(self) -> Vec<u8> {
        self.bytes(&mut IntegerDigits::new()).to_vec()
    }

    /// The byte string's length.
    pub fn len(self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Integer(integer) => decimal_length(integer),
        }
    }

    /// Whether it is the empty string.
    pub fn is_empty(self) -> bool {
        self == Self::Bytes(b"")
    }

    /// Appends the element as Redis' listpacks have it: as an integer where it spells one, and with its length behind it.
    pub fn write_to_listpack(self, out: &mut Vec<u8>) {
        let encoded = match self {
            Self::Bytes(bytes) => Encoded::new(bytes),
            Self::Integer(integer) => Encoded::integer(integer),
        };
        encoded.append::<true>(out);
    }

    /// The element that begins a run of bytes from a listpack, and how many bytes it takes there; `None` where there is
    /// none. It may be longer than need be, as a string that spells an integer.
    pub fn read_from_listpack(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let (element, length) = decode(bytes)?;
        let end = length + back_length_bytes(length);
        let back = bytes.get(length..end)?;
        (read_back_length(back)? == (length, back.len())).then_some((element, end))
    }

    /// The integer that the byte string spells.
    pub fn as_integer(self) -> Option<i64> {
        match self {
            Self::Bytes(_) => None,
            Self::Integer(integer) => Some(integer),
        }
    }
}

impl PartialEq<[u8]> for Element<'_> {
    #[inline]
    fn eq(&self, other: &[u8]) -> bool {
        match *self {
            Self::Bytes(bytes) => bytes == other,
            Self::Integer(integer) => integer_spelled(other) == Some(integer),
        }
    }
}

#[inline]
fn integer_spelled(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > MAX_INTEGER_DIGITS {
        return None;
    }
    // Nearly all texts that are no integers begin like none.
    match bytes.first() {
        Some(b'-' | b'0'..=b'9') => parse_integer(bytes),
        _ => None,
    }
}

/// An element as it lies in a pack, but for its back length: what is searched for, and what is put in.
#[derive(Clone, Copy)]
pub(crate) struct Encoded<'a> {
    head: [u8; MAX_HEAD_BYTES],
    head_bytes: u8,
    /// A string's bytes; nothing for an integer, which is all in the head.
    body: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// A byte string, as an integer where it spells one.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self::from(Element::of(bytes))
    }

    /// An integer.
    #[inline]
    pub(crate) fn integer(integer: i64) -> Self {
        let number = integer.to_le_bytes();
        match integer {
            0..=0x7f => Self::with_head(&[number[0]], b""),
            -0x1000..=0xfff => Self::with_head(&[INTEGER_13_BITS | (number[1] & 0x1f), number[0]], b""),
            -0x8000..=0x7fff => Self::with_number(INTEGER_16_BITS, &number[..2], b""),
            -0x80_0000..=0x7f_ffff => Self::with_number(INTEGER_24_BITS, &number[..3], b""),
            -0x8000_0000..=0x7fff_ffff => Self::with_number(INTEGER_32_BITS, &number[..4], b""),
            _ => Self::with_number(INTEGER_64_BITS, &number, b""),
        }
    }

    /// A byte string that spells no integer.
    #[inline]
    fn string(bytes: &'a [u8]) -> Self {
        match bytes.len() {
            length @ 0..=0x3f => Self::with_head(&[STRING_6_BITS | length as u8], bytes),
            length @ 0x40..=0xfff => {
                Self::with_head(&[STRING_12_BITS | (length >> 8) as u8, length as u8], bytes)
            }
            length => {
                let length = u32::try_from(length).expect("strings are far shorter than 4 GiB");
                Self::with_number(STRING_32_BITS, &length.to_le_bytes(), bytes)
            }
        }
    }

    #[inline]
    fn with_number(first: u8, number: &[u8], body: &'a [u8]) -> Self {
        let mut head = [first; MAX_HEAD_BYTES];
        head[1..=number.len()].copy_from_slice(number);
        Self { head, head_bytes: 1 + number.len() as u8, body }
    }

    #[inline]
    fn with_head(bytes: &[u8], body: &'a [u8]) -> Self {
        let mut head = [0; MAX_HEAD_BYTES];
        head[..bytes.len()].copy_from_slice(bytes);
        Self { head, head_bytes: bytes.len() as u8, body }
    }

    #[inline]
    fn head(&self) -> &[u8] {
        &self.head[..usize::from(self.head_bytes)]
    }

    /// How long the element is, without a back length.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        usize::from(self.head_bytes) + self.body.len()
    }

    /// How long the element is in a pack of this kind.
    #[inline]
    pub(crate) fn len_in<const TWO_WAY: bool>(&self) -> usize {
        self.len() + if TWO_WAY { back_length_bytes(self.len()) } else { 0 }
    }

    /// The first byte, which tells most elements apart.
    #[inline]
    pub(super) fn first(&self) -> u8 {
        self.head[0]
    }

    /// Whether `bytes` begin with this element.
    #[inline]
    pub(super) fn begins(&self, bytes: &[u8]) -> bool {
        bytes.strip_prefix(self.head()).is_some_and(|rest| rest.starts_with(self.body))
    }

    /// Appends the element as it is in a pack of this kind, to a vector that grows as vectors do.
    pub(super) fn append<const TWO_WAY: bool>(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.len_in::<TWO_WAY>(), 0);
        self.write::<TWO_WAY>(&mut out[start..]);
    }

    /// Writes the element as it is in a pack of this kind.
    pub(super) fn write<const TWO_WAY: bool>(&self, out: &mut [u8]) {
        let (head, rest) = out.split_at_mut(usize::from(self.head_bytes));
        let (body, back) = rest.split_at_mut(self.body.len());
        head.copy_from_slice(self.head());
        body.copy_from_slice(self.body);
        if TWO_WAY {
            write_back_length(self.len(), back);
        }
    }
}

impl<'a> From<Element<'a>> for Encoded<'a> {
    #[inline]
    fn from(element: Element<'a>) -> Self {
        match element {
            Element::Bytes(bytes) => Self::string(bytes),
            Element::Integer(integer) => Self::integer(integer),
        }
    }
}

/// How many bytes the length of an element takes behind it. The limits are those of Redis' listpacks, odd as they are.
#[inline]
pub(super) fn back_length_bytes(length: usize) -> usize {
    match length {
        0..0x80 => 1,
        0x80..0x3fff => 2,
        0x3fff..0x1f_ffff => 3,
        0x1f_ffff..0xfff_ffff => 4,
        _ => 5,
    }
}

pub(super) fn write_back_length(length: usize, out: &mut [u8]) {
    let mut rest = length;
    for byte in out.iter_mut().rev() {
        *byte = 0x80 | (rest & 0x7f) as u8;
        rest >>= 7;
    }
    out[0] &= 0x7f;
}

/// The back length that ends a run of bytes, and how many bytes it takes.
pub(super) fn read_back_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for (at, &byte) in bytes.iter().rev().take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((length, at + 1));
        }
    }
    None
}

/// How many bytes the element that begins a run of bytes has, without a back length; `None` where its first byte begins
/// no element, or its length is cut off.
#[inline]
pub(super) fn element_bytes(bytes: &[u8]) -> Option<usize> {
    let first = *bytes.first()?;
    match ELEMENT_BYTES[usize::from(first)] {
        0 => match first {
            STRING_12_BITS..STRING_32_BITS => {
                Some(2 + (usize::from(first & 0xf) << 8 | usize::from(*bytes.get(1)?)))
            }
            STRING_32_BITS => {
                let length = u32::from_le_bytes(bytes.get(1..5)?.try_into().ok()?);
                Some(5 + usize::try_from(length).ok()?)
            }
            _ => None,
        },
        bytes => Some(usize::from(bytes)),
    }
}

/// The element that begins a run of bytes, and how many bytes it has, without a back length.
#[inline]
pub(super) fn decode(bytes: &[u8]) -> Option<(Element<'_>, usize)> {
    let whole_bytes = element_bytes(bytes)?;
    let whole = bytes.get(..whole_bytes)?;
    let element = match whole[0] {
        first @ 0..STRING_6_BITS => Element::Integer(i64::from(first)),
        STRING_6_BITS..INTEGER_13_BITS => Element::Bytes(&whole[1..]),
        first @ INTEGER_13_BITS..STRING_12_BITS => {
            // Shifted to the top and back, so that the sign spreads.
            let number = i16::from_be_bytes([first << 3 | whole[1] >> 5, whole[1] << 3]);
            Element::Integer(i64::from(number >> 3))
        }
        STRING_12_BITS..STRING_32_BITS => Element::Bytes(&whole[2..]),
        STRING_32_BITS => Element::Bytes(&whole[5..]),
        _ => {
            let number = &whole[1..];
            let is_negative = number[number.len() - 1] & 0x80 != 0;
            let mut wide = [if is_negative { 0xff } else { 0 }; 8];
            wide[..number.len()].copy_from_slice(number);
            Element::Integer(i64::from_le_bytes(wide))
        }
    };
    Some((element, whole_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_equal_what_they_spell() {
        assert!(Element::Integer(-7) == b"-7"[..] && Element::Integer(7) != b"07"[..]);
        assert!(Element::Bytes(b"07") == b"07"[..] && Element::Bytes(b"x") != b"7"[..]);
        assert_eq!([Element::of(b"-120").len(), Element::of(b"abc").len()], [4, 3]);
    }
}
