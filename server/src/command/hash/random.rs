//! HRANDFIELD.

use thermocline_engine::UnixMillis;
use thermocline_engine::value::{Element, HashValue, IntegerDigits};
use thermocline_protocol::{Arguments, Protocol, ReplyEncoder};

use super::hash;
use crate::command::arguments::is_word;
use crate::command::sampling::{Sample, distinct};
use crate::command::{Failure, KeyContext};

/// WITHVALUES doubles the reply, so Redis takes half as high counts.
const MAX_COUNT: usize = i64::MAX as usize / 2;

pub(super) fn hrandfield(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let now = context.keys.now();
    if arguments.len() == 2 {
        let hash = context.keys.get(arguments.get(1))?.map(hash).transpose()?;
        match hash.and_then(|hash| hash.random(now, rand::random)) {
            Some((field, _)) => context.reply.bulk(field.bytes(&mut IntegerDigits::new())),
            None => context.reply.null(),
        }
        return Ok(());
    }
    let sample = Sample::parse(arguments.get(2))?;
    let with_values = match arguments.len() {
        3 => false,
        4 if is_word(arguments.get(3), "withvalues") => true,
        _ => return Err(Failure::SYNTAX),
    };
    let (Sample::Distinct(count) | Sample::Repeated(count)) = sample;
    if with_values && count > MAX_COUNT {
        return Err(Failure::error("ERR value is out of range"));
    }
    let hash = context.keys.get(arguments.get(1))?.map(hash).transpose()?;
    let Some(hash) = hash.filter(|hash| hash.live_len(now) > 0) else {
        context.reply.array(0);
        return Ok(());
    };
    reply_sample(&mut context.reply, hash, now, sample, with_values);
    Ok(())
}

fn reply_sample(
    reply: &mut ReplyEncoder<'_>,
    hash: &HashValue,
    now: UnixMillis,
    sample: Sample,
    with_values: bool,
) {
    let length = hash.live_len(now);
    let one = || hash.random(now, rand::random).expect("a hash with fields");
    match sample {
        Sample::Repeated(count) => {
            begin(reply, count, with_values);
            (0..count).for_each(|_| reply_field(reply, one(), with_values));
        }
        Sample::Distinct(count) if count >= length => {
            begin(reply, length, with_values);
            hash.iter(now).for_each(|field| reply_field(reply, field, with_values));
        }
        Sample::Distinct(count) => {
            begin(reply, count, with_values);
            let fields = distinct(length, count, || hash.iter(now).collect(), one);
            fields.into_iter().for_each(|field| reply_field(reply, field, with_values));
        }
    }
}

fn begin(reply: &mut ReplyEncoder<'_>, fields: usize, with_values: bool) {
    // RESP3 has an array for each field with its value.
    let is_flat = with_values && reply.protocol() == Protocol::Resp2;
    reply.array(if is_flat { 2 * fields } else { fields });
}

fn reply_field(reply: &mut ReplyEncoder<'_>, (field, value): (Element<'_>, Element<'_>), with_values: bool) {
    let mut digits = IntegerDigits::new();
    if with_values && reply.protocol() == Protocol::Resp3 {
        reply.array(2);
    }
    reply.bulk(field.bytes(&mut digits));
    if with_values {
        reply.bulk(value.bytes(&mut digits));
    }
}
