//! XLEN, XRANGE and XREVRANGE.

use thermocline_engine::value::ValueType;
use thermocline_protocol::Arguments;

use super::id::{parse_end, parse_start};
use super::reply::{limit, reply_entries};
use super::stream;
use crate::command::arguments::{integer, is_word};
use crate::command::{Failure, KeyContext};

/// Where the options of XRANGE start.
const OPTIONS: usize = 4;

pub(super) fn xlen(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let length = match context.keys.info(arguments.get(1)) {
        Some(info) if info.value_type == ValueType::Stream => i64::from(info.length),
        Some(_) => return Err(Failure::WRONG_TYPE),
        None => 0,
    };
    context.reply.integer(length);
    Ok(())
}

pub(super) fn xrange(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    range(context, arguments, false)
}

pub(super) fn xrevrange(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    range(context, arguments, true)
}

fn range(context: &mut KeyContext<'_>, arguments: Arguments<'_>, is_reverse: bool) -> Result<(), Failure> {
    let (start_at, end_at) = if is_reverse { (3, 2) } else { (2, 3) };
    let start = parse_start(arguments.get(start_at))?;
    let end = parse_end(arguments.get(end_at))?;
    let mut count = None;
    let mut at = OPTIONS;
    while at < arguments.len() {
        if !is_word(arguments.get(at), "COUNT") || at + 1 == arguments.len() {
            return Err(Failure::SYNTAX);
        }
        count = Some(integer(arguments.get(at + 1))?);
        at += 2;
    }
    let Some(value) = context.keys.get(arguments.get(1))? else {
        context.reply.array(0);
        return Ok(());
    };
    let log = stream(value)?.log();
    if count.is_some_and(|count| count <= 0) {
        context.reply.null_array();
        return Ok(());
    }
    let most = limit(count.unwrap_or(0));
    match is_reverse {
        true => reply_entries(&mut context.reply, log.range_back(start, end).take(most)),
        false => reply_entries(&mut context.reply, log.range(start, end).take(most)),
    };
    Ok(())
}
