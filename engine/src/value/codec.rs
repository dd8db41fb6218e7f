//! Values as record payloads, and back.
//!
//! A string's payload is its bytes, an integer's its eight bytes in little-endian order; the encoding, kept in
//! the record's head, tells which. Each collection's file says what its payload is.

use super::{
    Encoding, HashValue, ListValue, SetValue, SortedSetValue, StreamValue, StringValue, Value, ValueType,
};

/// A payload that is no value of its type and encoding.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload is no {0:?} of encoding {1:?}")]
pub struct CodecError(pub ValueType, pub Encoding);

/// How long a piece of a payload is, give or take a member: some tens of microseconds of going from member to member.
pub(super) const PIECE_BYTES: usize = 16 << 10;
/// The same where bytes are only copied.
const COPIED_PIECE_BYTES: usize = 128 << 10;

/// Appends the payload of `value` to `out`.
pub fn encode(value: &Value, out: &mut Vec<u8>) {
    let mut next = Some(0);
    while let Some(position) = next {
        next = encode_piece(value, position, out);
    }
}

/// Appends a piece of the payload of `value` to `out`: the one that begins at a position, 0 at first. Returns where the next
/// one begins, `None` behind the last. The positions are those of the value as it is: who has changed it begins anew.
pub(crate) fn encode_piece(value: &Value, position: usize, out: &mut Vec<u8>) -> Option<usize> {
    match value {
        Value::String(string) if string.encoding() == Encoding::Int => {
            let integer = string.as_integer().expect("an integer string is an integer");
            out.extend_from_slice(&integer.to_le_bytes());
            None
        }
        Value::String(string) => {
            let mut digits = itoa::Buffer::new();
            let rest = &string.bytes(&mut digits)[position..];
            let piece = &rest[..rest.len().min(COPIED_PIECE_BYTES)];
            out.extend_from_slice(piece);
            (piece.len() < rest.len()).then_some(position + piece.len())
        }
        Value::List(list) => list.encode_piece(position, out),
        Value::Set(set) => set.encode_piece(position, out),
        Value::SortedSet(sorted_set) => sorted_set.encode_piece(position, out),
        Value::Hash(hash) => hash.encode_piece(position, out),
        Value::Stream(stream) => stream.encode_piece(position, out),
    }
}

/// The value that [`encode`] wrote.
///
/// # Errors
/// [`CodecError`] if the payload could not have been written for this type and encoding.
pub fn decode(value_type: ValueType, encoding: Encoding, payload: &[u8]) -> Result<Value, CodecError> {
    let error = CodecError(value_type, encoding);
    match (value_type, encoding) {
        (ValueType::String, Encoding::Int) => {
            let bytes = payload.try_into().map_err(|_| error)?;
            Ok(StringValue::integer(i64::from_le_bytes(bytes)).into())
        }
        (ValueType::String, Encoding::EmbStr) => {
            let string = StringValue::plain(payload);
            if string.encoding() == encoding { Ok(string.into()) } else { Err(error) }
        }
        (ValueType::String, Encoding::Raw) => Ok(StringValue::raw(payload.to_vec()).into()),
        (ValueType::String, _) => Err(error),
        (ValueType::List, _) => ListValue::decode(encoding, payload).map(Value::from).ok_or(error),
        (ValueType::Set, _) => SetValue::decode(encoding, payload).map(Value::from).ok_or(error),
        (ValueType::SortedSet, _) => SortedSetValue::decode(encoding, payload).map(Value::from).ok_or(error),
        (ValueType::Hash, _) => HashValue::decode(encoding, payload).map(Value::from).ok_or(error),
        (ValueType::Stream, _) => StreamValue::decode(encoding, payload).map(Value::from).ok_or(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::stream::{NodeLimits, StreamId};
    use crate::value::{ListEnd, ListLimits, PackLimits, SetLimits};

    #[test]
    fn values_come_back_with_their_encoding() {
        let mut appended = StringValue::encoded(b"12");
        appended.edit(|bytes| bytes.push(b'3'));
        for string in
            [StringValue::encoded(b"-77"), StringValue::plain(b"77"), StringValue::plain(&[7; 100]), appended]
        {
            let value = Value::from(string);
            let mut payload = Vec::new();
            encode(&value, &mut payload);
            assert_eq!(decode(value.value_type(), value.encoding(), &payload), Ok(value));
        }
    }

    /// A value of each type whose payload is hundreds of kilobytes long.
    fn long_values() -> [Value; 6] {
        let pack = PackLimits { entries: 4, element_bytes: 64 };
        let set_limits = SetLimits { intset_entries: 4, pack };
        let (mut set, mut sorted_set, mut hash) =
            (SetValue::new_table(0), SortedSetValue::new(), HashValue::new());
        let (mut list, mut stream) = (ListValue::new_large(), StreamValue::default());
        for number in 0..20_000_u32 {
            let member = format!("member {number}").into_bytes();
            set.insert(&member, set_limits);
            sorted_set.insert(&member, f64::from(number % 7), pack);
            hash.set(&member, &number.to_le_bytes(), pack);
            list.push(ListEnd::Back, std::iter::once(&member[..]), ListLimits::Bytes(8192));
            stream.log_mut().append(
                StreamId::new(1 + u64::from(number), 0),
                &[b"name", &member],
                NodeLimits::REDIS,
            );
            stream.create_group(&[b"a group with a name: ", &member[..]].concat(), StreamId::MIN, None);
        }
        [
            StringValue::plain(&[7; 1_000_000]).into(),
            set.into(),
            sorted_set.into(),
            hash.into(),
            list.into(),
            stream.into(),
        ]
    }

    #[test]
    fn long_values_are_written_in_short_pieces() {
        for value in long_values() {
            let (mut payload, mut pieces, mut next) = (Vec::new(), 0, Some(0));
            while let Some(position) = next {
                let before = payload.len();
                next = encode_piece(&value, position, &mut payload);
                assert!(payload.len() - before <= COPIED_PIECE_BYTES, "{:?}", value.value_type());
                pieces += 1;
            }
            assert!(pieces > 5, "{:?} in {pieces} pieces", value.value_type());
            assert!(payload.len() <= value.payload_bytes());
            assert!(decode(value.value_type(), value.encoding(), &payload).as_ref() == Ok(&value));
        }
    }

    #[test]
    fn payloads_of_another_kind_are_refused() {
        assert!(decode(ValueType::String, Encoding::Int, b"1234567").is_err());
        assert!(decode(ValueType::String, Encoding::EmbStr, &[0; 45]).is_err());
        assert!(decode(ValueType::Hash, Encoding::Raw, b"").is_err());
    }
}
