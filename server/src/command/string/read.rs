//! GET, MGET, STRLEN, GETRANGE and SUBSTR: commands that change nothing.

use std::ops::Range;

use thermocline_engine::value::IntegerDigits;
use thermocline_engine::{Cold, Keys};
use thermocline_protocol::{Arguments, ReplyEncoder};

use super::{check_is_string, string};
use crate::command::arguments::integer;
use crate::command::{Failure, KeyContext};

pub(super) fn get(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_value(&mut context.keys, &mut context.reply, arguments.get(1))?;
    Ok(())
}

/// Replies a key's value, or null; tells whether there was one.
///
/// # Errors
/// [`Failure::WRONG_TYPE`], [`Failure::Cold`].
#[inline]
pub(super) fn reply_value(
    keys: &mut Keys<'_>,
    reply: &mut ReplyEncoder<'_>,
    key: &[u8],
) -> Result<bool, Failure> {
    match keys.get(key)? {
        Some(value) => {
            reply.bulk(string(value)?.bytes(&mut IntegerDigits::new()));
            Ok(true)
        }
        None => {
            reply.null();
            Ok(false)
        }
    }
}

pub(super) fn mget(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    context.reply.array(arguments.len() - 1);
    let mut digits = IntegerDigits::new();
    let mut is_cold = false;
    for key in arguments.skip(1).iter() {
        match context.keys.get(key) {
            Ok(value) => match value.and_then(|value| value.as_string()) {
                Some(string) => context.reply.bulk(string.bytes(&mut digits)),
                None => context.reply.null(),
            },
            // Going on makes all that are cold known, so that they are read at once.
            Err(Cold) => is_cold = true,
        }
    }
    if is_cold { Err(Failure::Cold) } else { Ok(()) }
}

pub(super) fn strlen(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let length = match context.keys.info(arguments.get(1)) {
        Some(info) => {
            check_is_string(&info)?;
            i64::from(info.length)
        }
        None => 0,
    };
    context.reply.integer(length);
    Ok(())
}

pub(super) fn getrange(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let start = integer(arguments.get(2))?;
    let end = integer(arguments.get(3))?;
    let Some(value) = context.keys.get(arguments.get(1))? else {
        context.reply.bulk(b"");
        return Ok(());
    };
    let mut digits = IntegerDigits::new();
    let bytes = string(value)?.bytes(&mut digits);
    match clamp_range(start, end, bytes.len()) {
        Some(range) if !is_backwards(start, end) => context.reply.bulk(&bytes[range]),
        _ => context.reply.bulk(b""),
    }
    Ok(())
}

/// Whether both positions are counted from the end and the second is before the first. GETRANGE and BITCOUNT take that
/// for an empty range at once; [`clamp_range`] would make both the first position where they lie before it.
pub(crate) fn is_backwards(start: i64, end: i64) -> bool {
    start < 0 && end < 0 && start > end
}

/// The positions from `start` to `end`, both included and counted from the end where they are negative, of something
/// of this length; `None` where there are none.
pub(crate) fn clamp_range(start: i64, end: i64, length: usize) -> Option<Range<usize>> {
    let length = i64::try_from(length).expect("lengths are far below 2^63");
    let from_end = |position: i64| if position < 0 { (length + position).max(0) } else { position };
    let (start, end) = (from_end(start), from_end(end).min(length - 1));
    if start > end { None } else { Some(start as usize..end as usize + 1) }
}
