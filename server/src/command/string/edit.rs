//! APPEND and SETRANGE: commands that change a part of a string.

use thermocline_engine::value::StringValue;
use thermocline_engine::{Keys, SetExpiry};
use thermocline_protocol::Arguments;

use super::{check_is_string, check_length};
use crate::command::arguments::integer;
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

pub(super) fn append(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, suffix) = (arguments.get(1), arguments.get(2));
    let length = match context.keys.peek(key) {
        None => {
            context.keys.set(key, StringValue::encoded(suffix).into(), SetExpiry::Clear);
            suffix.len()
        }
        Some(info) => {
            check_is_string(&info)?;
            check_length(context.server, u64::from(info.length) + suffix.len() as u64)?;
            edit(&mut context.keys, key, |bytes| {
                bytes.reserve_exact(suffix.len());
                bytes.extend_from_slice(suffix);
                bytes.len()
            })?
        }
    };
    context.notify(EventClass::STRING, "append", key);
    context.reply.integer(length as i64);
    Ok(())
}

pub(super) fn setrange(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, patch) = (arguments.get(1), arguments.get(3));
    let offset = integer(arguments.get(2))?;
    let offset = u64::try_from(offset).map_err(|_| Failure::error("ERR offset is out of range"))?;
    let info = context.keys.peek(key);
    if let Some(info) = &info {
        check_is_string(info)?;
    }
    if patch.is_empty() {
        context.reply.integer(info.map_or(0, |info| i64::from(info.length)));
        return Ok(());
    }
    let end = offset.saturating_add(patch.len() as u64);
    check_length(context.server, end)?;
    let (start, end) = (offset as usize, end as usize);
    let length = match info {
        None => {
            let mut bytes = vec![0; end];
            bytes[start..].copy_from_slice(patch);
            context.keys.set(key, StringValue::raw(bytes).into(), SetExpiry::Clear);
            end
        }
        Some(_) => edit(&mut context.keys, key, |bytes| {
            grow(bytes, end);
            bytes[start..end].copy_from_slice(patch);
            bytes.len()
        })?,
    };
    context.notify(EventClass::STRING, "setrange", key);
    context.reply.integer(length as i64);
    Ok(())
}

/// Appends zeros up to a length; leaves a longer string as it is.
pub(crate) fn grow(bytes: &mut Vec<u8>, length: usize) {
    if bytes.len() < length {
        bytes.reserve_exact(length - bytes.len());
        bytes.resize(length, 0);
    }
}

/// Changes the bytes of a string that is known to be there.
///
/// # Errors
/// [`Failure::Cold`].
pub(crate) fn edit<T>(
    keys: &mut Keys<'_>,
    key: &[u8],
    change: impl FnOnce(&mut Vec<u8>) -> T,
) -> Result<T, Failure> {
    edit_and_tell_if(keys, key, |bytes| (change(bytes), true))
}

/// The same for a change that tells whether it is one in the eyes of WATCH.
///
/// # Errors
/// [`Failure::Cold`].
pub(crate) fn edit_and_tell_if<T>(
    keys: &mut Keys<'_>,
    key: &[u8],
    change: impl FnOnce(&mut Vec<u8>) -> (T, bool),
) -> Result<T, Failure> {
    let result = keys.modify_and_tell_if(key, |value| {
        let string = value.as_string_mut().expect("the type was checked");
        string.edit(change)
    })?;
    Ok(result.expect("the key was looked up"))
}
