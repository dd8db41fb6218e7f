//! Sorted sets as RDB files have them.
//!
//! ```text
//!  3  members | member | score as text | ...          strings; only read
//!  5  members | member | score 8 | ...                from the last to the first, as Redis writes them
//! 12  a string that is a ziplist                      members and scores in turn; only read
//! 17  a string that is a listpack                     the same
//! ```

use thermocline_engine::value::{Element, Encoding, IntegerDigits, PackLimits, SortedSetValue};
use thermocline_protocol::double::write_double;

use super::string::{Reader, read_string, write_length, write_string};
use super::{listpack, ziplist};
use crate::command::generic::lzf::Compressor;
use crate::command::strtod::strtod;

const TYPE_TEXT_SCORES: u8 = 3;
const TYPE_BINARY_SCORES: u8 = 5;
const TYPE_ZIPLIST: u8 = 12;
const TYPE_LISTPACK: u8 = 17;

/// What stands in the place of the length of a score's text.
const NOT_A_NUMBER: u8 = 253;
const INFINITE: u8 = 254;
const NEGATIVE_INFINITE: u8 = 255;

/// Appends the type's number and the value.
pub(super) fn write(value: &SortedSetValue, out: &mut Vec<u8>, compressor: &mut Compressor) {
    let mut digits = IntegerDigits::new();
    if value.encoding() == Encoding::ListPack {
        out.push(TYPE_LISTPACK);
        return write_string(out, &listpack_of(value), compressor);
    }
    out.push(TYPE_BINARY_SCORES);
    write_length(out, value.len());
    for (member, score) in value.range(0..value.len(), true) {
        write_string(out, member.bytes(&mut digits), compressor);
        out.extend(score.to_le_bytes());
    }
}

/// Members and scores in turn, scores as text.
fn listpack_of(value: &SortedSetValue) -> Vec<u8> {
    let mut texts = Vec::new();
    let ends: Vec<usize> = value
        .iter()
        .map(|(_, score)| {
            write_double(&mut texts, score);
            texts.len()
        })
        .collect();
    let starts = [0].into_iter().chain(ends.iter().copied());
    let scores = starts.zip(&ends).map(|(start, &end)| Element::of(&texts[start..end]));
    listpack::write(value.iter().zip(scores).flat_map(|((member, _), score)| [member, score]))
}

/// The value behind the type's number.
pub(super) fn read(type_number: u8, body: &mut Reader<'_>, limits: PackLimits) -> Option<SortedSetValue> {
    match type_number {
        TYPE_TEXT_SCORES => return read_members(body, text_score, limits),
        TYPE_BINARY_SCORES => return read_members(body, binary_score, limits),
        _ => {}
    }
    let text = read_string(body)?;
    let mut digits = IntegerDigits::new();
    let bytes = text.bytes(&mut digits);
    match type_number {
        TYPE_ZIPLIST => {
            let (elements, count) = ziplist::read(bytes)?;
            from_pairs(elements, count, limits)
        }
        TYPE_LISTPACK => {
            let (elements, count) = listpack::read(bytes)?;
            from_pairs(elements, count, limits)
        }
        _ => None,
    }
}

fn read_members(
    body: &mut Reader<'_>,
    score: fn(&mut Reader<'_>) -> Option<f64>,
    limits: PackLimits,
) -> Option<SortedSetValue> {
    let count = body.length()?;
    // The number is not to be trusted: room is made as the members come.
    let mut members = Vec::new();
    for _ in 0..count {
        members.push((read_string(body)?.to_vec(), score(body)?));
    }
    let value = SortedSetValue::from_members(&members, limits);
    (count > 0 && value.len() == count).then_some(value)
}

/// A sorted set of elements that are members and scores in turn. However long they are, they stay a pack, as in Redis.
fn from_pairs<'a>(
    mut elements: impl Iterator<Item = Element<'a>>,
    count: usize,
    limits: PackLimits,
) -> Option<SortedSetValue> {
    if count == 0 || !count.is_multiple_of(2) {
        return None;
    }
    let limits = PackLimits { element_bytes: usize::MAX, ..limits };
    let mut value = SortedSetValue::new();
    while let (Some(member), Some(score)) = (elements.next(), elements.next()) {
        let score = match score {
            Element::Integer(integer) => integer as f64,
            Element::Bytes(text) => number(text)?,
        };
        if value.insert(member.bytes(&mut IntegerDigits::new()), score, limits).is_some() {
            return None;
        }
    }
    Some(value)
}

fn text_score(body: &mut Reader<'_>) -> Option<f64> {
    let [length] = body.array()?;
    match length {
        NOT_A_NUMBER => None,
        INFINITE => Some(f64::INFINITY),
        NEGATIVE_INFINITE => Some(f64::NEG_INFINITY),
        length => number(body.take(usize::from(length))?),
    }
}

