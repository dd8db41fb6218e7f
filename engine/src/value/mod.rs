//! Values in DRAM: one file per type, and the codec that turns any of them into a record's payload.

mod codec;
mod counted_pack;
mod element;
mod hash;
mod list;
mod member;
mod member_hash;
mod member_table;
mod pack;
mod set;
mod sorted_set;
pub mod stream;
mod string;

pub(crate) use codec::encode_piece;
pub use codec::{CodecError, decode, encode};
pub use element::Element;
pub use hash::{HashValue, PackLimits};
pub use list::{ListBackward, ListEnd, ListForward, ListLimits, ListValue};
pub(crate) use member::element_hash;
pub(crate) use member_hash::{member_hash, seed_member_hash};
pub use set::{SetLimits, SetValue};
pub use sorted_set::{LexBound, LexRange, Members, ScoreRange, SortedSetValue};
pub use stream::StreamValue;
pub use string::{IntegerDigits, StringValue};

use crate::time::UnixMillis;

/// Redis' value types, numbered as on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum ValueType {
    /// Byte strings, integers and bitmaps.
    String = 0,
    /// Sequences of byte strings, cheap at both ends.
    List = 1,
    /// Unordered byte strings, each once.
    Set = 2,
    /// Byte strings in the order of their scores.
    SortedSet = 3,
    /// Fields with values.
    Hash = 4,
    /// Append-only entries with consumer groups.
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

/// How a value is represented, as `OBJECT ENCODING` tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Encoding {
    /// A string that is a 64-bit integer.
    Int,
    /// A string of at most 44 bytes that was set as a whole.
    EmbStr,
    /// Any other string.
    Raw,
    /// A small collection whose elements lie back to back.
    ListPack,
    /// A list of several such packs.
    QuickList,
    /// A small set of integers.
    IntSet,
    /// A hash or set that is looked up by hashes.
    HashTable,
    /// A small hash, some of whose fields expire.
    ListPackEx,
    /// A hash that is looked up by hashes, some of whose fields expire.
    HashTableEx,
    /// A sorted set that is a tree.
    SkipList,
    /// A stream.
    Stream,
}

impl Encoding {
    /// The name that `OBJECT ENCODING` replies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::EmbStr => "embstr",
            Self::Raw => "raw",
            Self::ListPack => "listpack",
            Self::QuickList => "quicklist",
            Self::IntSet => "intset",
            // Redis has one name for both.
            Self::HashTable | Self::HashTableEx => "hashtable",
            Self::ListPackEx => "listpackex",
            Self::SkipList => "skiplist",
            Self::Stream => "stream",
        }
    }

    /// The encoding's number, in an index entry and on disk: unique within a type, and it fits three bits.
    pub fn number(self) -> u8 {
        match self {
            Self::Int | Self::ListPack | Self::Stream => 0,
            Self::EmbStr | Self::QuickList | Self::SkipList | Self::HashTable => 1,
            Self::Raw | Self::IntSet | Self::ListPackEx => 2,
            Self::HashTableEx => 3,
        }
    }

    /// The encoding of a type that has this number.
    pub fn from_number(value_type: ValueType, number: u8) -> Option<Self> {
        Some(match (value_type, number) {
            (ValueType::String, 0) => Self::Int,
            (ValueType::String, 1) => Self::EmbStr,
            (ValueType::String, 2) => Self::Raw,
            (ValueType::List | ValueType::Set | ValueType::SortedSet | ValueType::Hash, 0) => Self::ListPack,
            (ValueType::List, 1) => Self::QuickList,
            (ValueType::Set | ValueType::Hash, 1) => Self::HashTable,
            (ValueType::SortedSet, 1) => Self::SkipList,
            (ValueType::Set, 2) => Self::IntSet,
            (ValueType::Hash, 2) => Self::ListPackEx,
            (ValueType::Hash, 3) => Self::HashTableEx,
            (ValueType::Stream, 0) => Self::Stream,
            _ => return None,
        })
    }
}

/// A value in DRAM.
///
/// A collection that has become empty must be removed with its key: the index holds none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// See [`StringValue`].
    String(StringValue),
    /// See [`ListValue`].
    List(ListValue),
    /// See [`SetValue`].
    Set(SetValue),
    /// See [`SortedSetValue`].
    SortedSet(SortedSetValue),
    /// See [`HashValue`].
    Hash(HashValue),
    /// See [`StreamValue`].
    Stream(StreamValue),
}

