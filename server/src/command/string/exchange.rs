//! GETSET, GETDEL and GETEX: commands that reply the value and change the key.

use thermocline_engine::SetExpiry;
use thermocline_engine::value::StringValue;
use thermocline_protocol::Arguments;

use super::options::{ExpiryOption, parse_getex};
use super::read::reply_value;
use crate::command::arguments::TimeOrigin;
use crate::command::{Failure, KeyContext};

pub(super) fn getset(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    reply_value(&mut context.keys, &mut context.reply, key)?;
    context.keys.set(key, StringValue::encoded(arguments.get(2)).into(), SetExpiry::Clear);
    Ok(())
}

pub(super) fn getdel(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    if reply_value(&mut context.keys, &mut context.reply, key)? {
        context.keys.remove(key);
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
            }
        }
        ExpiryOption::At(time) => {
            let at = time.read(now, "getex")?;
            if time.origin == TimeOrigin::Epoch && at.is_due(now) {
                context.keys.remove(key);
            } else {
                context.keys.set_expiry(key, Some(at));
            }
        }
    }
    Ok(())
}
