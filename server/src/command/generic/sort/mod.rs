//! SORT and SORT_RO.
//!
//! * `options`: the arguments.
//! * `pattern`: BY and GET patterns, and the values that they lead to.
//! * `order`: what elements are compared by.
//!
//! The keys that patterns lead to are known only when the elements are, and those of GET only when these are sorted. So
//! the command runs up to three times: [`Failure::NeedsKeys`] has their shards locked, and only then is anything read.

mod options;
mod order;
mod pattern;
#[cfg(test)]
mod tests;

use std::ops::Range;

use thermocline_engine::value::{Element, Encoding, ListEnd, ListValue, Value, ValueType};
use thermocline_engine::{KeyInfo, Keys, SetExpiry};
use thermocline_protocol::Arguments;

use super::GENERIC;
use crate::access::reads_all_keys;
use crate::command::key_use::KeyUse;
use crate::command::{Command, Failure, Flags, Handler, KeyContext, KeyPositions, Reads};
use crate::server::events::EventClass;
use options::SortOptions;
use order::{Item, sort};
use pattern::{Lookups, Pattern};

const COMPLEXITY: &str = "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number \
                          of returned elements. When the elements are not sorted, complexity is O(N).";

/// What can be sorted.
const SORTABLE: [ValueType; 3] = [ValueType::List, ValueType::Set, ValueType::SortedSet];

const EITHER: Command = Command {
    arity: -2,
    reads: Reads::Values,
    // Not of the keyspace, as Redis has it.
    categories: &["set", "sortedset", "list", "dangerous"],
    complexity: COMPLEXITY,
    ..GENERIC
};

pub(super) const SORT: Command = Command {
    name: "sort",
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::MOVABLE_KEYS).with(Flags::MORE_KEYS),
    keys: KeyPositions::Sort { stores: true },
    key_use: &[KeyUse::READ, KeyUse::SORT_TARGET],
    summary: "Sorts the elements in a list, a set, or a sorted set, optionally storing the result.",
    handler: Handler::Keys(sort_and_store),
    ..EITHER
};

pub(super) const SORT_RO: Command = Command {
    name: "sort_ro",
    flags: Flags::READONLY.with(Flags::MOVABLE_KEYS).with(Flags::MORE_KEYS),
    keys: KeyPositions::Sort { stores: false },
    key_use: &[KeyUse::READ],
    summary: "Returns the sorted elements of a list, a set, or a sorted set.",
    since: "7.0.0",
    handler: Handler::Keys(sort_read_only),
    ..EITHER
};

fn sort_and_store(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    run(context, arguments, true)
}

fn sort_read_only(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    run(context, arguments, false)
}

fn run(context: &mut KeyContext<'_>, arguments: Arguments<'_>, may_store: bool) -> Result<(), Failure> {
    let may_look_up = || match context.server.commands.resolve(arguments) {
        Ok(entry) => reads_all_keys(&context.session.user, entry, arguments),
        Err(_) => true,
    };
    let options = SortOptions::parse(arguments, may_store, may_look_up)?;
    let mut lookups = Lookups::default();
    let mut items = elements(&mut context.keys, arguments.get(1), &options)?;
    if let Some(by) = &options.by {
        lookups.prepare(&mut context.keys, items.iter().map(|item| (by, &*item.element)))?;
    }
    let range = if options.is_sorted() {
        let range = options.range(items.len());
        weigh(&mut context.keys, &options, &mut items)?;
        sort(&mut items, &options);
        range
    } else {
        // What is not sorted was cut when it was read.
        0..items.len()
    };
    let items = &items[range];
    let results = || items.iter().flat_map(|item| options.get.iter().map(move |get| (get, &*item.element)));
    lookups.prepare(&mut context.keys, results())?;
    // From here on nothing is missing. The key itself counts once as looked up, however often the command began anew.
    context.keys.info(arguments.get(1));
    let output: Vec<Option<Vec<u8>>> = if options.get.is_empty() {
        items.iter().map(|item| Some(item.element.clone())).collect()
    } else {
        let found = results().map(|(get, element)| get.look_up(&mut context.keys, element));
        found.collect::<Result<_, _>>()?
    };
    match options.store {
        Some(target) => store(context, target, &output),
        None => {
            context.reply.array(output.len());
            for text in &output {
                match text {
                    Some(text) => context.reply.bulk(text),
                    None => context.reply.null(),
                }
            }
        }
    }
    Ok(())
}

