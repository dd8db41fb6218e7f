//! XGROUP: consumer groups and their consumers.

use thermocline_engine::SetExpiry;
use thermocline_engine::value::stream::{Group, StreamValue};
use thermocline_protocol::Arguments;

use super::id::{parse, parse_id_or_end};
use super::{change_untold, is_there, no_such_group, stream};
use crate::command::arguments::{integer, is_word};
use crate::command::help::{Entry, reply_help};
use crate::command::{Context, Failure, KeyContext};
use crate::server::events::EventClass;

/// Where the options of CREATE and SETID start.
const OPTIONS: usize = 5;
/// What ENTRIESREAD says of a number that is not known.
const UNKNOWN: i64 = -1;

const NO_KEY: &str = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the \
                      MKSTREAM option to create an empty stream automatically.";

const HELP: &[Entry] = &[
    (
        "CREATE <key> <groupname> <id|$> [option]",
        &[
            "Create a new consumer group. Options are:",
            "* MKSTREAM",
            "  Create the empty stream if it does not exist.",
            "* ENTRIESREAD entries_read",
            "  Set the group's entries_read counter (internal use).",
        ],
    ),
    ("CREATECONSUMER <key> <groupname> <consumer>", &["Create a new consumer in the specified group."]),
    ("DELCONSUMER <key> <groupname> <consumer>", &["Remove the specified consumer."]),
    ("DESTROY <key> <groupname>", &["Remove the specified group."]),
    (
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        &["Set the current group ID and entries_read counter."],
    ),
];

pub(super) fn help(context: &mut Context<'_>, _arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_help(&mut context.reply, "XGROUP", HELP);
    Ok(())
}

pub(super) fn create(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, group) = (arguments.get(2), arguments.get(3));
    let options = Options::parse(arguments, true)?;
    let exists = is_there(&mut context.keys, key)?;
    if !exists && !options.makes_stream {
        return Err(Failure::error(NO_KEY));
    }
    let mut new = StreamValue::default();
    let existing = context.keys.get_to_change(key)?.map(stream).transpose()?;
    let id = match arguments.get(4) {
        b"$" => existing.unwrap_or(&new).log().last_id(),
        id => parse(id, 0)?,
    };
    if existing.is_some_and(|stream| stream.group(group).is_some()) {
        return Err(Failure::error("BUSYGROUP Consumer Group name already exists"));
    }
    if exists {
        change_untold(&mut context.keys, key, |stream| stream.create_group(group, id, options.entries_read))?;
    } else {
        new.create_group(group, id, options.entries_read);
        context.keys.set(key, new.into(), SetExpiry::Clear);
    }
    context.notify(EventClass::STREAM, "xgroup-create", key);
    context.reply.ok();
    Ok(())
}

pub(super) fn setid(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, group) = (arguments.get(2), arguments.get(3));
    let options = Options::parse(arguments, false)?;
    let stream = with_group(context, key, group)?;
    let id = match arguments.get(4) {
        b"$" => stream.log().last_id(),
        id => parse_id_or_end(id)?,
    };
    change_group(context, key, group, |group| group.set_position(id, options.entries_read))?;
    context.notify(EventClass::STREAM, "xgroup-setid", key);
    context.reply.ok();
    Ok(())
}

pub(super) fn destroy(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, group) = (arguments.get(2), arguments.get(3));
    let exists = existing(context, key)?.group(group).is_some();
    if exists {
        change_untold(&mut context.keys, key, |stream| stream.remove_group(group))?;
        // Those who wait for its entries are to be told that it is gone.
        context.server.observers.waiting.wake(context.keys.database(), key);
        context.notify(EventClass::STREAM, "xgroup-destroy", key);
    }
    context.reply.integer(i64::from(exists));
    Ok(())
}

pub(super) fn create_consumer(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, group, consumer) = (arguments.get(2), arguments.get(3), arguments.get(4));
    let stream = with_group(context, key, group)?;
    let is_new = stream.group(group).is_some_and(|group| group.find_consumer(consumer).is_none());
    if is_new {
        let now = context.keys.now();
        change_group(context, key, group, |group| group.create_consumer(consumer, now))?;
        context.notify(EventClass::STREAM, "xgroup-createconsumer", key);
    }
    context.reply.integer(i64::from(is_new));
    Ok(())
}

pub(super) fn delete_consumer(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, group, consumer) = (arguments.get(2), arguments.get(3), arguments.get(4));
    let stream = with_group(context, key, group)?;
    let mut pending = 0;
    if let Some(number) = stream.group(group).and_then(|group| group.find_consumer(consumer)) {
        pending = change_group(context, key, group, |group| group.remove_consumer(number))?;
        context.notify(EventClass::STREAM, "xgroup-delconsumer", key);
    }
    context.reply.integer(pending as i64);
    Ok(())
}

/// The stream of a key that must be there.
fn existing<'k>(context: &'k mut KeyContext<'_>, key: &[u8]) -> Result<&'k StreamValue, Failure> {
    if !is_there(&mut context.keys, key)? {
        return Err(Failure::error(NO_KEY));
    }
    stream(context.keys.get_to_change(key)?.expect("the key was looked up"))
}

/// The same for a stream that must have this group.
fn with_group<'k>(
    context: &'k mut KeyContext<'_>,
    key: &[u8],
    group: &[u8],
) -> Result<&'k StreamValue, Failure> {
    let stream = existing(context, key)?;
    if stream.group(group).is_some() { Ok(stream) } else { Err(no_such_group(key, group)) }
}

fn change_group<T>(
    context: &mut KeyContext<'_>,
    key: &[u8],
    group: &[u8],
    edit: impl FnOnce(&mut Group) -> T,
) -> Result<T, Failure> {
    let result =
        change_untold(&mut context.keys, key, |stream| stream.change_group(group, |group, _| edit(group)))?;
    Ok(result.expect("the group was looked up"))
}

/// The options of CREATE and SETID.
struct Options {
    makes_stream: bool,
    entries_read: Option<i64>,
}

impl Options {
    fn parse(arguments: Arguments<'_>, is_create: bool) -> Result<Self, Failure> {
        let mut options = Self { makes_stream: false, entries_read: None };
        let mut at = OPTIONS;
        while at < arguments.len() {
            let word = arguments.get(at);
            if is_create && is_word(word, "MKSTREAM") {
                options.makes_stream = true;
                at += 1;
            } else if is_word(word, "ENTRIESREAD") && at + 1 < arguments.len() {
                let count = integer(arguments.get(at + 1))?;
                if count < UNKNOWN {
                    return Err(Failure::error("ERR value for ENTRIESREAD must be positive or -1"));
                }
                options.entries_read = (count != UNKNOWN).then_some(count);
                at += 2;
            } else {
                let subcommand = String::from_utf8_lossy(arguments.get(1));
                return Err(Failure::error(format!(
                    "ERR unknown subcommand or wrong number of arguments for '{subcommand}'. Try XGROUP HELP."
                )));
            }
        }
        Ok(options)
    }
}
