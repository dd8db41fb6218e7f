//! String commands.
//!
//! * `read`: GET, MGET, STRLEN, GETRANGE, SUBSTR.
//! * `write`: SET and its older kin, MSET, MSETNX.
//! * `exchange`: commands that reply the value and change the key: GETSET, GETDEL, GETEX.
//! * `edit`: APPEND, SETRANGE.
//! * `counter`: INCR and its kin; INCRBYFLOAT, with `long_double` for its arithmetic.
//! * `lcs`: LCS.
//! * `options`: the options of SET and GETEX.
//!
//! Handlers that keep a key's value where it is and change its bytes look at the index first, not at the value: that is
//! enough to refuse them, and the change itself then reads the value if it was cold.

mod counter;
mod edit;
mod exchange;
mod lcs;
pub(crate) mod long_double;
mod options;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use edit::{edit, edit_and_tell_if, grow};
pub(crate) use read::{clamp_range, is_backwards};

use thermocline_engine::KeyInfo;
use thermocline_engine::value::{StringValue, Value, ValueType};

use super::key_use::KeyUse;
use super::{Command, Failure, Flags, Handler, KeyPositions, Reads};
use crate::server::Server;

/// The longest string that commands may make, in bytes: `proto-max-bulk-len`.
pub(crate) fn max_string_bytes(server: &Server) -> u64 {
    server.config.proto_max_bulk_bytes()
}