/// The elements of a key, all of them or, where they are not sorted, those that are asked for.
fn elements(keys: &mut Keys<'_>, key: &[u8], options: &SortOptions<'_>) -> Result<Vec<Item>, Failure> {
    fn items<'a>(elements: impl Iterator<Item = Element<'a>>) -> Vec<Item> {
        elements.map(|element| Item::new(element.to_vec())).collect()
    }
    let range = |length: usize| if options.is_sorted() { 0..length } else { options.range(length) };
    if keys.peek(key).is_some_and(|info| !SORTABLE.contains(&info.value_type)) {
        // It counts as looked up all the same.
        keys.info(key);
        return Err(Failure::WRONG_TYPE);
    }
    // As in Redis, a sorted set that was sorted is a skip list.
    let is_small =
        |info: KeyInfo| (info.value_type, info.encoding) == (ValueType::SortedSet, Encoding::ListPack);
    if keys.peek(key).is_some_and(is_small) {
        keys.reencode(key, |value| match value {
            Value::SortedSet(set) => set.grow(),
            other => panic!("{:?} is no sorted set", other.value_type()),
        })?;
    }
    Ok(match keys.get_to_change(key)? {
        None => Vec::new(),
        Some(Value::List(list)) => {
            let range = range(list.len());
            if options.is_sorted() || !options.is_descending || range.is_empty() {
                items(list.iter_from(range.start).take(range.len()))
            } else {
                items(list.iter_back_from(list.len() - 1 - range.start).take(range.len()))
            }
        }
        Some(Value::SortedSet(set)) => {
            let range = range(set.len());
            if options.is_sorted() || !options.is_descending {
                items(set.range(range, false).map(|(member, _)| member))
            } else {
                let ranks: Range<usize> = set.len() - range.end..set.len() - range.start;
                items(set.range(ranks, true).map(|(member, _)| member))
            }
        }
        Some(Value::Set(set)) => {
            let mut members = items(set.iter());
            if !options.is_sorted() {
                // A set has no order of its own: any will do, if it is always the same.
                sort(&mut members, options);
                let range = range(members.len());
                members = members.drain(range).collect();
            }
            members
        }
        Some(other) => panic!("{:?} cannot be sorted", other.value_type()),
    })
}

/// Finds out what each element is compared by.
fn weigh(keys: &mut Keys<'_>, options: &SortOptions<'_>, items: &mut [Item]) -> Result<(), Failure> {
    let mut are_numbers = true;
    for item in items {
        let text = match &options.by {
            Some(by) => by.look_up(keys, &item.element)?,
            None if options.is_alphabetic => continue,
            None => Some(item.element.clone()),
        };
        if options.is_alphabetic {
            item.by = text;
        } else if let Some(text) = text {
            match order::weight(&text) {
                Some(weight) => item.weight = weight,
                None => are_numbers = false,
            }
        }
    }
    if are_numbers {
        Ok(())
    } else {
        Err(Failure::error("ERR One or more scores can't be converted into double"))
    }
}

/// Makes a list of what was found, an empty string for what was not.
fn store(context: &mut KeyContext<'_>, target: &[u8], output: &[Option<Vec<u8>>]) {
    if output.is_empty() {
        if context.keys.remove(target) {
            context.notify(EventClass::GENERIC, "del", target);
        }
    } else {
        let limits = context.server.config.list_limits();
        let mut list = ListValue::new_large();
        list.push(ListEnd::Back, output.iter().map(|text| text.as_deref().unwrap_or_default()), limits);
        list.fit(limits);
        context.keys.set(target, list.into(), SetExpiry::Clear);
        context.notify(EventClass::LIST, "sortstore", target);
    }
    context.reply.integer(output.len() as i64);
}
