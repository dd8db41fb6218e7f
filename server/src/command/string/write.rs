//! SET, SETNX, SETEX, PSETEX, MSET and MSETNX: commands that give keys new values.

use thermocline_engine::SetExpiry;
use thermocline_engine::value::StringValue;
use thermocline_protocol::Arguments;

use super::options::{Condition, ExpiryOption, SetOptions};
use super::read::reply_value;
use crate::command::arguments::{TimeOrigin, TimeUnit, expiry, wrong_arity};
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

/// The first of SET's arguments that is an option.
const OPTIONS: usize = 3;

pub(super) fn set(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, value) = (arguments.get(1), arguments.get(2));
    if arguments.len() == OPTIONS {
        context.keys.set(key, StringValue::encoded(value).into(), SetExpiry::Clear);
        context.notify(EventClass::STRING, "set", key);
        context.reply.ok();
        return Ok(());
    }
    let options = SetOptions::parse(arguments)?;
    let expiry = match options.expiry {
        ExpiryOption::Unsaid | ExpiryOption::Persist => SetExpiry::Clear,
        ExpiryOption::Keep => SetExpiry::Keep,
        ExpiryOption::At(time) => SetExpiry::At(time.read(context.keys.now(), "set")?),
    };
    if options.returns_old {
        reply_value(&mut context.keys, &mut context.reply, key)?;
    }
    let may_set = match options.condition {
        Condition::Always => true,
        Condition::IfMissing => !context.keys.exists(key),
        Condition::IfPresent => context.keys.exists(key),
    };
    if may_set {
        context.keys.set(key, StringValue::encoded(value).into(), expiry);
        context.notify(EventClass::STRING, "set", key);
        if let SetExpiry::At(_) = expiry {
            context.notify(EventClass::GENERIC, "expire", key);
        }
    }
    match (options.returns_old, may_set) {
        (true, _) => {}
        (false, true) => context.reply.ok(),
        (false, false) => context.reply.null(),
    }
    Ok(())
}

pub(super) fn setnx(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, value) = (arguments.get(1), arguments.get(2));
    let may_set = !context.keys.exists(key);
    if may_set {
        context.keys.set(key, StringValue::encoded(value).into(), SetExpiry::Clear);
        context.notify(EventClass::STRING, "set", key);
    }
    context.reply.integer(i64::from(may_set));
    Ok(())
}

pub(super) fn setex(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    set_with_expiry(context, arguments, TimeUnit::Seconds, "setex")
}

pub(super) fn psetex(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    set_with_expiry(context, arguments, TimeUnit::Milliseconds, "psetex")
}

fn set_with_expiry(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
    unit: TimeUnit,
    command: &str,
) -> Result<(), Failure> {
    let at = expiry(arguments.get(2), unit, TimeOrigin::Now, context.keys.now(), command)?;
    let value = StringValue::encoded(arguments.get(3));
    context.keys.set(arguments.get(1), value.into(), SetExpiry::At(at));
    context.notify(EventClass::STRING, "set", arguments.get(1));
    context.notify(EventClass::GENERIC, "expire", arguments.get(1));
    context.reply.ok();
    Ok(())
}

pub(super) fn mset(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    check_pairs(arguments, "mset")?;
    set_pairs(context, arguments);
    context.reply.ok();
    Ok(())
}

pub(super) fn msetnx(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    check_pairs(arguments, "msetnx")?;
    let may_set = !arguments.skip(1).iter().step_by(2).any(|key| context.keys.exists(key));
    if may_set {
        set_pairs(context, arguments);
    }
    context.reply.integer(i64::from(may_set));
    Ok(())
}

fn check_pairs(arguments: Arguments<'_>, command: &str) -> Result<(), Failure> {
    if arguments.len().is_multiple_of(2) { Err(wrong_arity(command)) } else { Ok(()) }
}

fn set_pairs(context: &mut KeyContext<'_>, arguments: Arguments<'_>) {
    for position in (1..arguments.len()).step_by(2) {
        let value = StringValue::encoded(arguments.get(position + 1));
        context.keys.set(arguments.get(position), value.into(), SetExpiry::Clear);
        context.notify(EventClass::STRING, "set", arguments.get(position));
    }
}
