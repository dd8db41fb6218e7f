//! SET and GET as far as this group's tests need them, so that the tests stand on no other group.

use thermocline_engine::value::{IntegerDigits, StringValue, Value};
use thermocline_engine::{SetExpiry, UnixMillis};
use thermocline_protocol::Arguments;

use super::super::arguments::{integer, is_word};
use super::super::{Command, Failure, Handler, KeyContext};
use super::ONE_KEY;

pub(super) const COMMANDS: &[Command] = &[
    Command { name: "set", arity: -3, keys: ONE_KEY, handler: Handler::Keys(set), ..Command::NEW },
    Command { name: "get", arity: 2, keys: ONE_KEY, handler: Handler::Keys(get), ..Command::NEW },
];

/// `SET key value [EX seconds | PX milliseconds]`
fn set(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let mut expiry = SetExpiry::Clear;
    if arguments.len() == 5 {
        let unit_ms = if is_word(arguments.get(3), "ex") { 1000 } else { 1 };
        let ttl_ms = unit_ms * integer(arguments.get(4))?.unsigned_abs();
        expiry = SetExpiry::At(UnixMillis(context.keys.now().0 + ttl_ms));
    }
    context.keys.set(arguments.get(1), StringValue::encoded(arguments.get(2)).into(), expiry);
    context.reply.ok();
    Ok(())
}

fn get(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    match context.keys.get(arguments.get(1))?.and_then(Value::as_string) {
        Some(string) => context.reply.bulk(string.bytes(&mut IntegerDigits::new())),
        None => context.reply.null(),
    }
    Ok(())
}
