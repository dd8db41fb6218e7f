//! GETBIT and SETBIT.

use thermocline_engine::SetExpiry;
use thermocline_engine::value::{Encoding, IntegerDigits, StringValue};
use thermocline_protocol::{Arguments, parse_integer};

use super::bit_offset;
use crate::command::string::{edit_and_tell_if, grow, string};
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

pub(super) fn getbit(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let offset = bit_offset(context.server, arguments.get(2))?;
    let bit = match context.keys.get(arguments.get(1))? {
        Some(value) => bit_at(string(value)?.bytes(&mut IntegerDigits::new()), offset),
        None => false,
    };
    context.reply.integer(i64::from(bit));
    Ok(())
}

pub(super) fn setbit(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    let offset = bit_offset(context.server, arguments.get(2))?;
    let bit = match parse_integer(arguments.get(3)) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(Failure::error("ERR bit is not an integer or out of range")),
    };
    let byte = (offset >> 3) as usize;
    let mask = 0x80u8 >> (offset & 7);
    let put = |bytes: &mut Vec<u8>| {
        grow(bytes, byte + 1);
        bytes[byte] = if bit { bytes[byte] | mask } else { bytes[byte] & !mask };
    };
    let old = match context.keys.get_to_change(key)? {
        None => {
            let mut bytes = Vec::new();
            put(&mut bytes);
            context.keys.set(key, StringValue::raw(bytes).into(), SetExpiry::Clear);
            context.notify(EventClass::STRING, "setbit", key);
            false
        }
        Some(value) => {
            let value = string(value)?;
            let old = bit_at(value.bytes(&mut IntegerDigits::new()), offset);
            // A bit that is set as it was is no change, unless the string grows or becomes raw.
            let is_change = old != bit || byte >= value.len();
            if is_change || value.encoding() != Encoding::Raw {
                edit_and_tell_if(&mut context.keys, key, |bytes| (put(bytes), is_change))?;
            }
            if is_change {
                context.notify(EventClass::STRING, "setbit", key);
            }
            old
        }
    };
    context.reply.integer(i64::from(old));
    Ok(())
}

/// The bit at a position; zero beyond the end.
fn bit_at(bytes: &[u8], offset: u64) -> bool {
    bytes.get((offset >> 3) as usize).is_some_and(|byte| byte & 0x80 >> (offset & 7) != 0)
}
