//! Commands that reply with numbers: how many members there are, their scores and ranks.

use thermocline_protocol::Arguments;

use super::limits::{lex_range, score_range};
use super::{check_type, sorted_set};
use crate::command::arguments::{is_word, wrong_arity};
use crate::command::{Failure, KeyContext};

pub(super) fn zcard(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let length = match context.keys.info(arguments.get(1)) {
        Some(info) => {
            check_type(&info)?;
            i64::from(info.length)
        }
        None => 0,
    };
    context.reply.integer(length);
    Ok(())
}

pub(super) fn zcount(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let range = score_range(arguments.get(2), arguments.get(3))?;
    let count = match context.keys.get(arguments.get(1))? {
        Some(value) => sorted_set(value)?.ranks_by_score(&range).len(),
        None => 0,
    };
    context.reply.integer(count as i64);
    Ok(())
}

pub(super) fn zlexcount(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let range = lex_range(arguments.get(2), arguments.get(3))?;
    let count = match context.keys.get(arguments.get(1))? {
        Some(value) => sorted_set(value)?.ranks_by_lex(&range, false).len(),
        None => 0,
    };
    context.reply.integer(count as i64);
    Ok(())
}

pub(super) fn zscore(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let score = match context.keys.get(arguments.get(1))? {
        Some(value) => sorted_set(value)?.score(arguments.get(2)),
        None => None,
    };
    match score {
        Some(score) => context.reply.double(score),
        None => context.reply.null(),
    }
    Ok(())
}

pub(super) fn zmscore(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let set = match context.keys.get(arguments.get(1))? {
        Some(value) => Some(sorted_set(value)?),
        None => None,
    };
    context.reply.array(arguments.len() - 2);
    for member in arguments.skip(2).iter() {
        match set.and_then(|set| set.score(member)) {
            Some(score) => context.reply.double(score),
            None => context.reply.null(),
        }
    }
    Ok(())
}

pub(super) fn zrank(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_rank(context, arguments, "zrank", |rank, _| rank)
}

pub(super) fn zrevrank(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_rank(context, arguments, "zrevrank", |rank, len| len - 1 - rank)
}

fn reply_rank(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
    command: &str,
    rank_of: fn(usize, usize) -> usize,
) -> Result<(), Failure> {
    if arguments.len() > 4 {
        return Err(wrong_arity(command));
    }
    let with_score = arguments.len() == 4;
    if with_score && !is_word(arguments.get(3), "withscore") {
        return Err(Failure::SYNTAX);
    }
    let found = match context.keys.get(arguments.get(1))? {
        Some(value) => {
            let set = sorted_set(value)?;
            set.rank(arguments.get(2)).map(|(rank, score)| (rank_of(rank, set.len()), score))
        }
        None => None,
    };
    match found {
        Some((rank, score)) if with_score => {
            context.reply.array(2);
            context.reply.integer(rank as i64);
            context.reply.double(score);
        }
        Some((rank, _)) => context.reply.integer(rank as i64),
        None if with_score => context.reply.null_array(),
        None => context.reply.null(),
    }
    Ok(())
}