// Each resident value pays for this size.
const _: () = assert!(size_of::<Value>() == 24);

/// A collection of so many bytes takes some ten microseconds to drop.
const SLOW_TO_DROP_BYTES: usize = 64 << 10;

/// Runs an expression on whatever a value is.
macro_rules! on_any {
    ($value:expr, $inner:ident => $result:expr) => {
        match $value {
            Value::String($inner) => $result,
            Value::List($inner) => $result,
            Value::Set($inner) => $result,
            Value::SortedSet($inner) => $result,
            Value::Hash($inner) => $result,
            Value::Stream($inner) => $result,
        }
    };
}

impl Value {
    /// The value's type.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::String(_) => ValueType::String,
            Self::List(_) => ValueType::List,
            Self::Set(_) => ValueType::Set,
            Self::SortedSet(_) => ValueType::SortedSet,
            Self::Hash(_) => ValueType::Hash,
            Self::Stream(_) => ValueType::Stream,
        }
    }

    /// The value's representation.
    pub fn encoding(&self) -> Encoding {
        on_any!(self, inner => inner.encoding())
    }

    /// Bytes of a string, members of a collection: what STRLEN, LLEN and their kin reply, kept in the index.
    pub fn length(&self) -> usize {
        on_any!(self, inner => inner.len())
    }

    /// Heap memory behind the value in bytes, rounded up as the allocator does. Takes constant time, whatever the
    /// value's size: it is asked before and after each change.
    pub fn heap_bytes(&self) -> usize {
        on_any!(self, inner => inner.heap_bytes())
    }

    /// Whether dropping the value takes long, since it is on the heap in very many pieces.
    #[inline]
    pub(crate) fn is_slow_to_drop(&self) -> bool {
        !matches!(self, Self::String(_)) && self.heap_bytes() > SLOW_TO_DROP_BYTES
    }

    /// When the first field of a hash expires, if any does.
    #[inline]
    pub(crate) fn earliest_field_expiry(&self) -> Option<UnixMillis> {
        match self {
            Self::Hash(hash) => hash.earliest_expiry(),
            _ => None,
        }
    }

    /// The memory on the heap that reading the value touches first.
    pub(crate) fn heap_start(&self) -> Option<&[u8]> {
        on_any!(self, inner => inner.heap_start())
    }

    /// Asks for the memory that look-ups of members with these hashes (see [`element_hash`]) will touch.
    pub(crate) fn warm_members(&self, hashes: &[u64]) {
        match self {
            Self::Hash(hash) => hash.warm_members(hashes),
            Self::Set(set) => set.warm_members(hashes),
            Self::SortedSet(sorted_set) => sorted_set.warm_members(hashes),
            Self::String(_) | Self::List(_) | Self::Stream(_) => {}
        }
    }

    /// How long the value's record payload is at most, in bytes, before compression. Takes constant time.
    pub(crate) fn payload_bytes(&self) -> usize {
        on_any!(self, inner => inner.payload_bytes())
    }
}

/// Conversions between a value and what it is.
macro_rules! inner_type {
    ($variant:ident, $inner:ty, $as_ref:ident, $as_mut:ident) => {
        impl Value {
            #[doc = concat!("The [`", stringify!($inner), "`], where this is one.")]
            pub fn $as_ref(&self) -> Option<&$inner> {
                match self {
                    Self::$variant(inner) => Some(inner),
                    _ => None,
                }
            }

            #[doc = concat!("The [`", stringify!($inner), "`] for changing, where this is one.")]
            pub fn $as_mut(&mut self) -> Option<&mut $inner> {
                match self {
                    Self::$variant(inner) => Some(inner),
                    _ => None,
                }
            }
        }

        impl From<$inner> for Value {
            fn from(inner: $inner) -> Self {
                Self::$variant(inner)
            }
        }
    };
}

inner_type!(String, StringValue, as_string, as_string_mut);
inner_type!(List, ListValue, as_list, as_list_mut);
inner_type!(Set, SetValue, as_set, as_set_mut);
inner_type!(SortedSet, SortedSetValue, as_sorted_set, as_sorted_set_mut);
inner_type!(Hash, HashValue, as_hash, as_hash_mut);
inner_type!(Stream, StreamValue, as_stream, as_stream_mut);

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
