//! Values in DRAM: one file per type, and the codec that turns any of them into a record's payload.

mod codec;
mod string;

pub use codec::{CodecError, decode, encode};
pub use string::{IntegerDigits, StringValue};

/// Redis' value types, numbered as on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum ValueType {
    /// Byte strings, integers and bitmaps.
    String = 0,
    /// Reserved for lists.
    List = 1,
    /// Reserved for sets.
    Set = 2,
    /// Reserved for sorted sets.
    SortedSet = 3,
    /// Reserved for hashes.
    Hash = 4,
    /// Reserved for streams.
    Stream = 6,
}

impl ValueType {
    /// The name that `TYPE` replies.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "zset",
            Self::Hash => "hash",
            Self::Stream => "stream",
        }
    }

    /// The type with this number, as stored in an index entry.
    ///
    /// # Panics
    /// If no type has it.
    pub(crate) fn from_bits(bits: u8) -> Self {
        Self::from_number(bits).expect("an index entry holds a valid type")
    }

    /// The type with this number on disk.
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::String,
            1 => Self::List,
            2 => Self::Set,
            3 => Self::SortedSet,
            4 => Self::Hash,
            6 => Self::Stream,
            _ => return None,
        })
    }
}

/// How a value is represented, as `OBJECT ENCODING` tells it. The number fits three bits and is unique
/// within a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// A string that is a 64-bit integer.
    Int = 0,
    /// A string of at most 44 bytes that was set as a whole.
    EmbStr = 1,
    /// Any other string.
    Raw = 2,
}

impl Encoding {
    /// The name that `OBJECT ENCODING` replies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::EmbStr => "embstr",
            Self::Raw => "raw",
        }
    }

    pub(crate) fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Int,
            1 => Self::EmbStr,
            2 => Self::Raw,
            _ => panic!("an index entry holds a valid encoding"),
        }
    }
}

/// A value in DRAM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// See [`StringValue`].
    String(StringValue),
}

// Each resident value pays for this size.
const _: () = assert!(size_of::<Value>() == 24);

impl Value {
    /// The value's type.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::String(_) => ValueType::String,
        }
    }

    /// The value's representation.
    pub fn encoding(&self) -> Encoding {
        match self {
            Self::String(string) => string.encoding(),
        }
    }

    /// Bytes of a string, members of a collection: what STRLEN and its kin reply, kept in the index.
    pub fn length(&self) -> usize {
        match self {
            Self::String(string) => string.len(),
        }
    }

    /// Heap memory behind the value in bytes, rounded up as the allocator does.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::String(string) => string.heap_bytes(),
        }
    }

    /// The memory on the heap that reading the value touches first.
    pub(crate) fn heap_start(&self) -> Option<&[u8]> {
        match self {
            Self::String(string) => string.heap_start(),
        }
    }

    /// The string, where this is one.
    pub fn as_string(&self) -> Option<&StringValue> {
        match self {
            Self::String(string) => Some(string),
        }
    }

    /// The string for changing, where this is one.
    pub fn as_string_mut(&mut self) -> Option<&mut StringValue> {
        match self {
            Self::String(string) => Some(string),
        }
    }
}

impl From<StringValue> for Value {
    fn from(string: StringValue) -> Self {
        Self::String(string)
    }
}

/// What the allocator (jemalloc) takes for a request of `bytes` bytes.
///
/// Its size classes are 8, then multiples of 16 up to 128, then four to each doubling.
pub fn allocation_bytes(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=8 => 8,
        9..=128 => bytes.next_multiple_of(16),
        _ => {
            let step = (bytes - 1).ilog2() - 2;
            bytes.next_multiple_of(1 << step)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocation_classes_are_those_of_jemalloc() {
        for (request, class) in [
            (1, 8),
            (8, 8),
            (9, 16),
            (100, 112),
            (128, 128),
            (129, 160),
            (160, 160),
            (161, 192),
            (257, 320),
            (1000, 1024),
            (1024, 1024),
            (1025, 1280),
            (4096, 4096),
            (4097, 5120),
            (1 << 20, 1 << 20),
        ] {
            assert_eq!(allocation_bytes(request), class, "{request}");
        }
    }
}
