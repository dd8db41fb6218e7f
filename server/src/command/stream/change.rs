//! XADD, XDEL, XTRIM and XSETID: commands that change the entries, or what is told of them.

use smallvec::SmallVec;
use thermocline_engine::SetExpiry;
use thermocline_engine::value::stream::{StreamId, StreamValue, Trim};
use thermocline_protocol::Arguments;

use super::id::{NewId, parse};
use super::reply::reply_id;
use super::trim::TrimOptions;
use super::{change, change_untold, is_there, stream};
use crate::command::arguments::{integer, is_word, wrong_arity};
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

/// Names and values of an entry may be so long in all.
const MAX_ENTRY_BYTES: usize = 1 << 30;
/// Where XSETID's options start.
const XSETID_OPTIONS: usize = 3;

const ZERO_ID: &str = "ERR The ID specified in XADD must be greater than 0-0";
const ID_TOO_LOW: &str = "ERR The ID specified in XADD is equal or smaller than the target stream top item";
const NO_MORE_IDS: &str = "ERR The stream has exhausted the last possible ID, unable to add more items";

pub(super) fn xadd(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let limits = context.server.config.stream_node_limits();
    let options = TrimOptions::of_xadd(arguments, limits)?;
    let fields_at = options.id_at + 1;
    if arguments.len() < fields_at + 2 || !(arguments.len() - fields_at).is_multiple_of(2) {
        return Err(wrong_arity("xadd"));
    }
    let new_id = NewId::parse(arguments.get(options.id_at))?;
    if new_id == NewId::Given(StreamId::MIN) {
        return Err(Failure::error(ZERO_ID));
    }
    let key = arguments.get(1);
    let exists = is_there(&mut context.keys, key)?;
    if !exists && options.only_existing {
        context.reply.null();
        return Ok(());
    }
    let now_ms = context.keys.now().0;
    let last = match context.keys.get_to_change(key)? {
        Some(value) => stream(value)?.log().last_id(),
        None => StreamId::MIN,
    };
    let id = id_after(last, new_id, now_ms)?;
    let fields: SmallVec<[&[u8]; 16]> = arguments.skip(fields_at).iter().collect();
    if fields.iter().map(|field| field.len()).sum::<usize>() > MAX_ENTRY_BYTES {
        return Err(Failure::error("ERR Elements are too large to be stored"));
    }
    let append = |stream: &mut StreamValue| {
        let log = stream.log_mut();
        log.append(id, &fields, limits);
        options.trim.map_or(0, |trim| log.trim(trim))
    };
    let trimmed = if exists {
        change(&mut context.keys, key, append)?
    } else {
        let mut stream = StreamValue::default();
        let trimmed = append(&mut stream);
        context.keys.set(key, stream.into(), SetExpiry::Clear);
        trimmed
    };
    context.notify(EventClass::STREAM, "xadd", key);
    if trimmed > 0 {
        context.notify(EventClass::STREAM, "xtrim", key);
    }
    reply_id(&mut context.reply, id);
    Ok(())
}

/// The id that a new entry gets behind the last one.
fn id_after(last: StreamId, new_id: NewId, now_ms: u64) -> Result<StreamId, Failure> {
    if last == StreamId::MAX {
        return Err(Failure::error(NO_MORE_IDS));
    }
    match new_id.after(last, now_ms) {
        Some(id) if id > last => Ok(id),
        _ => Err(Failure::error(ID_TOO_LOW)),
    }
}

pub(super) fn xdel(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    if !is_there(&mut context.keys, key)? {
        context.reply.integer(0);
        return Ok(());
    }
    let ids = arguments.skip(2).iter().map(|id| parse(id, 0)).collect::<Result<SmallVec<[_; 8]>, _>>()?;
    let value = context.keys.get_to_change(key)?.expect("the key was looked up");
    let log = stream(value)?.log();
    let mut deleted = 0;
    if ids.iter().any(|id| log.contains(*id)) {
        deleted = change(&mut context.keys, key, |stream| {
            ids.iter().filter(|id| stream.log_mut().delete(**id)).count() as i64
        })?;
        context.notify(EventClass::STREAM, "xdel", key);
    }
    context.reply.integer(deleted);
    Ok(())
}

pub(super) fn xtrim(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let trim: Trim = TrimOptions::of_xtrim(arguments, context.server.config.stream_node_limits())?;
    let key = arguments.get(1);
    if !is_there(&mut context.keys, key)? {
        context.reply.integer(0);
        return Ok(());
    }
    let value = context.keys.get_to_change(key)?.expect("the key was looked up");
    let mut trimmed = 0;
    if stream(value)?.log().has_surplus(trim) {
        trimmed = change(&mut context.keys, key, |stream| stream.log_mut().trim(trim))?;
        context.notify(EventClass::STREAM, "xtrim", key);
    }
    context.reply.integer(trimmed as i64);
    Ok(())
}

pub(super) fn xsetid(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let last_id = parse(arguments.get(2), 0)?;
    let (mut added, mut max_deleted_id) = (None, StreamId::MIN);
    let mut at = XSETID_OPTIONS;
    while at < arguments.len() {
        let word = arguments.get(at);
        let value = (at + 1 < arguments.len()).then(|| arguments.get(at + 1)).ok_or(Failure::SYNTAX)?;
        if is_word(word, "ENTRIESADDED") {
            let count = u64::try_from(integer(value)?);
            added = Some(count.map_err(|_| Failure::error("ERR entries_added must be positive"))?);
        } else if is_word(word, "MAXDELETEDID") {
            max_deleted_id = parse(value, 0)?;
            if last_id < max_deleted_id {
                return Err(smaller_than("the provided max_deleted_entry_id"));
            }
        } else {
            return Err(Failure::SYNTAX);
        }
        at += 2;
    }
    let key = arguments.get(1);
    if !is_there(&mut context.keys, key)? {
        return Err(Failure::NO_SUCH_KEY);
    }
    let value = context.keys.get_to_change(key)?.expect("the key was looked up");
    let log = stream(value)?.log();
    if last_id < log.max_deleted_id() {
        return Err(smaller_than("current max_deleted_entry_id"));
    }
    if log.last_entry_id().is_some_and(|id| last_id < id) {
        return Err(smaller_than("the target stream top item"));
    }
    if !log.is_empty() && added.is_some_and(|added| added < log.len()) {
        return Err(Failure::error(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    let added = added.unwrap_or(log.added());
    if max_deleted_id == StreamId::MIN {
        max_deleted_id = log.max_deleted_id();
    }
    change_untold(&mut context.keys, key, |stream| {
        stream.log_mut().set_history(last_id, added, max_deleted_id);
    })?;
    context.notify(EventClass::STREAM, "xsetid", key);
    context.reply.ok();
    Ok(())
}

fn smaller_than(what: &str) -> Failure {
    Failure::error(format!("ERR The ID specified in XSETID is smaller than {what}"))
}
