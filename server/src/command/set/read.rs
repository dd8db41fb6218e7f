//! SISMEMBER, SMISMEMBER, SCARD, SMEMBERS and SSCAN.

use thermocline_engine::value::IntegerDigits;
use thermocline_protocol::{Arguments, ReplyEncoder};

use super::{check_is_set, set};
use crate::command::generic::iteration::{CollectionScan, cursor};
use crate::command::{Failure, KeyContext};

pub(super) fn sismember(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let is_member = match context.keys.get(arguments.get(1))? {
        Some(value) => set(value)?.contains(arguments.get(2)),
        None => false,
    };
    context.reply.integer(i64::from(is_member));
    Ok(())
}

pub(super) fn smismember(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let value = context.keys.get(arguments.get(1))?.map(set).transpose()?;
    let members = arguments.skip(2);
    context.reply.array(members.len());
    for member in members.iter() {
        context.reply.integer(i64::from(value.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

pub(super) fn scard(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let members = match context.keys.info(arguments.get(1)) {
        Some(info) => {
            check_is_set(&info)?;
            i64::from(info.length)
        }
        None => 0,
    };
    context.reply.integer(members);
    Ok(())
}

pub(super) fn smembers(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let Some(value) = context.keys.get(arguments.get(1))? else {
        context.reply.set(0);
        return Ok(());
    };
    let set = set(value)?;
    context.reply.set(set.len());
    let mut digits = IntegerDigits::new();
    set.iter().for_each(|member| context.reply.bulk(member.bytes(&mut digits)));
    Ok(())
}

pub(super) fn sscan(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let cursor = cursor(arguments.get(2))?;
    let Some(value) = context.keys.get(arguments.get(1))? else {
        context.reply.array(2);
        context.reply.bulk(b"0");
        context.reply.array(0);
        return Ok(());
    };
    let set = set(value)?;
    let options = CollectionScan::parse(arguments.skip(3))?;
    // The cursor comes first in the reply and is known last.
    let (mut found, mut found_count) = (Vec::new(), 0);
    let mut members = ReplyEncoder::new(&mut found, context.reply.protocol());
    let mut digits = IntegerDigits::new();
    let next = set.scan(cursor, options.count, |member| {
        let member = member.bytes(&mut digits);
        if options.admits(member) {
            members.bulk(member);
            found_count += 1;
        }
    });
    context.reply.array(2);
    context.reply.bulk(itoa::Buffer::new().format(next).as_bytes());
    context.reply.array(found_count);
    context.reply.raw(&found);
    Ok(())
}
