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

/// Appends the payload of `value` to `out`.
pub fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(string) if string.encoding() == Encoding::Int => {
            let integer = string.as_integer().expect("an integer string is an integer");
            out.extend_from_slice(&integer.to_le_bytes());
        }
        Value::String(string) => out.extend_from_slice(string.bytes(&mut itoa::Buffer::new())),
        Value::List(list) => list.encode(out),
        Value::Set(set) => set.encode(out),
        Value::SortedSet(sorted_set) => sorted_set.encode(out),
        Value::Hash(hash) => hash.encode(out),
        Value::Stream(stream) => stream.encode(out),
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

    #[test]
    fn payloads_of_another_kind_are_refused() {
        assert!(decode(ValueType::String, Encoding::Int, b"1234567").is_err());
        assert!(decode(ValueType::String, Encoding::EmbStr, &[0; 45]).is_err());
        assert!(decode(ValueType::Hash, Encoding::Raw, b"").is_err());
    }
}
