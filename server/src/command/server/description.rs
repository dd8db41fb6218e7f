//! How COMMAND and ACL describe a command: everything follows from its row.

use thermocline_protocol::ReplyEncoder;

use crate::command::categories::categories;
use crate::command::history::{History, history_of};
use crate::command::key_use::{KeyUse, key_use};
use crate::command::syntax::{Argument, arguments_of};
use crate::command::table::{CommandEntry, CommandTable};
use crate::command::tips::tips;
use crate::command::{Command, Flags, KeyPositions};

/// Flags by the names that COMMAND INFO gives them, in its order.
const FLAG_NAMES: [(Flags, &str); 19] = [
    (Flags::WRITE, "write"),
    (Flags::READONLY, "readonly"),
    (Flags::DENYOOM, "denyoom"),
    (Flags::ADMIN, "admin"),
    (Flags::PUBSUB, "pubsub"),
    (Flags::NOSCRIPT, "noscript"),
    (Flags::BLOCKING, "blocking"),
    (Flags::LOADING, "loading"),
    (Flags::STALE, "stale"),
    (Flags::SKIP_MONITOR, "skip_monitor"),
    (Flags::SKIP_SLOWLOG, "skip_slowlog"),
    (Flags::ASKING, "asking"),
    (Flags::NO_ASYNC_LOADING, "no_async_loading"),
    (Flags::FAST, "fast"),
    (Flags::NO_AUTH, "no_auth"),
    (Flags::NO_MULTI, "no_multi"),
    (Flags::NO_MANDATORY_KEYS, "no_mandatory_keys"),
    (Flags::MOVABLE_KEYS, "movablekeys"),
    (Flags::ALLOW_BUSY, "allow_busy"),
];

/// One element of COMMAND INFO's reply.
pub(super) fn reply_info(reply: &mut ReplyEncoder<'_>, table: &CommandTable, entry: &CommandEntry) {
    let command = entry.command;
    reply.array(10);
    reply.bulk(entry.full_name.as_bytes());
    reply.integer(i64::from(command.arity));
    let flags: Vec<&str> =
        FLAG_NAMES.iter().filter(|(flag, _)| entry.has(*flag)).map(|(_, name)| *name).collect();
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.simple(flag));
    let (first, last, step) = match command.keys {
        KeyPositions::Range { first, last, step } => (first as i64, i64::from(last), step as i64),
        KeyPositions::OneOrBehind { at, .. } => (at as i64, at as i64, 1),
        KeyPositions::Channels { last } => (1, i64::from(last), 1),
        KeyPositions::TargetAndCounted { .. }
        | KeyPositions::FirstAndBehind { .. }
        | KeyPositions::Sort { .. } => (1, 1, 1),
        KeyPositions::None | KeyPositions::Counted { .. } | KeyPositions::HalfBehind { .. } => (0, 0, 0),
    };
    [first, last, step].into_iter().for_each(|number| reply.integer(number));
    let categories: Vec<&str> = categories(command).collect();
    reply.set(categories.len());
    categories.iter().for_each(|category| reply.simple(&format!("@{category}")));
    let tips = tips(&entry.full_name);
    reply.set(tips.len());
    tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply_key_specifications(reply, command);
    let subcommands = table.subcommands(entry);
    // Redis says "an empty set" of a command without subcommands, and "an array" of one with some.
    if subcommands.is_empty() {
        reply.set(0)
    } else {
        reply.array(subcommands.len())
    }
    subcommands.iter().for_each(|subcommand| reply_info(reply, table, subcommand));
}

