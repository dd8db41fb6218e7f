//! GETSET, GETDEL and GETEX: commands that reply the value and change the key.

use thermocline_engine::SetExpiry;
use thermocline_engine::value::StringValue;
use thermocline_protocol::Arguments;

use super::options::{ExpiryOption, parse_getex};
use super::read::reply_value;
use crate::command::arguments::TimeOrigin;
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

pub(super) fn getset(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    reply_value(&mut context.keys, &mut context.reply, key)?;
    context.keys.set(key, StringValue::encoded(arguments.get(2)).into(), SetExpiry::Clear);
    context.notify(EventClass::STRING, "set", key);
    Ok(())
}

pub(super) fn getdel(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    if reply_value(&mut context.keys, &mut context.reply, key)? {
        context.keys.remove(key);
        context.notify(EventClass::GENERIC, "del", key);
    }
    Ok(())
}

pub(super) fn getex(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    let option = parse_getex(arguments)?;
    if !reply_value(&mut context.keys, &mut context.reply, key)? {
        return Ok(());
    }
    let now = context.keys.now();
    match option {
        ExpiryOption::Unsaid | ExpiryOption::Keep => {}
        ExpiryOption::Persist => {
            if context.keys.peek(key).is_some_and(|info| info.expiry.is_some()) {
                context.keys.set_expiry(key, None);
                context.notify(EventClass::GENERIC, "persist", key);
            }
        }
        ExpiryOption::At(time) => {
            let at = time.read(now, "getex")?;
            if time.origin == TimeOrigin::Epoch && at.is_due(now) {
                context.keys.remove(key);
                context.notify(EventClass::GENERIC, "del", key);
            } else {
                context.keys.set_expiry(key, Some(at));
                context.notify(EventClass::GENERIC, "expire", key);
            }
        }
    }
    Ok(())
}