/// Checks that a string may grow to `length_bytes`.
///
/// # Errors
/// Redis' error where it is longer than [`max_string_bytes`].
pub(crate) fn check_length(server: &Server, length_bytes: u64) -> Result<(), Failure> {
    if length_bytes > max_string_bytes(server) {
        return Err(Failure::error("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    }
    Ok(())
}

/// The value as a string.
///
/// # Errors
/// [`Failure::WRONG_TYPE`] where it is something else.
#[inline]
pub(crate) fn string(value: &Value) -> Result<&StringValue, Failure> {
    value.as_string().ok_or(Failure::WRONG_TYPE)
}

/// Checks that a key is a string, by what the index knows of it.
///
/// # Errors
/// [`Failure::WRONG_TYPE`] where it is something else.
pub(crate) fn check_is_string(info: &KeyInfo) -> Result<(), Failure> {
    if info.value_type == ValueType::String { Ok(()) } else { Err(Failure::WRONG_TYPE) }
}

const ONE_KEY: KeyPositions = KeyPositions::Range { first: 1, last: 1, step: 1 };
const KEYS_AND_VALUES: KeyPositions = KeyPositions::Range { first: 1, last: -1, step: 2 };

/// A command of this group on one key, whose value it needs.
const STRING: Command =
    Command { group: "string", categories: &["string"], keys: ONE_KEY, reads: Reads::Values, ..Command::NEW };

const READ: Flags = Flags::READONLY;
const FAST_READ: Flags = Flags::READONLY.with(Flags::FAST);
const FAST_WRITE: Flags = Flags::WRITE.with(Flags::FAST);
const GROW: Flags = Flags::WRITE.with(Flags::DENYOOM);
const FAST_GROW: Flags = GROW.with(Flags::FAST);

/// The commands of this group.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "append",
        arity: 3,
        flags: FAST_GROW,
        key_use: &[KeyUse::EXTEND],
        summary: "Appends a string to the value of a key. Creates the key if it doesn't exist.",
        since: "2.0.0",
        complexity: "O(1). The amortized time complexity is O(1) assuming the appended value is small and the \
                     already present value is of any size, since the dynamic string library used by Redis will \
                     double the free space available on every reallocation.",
        handler: Handler::Keys(edit::append),
        ..STRING
    },
    Command {
        name: "decr",
        arity: 2,
        flags: FAST_GROW,
        summary: "Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
        handler: Handler::Keys(counter::decr),
        ..STRING
    },
    Command {
        name: "decrby",
        arity: 3,
        flags: FAST_GROW,
        summary: "Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't exist.",
        handler: Handler::Keys(counter::decrby),
        ..STRING
    },
    Command {
        name: "get",
        arity: 2,
        flags: FAST_READ,
        summary: "Returns the string value of a key.",
        handler: Handler::Keys(read::get),
        ..STRING
    },
    Command {
        name: "getdel",
        arity: 2,
        flags: FAST_WRITE,
        key_use: &[KeyUse::TAKE],
        summary: "Returns the string value of a key after deleting the key.",
        since: "6.2.0",
        handler: Handler::Keys(exchange::getdel),
        ..STRING
    },
    Command {
        name: "getex",
        arity: -2,
        flags: FAST_WRITE,
        summary: "Returns the string value of a key after setting its expiration time.",
        since: "6.2.0",
        key_use: &[KeyUse::GETEX],
        handler: Handler::Keys(exchange::getex),
        ..STRING
    },
    Command {
        name: "getrange",
        arity: 4,
        flags: READ,
        summary: "Returns a substring of the string stored at a key.",
        since: "2.4.0",
        complexity: "O(N) where N is the length of the returned string. The complexity is ultimately determined by \
                     the returned length, but because creating a substring from an existing string is very cheap, \
                     it can be considered O(1) for small strings.",
        handler: Handler::Keys(read::getrange),
        ..STRING
    },
    Command {
        name: "getset",
        arity: 3,
        flags: FAST_GROW,
        summary: "Returns the previous string value of a key after setting it to a new value.",
        handler: Handler::Keys(exchange::getset),
        ..STRING
    },
    Command {
        name: "incr",
        arity: 2,
        flags: FAST_GROW,
        summary: "Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
        handler: Handler::Keys(counter::incr),
        ..STRING
    },
    Command {
        name: "incrby",
        arity: 3,
        flags: FAST_GROW,
        summary: "Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
        handler: Handler::Keys(counter::incrby),
        ..STRING
    },
    Command {
        name: "incrbyfloat",
        arity: 3,
        flags: FAST_GROW,
        summary: "Increments the floating point value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
        since: "2.6.0",
        handler: Handler::Keys(counter::incrbyfloat),
        ..STRING
    },
    Command {
        name: "lcs",
        arity: -3,
        flags: READ,
        keys: KeyPositions::Range { first: 1, last: 2, step: 1 },
        summary: "Finds the longest common substring.",
        since: "7.0.0",
        complexity: "O(N*M) where N and M are the lengths of s1 and s2, respectively",
        handler: Handler::Keys(lcs::lcs),
        ..STRING
    },
    Command {
        name: "mget",
        arity: -2,
        flags: FAST_READ,
        keys: KeyPositions::Range { first: 1, last: -1, step: 1 },
        summary: "Atomically returns the string values of one or more keys.",
        complexity: "O(N) where N is the number of keys to retrieve.",
        handler: Handler::Keys(read::mget),
        ..STRING
    },
    Command {
        name: "mset",
        arity: -3,
        flags: GROW,
        keys: KEYS_AND_VALUES,
        reads: Reads::Nothing,
        summary: "Atomically creates or modifies the string values of one or more keys.",
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys to set.",
        handler: Handler::Keys(write::mset),
        ..STRING
    },
    Command {
        name: "msetnx",
        arity: -3,
        flags: GROW,
        keys: KEYS_AND_VALUES,
        key_use: &[KeyUse::CREATE],
        reads: Reads::Nothing,
        summary: "Atomically modifies the string values of one or more keys only when all keys don't exist.",
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys to set.",
        handler: Handler::Keys(write::msetnx),
        ..STRING
    },
    Command {
        name: "psetex",
        arity: 4,
        flags: GROW,
        reads: Reads::Nothing,
        summary: "Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn't exist.",
        since: "2.6.0",
        handler: Handler::Keys(write::psetex),
        ..STRING
    },
    Command {
        name: "set",
        arity: -3,
        flags: GROW,
        key_use: &[KeyUse::SET],
        reads: Reads::When(options::wants_old_value),
        summary: "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
        handler: Handler::Keys(write::set),
        ..STRING
    },
    Command {
        name: "setex",
        arity: 4,
        flags: GROW,
        reads: Reads::Nothing,
        summary: "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.",
        since: "2.0.0",
        handler: Handler::Keys(write::setex),
        ..STRING
    },
    Command {
        name: "setnx",
        arity: 3,
        flags: FAST_GROW,
        key_use: &[KeyUse::CREATE],
        reads: Reads::Nothing,
        summary: "Set the string value of a key only when the key doesn't exist.",
        handler: Handler::Keys(write::setnx),
        ..STRING
    },
    Command {
        name: "setrange",
        arity: 4,
        flags: GROW,
        key_use: &[KeyUse::CHANGE],
        summary: "Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist.",
        since: "2.2.0",
        complexity: "O(1), not counting the time taken to copy the new string in place. Usually, this string is \
                     very small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being the \
                     length of the value argument.",
        handler: Handler::Keys(edit::setrange),
        ..STRING
    },
    Command {
        name: "strlen",
        arity: 2,
        flags: FAST_READ,
        reads: Reads::Nothing,
        summary: "Returns the length of a string value.",
        since: "2.2.0",
        handler: Handler::Keys(read::strlen),
        ..STRING
    },
    Command {
        name: "substr",
        arity: 4,
        flags: READ,
        summary: "Returns a substring from a string value.",
        complexity: "O(N) where N is the length of the returned string. The complexity is ultimately determined by \
                     the returned length, but because creating a substring from an existing string is very cheap, \
                     it can be considered O(1) for small strings.",
        handler: Handler::Keys(read::getrange),
        ..STRING
    },
];
