//! ZRANGE in all its forms, the older commands for each of them, and ZRANGESTORE.

use std::ops::Range;

use thermocline_engine::SetExpiry;
use thermocline_engine::value::{IntegerDigits, LexRange, ScoreRange, SortedSetValue};
use thermocline_protocol::Arguments;

use super::limits::{lex_range, score_range};
use super::pairs::Shape;
use super::{ranks, sorted_set};
use crate::command::arguments::{integer, is_word};
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

/// What members are chosen by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// What a command's name leaves open for its options to say.
struct Form {
    /// Where the range begins among the arguments; the key is before it.
    at: usize,
    by: Option<By>,
    reverse: Option<bool>,
    stores: bool,
}

/// What is asked for.
struct Request<'a> {
    limits: Limits<'a>,
    reverse: bool,
    with_scores: bool,
    /// How many are skipped; all, where it is negative.
    offset: i64,
    /// How many there are at most; all of them, where it is negative.
    count: i64,
}

/// The range.
enum Limits<'a> {
    Rank(i64, i64),
    Score(ScoreRange),
    Lex(LexRange<'a>),
}

impl<'a> Request<'a> {
    fn parse(form: &Form, arguments: Arguments<'a>) -> Result<Self, Failure> {
        let (mut by, mut reverse, mut with_scores) = (form.by, form.reverse, false);
        let (mut offset, mut count) = (0, -1);
        let mut at = form.at + 2;
        while at < arguments.len() {
            let word = arguments.get(at);
            if !form.stores && is_word(word, "withscores") {
                with_scores = true;
            } else if is_word(word, "limit") && arguments.len() - at > 2 {
                offset = integer(arguments.get(at + 1))?;
                count = integer(arguments.get(at + 2))?;
                at += 2;
            } else if reverse.is_none() && is_word(word, "rev") {
                reverse = Some(true);
            } else if by.is_none() && is_word(word, "bylex") {
                by = Some(By::Lex);
            } else if by.is_none() && is_word(word, "byscore") {
                by = Some(By::Score);
            } else {
                return Err(Failure::SYNTAX);
            }
            at += 1;
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        if count != -1 && by == By::Rank {
            return Err(Failure::error(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Lex {
            return Err(Failure::error(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let (first, second) = (arguments.get(form.at), arguments.get(form.at + 1));
        // From the highest down, ranges of scores and of members are given that way round, too.
        let (min, max) = if reverse && by != By::Rank { (second, first) } else { (first, second) };
        let limits = match by {
            By::Rank => Limits::Rank(integer(min)?, integer(max)?),
            By::Score => Limits::Score(score_range(min, max)?),
            By::Lex => Limits::Lex(lex_range(min, max)?),
        };
        Ok(Self { limits, reverse, with_scores, offset, count })
    }

    /// The ranks of the members asked for.
    fn ranks(&self, set: &SortedSetValue) -> Range<usize> {
        let found = match &self.limits {
            &Limits::Rank(start, end) => {
                let found = ranks(start, end, set.len());
                return if self.reverse { set.len() - found.end..set.len() - found.start } else { found };
            }
            Limits::Score(range) => set.ranks_by_score(range),
            Limits::Lex(range) => set.ranks_by_lex(range, self.reverse),
        };
        let skipped = usize::try_from(self.offset).unwrap_or(usize::MAX).min(found.len());
        let taken = usize::try_from(self.count).unwrap_or(usize::MAX).min(found.len() - skipped);
        if self.reverse {
            found.end - skipped - taken..found.end - skipped
        } else {
            found.start + skipped..found.start + skipped + taken
        }
    }
}

pub(super) fn zrange(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_range(context, arguments, None, None)
}

pub(super) fn zrevrange(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_range(context, arguments, Some(By::Rank), Some(true))
}

pub(super) fn zrangebyscore(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_range(context, arguments, Some(By::Score), Some(false))
}

pub(super) fn zrevrangebyscore(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
) -> Result<(), Failure> {
    reply_range(context, arguments, Some(By::Score), Some(true))
}

pub(super) fn zrangebylex(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_range(context, arguments, Some(By::Lex), Some(false))
}

pub(super) fn zrevrangebylex(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_range(context, arguments, Some(By::Lex), Some(true))
}

fn reply_range(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
    by: Option<By>,
    reverse: Option<bool>,
) -> Result<(), Failure> {
    let request = Request::parse(&Form { at: 2, by, reverse, stores: false }, arguments)?;
    let Some(value) = context.keys.get(arguments.get(1))? else {
        context.reply.array(0);
        return Ok(());
    };
    let set = sorted_set(value)?;
    let ranks = request.ranks(set);
    let shape = Shape::of(request.with_scores, context.reply.protocol());
    shape.begin(&mut context.reply, ranks.len());
    for (member, score) in set.range(ranks, request.reverse) {
        shape.member(&mut context.reply, member, score);
    }
    Ok(())
}

pub(super) fn zrangestore(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let target = arguments.get(1);
    let form = Form { at: 3, by: None, reverse: None, stores: true };
    let request = Request::parse(&form, arguments)?;
    let limits = context.server.config.sorted_set_limits();
    let mut result = SortedSetValue::new();
    if let Some(value) = context.keys.get(arguments.get(2))? {
        let set = sorted_set(value)?;
        let ranks = request.ranks(set);
        if matches!(request.limits, Limits::Rank(..)) && ranks.len() > limits.entries {
            // As in Redis, a large result is large from its first member on where its size is known beforehand: small
            // sorted sets do not tell -0 from 0.
            result.grow();
        }
        let mut digits = IntegerDigits::new();
        for (member, score) in set.range(ranks, request.reverse) {
            result.insert(member.bytes(&mut digits), score, limits);
        }
    }
    store(context, target, result, "zrangestore");
    Ok(())
}

/// Gives a key the result of a command, or deletes it where there is none; replies how many members there are.
pub(crate) fn store(
    context: &mut KeyContext<'_>,
    target: &[u8],
    result: SortedSetValue,
    event: &'static str,
) {
    let length = result.len();
    if length > 0 {
        context.keys.set(target, result.into(), SetExpiry::Clear);
        context.notify(EventClass::SORTED_SET, event, target);
    } else if context.keys.remove(target) {
        context.notify(EventClass::GENERIC, "del", target);
    }
    context.reply.integer(length as i64);
}
