//! BITFIELD and BITFIELD_RO.

use smallvec::SmallVec;
use thermocline_engine::SetExpiry;
use thermocline_engine::value::{Encoding, IntegerDigits, StringValue};
use thermocline_protocol::{Arguments, ReplyEncoder, parse_integer};

use super::integer_type::{IntegerType, Overflow};
use super::{bit_offset, check_bit_offset};
use crate::command::arguments::{integer, is_word};
use crate::command::string::{edit_and_tell_if, grow, string};
use crate::command::{Failure, KeyContext};
use crate::server::Server;
use crate::server::events::EventClass;

/// Where the subcommands start.
const SUBCOMMANDS: usize = 2;
/// How many steps need no heap memory.
const INLINE_STEPS: usize = 4;

/// One subcommand.
#[derive(Clone, Copy)]
struct Step {
    action: Action,
    field: IntegerType,
    offset: u64,
}

#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64, Overflow),
    Increment(i64, Overflow),
}

type Steps = SmallVec<[Step; INLINE_STEPS]>;

pub(super) fn bitfield(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let steps = parse(context.server, arguments)?;
    let end = steps.iter().filter(|step| step.writes()).map(Step::end_byte).max();
    match end {
        None => read(context, arguments.get(1), &steps),
        Some(end) => change(context, arguments.get(1), &steps, end),
    }
}

