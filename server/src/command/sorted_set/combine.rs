//! ZUNION, ZINTER and ZDIFF, ZINTERCARD, and those that store the result. Sets are inputs, too: their members have score 1.
//!
//! One input is looked at after the other, so that no two values need to be in hand at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use thermocline_engine::Cold;
use thermocline_engine::value::{Element, IntegerDigits, SetValue, SortedSetValue, Value, ValueType};
use thermocline_protocol::Arguments;

use super::limits::at_least;
use super::pairs::Shape;
use super::range::store;
use crate::command::arguments::{integer, is_word};
use crate::command::strtod::whole_number;
use crate::command::{Failure, KeyContext};

/// The score of a member of a set.
const SET_SCORE: f64 = 1.0;

/// Members with their scores.
type Scores = HashMap<Box<[u8]>, f64, ahash::RandomState>;

/// The same in a row, in order or not.
type Scored = Vec<(Box<[u8]>, f64)>;

/// A map whose order and collisions nobody can foresee.
fn no_scores() -> Scores {
    let [a, b, c, d] = rand::random();
    Scores::with_hasher(ahash::RandomState::with_seeds(a, b, c, d))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// How the scores of a member in several inputs become one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, one: f64, other: f64) -> f64 {
        match self {
            Self::Sum => number_or_zero(one + other),
            Self::Min if other < one => other,
            Self::Max if other > one => other,
            Self::Min | Self::Max => one,
        }
    }
}

/// Infinity less infinity, and zero times infinity, are zero.
fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// What a command does with its result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Reply,
    Count,
    Store,
}

/// A command's arguments.
struct Request<'a> {
    operation: Operation,
    inputs: Vec<Input<'a>>,
    aggregate: Aggregate,
    with_scores: bool,
    /// How many members ZINTERCARD counts at most; 0 for all.
    limit: usize,
}

#[derive(Clone, Copy)]
struct Input<'a> {
    key: &'a [u8],
    weight: f64,
    length: u32,
}

impl<'a> Request<'a> {
    /// Reads the arguments from the number of keys on, and looks at the types of the keys in between, as Redis does: those
    /// are the look-ups that count.
    fn parse(
        context: &mut KeyContext<'_>,
        operation: Operation,
        target: Target,
        command: &str,
        arguments: Arguments<'a>,
    ) -> Result<Self, Failure> {
        let key_count = integer(arguments.get(0))?;
        if key_count < 1 {
            return Err(Failure::error(format!(
                "ERR at least 1 input key is needed for '{command}' command"
            )));
        }
        let key_count = usize::try_from(key_count).unwrap_or(usize::MAX);
        if key_count > arguments.len() - 1 {
            return Err(Failure::SYNTAX);
        }
        let mut inputs = Vec::with_capacity(key_count);
        for key in arguments.iter().skip(1).take(key_count) {
            let length = match context.keys.info(key) {
                Some(info) if !matches!(info.value_type, ValueType::SortedSet | ValueType::Set) => {
                    return Err(Failure::WRONG_TYPE);
                }
                Some(info) => info.length,
                None => 0,
            };
            inputs.push(Input { key, weight: 1.0, length });
        }
        let mut request = Self { operation, inputs, aggregate: Aggregate::Sum, with_scores: false, limit: 0 };
        request.parse_options(target, arguments.skip(key_count + 1))?;
        Ok(request)
    }

    fn parse_options(&mut self, target: Target, options: Arguments<'_>) -> Result<(), Failure> {
        let aggregates = self.operation != Operation::Difference && target != Target::Count;
        let mut at = 0;
        while at < options.len() {
            let (word, behind) = (options.get(at), options.len() - at - 1);
            if aggregates && behind >= self.inputs.len() && is_word(word, "weights") {
                for input in &mut self.inputs {
                    at += 1;
                    input.weight = whole_number(options.get(at))
                        .ok_or(Failure::error("ERR weight value is not a float"))?;
                }
            } else if aggregates && behind >= 1 && is_word(word, "aggregate") {
                at += 1;
                self.aggregate = match options.get(at) {
                    word if is_word(word, "sum") => Aggregate::Sum,
                    word if is_word(word, "min") => Aggregate::Min,
                    word if is_word(word, "max") => Aggregate::Max,
                    _ => return Err(Failure::SYNTAX),
                };
            } else if target == Target::Reply && is_word(word, "withscores") {
                self.with_scores = true;
            } else if target == Target::Count && behind >= 1 && is_word(word, "limit") {
                at += 1;
                let limit = at_least(options.get(at), 0, "ERR LIMIT can't be negative")?;
                self.limit = usize::try_from(limit).unwrap_or(usize::MAX);
            } else {
                return Err(Failure::SYNTAX);
            }
            at += 1;
        }
        Ok(())
    }

    /// The members of the result, in no order.
    fn run(mut self, context: &mut KeyContext<'_>) -> Result<Scored, Failure> {
        read_all(context, &self.inputs)?;
        if self.operation != Operation::Difference {
            // As in Redis; sums of floating-point numbers depend on the order.
            self.inputs.sort_by_key(|input| input.length);
        }
        match self.operation {
            Operation::Union => self.union(context),
            Operation::Intersection => self.intersection(context),
            Operation::Difference => self.difference(context),
        }
    }