fn reply_key_specifications(reply: &mut ReplyEncoder<'_>, command: &Command) {
    let uses = key_use(command);
    match command.keys {
        KeyPositions::None => reply.set(0),
        KeyPositions::Range { first, last, step } => {
            // Where the first key is used in another way than the others, it has a specification of its own.
            reply.set(uses.len());
            for (number, key_use) in uses.iter().enumerate() {
                let (first, is_alone) = (first + number * step, number + 1 < uses.len());
                // Counted from the first key, unless from the end.
                let last = match last {
                    _ if is_alone => 0,
                    ..0 => i64::from(last),
                    _ => i64::from(last) - first as i64,
                };
                let fields = [("lastkey", last), ("keystep", step as i64), ("limit", 0)];
                reply_key_specification(reply, *key_use, Begin::Index(first), "range", fields);
            }
        }
        KeyPositions::Channels { last } => {
            reply.set(1);
            let last = if last < 0 { last } else { last - 1 };
            let fields = [("lastkey", i64::from(last)), ("keystep", 1), ("limit", 0)];
            reply_key_specification(reply, KeyUse::CHANNEL, Begin::Index(1), "range", fields);
        }
        KeyPositions::Counted { count } => {
            reply.set(1);
            reply_key_specification(reply, uses[0], Begin::Index(count), "keynum", COUNTED);
        }
        KeyPositions::TargetAndCounted { count } => {
            reply.set(2);
            reply_key_specification(reply, uses[0], Begin::Index(1), "range", ONE);
            reply_key_specification(reply, uses[1], Begin::Index(count), "keynum", COUNTED);
        }
        KeyPositions::HalfBehind { word, from, .. } => {
            reply.set(1);
            let half = [("lastkey", -1), ("keystep", 1), ("limit", 2)];
            reply_key_specification(reply, uses[0], Begin::Word(word, from as i64), "range", half);
        }
        KeyPositions::FirstAndBehind { words, from, .. } => {
            reply.set(1 + words.len());
            reply_key_specification(reply, uses[0], Begin::Index(1), "range", ONE);
            for word in words {
                reply_key_specification(reply, uses[1], Begin::Word(word, from as i64), "range", ONE);
            }
        }
        KeyPositions::OneOrBehind { at, word, .. } => {
            reply.set(2);
            reply_key_specification(reply, uses[0], Begin::Index(at), "range", ONE);
            // From the end, the word is found in place of a password that happens to be equal.
            let rest = [("lastkey", -1), ("keystep", 1), ("limit", 0)];
            reply_key_specification(reply, uses[1], Begin::Word(word, -2), "range", rest);
        }
        KeyPositions::Sort { stores } => {
            reply.set(2 + usize::from(stores));
            reply_key_specification(reply, uses[0], Begin::Index(1), "range", ONE);
            reply_unknown_keys(reply, KeyUse::SORT_PATTERN);
            uses[1..].iter().for_each(|key_use| reply_unknown_keys(reply, *key_use));
        }
    }
}

/// A specification of keys that cannot be told from the arguments' positions.
fn reply_unknown_keys(reply: &mut ReplyEncoder<'_>, key_use: KeyUse) {
    reply.map(4);
    reply.bulk(b"notes");
    reply.bulk(key_use.notes().as_bytes());
    reply.bulk(b"flags");
    reply_flags(reply, key_use);
    for step in ["begin_search", "find_keys"] {
        reply.bulk(step.as_bytes());
        reply.map(2);
        reply.bulk(b"type");
        reply.bulk(b"unknown");
        reply.bulk(b"spec");
        reply.map(0);
    }
}

const ONE: [(&str, i64); 3] = [("lastkey", 0), ("keystep", 1), ("limit", 0)];
const COUNTED: [(&str, i64); 3] = [("keynumidx", 0), ("firstkey", 1), ("keystep", 1)];

