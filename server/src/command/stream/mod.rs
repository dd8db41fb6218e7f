//! Stream commands.
//!
//! * `table`: the rows.
//! * `id`: ids of entries as arguments.
//! * `reply`: ids and entries as replies.
//! * `trim`: the options of XADD and XTRIM.
//! * `change`: XADD, XDEL, XTRIM, XSETID.
//! * `range`: XLEN, XRANGE, XREVRANGE.
//! * `read`: XREAD and XREADGROUP, with their options in `read_options`.
//! * `group`: XGROUP.
//! * `pending`: XACK, XPENDING.
//! * `claim`: XCLAIM, XAUTOCLAIM.
//! * `info`: XINFO.
//!
//! A stream stays when its last entry goes: it remembers the ids that it gave out, and who has read how far.

mod change;
mod claim;
mod group;
mod id;
mod info;
mod pending;
mod range;
mod read;
mod read_options;
mod reply;
mod table;
#[cfg(test)]
mod tests;
mod trim;

pub use table::COMMANDS;

use std::borrow::Cow;

use thermocline_engine::Keys;
use thermocline_engine::value::stream::StreamValue;
use thermocline_engine::value::{Value, ValueType};

use super::Failure;

/// The value as a stream.
///
/// # Errors
/// [`Failure::WRONG_TYPE`] where it is something else.
fn stream(value: &Value) -> Result<&StreamValue, Failure> {
    value.as_stream().ok_or(Failure::WRONG_TYPE)
}

/// Checks by the index alone that a key is a stream or is not there; whether it is there.
///
/// # Errors
/// [`Failure::WRONG_TYPE`] where it is something else.
fn is_there(keys: &mut Keys<'_>, key: &[u8]) -> Result<bool, Failure> {
    match keys.peek(key) {
        Some(info) if info.value_type == ValueType::Stream => Ok(true),
        Some(_) => Err(Failure::WRONG_TYPE),
        None => Ok(false),
    }
}

/// Changes the entries of a stream that was read before.
///
/// # Errors
/// [`Failure::Cold`].
fn change<T>(
    keys: &mut Keys<'_>,
    key: &[u8],
    change: impl FnOnce(&mut StreamValue) -> T,
) -> Result<T, Failure> {
    let result = keys.modify(key, |value| change(value.as_stream_mut().expect("the type was checked")))?;
    Ok(result.expect("the key was looked up"))
}

/// Changes what consumer groups know, of which those who watch the key are not told.
///
/// # Errors
/// [`Failure::Cold`].
fn change_untold<T>(
    keys: &mut Keys<'_>,
    key: &[u8],
    change: impl FnOnce(&mut StreamValue) -> T,
) -> Result<T, Failure> {
    let result =
        keys.modify_untold(key, |value| change(value.as_stream_mut().expect("the type was checked")))?;
    Ok(result.expect("the key was looked up"))
}

/// The error for a key or group that is not there, of commands that need both.
fn no_group(key: &[u8], group: &[u8]) -> Failure {
    let (key, group) = (quoted(key), quoted(group));
    Failure::error(format!("NOGROUP No such key '{key}' or consumer group '{group}'"))
}

/// The error for a group that is not there, of commands that have an own one for keys.
fn no_such_group(key: &[u8], group: &[u8]) -> Failure {
    let (key, group) = (quoted(key), quoted(group));
    Failure::error(format!("NOGROUP No such consumer group '{group}' for key name '{key}'"))
}

/// A client's bytes as errors quote them: up to the first that is zero, as C does.
fn quoted(bytes: &[u8]) -> Cow<'_, str> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end])
}
