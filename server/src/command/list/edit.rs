//! LSET, LINSERT, LREM and LTRIM.

use thermocline_engine::value::ListEnd;
use thermocline_protocol::Arguments;

use super::read::{index_from_either_end, positions};
use super::{change, length, list, remove_if_empty};
use crate::command::arguments::{integer, is_word};
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

pub(super) fn lset(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    let length = length(context.keys.peek(key))?.ok_or(Failure::NO_SUCH_KEY)?;
    let index = index_from_either_end(integer(arguments.get(2))?, length);
    let index = index.ok_or(Failure::error("ERR index out of range"))?;
    let limits = context.server.config.list_limits();
    change(&mut context.keys, key, |list| list.set(index, arguments.get(3), limits))?;
    context.notify(EventClass::LIST, "lset", key);
    context.reply.ok();
    Ok(())
}

pub(super) fn linsert(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, pivot) = (arguments.get(1), arguments.get(3));
    let offset = match arguments.get(2) {
        word if is_word(word, "BEFORE") => 0,
        word if is_word(word, "AFTER") => 1,
        _ => return Err(Failure::SYNTAX),
    };
    let Some(value) = context.keys.get_to_change(key)? else {
        context.reply.integer(0);
        return Ok(());
    };
    let mut found = None;
    list(value)?.search(pivot, ListEnd::Front, usize::MAX, |index| {
        found = Some(index);
        false
    });
    let Some(index) = found else {
        context.reply.integer(-1);
        return Ok(());
    };
    let limits = context.server.config.list_limits();
    let length = change(&mut context.keys, key, |list| {
        list.insert(index + offset, arguments.get(4), limits);
        list.len()
    })?;
    context.notify(EventClass::LIST, "linsert", key);
    context.reply.integer(length as i64);
    Ok(())
}

pub(super) fn lrem(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, unwanted) = (arguments.get(1), arguments.get(3));
    let count = integer(arguments.get(2))?;
    let end = if count < 0 { ListEnd::Back } else { ListEnd::Front };
    let most = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let mut is_there = false;
    if let Some(value) = context.keys.get_to_change(key)? {
        list(value)?.search(unwanted, end, usize::MAX, |_| {
            is_there = true;
            false
        });
    }
    if !is_there {
        context.reply.integer(0);
        return Ok(());
    }
    let limits = context.server.config.list_limits();
    let (removed, is_empty) = change(&mut context.keys, key, |list| {
        let removed = list.remove(unwanted, end, most, limits);
        (removed, list.is_empty())
    })?;
    context.notify(EventClass::LIST, "lrem", key);
    remove_if_empty(context, key, is_empty);
    context.reply.integer(removed as i64);
    Ok(())
}

pub(super) fn ltrim(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    let (start, end) = (integer(arguments.get(2))?, integer(arguments.get(3))?);
    if let Some(length) = length(context.keys.peek(key))? {
        let limits = context.server.config.list_limits();
        let kept = positions(start, end, length);
        // A list of which nothing is kept need not be read.
        let is_empty = kept.is_empty();
        if !is_empty {
            change(&mut context.keys, key, |list| list.keep(kept, limits))?;
        }
        context.notify(EventClass::LIST, "ltrim", key);
        remove_if_empty(context, key, is_empty);
    }
    context.reply.ok();
    Ok(())
}
