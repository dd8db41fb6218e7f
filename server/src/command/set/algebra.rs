//! SINTER, SUNION and SDIFF, SINTERSTORE and its kin, and SINTERCARD.
//!
//! Types and missing keys are found out from the index: an intersection with a set that is not there reads nothing.
//! The destination of a result is replaced without a look at what was there.

use std::ops::ControlFlow;

use smallvec::SmallVec;
use thermocline_engine::value::{Element, Encoding, IntegerDigits, SetLimits, SetValue};
use thermocline_engine::{Cold, Keys, SetExpiry};
use thermocline_protocol::Arguments;

use super::{check_is_set, set};
use crate::command::arguments::{integer, is_word};
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

/// Where the sources of SINTERSTORE and its kin start.
const SOURCES_OF_STORE: usize = 2;
/// Where the keys of SINTERCARD start.
const KEYS_OF_CARD: usize = 2;

/// Some sets, as many as one command mostly names.
type Sets<'a> = SmallVec<[&'a SetValue; 8]>;

pub(super) fn sinter(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let keys = arguments.skip(1);
    if count_existing(&mut context.keys, keys)? < keys.len() {
        context.reply.set(0);
        return Ok(());
    }
    read_all(&mut context.keys, keys)?;
    let sets = smallest_first(sets(&context.keys, keys)?);
    let mark = context.reply.begin_set();
    let (mut count, mut digits) = (0, IntegerDigits::new());
    intersect(&sets, |member| {
        context.reply.bulk(member.bytes(&mut digits));
        count += 1;
        ControlFlow::Continue(())
    });
    context.reply.end_set(mark, count);
    Ok(())
}

