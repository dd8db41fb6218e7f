//! LPOP, RPOP, LMPOP, and BLPOP, BRPOP, BLMPOP, which wait until there is something to pop.

use thermocline_engine::UnixMillis;
use thermocline_engine::value::{ListEnd, ValueType};
use thermocline_protocol::{Arguments, parse_integer};

use super::{change, length, list_end, remove_if_empty, reply_element};
use crate::command::arguments::{is_word, wrong_arity};
use crate::command::blocking::{Block, UnwaitedReply, deadline};
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

pub(super) fn lpop(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    pop(context, arguments, ListEnd::Front, "lpop")
}

pub(super) fn rpop(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    pop(context, arguments, ListEnd::Back, "rpop")
}

fn pop(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
    end: ListEnd,
    name: &str,
) -> Result<(), Failure> {
    let count = match arguments.len() {
        2 => None,
        3 => Some(not_negative(arguments.get(2))?),
        _ => return Err(wrong_arity(name)),
    };
    let key = arguments.get(1);
    match (length(context.keys.peek(key))?, count) {
        (None, None) => context.reply.null(),
        (None, Some(_)) => context.reply.null_array(),
        (Some(_), None) => take(context, key, end, 1)?,
        (Some(_), Some(0)) => context.reply.array(0),
        (Some(length), Some(count)) => {
            let count = count.min(length);
            context.reply.array(count);
            take(context, key, end, count)?;
        }
    }
    Ok(())
}

fn not_negative(argument: &[u8]) -> Result<usize, Failure> {
    parse_integer(argument)
        .and_then(|count| usize::try_from(count).ok())
        .ok_or(Failure::error("ERR value is out of range, must be positive"))
}

/// Takes elements out of a list that has as many, and replies each.
fn take(context: &mut KeyContext<'_>, key: &[u8], end: ListEnd, count: usize) -> Result<(), Failure> {
    let limits = context.server.config.list_limits();
    let KeyContext { keys, reply, .. } = context;
    let is_empty = change(keys, key, |list| {
        match end {
            ListEnd::Front => list.iter().take(count).for_each(|element| reply_element(reply, element)),
            ListEnd::Back => {
                let elements = list.iter_back_from(usize::MAX).take(count);
                elements.for_each(|element| reply_element(reply, element));
            }
        }
        list.cut(end, count, limits);
        list.is_empty()
    })?;
    notify_pop(context, end, key);
    remove_if_empty(context, key, is_empty);
    Ok(())
}

/// Tells that something was popped.
pub(super) fn notify_pop(context: &mut KeyContext<'_>, end: ListEnd, key: &[u8]) {
    let event = match end {
        ListEnd::Front => "lpop",
        ListEnd::Back => "rpop",
    };
    context.notify(EventClass::LIST, event, key);
}

/// The arguments of LMPOP and BLMPOP.
struct MultiplePop<'a> {
    /// Their number, and the keys.
    keys: Arguments<'a>,
    key_count: usize,
    end: ListEnd,
    count: usize,
}

impl<'a> MultiplePop<'a> {
    /// Reads them from the number of keys on.
    fn parse(arguments: Arguments<'a>) -> Result<Self, Failure> {
        let key_count = positive(arguments.get(0), "ERR numkeys should be greater than 0")?;
        if key_count >= arguments.len() - 1 {
            return Err(Failure::SYNTAX);
        }
        let options = arguments.skip(1 + key_count);
        let end = list_end(options.get(0))?;
        let count = match options.len() {
            1 => 1,
            3 if is_word(options.get(1), "COUNT") => {
                positive(options.get(2), "ERR count should be greater than 0")?
            }
            // The count is read before what follows it turns out to be too much.
            more if more > 3 && is_word(options.get(1), "COUNT") => {
                positive(options.get(2), "ERR count should be greater than 0")?;
                return Err(Failure::SYNTAX);
            }
            _ => return Err(Failure::SYNTAX),
        };
        Ok(Self { keys: arguments, key_count, end, count })
    }

    /// Pops from the first list that is there, and replies its key and what was popped; false where there is none.
    fn run(&self, context: &mut KeyContext<'_>) -> Result<bool, Failure> {
        for key in self.keys.iter().skip(1).take(self.key_count) {
            if let Some(length) = length(context.keys.peek(key))? {
                let count = self.count.min(length);
                context.reply.array(2);
                context.reply.bulk(key);
                context.reply.array(count);
                take(context, key, self.end, count)?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn positive(argument: &[u8], error: &'static str) -> Result<usize, Failure> {
    parse_integer(argument)
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| *count > 0)
        .ok_or(Failure::error(error))
}

pub(super) fn lmpop(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    if !MultiplePop::parse(arguments.skip(1))?.run(context)? {
        context.reply.null_array();
    }
    Ok(())
}

pub(super) fn blmpop(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let pop = MultiplePop::parse(arguments.skip(2))?;
    let deadline = deadline(arguments.get(1), context.keys.now())?;
    if pop.run(context)? { Ok(()) } else { Err(wait(deadline, UnwaitedReply::NullArray)) }
}

pub(super) fn blpop(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    pop_or_wait(context, arguments, ListEnd::Front)
}

pub(super) fn brpop(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    pop_or_wait(context, arguments, ListEnd::Back)
}

fn pop_or_wait(context: &mut KeyContext<'_>, arguments: Arguments<'_>, end: ListEnd) -> Result<(), Failure> {
    let last = arguments.len() - 1;
    let deadline = deadline(arguments.get(last), context.keys.now())?;
    for key in arguments.iter().take(last).skip(1) {
        if length(context.keys.peek(key))?.is_some() {
            context.reply.array(2);
            context.reply.bulk(key);
            return take(context, key, end, 1);
        }
    }
    Err(wait(deadline, UnwaitedReply::NullArray))
}

/// The failure of a command that waits for a list.
pub(super) fn wait(deadline: Option<UnixMillis>, unwaited: UnwaitedReply) -> Failure {
    Failure::Blocked(Box::new(Block {
        value_type: ValueType::List,
        deadline,
        unwaited,
        wakes_when_gone: false,
        arguments: None,
    }))
}
