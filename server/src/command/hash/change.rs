//! HSET, HMSET, HSETNX and HDEL.

use thermocline_engine::SetExpiry;
use thermocline_engine::value::HashValue;
use thermocline_protocol::Arguments;

use super::{check_is_hash, hash_mut};
use crate::command::arguments::wrong_arity;
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

/// The first of the fields among the arguments.
const FIELDS: usize = 2;

pub(super) fn hset(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let added = set_fields(context, arguments, "hset")?;
    context.reply.integer(added as i64);
    Ok(())
}

pub(super) fn hmset(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    set_fields(context, arguments, "hmset")?;
    context.reply.ok();
    Ok(())
}

/// Sets fields to values. Returns how many are new.
fn set_fields(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
    command: &str,
) -> Result<usize, Failure> {
    let (key, pairs) = (arguments.get(1), arguments.skip(FIELDS));
    if !pairs.len().is_multiple_of(2) {
        return Err(wrong_arity(command));
    }
    let limits = context.server.config.hash_limits();
    let added = change(context, key, |hash| {
        let longest = pairs.iter().map(<[u8]>::len).max().unwrap_or(0);
        hash.prepare(pairs.len() / 2, longest, limits);
        let mut words = pairs.iter();
        let mut added = 0;
        while let (Some(field), Some(value)) = (words.next(), words.next()) {
            added += usize::from(hash.set(field, value, limits));
        }
        (added, true)
    })?;
    context.notify(EventClass::HASH, "hset", key);
    Ok(added)
}

pub(super) fn hsetnx(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, field, value) = (arguments.get(1), arguments.get(2), arguments.get(3));
    let limits = context.server.config.hash_limits();
    let now = context.keys.now();
    let is_new = change(context, key, |hash| {
        let is_new = hash.get(field, now).is_none();
        if is_new {
            hash.prepare(1, field.len().max(value.len()), limits);
            hash.set(field, value, limits);
        }
        (is_new, is_new)
    })?;
    if is_new {
        context.notify(EventClass::HASH, "hset", key);
    }
    context.reply.integer(i64::from(is_new));
    Ok(())
}

pub(super) fn hdel(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    let Some(info) = context.keys.peek(key) else {
        context.reply.integer(0);
        return Ok(());
    };
    check_is_hash(&info)?;
    let deleted = change(context, key, |hash| {
        let deleted = arguments.skip(FIELDS).iter().filter(|field| hash.remove(field)).count();
        (deleted, deleted > 0)
    })?;
    if deleted > 0 {
        context.notify(EventClass::HASH, "hdel", key);
    }
    delete_if_empty(context, key);
    context.reply.integer(deleted as i64);
    Ok(())
}

/// Deletes a hash that has lost its last field.
pub(super) fn delete_if_empty(context: &mut KeyContext<'_>, key: &[u8]) {
    if context.keys.peek(key).is_some_and(|info| info.length == 0) {
        context.keys.remove(key);
        context.notify(EventClass::GENERIC, "del", key);
    }
}

/// Changes a hash, which is made if it is not there; what has expired is taken out of it first. `change` also tells whether
/// it changed anything.
///
/// # Errors
/// [`Failure::WRONG_TYPE`], and [`Failure::Cold`].
pub(super) fn change<T>(
    context: &mut KeyContext<'_>,
    key: &[u8],
    change: impl FnOnce(&mut HashValue) -> (T, bool),
) -> Result<T, Failure> {
    let Some(info) = context.keys.peek(key) else {
        let mut hash = HashValue::new();
        let (result, _) = change(&mut hash);
        context.keys.set(key, hash.into(), SetExpiry::Clear);
        return Ok(result);
    };
    check_is_hash(&info)?;
    let now = context.keys.now();
    let changed = context.keys.modify_if(key, |value| {
        let hash = hash_mut(value);
        let has_purged = hash.purge_expired(now) > 0;
        let (result, is_changed) = change(hash);
        ((result, has_purged), has_purged || is_changed)
    })?;
    let (result, has_purged) = changed.expect("the key was just there");
    if has_purged {
        context.notify(EventClass::HASH, "hexpired", key);
    }
    Ok(result)
}