pub(super) fn sintercard(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let too_few = Failure::error("ERR numkeys should be greater than 0");
    let key_count = match integer(arguments.get(1)) {
        Ok(count @ 1..) => usize::try_from(count).map_err(|_| too_few)?,
        _ => return Err(too_few),
    };
    if key_count > arguments.len() - KEYS_OF_CARD {
        return Err(Failure::error("ERR Number of keys can't be greater than number of args"));
    }
    let limit = parse_limit(arguments.skip(KEYS_OF_CARD + key_count))?;
    let keys = arguments.skip(KEYS_OF_CARD).first(key_count);
    if count_existing(&mut context.keys, keys)? < key_count {
        context.reply.integer(0);
        return Ok(());
    }
    read_all(&mut context.keys, keys)?;
    let sets = smallest_first(sets(&context.keys, keys)?);
    let mut count = 0;
    intersect(&sets, |_| {
        count += 1;
        if count == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    context.reply.integer(count);
    Ok(())
}

/// `LIMIT n`, the last of several; 0 where there is none.
fn parse_limit(options: Arguments<'_>) -> Result<i64, Failure> {
    let mut limit = 0;
    let mut words = options.iter();
    while let Some(word) = words.next() {
        let Some(argument) = words.next().filter(|_| is_word(word, "limit")) else {
            return Err(Failure::SYNTAX);
        };
        limit = match integer(argument) {
            Ok(limit @ 0..) => limit,
            _ => return Err(Failure::error("ERR LIMIT can't be negative")),
        };
    }
    Ok(limit)
}

pub(super) fn sinterstore(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let keys = arguments.skip(SOURCES_OF_STORE);
    let result = if count_existing(&mut context.keys, keys)? < keys.len() {
        None
    } else {
        read_all(&mut context.keys, keys)?;
        let sets = smallest_first(sets(&context.keys, keys)?);
        Some(intersection(&sets, context.server.config.set_limits()))
    };
    store(context, arguments.get(1), result, "sinterstore")
}

/// The members that all sets have, represented as Redis does: as the smallest set is, or as an intset.
fn intersection(sets: &[&SetValue], limits: SetLimits) -> SetValue {
    let mut result = match sets[0].encoding() {
        Encoding::IntSet => SetValue::new_intset(),
        Encoding::ListPack => SetValue::new_pack(),
        _ => SetValue::new_table(0),
    };
    intersect(sets, |member| {
        result.insert_element(member, limits);
        ControlFlow::Continue(())
    });
    match result.encoding() {
        Encoding::IntSet => result,
        _ => result.to_intset(limits).unwrap_or(result),
    }
}

pub(super) fn sunion(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let keys = arguments.skip(1);
    count_existing(&mut context.keys, keys)?;
    read_all(&mut context.keys, keys)?;
    let sets = sets(&context.keys, keys)?;
    if let [only] = sets[..] {
        reply_set(&mut context.reply, only);
        return Ok(());
    }
    let mut result = SetValue::new_table(sets.iter().map(|set| set.len()).max().unwrap_or(0));
    let limits = context.server.config.set_limits();
    for member in sets.iter().flat_map(|set| set.iter()) {
        result.insert_element(member, limits);
    }
    reply_set(&mut context.reply, &result);
    Ok(())
}

pub(super) fn sunionstore(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let keys = arguments.skip(SOURCES_OF_STORE);
    count_existing(&mut context.keys, keys)?;
    read_all(&mut context.keys, keys)?;
    let limits = context.server.config.set_limits();
    let mut result = SetValue::new_intset();
    for member in sets(&context.keys, keys)?.iter().flat_map(|set| set.iter()) {
        result.insert_element(member, limits);
    }
    store(context, arguments.get(1), Some(result), "sunionstore")
}

pub(super) fn sdiff(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let result = difference(context, arguments.skip(1))?;
    reply_set(&mut context.reply, &result);
    Ok(())
}

pub(super) fn sdiffstore(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let result = difference(context, arguments.skip(SOURCES_OF_STORE))?;
    store(context, arguments.get(1), Some(result), "sdiffstore")
}

/// The members of the first set that no other one has.
fn difference(context: &mut KeyContext<'_>, keys: Arguments<'_>) -> Result<SetValue, Failure> {
    let first_key = keys.get(0);
    count_existing(&mut context.keys, keys)?;
    let mut result = SetValue::new_intset();
    if !context.keys.exists(first_key) {
        return Ok(result);
    }
    read_all(&mut context.keys, keys)?;
    let first = set(context.keys.view(first_key).expect("the key is there"))?;
    let others = sets(&context.keys, keys.skip(1))?;
    if others.iter().any(|other| std::ptr::eq(*other, first)) {
        return Ok(result);
    }
    let limits = context.server.config.set_limits();
    // Either each member is looked for in the others, or the others' members are taken out of a copy: whichever takes
    // fewer steps. The choice is Redis', since the representation of what is stored depends on it.
    let searches = first.len() * (1 + others.len()) / 2;
    let removals = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    if searches <= removals {
        // The largest of the others is the likeliest to have a member.
        let mut others = others;
        others.sort_by_key(|set| std::cmp::Reverse(set.len()));
        for member in first.iter().filter(|&member| !others.iter().any(|set| set.contains_element(member))) {
            result.insert_element(member, limits);
        }
    } else {
        for member in first.iter() {
            result.insert_element(member, limits);
        }
        for member in others.iter().flat_map(|set| set.iter()) {
            result.remove_element(member);
            if result.is_empty() {
                break;
            }
        }
    }
    Ok(result)
}

/// How many of the keys exist; all of them are sets. Counts keyspace hits and misses.
fn count_existing(keys: &mut Keys<'_>, names: Arguments<'_>) -> Result<usize, Failure> {
    let mut existing = 0;
    for name in names.iter() {
        if let Some(info) = keys.info(name) {
            check_is_set(&info)?;
            existing += 1;
        }
    }
    Ok(existing)
}

/// Makes all values available to [`sets`].
fn read_all(keys: &mut Keys<'_>, names: Arguments<'_>) -> Result<(), Cold> {
    let mut result = Ok(());
    for name in names.iter() {
        // Going on makes all that are cold known, so that they are read at once.
        result = result.and(keys.get_to_change(name).map(|_| ()));
    }
    result
}

/// The sets that exist, in the order of the keys.
fn sets<'a>(keys: &'a Keys<'_>, names: Arguments<'_>) -> Result<Sets<'a>, Failure> {
    names.iter().filter_map(|name| keys.view(name)).map(set).collect()
}

fn smallest_first(mut sets: Sets<'_>) -> Sets<'_> {
    sets.sort_by_key(|set| set.len());
    sets
}

/// Visits the members of the first set that all have, in its order.
fn intersect<'a>(sets: &[&'a SetValue], mut visit: impl FnMut(Element<'a>) -> ControlFlow<()>) {
    let (first, others) = sets.split_first().expect("there is at least one key");
    for member in first.iter() {
        if others.iter().all(|other| std::ptr::eq(*other, *first) || other.contains_element(member))
            && visit(member).is_break()
        {
            return;
        }
    }
}

fn reply_set(reply: &mut thermocline_protocol::ReplyEncoder<'_>, set: &SetValue) {
    reply.set(set.len());
    let mut digits = IntegerDigits::new();
    set.iter().for_each(|member| reply.bulk(member.bytes(&mut digits)));
}

/// Replaces the destination by a result and replies how many members that has; none deletes it.
fn store(
    context: &mut KeyContext<'_>,
    destination: &[u8],
    result: Option<SetValue>,
    event: &'static str,
) -> Result<(), Failure> {
    let result = result.filter(|set| !set.is_empty());
    let members = result.as_ref().map_or(0, SetValue::len);
    match result {
        Some(set) => {
            context.keys.set(destination, set.into(), SetExpiry::Clear);
            context.notify(EventClass::SET, event, destination);
        }
        None => {
            if context.keys.remove(destination) {
                context.notify(EventClass::GENERIC, "del", destination);
            }
        }
    }
    context.reply.integer(members as i64);
    Ok(())
}