/// Where the search for keys begins.
enum Begin {
    /// At this argument.
    Index(usize),
    /// Behind this word, searched from this argument on; backwards where that is counted from the end.
    Word(&'static str, i64),
}

fn reply_key_specification(
    reply: &mut ReplyEncoder<'_>,
    key_use: KeyUse,
    begin: Begin,
    kind: &str,
    fields: [(&str, i64); 3],
) {
    let notes = key_use.notes();
    reply.map(3 + usize::from(!notes.is_empty()));
    if !notes.is_empty() {
        reply.bulk(b"notes");
        reply.bulk(notes.as_bytes());
    }
    reply.bulk(b"flags");
    reply_flags(reply, key_use);
    reply.bulk(b"begin_search");
    reply.map(2);
    reply.bulk(b"type");
    match begin {
        Begin::Index(index) => {
            reply.bulk(b"index");
            reply.bulk(b"spec");
            reply.map(1);
            reply.bulk(b"index");
            reply.integer(index as i64);
        }
        Begin::Word(word, from) => {
            reply.bulk(b"keyword");
            reply.bulk(b"spec");
            reply.map(2);
            reply.bulk(b"keyword");
            reply.bulk(word.as_bytes());
            reply.bulk(b"startfrom");
            reply.integer(from);
        }
    }
    reply.bulk(b"find_keys");
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(fields.len());
    for (name, value) in fields {
        reply.bulk(name.as_bytes());
        reply.integer(value);
    }
}

/// What a command does with a key, as a set of words.
pub(super) fn reply_flags(reply: &mut ReplyEncoder<'_>, key_use: KeyUse) {
    reply.set(key_use.flags().len());
    key_use.flags().iter().for_each(|flag| reply.simple(flag));
}

/// One pair of COMMAND DOCS' reply, without its key.
pub(super) fn reply_documentation(reply: &mut ReplyEncoder<'_>, table: &CommandTable, entry: &CommandEntry) {
    let command = entry.command;
    let mut texts = vec![("summary", command.summary), ("since", command.since), ("group", command.group)];
    if !command.complexity.is_empty() {
        texts.push(("complexity", command.complexity));
    }
    let arguments = arguments_of(&entry.full_name);
    let subcommands = table.subcommands(entry);
    let history = history_of(&entry.full_name);
    let is_marked = history.is_internal || history.deprecated.is_some();
    let lists = [is_marked, !history.changes.is_empty(), !arguments.is_empty(), !subcommands.is_empty()];
    let lists = lists.into_iter().filter(|is_there| *is_there).count();
    reply.map(texts.len() + lists + if history.deprecated.is_some() { 2 } else { 0 });
    for (name, text) in texts {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
    reply_history(reply, history);
    if !arguments.is_empty() {
        reply_arguments(reply, arguments);
    }
    if !subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(subcommands.len());
        for subcommand in subcommands {
            reply.bulk(subcommand.full_name.as_bytes());
            reply_documentation(reply, table, subcommand);
        }
    }
}

/// Pairs: marks, advice and changes, as far as there are any.
fn reply_history(reply: &mut ReplyEncoder<'_>, history: &History) {
    let marks = [(history.deprecated.is_some(), "deprecated"), (history.is_internal, "syscmd")];
    let marks: Vec<&str> = marks.into_iter().filter_map(|(is_set, name)| is_set.then_some(name)).collect();
    if !marks.is_empty() {
        reply.bulk(b"doc_flags");
        reply.set(marks.len());
        marks.iter().for_each(|mark| reply.simple(mark));
    }
    if let Some((version, instead)) = history.deprecated {
        for (name, text) in [("deprecated_since", version), ("replaced_by", instead)] {
            reply.bulk(name.as_bytes());
            reply.bulk(text.as_bytes());
        }
    }
    if !history.changes.is_empty() {
        reply.bulk(b"history");
        reply.set(history.changes.len());
        for (version, text) in &history.changes {
            reply.array(2);
            reply.bulk(version.as_bytes());
            reply.bulk(text.as_bytes());
        }
    }
}

/// A pair: the word `arguments`, and their list.
fn reply_arguments(reply: &mut ReplyEncoder<'_>, arguments: &[Argument]) {
    reply.bulk(b"arguments");
    reply.array(arguments.len());
    arguments.iter().for_each(|argument| reply_argument(reply, argument));
}

fn reply_argument(reply: &mut ReplyEncoder<'_>, argument: &Argument) {
    let flags: Vec<&str> = [
        (argument.is_optional, "optional"),
        (argument.is_multiple, "multiple"),
        (argument.repeats_token, "multiple_token"),
    ]
    .iter()
    .filter_map(|(is_set, name)| is_set.then_some(*name))
    .collect();
    let texts = [
        ("token", argument.token),
        ("since", argument.since),
        ("deprecated_since", argument.deprecated_since),
    ];
    let fields = 2
        + usize::from(argument.key_specification.is_some())
        + texts.iter().filter(|(_, text)| text.is_some()).count()
        + usize::from(!flags.is_empty())
        + usize::from(!argument.members.is_empty());
    reply.map(fields);
    reply.bulk(b"name");
    reply.bulk(argument.name.as_bytes());
    reply.bulk(b"type");
    reply.bulk(argument.kind.as_bytes());
    if let Some(number) = argument.key_specification {
        reply.bulk(b"key_spec_index");
        reply.integer(number);
    }
    for (name, text) in texts {
        if let Some(text) = text {
            reply.bulk(name.as_bytes());
            reply.bulk(text.as_bytes());
        }
    }
    if !flags.is_empty() {
        reply.bulk(b"flags");
        reply.set(flags.len());
        flags.iter().for_each(|flag| reply.simple(flag));
    }
    if !argument.members.is_empty() {
        reply_arguments(reply, &argument.members);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_has_a_bit_of_its_own() {
        let all = FLAG_NAMES.iter().fold(0, |all, (flag, name)| {
            assert_eq!((flag.0.count_ones(), all & flag.0), (1, 0), "{name}");
            all | flag.0
        });
        assert_eq!(all.count_ones() as usize, FLAG_NAMES.len());
    }
}
