//! LMOVE, RPOPLPUSH, and BLMOVE, BRPOPLPUSH, which wait until there is something to move.

use thermocline_engine::value::ListEnd;
use thermocline_protocol::Arguments;

use super::pop::{notify_pop, wait};
use super::push::{notify_push, push_all};
use super::{change, length, list, list_end, remove_if_empty};
use crate::command::blocking::{UnwaitedReply, deadline};
use crate::command::{Failure, KeyContext};

pub(super) fn lmove(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let ends = (list_end(arguments.get(3))?, list_end(arguments.get(4))?);
    if !transfer(context, arguments, ends)? {
        context.reply.null();
    }
    Ok(())
}

pub(super) fn rpoplpush(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    if !transfer(context, arguments, (ListEnd::Back, ListEnd::Front))? {
        context.reply.null();
    }
    Ok(())
}

pub(super) fn blmove(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let ends = (list_end(arguments.get(3))?, list_end(arguments.get(4))?);
    transfer_or_wait(context, arguments, ends, arguments.get(5))
}

pub(super) fn brpoplpush(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    transfer_or_wait(context, arguments, (ListEnd::Back, ListEnd::Front), arguments.get(3))
}

fn transfer_or_wait(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
    ends: (ListEnd, ListEnd),
    timeout: &[u8],
) -> Result<(), Failure> {
    let deadline = deadline(timeout, context.keys.now())?;
    if transfer(context, arguments, ends)? { Ok(()) } else { Err(wait(deadline, UnwaitedReply::Null)) }
}

/// Moves an element from one end of the first key's list to one end of the second's, and replies it; false where there
/// is no first list.
fn transfer(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
    (from, to): (ListEnd, ListEnd),
) -> Result<bool, Failure> {
    let (source, target) = (arguments.get(1), arguments.get(2));
    if length(context.keys.peek(source))?.is_none() {
        return Ok(false);
    }
    let exists = length(context.keys.peek(target))?.is_some();
    if exists {
        // Both are read before either is changed.
        context.keys.get_to_change(target)?;
    }
    let value = context.keys.get_to_change(source)?.expect("the key was looked up");
    let elements = list(value)?;
    let element = match from {
        ListEnd::Front => elements.iter().next(),
        ListEnd::Back => elements.iter_back_from(usize::MAX).next(),
    };
    let element = element.expect("no list is empty").to_vec();
    let limits = context.server.config.list_limits();
    let is_empty = if source == target {
        change(&mut context.keys, source, |list| {
            list.cut(from, 1, limits);
            list.push(to, std::iter::once(element.as_slice()), limits);
        })?;
        notify_push(context, to, target);
        false
    } else {
        push_all(context, target, exists, to, std::iter::once(element.as_slice()))?;
        change(&mut context.keys, source, |list| {
            list.cut(from, 1, limits);
            list.is_empty()
        })?
    };
    notify_pop(context, from, source);
    remove_if_empty(context, source, is_empty);
    context.reply.bulk(&element);
    Ok(true)
}
