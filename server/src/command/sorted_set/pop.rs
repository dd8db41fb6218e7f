//! Commands that take the members with the lowest or highest scores: ZPOPMIN, ZPOPMAX, ZMPOP, and those that wait for some.

use thermocline_engine::UnixMillis;
use thermocline_engine::value::{SortedSetValue, ValueType};
use thermocline_protocol::Arguments;

use super::limits::{at_least, key_count};
use super::pairs::Shape;
use super::remove::modify;
use super::{check_type, sorted_set};
use crate::command::arguments::is_word;
use crate::command::blocking::{Block, UnwaitedReply, deadline};
use crate::command::{Failure, KeyContext};

/// Which end is taken from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

impl End {
    fn parse(word: &[u8]) -> Result<Self, Failure> {
        match word {
            word if is_word(word, "min") => Ok(Self::Min),
            word if is_word(word, "max") => Ok(Self::Max),
            _ => Err(Failure::SYNTAX),
        }
    }

    fn event(self) -> &'static str {
        match self {
            Self::Min => "zpopmin",
            Self::Max => "zpopmax",
        }
    }
}

pub(super) fn zpopmin(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    pop_one_key(context, arguments, End::Min)
}

pub(super) fn zpopmax(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    pop_one_key(context, arguments, End::Max)
}

fn pop_one_key(context: &mut KeyContext<'_>, arguments: Arguments<'_>, end: End) -> Result<(), Failure> {
    let key = arguments.get(1);
    let count = match arguments.len() {
        2 => None,
        3 => Some(at_least(arguments.get(2), 0, "ERR value is out of range, must be positive")?),
        _ => return Err(Failure::SYNTAX),
    };
    let Some(info) = context.keys.peek(key) else {
        context.reply.array(0);
        return Ok(());
    };
    check_type(&info)?;
    let wanted = usize::try_from(count.unwrap_or(1)).unwrap_or(usize::MAX);
    if wanted == 0 {
        context.reply.array(0);
        return Ok(());
    }
    // RESP3 has pairs, but only where a count was given.
    let shape = match Shape::of(true, context.reply.protocol()) {
        Shape::Nested if count.is_some() => Shape::Nested,
        _ => Shape::Flat,
    };
    pop(context, key, end, wanted, |context, popped| {
        shape.begin(&mut context.reply, popped);
        shape
    })
}

/// Takes up to `wanted` members from the sorted set at a key that is there, and replies them in the shape that `begin`
/// chose, which announces them.
fn pop(
    context: &mut KeyContext<'_>,
    key: &[u8],
    end: End,
    wanted: usize,
    begin: impl FnOnce(&mut KeyContext<'_>, usize) -> Shape,
) -> Result<(), Failure> {
    let value = context.keys.get_to_change(key)?.expect("the key is there");
    let count = sorted_set(value)?.len().min(wanted);
    let shape = begin(context, count);
    let ranks = |set: &SortedSetValue| match end {
        End::Min => 0..count,
        End::Max => set.len() - count..set.len(),
    };
    let value = context.keys.get_to_change(key)?.expect("the key is there");
    let set = sorted_set(value)?;
    for (member, score) in set.range(ranks(set), end == End::Max) {
        shape.member(&mut context.reply, member, score);
    }
    modify(context, key, end.event(), |set| set.remove_range(ranks(set)))
}

/// The first of the keys that is a sorted set.
///
/// # Errors
/// [`Failure::WRONG_TYPE`] where something else comes first.
fn first_sorted_set<'a>(
    context: &mut KeyContext<'_>,
    mut keys: impl Iterator<Item = &'a [u8]>,
) -> Result<Option<&'a [u8]>, Failure> {
    keys.find_map(|key| {
        let info = context.keys.peek(key)?;
        Some(check_type(&info).map(|()| key))
    })
    .transpose()
}

pub(super) fn bzpopmin(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    pop_or_wait(context, arguments, End::Min)
}

pub(super) fn bzpopmax(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    pop_or_wait(context, arguments, End::Max)
}

fn pop_or_wait(context: &mut KeyContext<'_>, arguments: Arguments<'_>, end: End) -> Result<(), Failure> {
    let last = arguments.len() - 1;
    let deadline = deadline(arguments.get(last), context.keys.now())?;
    match first_sorted_set(context, arguments.iter().take(last).skip(1))? {
        Some(key) => pop(context, key, end, 1, |context, _| {
            context.reply.array(3);
            context.reply.bulk(key);
            Shape::Flat
        }),
        None => Err(wait(deadline)),
    }
}

pub(super) fn zmpop(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let request = PopRequest::parse(arguments.skip(1))?;
    if !request.pop(context)? {
        context.reply.null_array();
    }
    Ok(())
}

pub(super) fn bzmpop(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let request = PopRequest::parse(arguments.skip(2))?;
    let deadline = deadline(arguments.get(1), context.keys.now())?;
    if request.pop(context)? { Ok(()) } else { Err(wait(deadline)) }
}

/// What ZMPOP is told.
struct PopRequest<'a> {
    /// The keys, and what follows them.
    keys: Arguments<'a>,
    key_count: usize,
    end: End,
    count: usize,
}

impl<'a> PopRequest<'a> {
    /// Reads the number of keys and what follows it.
    fn parse(arguments: Arguments<'a>) -> Result<Self, Failure> {
        let key_count = key_count(arguments.get(0))?;
        let behind = key_count.saturating_add(1);
        if behind >= arguments.len() {
            return Err(Failure::SYNTAX);
        }
        let end = End::parse(arguments.get(behind))?;
        let mut count = None;
        let mut options = arguments.skip(behind + 1).iter();
        while let Some(word) = options.next() {
            match options.next() {
                Some(argument) if count.is_none() && is_word(word, "count") => {
                    count = Some(at_least(argument, 1, "ERR count should be greater than 0")?);
                }
                _ => return Err(Failure::SYNTAX),
            }
        }
        let count = usize::try_from(count.unwrap_or(1)).unwrap_or(usize::MAX);
        Ok(Self { keys: arguments.skip(1), key_count, end, count })
    }

    /// Takes members from the first key that has any, and replies them; false where there is none.
    fn pop(&self, context: &mut KeyContext<'_>) -> Result<bool, Failure> {
        let Some(key) = first_sorted_set(context, self.keys.iter().take(self.key_count))? else {
            return Ok(false);
        };
        pop(context, key, self.end, self.count, |context, popped| {
            context.reply.array(2);
            context.reply.bulk(key);
            context.reply.array(popped);
            Shape::Nested
        })?;
        Ok(true)
    }
}

fn wait(deadline: Option<UnixMillis>) -> Failure {
    Failure::Blocked(Box::new(Block {
        value_type: ValueType::SortedSet,
        deadline,
        unwaited: UnwaitedReply::NullArray,
        wakes_when_gone: false,
        arguments: None,
    }))
}
