//! SADD, SREM and SMOVE.

use thermocline_engine::SetExpiry;
use thermocline_engine::value::SetValue;
use thermocline_protocol::Arguments;

use super::{check_is_set, set, set_mut};
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

/// The first member among the arguments of SADD and SREM.
const MEMBERS: usize = 2;

pub(super) fn sadd(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    let added = add(context, key, arguments.skip(MEMBERS))?;
    if added > 0 {
        context.notify(EventClass::SET, "sadd", key);
    }
    context.reply.integer(added as i64);
    Ok(())
}

/// Adds members to a set that may have to be made. Returns how many are new.
fn add(context: &mut KeyContext<'_>, key: &[u8], members: Arguments<'_>) -> Result<usize, Failure> {
    let limits = context.server.config.set_limits();
    let insert_all = |set: &mut SetValue| members.iter().filter(|member| set.insert(member, limits)).count();
    match context.keys.peek(key) {
        Some(info) => {
            check_is_set(&info)?;
            let added = context.keys.modify_if(key, |value| {
                let set = set_mut(value);
                let encoding = set.encoding();
                set.prepare(members.len(), limits);
                let added = insert_all(set);
                (added, added > 0 || set.encoding() != encoding)
            })?;
            Ok(added.expect("the key was just there"))
        }
        None => {
            let mut set = SetValue::for_members(members.get(0), members.len(), limits);
            let added = insert_all(&mut set);
            context.keys.set(key, set.into(), SetExpiry::Clear);
            Ok(added)
        }
    }
}

pub(super) fn srem(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    let Some(info) = context.keys.peek(key) else {
        context.reply.integer(0);
        return Ok(());
    };
    check_is_set(&info)?;
    let removed = context.keys.modify_if(key, |value| {
        let set = set_mut(value);
        let removed = arguments.skip(MEMBERS).iter().filter(|member| set.remove(member)).count();
        (removed, removed > 0)
    })?;
    let removed = removed.expect("the key was just there");
    if removed > 0 {
        context.notify(EventClass::SET, "srem", key);
        delete_if_empty(context, key);
    }
    context.reply.integer(removed as i64);
    Ok(())
}

/// Deletes a set that has lost its last member.
pub(super) fn delete_if_empty(context: &mut KeyContext<'_>, key: &[u8]) {
    if context.keys.peek(key).is_some_and(|info| info.length == 0) {
        context.keys.remove(key);
        context.notify(EventClass::GENERIC, "del", key);
    }
}

pub(super) fn smove(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (source, destination, member) = (arguments.get(1), arguments.get(2), arguments.get(3));
    let Some(info) = context.keys.peek(source) else {
        context.reply.integer(0);
        return Ok(());
    };
    check_is_set(&info)?;
    context.keys.peek(destination).as_ref().map_or(Ok(()), check_is_set)?;

    let from = context.keys.get_to_change(source);
    let is_member = match &from {
        Ok(from) => from.map(|value| set(value)).transpose()?.is_some_and(|set| set.contains(member)),
        Err(_) => false,
    };
    let from_is_cold = from.is_err();
    // Asked for even if the source is cold, so that both are read at once.
    let must_read_destination = from_is_cold || is_member && source != destination;
    if must_read_destination {
        context.keys.get_to_change(destination)?;
    }
    if from_is_cold {
        return Err(Failure::Cold);
    }
    if is_member && source != destination {
        context.keys.modify(source, |value| set_mut(value).remove(member))?;
        context.notify(EventClass::SET, "srem", source);
        delete_if_empty(context, source);
        let limits = context.server.config.set_limits();
        let added = match context.keys.exists(destination) {
            true => {
                let insert = |set: &mut SetValue| set.insert(member, limits);
                let added = context.keys.modify_if(destination, |value| {
                    let is_new = insert(set_mut(value));
                    (is_new, is_new)
                })?;
                added.expect("the key was just there")
            }
            false => {
                let mut set = SetValue::for_members(member, 1, limits);
                set.insert(member, limits);
                context.keys.set(destination, set.into(), SetExpiry::Clear);
                true
            }
        };
        if added {
            context.notify(EventClass::SET, "sadd", destination);
        }
    }
    context.reply.integer(i64::from(is_member));
    Ok(())
}
