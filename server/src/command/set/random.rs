//! SPOP and SRANDMEMBER.

use thermocline_engine::value::{Element, IntegerDigits, SetLimits, SetValue};
use thermocline_protocol::Arguments;

use super::change::delete_if_empty;
use super::{set, set_mut};
use crate::command::arguments::integer;
use crate::command::sampling::{Sample, distinct};
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

/// If fewer than one in so many stay, SPOP makes a new set of those, as Redis does: it may be smaller in its form.
const MANY_TIMES_MORE: usize = 5;

/// `count` different members, of which there are more.
fn some_members(set: &SetValue, count: usize) -> Vec<Element<'_>> {
    distinct(
        set.len(),
        count,
        || set.iter().collect(),
        || set.random(rand::random).expect("a set has members"),
    )
}

pub(super) fn srandmember(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let sample = match arguments.len() {
        2 => None,
        3 => Some(Sample::parse(arguments.get(2))?),
        _ => return Err(Failure::SYNTAX),
    };
    let value = context.keys.get(arguments.get(1))?.map(set).transpose()?;
    let (reply, mut digits) = (&mut context.reply, IntegerDigits::new());
    match (value, sample) {
        (None, None) => reply.null(),
        (None, Some(_)) => reply.array(0),
        (Some(set), None) => {
            let member = set.random(rand::random).expect("a set has members");
            reply.bulk(member.bytes(&mut digits));
        }
        (Some(set), Some(Sample::Repeated(count))) => {
            reply.array(count);
            for _ in 0..count {
                let member = set.random(rand::random).expect("a set has members");
                reply.bulk(member.bytes(&mut digits));
            }
        }
        (Some(set), Some(Sample::Distinct(count))) if count >= set.len() => {
            reply.array(set.len());
            set.iter().for_each(|member| reply.bulk(member.bytes(&mut digits)));
        }
        (Some(set), Some(Sample::Distinct(count))) => {
            reply.array(count);
            let members = some_members(set, count);
            members.iter().for_each(|member| reply.bulk(member.bytes(&mut digits)));
        }
    }
    Ok(())
}

pub(super) fn spop(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    match arguments.len() {
        2 => pop_one(context, arguments.get(1)),
        3 => {
            let count = integer(arguments.get(2)).ok().and_then(|count| usize::try_from(count).ok());
            let count = count.ok_or(Failure::error("ERR value is out of range, must be positive"))?;
            pop_several(context, arguments.get(1), count)
        }
        _ => Err(Failure::SYNTAX),
    }
}

fn pop_one(context: &mut KeyContext<'_>, key: &[u8]) -> Result<(), Failure> {
    let Some(value) = context.keys.get_to_change(key)? else {
        context.reply.null();
        return Ok(());
    };
    let mut digits = IntegerDigits::new();
    let member = set(value)?.random(rand::random).expect("a set has members");
    context.reply.bulk(member.bytes(&mut digits));
    let member = member.to_vec();
    context.keys.modify(key, |value| set_mut(value).remove(&member))?;
    context.notify(EventClass::SET, "spop", key);
    delete_if_empty(context, key);
    Ok(())
}

fn pop_several(context: &mut KeyContext<'_>, key: &[u8], count: usize) -> Result<(), Failure> {
    let Some(value) = context.keys.get_to_change(key)? else {
        context.reply.set(0);
        return Ok(());
    };
    let set = set(value)?;
    let mut digits = IntegerDigits::new();
    if count == 0 {
        context.reply.set(0);
        return Ok(());
    }
    if count >= set.len() {
        context.reply.set(set.len());
        set.iter().for_each(|member| context.reply.bulk(member.bytes(&mut digits)));
        // Redis takes the reply from SUNION, and so counts a hit.
        context.keys.info(key);
        context.keys.remove(key);
        context.notify(EventClass::SET, "spop", key);
        context.notify(EventClass::GENERIC, "del", key);
        return Ok(());
    }
    let popped = some_members(set, count);
    context.reply.set(count);
    popped.iter().for_each(|member| context.reply.bulk(member.bytes(&mut digits)));
    let popped: Vec<Vec<u8>> = popped.into_iter().map(Element::to_vec).collect();
    let limits = context.server.config.set_limits();
    context.keys.modify(key, |value| remove_all(set_mut(value), &popped, limits))?;
    context.notify(EventClass::SET, "spop", key);
    Ok(())
}

/// Takes members out of a set that keeps others.
fn remove_all(set: &mut SetValue, members: &[Vec<u8>], limits: SetLimits) {
    for member in members {
        set.remove(member);
    }
    if set.len() * MANY_TIMES_MORE <= members.len() {
        let mut rest = SetValue::new_intset();
        for member in set.iter() {
            rest.insert_element(member, limits);
        }
        *set = rest;
    }
}
