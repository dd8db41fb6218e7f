//! The options of XREAD and XREADGROUP.

use thermocline_engine::UnixMillis;
use thermocline_protocol::Arguments;

use super::reply::limit;
use crate::command::Failure;
use crate::command::arguments::{integer, is_word};

const GROUP_IN_XREAD: &str =
    "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.";
const NOACK_IN_XREAD: &str =
    "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.";

/// What XREAD or XREADGROUP was told, but for keys and ids.
#[derive(Debug)]
pub(super) struct ReadOptions<'a> {
    /// The most entries of each stream.
    pub(super) limit: usize,
    /// BLOCK: until when; `None` for ever.
    pub(super) block: Option<Option<UnixMillis>>,
    /// The group's name and the consumer's.
    pub(super) group: Option<(&'a [u8], &'a [u8])>,
    /// NOACK.
    pub(super) needs_acknowledgement: bool,
    /// Where the keys begin.
    pub(super) keys_at: usize,
    /// How many there are, and ids behind them.
    pub(super) keys: usize,
}

impl<'a> ReadOptions<'a> {
    /// # Errors
    /// Redis' errors, in Redis' order.
    pub(super) fn parse(arguments: Arguments<'a>, is_group: bool, now: UnixMillis) -> Result<Self, Failure> {
        let mut options = Self {
            limit: usize::MAX,
            block: None,
            group: None,
            needs_acknowledgement: true,
            keys_at: 0,
            keys: 0,
        };
        let mut at = 1;
        while options.keys_at == 0 {
            if at == arguments.len() {
                return Err(Failure::SYNTAX);
            }
            let (word, more) = (arguments.get(at), arguments.len() - at - 1);
            if more >= 1 && is_word(word, "BLOCK") {
                options.block = Some(deadline(arguments.get(at + 1), now)?);
                at += 2;
            } else if more >= 1 && is_word(word, "COUNT") {
                options.limit = limit(integer(arguments.get(at + 1))?);
                at += 2;
            } else if more >= 1 && is_word(word, "STREAMS") {
                if !more.is_multiple_of(2) {
                    return Err(unbalanced(is_group));
                }
                (options.keys_at, options.keys) = (at + 1, more / 2);
            } else if more >= 2 && is_word(word, "GROUP") {
                if !is_group {
                    return Err(Failure::error(GROUP_IN_XREAD));
                }
                options.group = Some((arguments.get(at + 1), arguments.get(at + 2)));
                at += 3;
            } else if is_word(word, "NOACK") {
                if !is_group {
                    return Err(Failure::error(NOACK_IN_XREAD));
                }
                options.needs_acknowledgement = false;
                at += 1;
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        if is_group && options.group.is_none() {
            return Err(Failure::error("ERR Missing GROUP option for XREADGROUP"));
        }
        Ok(options)
    }

    /// Each key with its id's argument and where that is.
    pub(super) fn streams(&self, arguments: Arguments<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let (keys_at, keys) = (self.keys_at, self.keys);
        (keys_at..keys_at + keys).map(move |at| (arguments.get(at), arguments.get(at + keys)))
    }
}

/// When a wait of so many milliseconds is over; `None` for 0, which is for ever.
fn deadline(argument: &[u8], now: UnixMillis) -> Result<Option<UnixMillis>, Failure> {
    let ms =
        integer(argument).map_err(|_| Failure::error("ERR timeout is not an integer or out of range"))?;
    match u64::try_from(ms) {
        Ok(0) => Ok(None),
        Ok(ms) => match now.0.checked_add(ms).filter(|at_ms| *at_ms <= i64::MAX as u64) {
            Some(at_ms) => Ok(Some(UnixMillis(at_ms))),
            None => Err(Failure::error("ERR timeout is out of range")),
        },
        Err(_) => Err(Failure::error("ERR timeout is negative")),
    }
}

fn unbalanced(is_group: bool) -> Failure {
    let (command, id) = if is_group { ("xreadgroup", '>') } else { ("xread", '$') };
    Failure::error(format!(
        "ERR Unbalanced '{command}' list of streams: for each stream key an ID or '{id}' must be specified."
    ))
}
