//! BITOP.

use thermocline_engine::value::{IntegerDigits, StringValue};
use thermocline_engine::{Cold, SetExpiry};
use thermocline_protocol::Arguments;

use crate::command::arguments::is_word;
use crate::command::string::{grow, string};
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

/// Where the source keys start.
const SOURCES: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
}

impl Operation {
    fn parse(argument: &[u8]) -> Result<Self, Failure> {
        [("and", Self::And), ("or", Self::Or), ("xor", Self::Xor), ("not", Self::Not)]
            .into_iter()
            .find_map(|(word, operation)| is_word(argument, word).then_some(operation))
            .ok_or(Failure::SYNTAX)
    }

    /// Combines what was computed so far with the next source; the shorter one is followed by zeros.
    fn combine(self, result: &mut Vec<u8>, source: &[u8]) {
        grow(result, source.len());
        let (common, rest) = result.split_at_mut(source.len());
        let pairs = common.iter_mut().zip(source);
        match self {
            Self::And => {
                pairs.for_each(|(byte, other)| *byte &= other);
                rest.fill(0);
            }
            Self::Or => pairs.for_each(|(byte, other)| *byte |= other),
            Self::Xor => pairs.for_each(|(byte, other)| *byte ^= other),
            Self::Not => panic!("NOT has one source"),
        }
    }
}

pub(super) fn bitop(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let operation = Operation::parse(arguments.get(1))?;
    if operation == Operation::Not && arguments.len() != SOURCES + 1 {
        return Err(Failure::error("ERR BITOP NOT must be called with a single source key."));
    }
    let mut result: Option<Vec<u8>> = None;
    let mut is_cold = false;
    let mut digits = IntegerDigits::new();
    for key in arguments.skip(SOURCES).iter() {
        let source = match context.keys.get(key) {
            Ok(Some(value)) => string(value)?.bytes(&mut digits),
            Ok(None) => b"",
            // Going on makes all that are cold known, so that they are read at once.
            Err(Cold) => {
                is_cold = true;
                continue;
            }
        };
        match &mut result {
            None => result = Some(source.to_vec()),
            Some(result) => operation.combine(result, source),
        }
    }
    if is_cold {
        return Err(Failure::Cold);
    }
    let mut result = result.expect("there is at least one source");
    if operation == Operation::Not {
        result.iter_mut().for_each(|byte| *byte = !*byte);
    }
    let (target, length) = (arguments.get(2), result.len());
    if length == 0 {
        if context.keys.remove(target) {
            context.notify(EventClass::GENERIC, "del", target);
        }
    } else {
        context.keys.set(target, StringValue::raw(result).into(), SetExpiry::Clear);
        context.notify(EventClass::STRING, "set", target);
    }
    context.reply.integer(length as i64);
    Ok(())
}
