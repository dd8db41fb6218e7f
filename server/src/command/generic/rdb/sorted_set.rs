//! Sorted sets as RDB files have them.
//!
//! ```text
//!  5 | members | member | score, 8 bytes | ...     from the last to the first, as Redis writes them
//!  3 | members | member | score as text | ...      what older versions wrote
//! ```

use thermocline_engine::value::{IntegerDigits, SortedSetLimits, SortedSetValue};

use super::string::{Reader, read_string, write_length, write_string};
use crate::command::arguments::float;
use crate::command::generic::lzf::Compressor;

const TYPE_TEXT_SCORES: u8 = 3;
const TYPE_BINARY_SCORES: u8 = 5;

/// What stands in the place of the length of a score's text.
const NOT_A_NUMBER: u8 = 253;
const INFINITE: u8 = 254;
const NEGATIVE_INFINITE: u8 = 255;

const LIMITS: SortedSetLimits = SortedSetLimits { members: 128, member_bytes: 64 };

/// Appends the type's number and the value.
pub(super) fn write(value: &SortedSetValue, out: &mut Vec<u8>, compressor: &mut Compressor) {
    out.push(TYPE_BINARY_SCORES);
    write_length(out, value.len());
    for (member, score) in value.range(0..value.len(), true) {
        write_string(out, member.bytes(&mut IntegerDigits::new()), compressor);
        out.extend(score.to_le_bytes());
    }
}

/// The value behind the type's number.
pub(super) fn read(type_number: u8, body: &mut Reader<'_>) -> Option<SortedSetValue> {
    let score = match type_number {
        TYPE_TEXT_SCORES => text_score,
        TYPE_BINARY_SCORES => binary_score,
        _ => return None,
    };
    let members = body.length()?;
    let mut value = SortedSetValue::new();
    for _ in 0..members {
        let member = read_string(body)?;
        let score = score(body)?;
        if value.insert(member.bytes(&mut IntegerDigits::new()), score, &LIMITS).is_some() {
            return None;
        }
    }
    (!value.is_empty()).then_some(value)
}

fn text_score(body: &mut Reader<'_>) -> Option<f64> {
    let [length] = body.array()?;
    match length {
        NOT_A_NUMBER => None,
        INFINITE => Some(f64::INFINITY),
        NEGATIVE_INFINITE => Some(f64::NEG_INFINITY),
        length => float(body.take(usize::from(length))?).ok(),
    }
}

fn binary_score(body: &mut Reader<'_>) -> Option<f64> {
    Some(f64::from_le_bytes(body.array()?)).filter(|score| !score.is_nan())
}