fn binary_score(body: &mut Reader<'_>) -> Option<f64> {
    Some(f64::from_le_bytes(body.array()?)).filter(|score| !score.is_nan())
}

/// The number that a text is, all of it.
fn number(text: &[u8]) -> Option<f64> {
    let number = strtod(text);
    (number.length > 0 && number.length == text.len() && !number.value.is_nan()).then_some(number.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::generic::rdb::tests::{restored, signed};
    use crate::command::generic::rdb::{PayloadError, dump};

    /// A payload that redis-server 7.0.15 wrote of `c -3, 10 0.1, a 1, b 2.5, e 70000, big 1e20, d inf`.
    const SMALL: &[u8] = b"\x11\xc3@E@M\x12M\x00\x00\x00\x0e\x00\x81c\x02\xdf\xfd\x02\x0a\x01\x930.10\xe0\x05\x00\x1f1\x14\x81a\x02\x01\x01\x81b\x02\x832.5\x04\x81e\x02\xf2p\x11\x01\x04\x83big\x04\x851e+\x0b20\x06\x81d\x02\x83inf\x04\xff";
    /// Another one, of `c -3, m -0, 10 0.1, a 1, b 2.5, d inf` where none were small.
    const LARGE: &[u8] = b"\x05\x06\x01d\x00\x00\x00\x00\x00\x00\xf0\x7f\x01b\x00\x00\x00\x00\x00\x00\x04@\x01a\x00\x00\x00\x00\x00\x00\xf0?\xc0\x0a\x9a\x99\x99\x99\x99\x99\xb9?\x01m\x00\x00\x00\x00\x00\x00\x00\x80\x01c\x00\x00\x00\x00\x00\x00\x08\xc0";

    fn sorted_set(body: &[u8]) -> SortedSetValue {
        let value = restored(&signed(body, 10)).unwrap_or_else(|error| panic!("{error:?}"));
        value.as_sorted_set().expect("a sorted set").clone()
    }

    fn contents(value: &SortedSetValue) -> String {
        let pairs = value.iter().map(|(member, score)| format!("{} {score}", member.to_vec().escape_ascii()));
        pairs.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn payloads_are_those_of_redis() {
        let small = sorted_set(SMALL);
        assert_eq!(contents(&small), "c -3, 10 0.1, a 1, b 2.5, e 70000, big 100000000000000000000, d inf");
        assert_eq!(small.encoding(), Encoding::ListPack);
        assert_eq!(dump(&small.into(), &mut Compressor::new()), signed(SMALL, 10));

        let none_small = PackLimits { entries: 0, element_bytes: 64 };
        let large = read(TYPE_BINARY_SCORES, &mut Reader(&LARGE[1..]), none_small).expect("a sorted set");
        assert_eq!(contents(&large), "c -3, m -0, 10 0.1, a 1, b 2.5, d inf");
        assert_eq!(large.encoding(), Encoding::SkipList);
        assert_eq!(dump(&large.into(), &mut Compressor::new()), signed(LARGE, 10));
        assert_eq!(sorted_set(LARGE).encoding(), Encoding::ListPack);
    }

    #[test]
    fn payloads_of_older_versions_are_read() {
        assert_eq!(contents(&sorted_set(b"\x03\x03\x01b\xfe\x01a\x032.5\x01c\xff")), "c -inf, a 2.5, b inf");
        let ziplist = b"\x0c\x18\x18\0\0\0\x12\0\0\0\x04\0\x00\x01b\x03\xf3\x02\x01a\x03\x031.5\xff";
        assert_eq!(contents(&sorted_set(ziplist)), "a 1.5, b 2");
    }

    #[test]
    fn malformed_payloads_are_refused() {
        for body in [
            // Nothing in it.
            &b"\x05\x00"[..],
            b"\x11\x07\x07\0\0\0\0\0\xff",
            // A member twice.
            b"\x03\x02\x01a\x011\x01a\x012",
            b"\x11\x0f\x0f\0\0\0\x04\0\x01\x01\x01\x01\x01\x01\x02\x01\xff",
            // A member without a score, and scores that are none.
            b"\x11\x09\x09\0\0\0\x01\0\x01\x01\xff",
            b"\x11\x0d\x0d\0\0\0\x02\0\x01\x01\x82no\x03\xff",
            b"\x11\x0b\x0b\0\0\0\x02\0\x01\x01\x80\x01\xff",
            b"\x03\x01\x01a\xfd",
            b"\x03\x01\x01a\x01x",
            b"\x05\x01\x01a\0\0\0\0\0\0\xf8\x7f",
            // Lengths that nothing stands behind.
            b"\x05\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a",
            b"\x05\x02\x01a\0\0\0\0\0\0\0\0",
            b"\x03\x01\x01a\x09",
            b"\x0c\x05abcde",
        ] {
            assert_eq!(restored(&signed(body, 10)), Err(PayloadError::BadFormat), "{}", body.escape_ascii());
        }
    }
}