    fn union(&self, context: &mut KeyContext<'_>) -> Result<Scored, Failure> {
        let mut scores = no_scores();
        for input in &self.inputs {
            let Some(members) = members(context, input)? else { continue };
            members.each(|member, score| {
                let score = number_or_zero(input.weight * score);
                match scores.entry(member.into()) {
                    Entry::Vacant(entry) => {
                        entry.insert(score);
                    }
                    Entry::Occupied(mut entry) => {
                        let sum = self.aggregate.of(*entry.get(), score);
                        entry.insert(sum);
                    }
                }
            });
        }
        Ok(scores.into_iter().collect())
    }

    fn intersection(&self, context: &mut KeyContext<'_>) -> Result<Scored, Failure> {
        let (first, others) = self.inputs.split_first().expect("there is a key at least");
        let mut result = Vec::new();
        if let Some(members) = members(context, first)? {
            members.each(|member, score| {
                result.push((Box::from(member), number_or_zero(first.weight * score)));
            });
        }
        for input in others {
            let Some(members) = members(context, input)? else { return Ok(Vec::new()) };
            result.retain_mut(|(member, score)| match members.score(member) {
                Some(other) => {
                    *score = self.aggregate.of(*score, input.weight * other);
                    true
                }
                None => false,
            });
        }
        Ok(result)
    }

    fn difference(&self, context: &mut KeyContext<'_>) -> Result<Scored, Failure> {
        let (first, others) = self.inputs.split_first().expect("there is a key at least");
        let mut scores = no_scores();
        if let Some(members) = members(context, first)? {
            members.each(|member, score| {
                scores.insert(member.into(), score);
            });
        }
        for input in others {
            let Some(members) = members(context, input)? else { continue };
            if input.length as usize <= scores.len() {
                members.each(|member, _| {
                    scores.remove(member);
                });
            } else {
                scores.retain(|member, _| members.score(member).is_none());
            }
        }
        Ok(scores.into_iter().collect())
    }
}

/// Makes sure that all values are there. Goes on after one that is cold, so that all are read at once.
fn read_all(context: &mut KeyContext<'_>, inputs: &[Input<'_>]) -> Result<(), Failure> {
    let mut is_cold = false;
    for input in inputs {
        is_cold |= matches!(context.keys.get_to_change(input.key), Err(Cold));
    }
    if is_cold { Err(Failure::Cold) } else { Ok(()) }
}

/// The members of an input that is there.
enum Members<'a> {
    Set(&'a SetValue),
    SortedSet(&'a SortedSetValue),
}

fn members<'a>(context: &'a mut KeyContext<'_>, input: &Input<'_>) -> Result<Option<Members<'a>>, Failure> {
    Ok(match context.keys.get_to_change(input.key)? {
        Some(Value::Set(set)) => Some(Members::Set(set)),
        Some(Value::SortedSet(set)) => Some(Members::SortedSet(set)),
        Some(_) => return Err(Failure::WRONG_TYPE),
        None => None,
    })
}

impl Members<'_> {
    fn each(&self, mut visit: impl FnMut(&[u8], f64)) {
        let mut digits = IntegerDigits::new();
        let mut visit = |member: Element<'_>, score| visit(member.bytes(&mut digits), score);
        match self {
            Self::Set(set) => set.iter().for_each(|member| visit(member, SET_SCORE)),
            Self::SortedSet(set) => set.iter().for_each(|(member, score)| visit(member, score)),
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Set(set) => set.contains(member).then_some(SET_SCORE),
            Self::SortedSet(set) => set.score(member),
        }
    }
}

fn in_order(mut members: Scored) -> Scored {
    members.sort_unstable_by(|(member, score), (other, other_score)| {
        score.partial_cmp(other_score).expect("no score is NaN").then_with(|| member.cmp(other))
    });
    members
}

fn reply(
    context: &mut KeyContext<'_>,
    operation: Operation,
    command: &str,
    arguments: Arguments<'_>,
) -> Result<(), Failure> {
    let request = Request::parse(context, operation, Target::Reply, command, arguments.skip(1))?;
    let shape = Shape::of(request.with_scores, context.reply.protocol());
    let members = in_order(request.run(context)?);
    shape.begin(&mut context.reply, members.len());
    for (member, score) in &members {
        shape.member_bytes(&mut context.reply, member, *score);
    }
    Ok(())
}

fn store_result(
    context: &mut KeyContext<'_>,
    operation: Operation,
    command: &'static str,
    arguments: Arguments<'_>,
) -> Result<(), Failure> {
    let request = Request::parse(context, operation, Target::Store, command, arguments.skip(2))?;
    let limits = context.server.config.sorted_set_limits();
    let result = SortedSetValue::from_members(&in_order(request.run(context)?), limits);
    store(context, arguments.get(1), result, command);
    Ok(())
}

pub(super) fn zunion(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply(context, Operation::Union, "zunion", arguments)
}

pub(super) fn zinter(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply(context, Operation::Intersection, "zinter", arguments)
}

pub(super) fn zdiff(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply(context, Operation::Difference, "zdiff", arguments)
}

pub(super) fn zunionstore(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    store_result(context, Operation::Union, "zunionstore", arguments)
}

pub(super) fn zinterstore(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    store_result(context, Operation::Intersection, "zinterstore", arguments)
}

pub(super) fn zdiffstore(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    store_result(context, Operation::Difference, "zdiffstore", arguments)
}

pub(super) fn zintercard(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let request =
        Request::parse(context, Operation::Intersection, Target::Count, "zintercard", arguments.skip(1))?;
    let limit = request.limit;
    let count = request.run(context)?.len();
    context.reply.integer(if limit > 0 { count.min(limit) } else { count } as i64);
    Ok(())
}
