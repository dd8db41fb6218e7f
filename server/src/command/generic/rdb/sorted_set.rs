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
