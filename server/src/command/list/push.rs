//! LPUSH, RPUSH, LPUSHX and RPUSHX.

use thermocline_engine::SetExpiry;
use thermocline_engine::value::{ListEnd, ListValue};
use thermocline_protocol::Arguments;

use super::{change, length};
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

pub(super) fn lpush(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    push(context, arguments, ListEnd::Front, true)
}

pub(super) fn rpush(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    push(context, arguments, ListEnd::Back, true)
}

pub(super) fn lpushx(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    push(context, arguments, ListEnd::Front, false)
}

pub(super) fn rpushx(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    push(context, arguments, ListEnd::Back, false)
}

fn push(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
    end: ListEnd,
    may_create: bool,
) -> Result<(), Failure> {
    let key = arguments.get(1);
    let exists = length(context.keys.peek(key))?.is_some();
    let length =
        if exists || may_create { push_all(context, key, exists, end, arguments.skip(2).iter())? } else { 0 };
    context.reply.integer(length as i64);
    Ok(())
}

/// Pushes elements to a list that exists or is to be made, and tells of it; returns the list's length.
///
/// # Errors
/// [`Failure::Cold`].
pub(super) fn push_all<'a>(
    context: &mut KeyContext<'_>,
    key: &[u8],
    exists: bool,
    end: ListEnd,
    elements: impl Iterator<Item = &'a [u8]> + Clone,
) -> Result<usize, Failure> {
    let limits = context.server.config.list_limits();
    let length = if exists {
        change(&mut context.keys, key, |list| {
            list.push(end, elements, limits);
            list.len()
        })?
    } else {
        let mut list = ListValue::new();
        list.push(end, elements, limits);
        let length = list.len();
        context.keys.set(key, list.into(), SetExpiry::Clear);
        length
    };
    notify_push(context, end, key);
    Ok(length)
}

/// Tells that something was pushed.
pub(super) fn notify_push(context: &mut KeyContext<'_>, end: ListEnd, key: &[u8]) {
    let event = match end {
        ListEnd::Front => "lpush",
        ListEnd::Back => "rpush",
    };
    context.notify(EventClass::LIST, event, key);
}
