//! ZADD and ZINCRBY.

use smallvec::SmallVec;
use thermocline_engine::SetExpiry;
use thermocline_engine::value::{PackLimits, SortedSetValue};
use thermocline_protocol::Arguments;

use super::sorted_set;
use crate::command::arguments::{float, is_word};
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

/// So many scores of one ZADD need no memory on the heap.
const SCORES_IN_PLACE: usize = 8;
/// The first of ZADD's arguments that may be an option.
const OPTIONS: usize = 2;

/// What ZADD is told before the scores.
#[derive(Clone, Copy, Default)]
pub(crate) struct Options {
    pub(crate) only_new: bool,
    pub(crate) only_known: bool,
    pub(crate) only_greater: bool,
    pub(crate) only_less: bool,
    pub(crate) replies_changed: bool,
    pub(crate) increments: bool,
}

impl Options {
    /// Reads options as long as there are any; tells where the scores begin.
    fn parse(arguments: Arguments<'_>, increments: bool) -> (Self, usize) {
        let mut options = Self { increments, ..Self::default() };
        let mut at = OPTIONS;
        while at < arguments.len() {
            match arguments.get(at) {
                word if is_word(word, "nx") => options.only_new = true,
                word if is_word(word, "xx") => options.only_known = true,
                word if is_word(word, "gt") => options.only_greater = true,
                word if is_word(word, "lt") => options.only_less = true,
                word if is_word(word, "ch") => options.replies_changed = true,
                word if is_word(word, "incr") => options.increments = true,
                _ => break,
            }
            at += 1;
        }
        (options, at)
    }

    fn check(self, pairs: usize) -> Result<(), Failure> {
        if self.only_new && self.only_known {
            return Err(Failure::error("ERR XX and NX options at the same time are not compatible"));
        }
        let excluding = [self.only_greater, self.only_less, self.only_new];
        if excluding.into_iter().filter(|&is_set| is_set).count() > 1 {
            return Err(Failure::error("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if self.increments && pairs > 1 {
            return Err(Failure::error("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    /// The score that a member gets which has `old`, or is not there; `None` where it keeps it, or stays away.
    ///
    /// # Errors
    /// The sum is no number.
    fn new_score(self, old: Option<f64>, score: f64) -> Result<Option<f64>, Failure> {
        let Some(old) = old else { return Ok(Some(score).filter(|_| !self.only_known)) };
        if self.only_new {
            return Ok(None);
        }
        let score = if self.increments { old + score } else { score };
        if score.is_nan() {
            return Err(Failure::error("ERR resulting score is not a number (NaN)"));
        }
        let is_excluded = self.only_less && score >= old || self.only_greater && score <= old;
        Ok(Some(score).filter(|_| !is_excluded))
    }
}

/// What happened to the members.
#[derive(Default)]
struct Outcome {
    added: i64,
    updated: i64,
    /// The score of the last member that the options let through.
    score: Option<f64>,
}

impl Outcome {
    fn note(&mut self, old: Option<f64>, new: f64) {
        match old {
            None => self.added += 1,
            Some(old) if old != new => self.updated += 1,
            Some(_) => {}
        }
        self.score = Some(new);
    }
}

pub(super) fn zadd(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    add(context, arguments, false)
}

pub(super) fn zincrby(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    add(context, arguments, true)
}

fn add(context: &mut KeyContext<'_>, arguments: Arguments<'_>, increments: bool) -> Result<(), Failure> {
    let key = arguments.get(1);
    let (options, first) = Options::parse(arguments, increments);
    let words = arguments.len() - first;
    if words == 0 || words % 2 == 1 {
        return Err(Failure::SYNTAX);
    }
    options.check(words / 2)?;
    let scores: Result<SmallVec<[f64; SCORES_IN_PLACE]>, Failure> =
        arguments.skip(first).iter().step_by(2).map(float).collect();
    let scores = scores?;
    let members = arguments.skip(first + 1).iter().step_by(2);
    add_members(context, key, options, scores.iter().copied().zip(members))
}

/// Gives members scores, as the options say, and replies what ZADD replies.
///
/// # Errors
/// [`Failure::WRONG_TYPE`], and Redis' where an increment makes no number.
pub(crate) fn add_members<'a>(
    context: &mut KeyContext<'_>,
    key: &[u8],
    options: Options,
    pairs: impl Iterator<Item = (f64, &'a [u8])> + Clone,
) -> Result<(), Failure> {
    let outcome = change(context, key, options, pairs)?;
    match outcome.score {
        _ if !options.increments => {
            let updated = if options.replies_changed { outcome.updated } else { 0 };
            context.reply.integer(outcome.added + updated);
        }
        Some(score) => context.reply.double(score),
        None => context.reply.null(),
    }
    if outcome.added + outcome.updated > 0 {
        let event = if options.increments { "zincr" } else { "zadd" };
        context.notify(EventClass::SORTED_SET, event, key);
    }
    Ok(())
}

fn change<'a>(
    context: &mut KeyContext<'_>,
    key: &[u8],
    options: Options,
    pairs: impl Iterator<Item = (f64, &'a [u8])> + Clone,
) -> Result<Outcome, Failure> {
    let limits = context.server.config.sorted_set_limits();
    let mut outcome = Outcome::default();
    let Some(value) = context.keys.get_to_change(key)? else {
        if options.only_known {
            return Ok(outcome);
        }
        let mut set = SortedSetValue::new();
        for (score, member) in pairs {
            insert(&mut set, options, score, member, limits, &mut outcome)?;
        }
        context.keys.set(key, set.into(), SetExpiry::Clear);
        return Ok(outcome);
    };
    // A value that keeps its members and scores is not written again, so it is looked at first.
    let set = sorted_set(value)?;
    let mut rest = pairs;
    let mut changing = rest.clone();
    while let Some((score, member)) = rest.next() {
        let old = set.score(member);
        match options.new_score(old, score)? {
            Some(new) if old != Some(new) => break,
            Some(new) => outcome.note(old, new),
            None => {}
        }
        changing = rest.clone();
    }
    if changing.clone().next().is_some() {
        let changed = context.keys.modify(key, |value| {
            let set = value.as_sorted_set_mut().expect("it was one just now");
            changing.try_for_each(|(score, member)| insert(set, options, score, member, limits, &mut outcome))
        })?;
        changed.expect("the key was there just now")?;
    }
    Ok(outcome)
}

/// Does what the options say with one member. Fails only where the increment is all there is to do.
fn insert(
    set: &mut SortedSetValue,
    options: Options,
    score: f64,
    member: &[u8],
    limits: PackLimits,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let is_plain = !(options.only_new
        || options.only_known
        || options.only_greater
        || options.only_less
        || options.increments);
    if is_plain {
        let old = set.insert(member, score, limits);
        outcome.note(old, score);
        return Ok(());
    }
    let old = set.score(member);
    if let Some(new) = options.new_score(old, score)? {
        set.insert(member, new, limits);
        outcome.note(old, new);
    }
    Ok(())
}