pub(super) fn bitfield_ro(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let steps = parse(context.server, arguments)?;
    if steps.iter().any(Step::writes) {
        return Err(Failure::error("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    read(context, arguments.get(1), &steps)
}

fn parse(server: &Server, arguments: Arguments<'_>) -> Result<Steps, Failure> {
    let mut steps = Steps::new();
    let mut overflow = Overflow::Wrap;
    let mut words = arguments.skip(SUBCOMMANDS).iter();
    while let Some(word) = words.next() {
        let left = words.len();
        if is_word(word, "overflow") && left >= 1 {
            overflow = parse_overflow(words.next().expect("counted"))?;
            continue;
        }
        let is_get = is_word(word, "get") && left >= 2;
        let is_set = is_word(word, "set") && left >= 3;
        let is_increment = is_word(word, "incrby") && left >= 3;
        if !(is_get || is_set || is_increment) {
            return Err(Failure::SYNTAX);
        }
        let field = IntegerType::parse(words.next().expect("counted"))?;
        let offset = field_offset(server, words.next().expect("counted"), field)?;
        let action = if is_get {
            Action::Get
        } else {
            let operand = integer(words.next().expect("counted"))?;
            if is_set { Action::Set(operand, overflow) } else { Action::Increment(operand, overflow) }
        };
        steps.push(Step { action, field, offset });
    }
    Ok(steps)
}

fn parse_overflow(argument: &[u8]) -> Result<Overflow, Failure> {
    if is_word(argument, "wrap") {
        Ok(Overflow::Wrap)
    } else if is_word(argument, "sat") {
        Ok(Overflow::Saturate)
    } else if is_word(argument, "fail") {
        Ok(Overflow::Fail)
    } else {
        Err(Failure::error("ERR Invalid OVERFLOW type specified"))
    }
}

/// The position of a field: of its first bit, or after `#`, how many fields of its type come before it.
fn field_offset(server: &Server, argument: &[u8], field: IntegerType) -> Result<u64, Failure> {
    match argument {
        [b'#', number @ ..] => {
            let bits = i64::try_from(field.bits()).expect("at most 64");
            check_bit_offset(server, parse_integer(number).and_then(|number| number.checked_mul(bits)))
        }
        offset => bit_offset(server, offset),
    }
}

/// Runs steps that all read.
fn read(context: &mut KeyContext<'_>, key: &[u8], steps: &[Step]) -> Result<(), Failure> {
    let mut digits = IntegerDigits::new();
    let bytes = match context.keys.get(key)? {
        Some(value) => string(value)?.bytes(&mut digits),
        None => b"",
    };
    context.reply.array(steps.len());
    for step in steps {
        reply_integer(&mut context.reply, step.field.read(bytes, step.offset));
    }
    Ok(())
}

/// Runs steps of which some write, on a string that is at least `length` bytes long then.
fn change(context: &mut KeyContext<'_>, key: &[u8], steps: &[Step], length: usize) -> Result<(), Failure> {
    let reply = &mut context.reply;
    reply.array(steps.len());
    let Some(value) = context.keys.get_to_change(key)? else {
        let mut bytes = vec![0; length];
        let effect = run(reply, steps, &mut bytes);
        let value = StringValue::raw(bytes).into();
        if effect == Effect::None {
            context.keys.let_appear(key, value);
        } else {
            context.keys.set(key, value, SetExpiry::Clear);
            context.notify(EventClass::STRING, "setbit", key);
        }
        return Ok(());
    };
    let value = string(value)?;
    let grows = value.len() < length;
    // Where every step leaves what it finds, nothing changes, unless the string grows or becomes raw.
    if value.len() >= length && value.encoding() == Encoding::Raw {
        let mut digits = IntegerDigits::new();
        let bytes = value.bytes(&mut digits);
        if steps.iter().all(|step| step.is_idle(bytes)) {
            steps.iter().for_each(|step| reply_outcome(reply, step.outcome(bytes)));
            return Ok(());
        }
    }
    // As in Redis a string that grew for nothing has not changed.
    let is_change = edit_and_tell_if(&mut context.keys, key, |bytes| {
        grow(bytes, length);
        let effect = run(reply, steps, bytes);
        let is_change = effect == Effect::Change || effect == Effect::Store && grows;
        (is_change, is_change)
    })?;
    if is_change {
        context.notify(EventClass::STRING, "setbit", key);
    }
    Ok(())
}

/// What steps have done to a string, at most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    /// Nothing: all that were to write have failed.
    None,
    /// Fields were given the values that they had.
    Store,
    /// A field has another value.
    Change,
}

fn run(reply: &mut ReplyEncoder<'_>, steps: &[Step], bytes: &mut [u8]) -> Effect {
    let mut effect = Effect::None;
    for step in steps {
        let outcome = step.outcome(bytes);
        if let Some(value) = outcome.stored {
            let is_same = step.field.read(bytes, step.offset) == value;
            effect = effect.max(if is_same { Effect::Store } else { Effect::Change });
            step.field.write(bytes, step.offset, value);
        }
        reply_outcome(reply, outcome);
    }
    effect
}

/// What a step does to a string.
struct Outcome {
    /// `None` where the field overflows and is to fail.
    reply: Option<i128>,
    stored: Option<i128>,
}

impl Step {
    fn writes(&self) -> bool {
        !matches!(self.action, Action::Get)
    }

    /// Where the field's last byte ends.
    fn end_byte(&self) -> usize {
        (self.offset + self.field.bits()).div_ceil(8) as usize
    }

    fn outcome(&self, bytes: &[u8]) -> Outcome {
        let old = self.field.read(bytes, self.offset);
        match self.action {
            Action::Get => Outcome { reply: Some(old), stored: None },
            Action::Set(value, overflow) => {
                let stored = self.field.fit_operand(value, overflow);
                Outcome { reply: stored.map(|_| old), stored }
            }
            Action::Increment(increment, overflow) => {
                let stored = self.field.fit(old + i128::from(increment), overflow);
                Outcome { reply: stored, stored }
            }
        }
    }

    fn is_idle(&self, bytes: &[u8]) -> bool {
        let stored = self.outcome(bytes).stored;
        stored.is_none_or(|value| value == self.field.read(bytes, self.offset))
    }
}

fn reply_outcome(reply: &mut ReplyEncoder<'_>, outcome: Outcome) {
    match outcome.reply {
        Some(value) => reply_integer(reply, value),
        None => reply.null(),
    }
}

fn reply_integer(reply: &mut ReplyEncoder<'_>, value: i128) {
    reply.integer(i64::try_from(value).expect("no type holds more than 64 bits, or 63 without a sign"));
}
