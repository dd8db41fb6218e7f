//! HGET, HMGET, HGETALL, HKEYS, HVALS, HLEN, HEXISTS, HSTRLEN and HSCAN.

use thermocline_engine::value::{Element, Encoding, HashValue, IntegerDigits};
use thermocline_protocol::{Arguments, ReplyEncoder};

use super::{check_is_hash, hash};
use crate::command::generic::iteration::{CollectionScan, cursor};
use crate::command::{Failure, KeyContext};

pub(super) fn hget(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let now = context.keys.now();
    let hash = context.keys.get(arguments.get(1))?.map(hash).transpose()?;
    match hash.and_then(|hash| hash.get(arguments.get(2), now)) {
        Some(value) => context.reply.bulk(value.bytes(&mut IntegerDigits::new())),
        None => context.reply.null(),
    }
    Ok(())
}

pub(super) fn hmget(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let now = context.keys.now();
    let hash = context.keys.get(arguments.get(1))?.map(hash).transpose()?;
    let fields = arguments.skip(2);
    context.reply.array(fields.len());
    let mut digits = IntegerDigits::new();
    for field in fields.iter() {
        match hash.and_then(|hash| hash.get(field, now)) {
            Some(value) => context.reply.bulk(value.bytes(&mut digits)),
            None => context.reply.null(),
        }
    }
    Ok(())
}

pub(super) fn hexists(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let now = context.keys.now();
    let hash = context.keys.get(arguments.get(1))?.map(hash).transpose()?;
    let exists = hash.is_some_and(|hash| hash.get(arguments.get(2), now).is_some());
    context.reply.integer(i64::from(exists));
    Ok(())
}

pub(super) fn hstrlen(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let now = context.keys.now();
    let hash = context.keys.get(arguments.get(1))?.map(hash).transpose()?;
    let length = hash.and_then(|hash| hash.get(arguments.get(2), now)).map_or(0, Element::len);
    context.reply.integer(length as i64);
    Ok(())
}

/// The index knows the number of fields; only where some may have expired the value is needed.
pub(super) fn hlen(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    let now = context.keys.now();
    let fields = match context.keys.info(key) {
        Some(info) => {
            check_is_hash(&info)?;
            if matches!(info.encoding, Encoding::ListPackEx | Encoding::HashTableEx) {
                let value = context.keys.get_to_change(key)?;
                value.map(hash).transpose()?.map_or(0, |hash| hash.live_len(now))
            } else {
                info.length as usize
            }
        }
        None => 0,
    };
    context.reply.integer(fields as i64);
    Ok(())
}

pub(super) fn hgetall(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let mut digits = IntegerDigits::new();
    reply_all(
        context,
        arguments.get(1),
        |reply, fields| reply.map(fields),
        |reply, field, value| {
            reply.bulk(field.bytes(&mut digits));
            reply.bulk(value.bytes(&mut digits));
        },
    )
}

pub(super) fn hkeys(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let mut digits = IntegerDigits::new();
    reply_all(
        context,
        arguments.get(1),
        |reply, fields| reply.array(fields),
        |reply, field, _| {
            reply.bulk(field.bytes(&mut digits));
        },
    )
}

pub(super) fn hvals(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let mut digits = IntegerDigits::new();
    reply_all(
        context,
        arguments.get(1),
        |reply, fields| reply.array(fields),
        |reply, _, value| {
            reply.bulk(value.bytes(&mut digits));
        },
    )
}

/// Replies something of each field; `begin` announces how many follow.
fn reply_all(
    context: &mut KeyContext<'_>,
    key: &[u8],
    begin: fn(&mut ReplyEncoder<'_>, usize),
    mut reply_one: impl FnMut(&mut ReplyEncoder<'_>, Element<'_>, Element<'_>),
) -> Result<(), Failure> {
    let now = context.keys.now();
    let Some(hash) = context.keys.get(key)?.map(hash).transpose()? else {
        begin(&mut context.reply, 0);
        return Ok(());
    };
    begin(&mut context.reply, hash.live_len(now));
    for (field, value) in hash.iter(now) {
        reply_one(&mut context.reply, field, value);
    }
    Ok(())
}

pub(super) fn hscan(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let cursor = cursor(arguments.get(2))?;
    let now = context.keys.now();
    let Some(value) = context.keys.get(arguments.get(1))? else {
        context.reply.array(2);
        context.reply.bulk(b"0");
        context.reply.array(0);
        return Ok(());
    };
    let hash: &HashValue = hash(value)?;
    let (options, omits_values) = CollectionScan::parse_with_flag(arguments.skip(3), Some("novalues"))?;
    // The cursor comes first in the reply and is known last.
    let (mut found, mut found_count) = (Vec::new(), 0);
    let mut fields = ReplyEncoder::new(&mut found, context.reply.protocol());
    let mut digits = IntegerDigits::new();
    let next = hash.scan(cursor, options.count, now, |field, value| {
        let field = field.bytes(&mut digits);
        if options.admits(field) {
            fields.bulk(field);
            found_count += 1;
            if !omits_values {
                fields.bulk(value.bytes(&mut digits));
                found_count += 1;
            }
        }
    });
    context.reply.array(2);
    context.reply.bulk(itoa::Buffer::new().format(next).as_bytes());
    context.reply.array(found_count);
    context.reply.raw(&found);
    Ok(())
}
