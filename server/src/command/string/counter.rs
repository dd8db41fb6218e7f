//! INCR, DECR, INCRBY, DECRBY and INCRBYFLOAT.

use thermocline_engine::SetExpiry;
use thermocline_engine::value::{IntegerDigits, StringValue, Value};
use thermocline_protocol::Arguments;

use super::long_double::LongDouble;
use super::string;
use crate::command::arguments::integer;
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

pub(super) fn incr(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    add(context, arguments.get(1), 1)
}

pub(super) fn decr(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    add(context, arguments.get(1), -1)
}

pub(super) fn incrby(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    add(context, arguments.get(1), integer(arguments.get(2))?)
}

pub(super) fn decrby(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let decrement = integer(arguments.get(2))?;
    let increment = decrement.checked_neg().ok_or(Failure::error("ERR decrement would overflow"))?;
    add(context, arguments.get(1), increment)
}

fn add(context: &mut KeyContext<'_>, key: &[u8], increment: i64) -> Result<(), Failure> {
    let old = match context.keys.get_to_change(key)? {
        Some(value) => Some(string(value)?.as_integer().ok_or(Failure::NOT_AN_INTEGER)?),
        None => None,
    };
    let Some(new) = old.unwrap_or(0).checked_add(increment) else {
        return Err(Failure::error("ERR increment or decrement would overflow"));
    };
    put(context, key, old.is_some(), StringValue::integer(new).into())?;
    context.notify(EventClass::STRING, "incrby", key);
    context.reply.integer(new);
    Ok(())
}

pub(super) fn incrbyfloat(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    let old = match context.keys.get_to_change(key)? {
        Some(value) => {
            let mut digits = IntegerDigits::new();
            Some(LongDouble::parse(string(value)?.bytes(&mut digits)).ok_or(Failure::NOT_A_FLOAT)?)
        }
        None => None,
    };
    let increment = LongDouble::parse(arguments.get(2)).ok_or(Failure::NOT_A_FLOAT)?;
    let Some(sum) = old.unwrap_or(LongDouble::ZERO).add(increment) else {
        return Err(Failure::error("ERR increment would produce NaN or Infinity"));
    };
    let text = sum.to_string();
    put(context, key, old.is_some(), StringValue::plain(text.as_bytes()).into())?;
    context.notify(EventClass::STRING, "incrbyfloat", key);
    context.reply.bulk(text.as_bytes());
    Ok(())
}

/// Gives a key a new value and leaves its expiry as it is.
fn put(context: &mut KeyContext<'_>, key: &[u8], exists: bool, value: Value) -> Result<(), Failure> {
    if exists {
        context.keys.modify(key, |old| *old = value)?;
    } else {
        context.keys.set(key, value, SetExpiry::Clear);
    }
    Ok(())
}
