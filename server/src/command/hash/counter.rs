//! HINCRBY and HINCRBYFLOAT.

use thermocline_engine::value::{Element, IntegerDigits};
use thermocline_protocol::Arguments;

use super::change::change;
use super::hash;
use crate::command::arguments::integer;
use crate::command::string::long_double::LongDouble;
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

pub(super) fn hincrby(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, field) = (arguments.get(1), arguments.get(2));
    let increment = integer(arguments.get(3))?;
    let old = match value_of(context, key, field)? {
        Some(value) => value.as_integer().ok_or(Failure::error("ERR hash value is not an integer"))?,
        None => 0,
    };
    let Some(new) = old.checked_add(increment) else {
        return Err(Failure::error("ERR increment or decrement would overflow"));
    };
    put(context, key, field, itoa::Buffer::new().format(new).as_bytes())?;
    context.notify(EventClass::HASH, "hincrby", key);
    context.reply.integer(new);
    Ok(())
}

pub(super) fn hincrbyfloat(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, field) = (arguments.get(1), arguments.get(2));
    let increment = LongDouble::parse(arguments.get(3)).ok_or(Failure::NOT_A_FLOAT)?;
    if increment == LongDouble::Infinite {
        return Err(Failure::error("ERR value is NaN or Infinity"));
    }
    let old = match value_of(context, key, field)? {
        Some(value) => {
            let mut digits = IntegerDigits::new();
            let value = LongDouble::parse(value.bytes(&mut digits));
            value.ok_or(Failure::error("ERR hash value is not a float"))?
        }
        None => LongDouble::ZERO,
    };
    let Some(sum) = old.add(increment) else {
        return Err(Failure::error("ERR increment would produce NaN or Infinity"));
    };
    let text = sum.to_string();
    put(context, key, field, text.as_bytes())?;
    context.notify(EventClass::HASH, "hincrbyfloat", key);
    context.reply.bulk(text.as_bytes());
    Ok(())
}

/// A field's value, for changing it.
fn value_of<'a>(
    context: &'a mut KeyContext<'_>,
    key: &[u8],
    field: &[u8],
) -> Result<Option<Element<'a>>, Failure> {
    let now = context.keys.now();
    let hash = context.keys.get_to_change(key)?.map(hash).transpose()?;
    Ok(hash.and_then(|hash| hash.get(field, now)))
}

/// Gives a field a new value and leaves its expiry as it is.
fn put(context: &mut KeyContext<'_>, key: &[u8], field: &[u8], value: &[u8]) -> Result<(), Failure> {
    let limits = context.server.config.hash_limits();
    let now = context.keys.now();
    change(context, key, |hash| {
        let expiry = if hash.may_expire() { hash.expiry(field, now).flatten() } else { None };
        hash.set_with_expiry(field, value, expiry, limits);
        ((), true)
    })
}
