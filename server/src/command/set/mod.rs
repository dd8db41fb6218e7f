//! Set commands.
//!
//! * `change`: SADD, SREM, SMOVE.
//! * `read`: SISMEMBER, SMISMEMBER, SCARD, SMEMBERS, SSCAN.
//! * `random`: SPOP, SRANDMEMBER.
//! * `algebra`: SINTER, SUNION, SDIFF, what stores their results, and SINTERCARD.

mod algebra;
mod change;
mod random;
mod read;
#[cfg(test)]
mod tests;

use thermocline_engine::KeyInfo;
use thermocline_engine::value::{SetValue, Value, ValueType};

use super::key_use::KeyUse;
use super::{Command, Failure, Flags, Handler, KeyPositions, Reads};

/// The value as a set.
///
/// # Errors
/// [`Failure::WRONG_TYPE`] where it is something else.
#[inline]
pub(crate) fn set(value: &Value) -> Result<&SetValue, Failure> {
    value.as_set().ok_or(Failure::WRONG_TYPE)
}

/// Checks that a key is a set, by what the index knows of it.
///
/// # Errors
/// [`Failure::WRONG_TYPE`] where it is something else.
fn check_is_set(info: &KeyInfo) -> Result<(), Failure> {
    if info.value_type == ValueType::Set { Ok(()) } else { Err(Failure::WRONG_TYPE) }
}

/// A value that was found to be a set, for changing.
fn set_mut(value: &mut Value) -> &mut SetValue {
    value.as_set_mut().expect("the key's type was checked")
}

const ONE_KEY: KeyPositions = KeyPositions::Range { first: 1, last: 1, step: 1 };
const ALL_KEYS: KeyPositions = KeyPositions::Range { first: 1, last: -1, step: 1 };

/// A command of this group on one key, whose value it needs.
const SET: Command = Command {
    group: "set",
    categories: &["set"],
    keys: ONE_KEY,
    reads: Reads::Values,
    member: 2,
    ..Command::NEW
};
/// A command that reads several sets.
const ALGEBRA: Command = Command { keys: ALL_KEYS, flags: READ, ..SET };
/// A command that writes what it makes of several sets to its first key.
const STORE: Command =
    Command { arity: -3, flags: GROW, key_use: &[KeyUse::OVERWRITE, KeyUse::READ], ..ALGEBRA };

const READ: Flags = Flags::READONLY;
const FAST_READ: Flags = Flags::READONLY.with(Flags::FAST);
const FAST_WRITE: Flags = Flags::WRITE.with(Flags::FAST);
const GROW: Flags = Flags::WRITE.with(Flags::DENYOOM);
const FAST_GROW: Flags = GROW.with(Flags::FAST);

const SUM_OF_SIZES: &str = "O(N) where N is the total number of elements in all given sets.";
const SMALLEST_TIMES_SETS: &str =
    "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.";

/// The commands of this group.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "sadd",
        arity: -3,
        flags: FAST_GROW,
        key_use: &[KeyUse::EXTEND],
        summary: "Adds one or more members to a set. Creates the key if it doesn't exist.",
        complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple \
                     arguments.",
        handler: Handler::Keys(change::sadd),
        ..SET
    },
    Command {
        name: "scard",
        arity: 2,
        flags: FAST_READ,
        reads: Reads::Nothing,
        summary: "Returns the number of members in a set.",
        handler: Handler::Keys(read::scard),
        ..SET
    },
    Command {
        name: "sdiff",
        arity: -2,
        summary: "Returns the difference of multiple sets.",
        complexity: SUM_OF_SIZES,
        handler: Handler::Keys(algebra::sdiff),
        ..ALGEBRA
    },
    Command {
        name: "sdiffstore",
        summary: "Stores the difference of multiple sets in a key.",
        complexity: SUM_OF_SIZES,
        handler: Handler::Keys(algebra::sdiffstore),
        ..STORE
    },
    Command {
        name: "sinter",
        arity: -2,
        summary: "Returns the intersect of multiple sets.",
        complexity: SMALLEST_TIMES_SETS,
        handler: Handler::Keys(algebra::sinter),
        ..ALGEBRA
    },
    Command {
        name: "sintercard",
        arity: -3,
        flags: READ.with(Flags::MOVABLE_KEYS),
        keys: KeyPositions::Counted { count: 1 },
        summary: "Returns the number of members of the intersect of multiple sets.",
        since: "7.0.0",
        complexity: SMALLEST_TIMES_SETS,
        handler: Handler::Keys(algebra::sintercard),
        ..SET
    },
    Command {
        name: "sinterstore",
        key_use: &[KeyUse::REPLACE, KeyUse::READ],
        summary: "Stores the intersect of multiple sets in a key.",
        complexity: SMALLEST_TIMES_SETS,
        handler: Handler::Keys(algebra::sinterstore),
        ..STORE
    },
    Command {
        name: "sismember",
        arity: 3,
        flags: FAST_READ,
        key_use: &[KeyUse::LOOK],
        summary: "Determines whether a member belongs to a set.",
        handler: Handler::Keys(read::sismember),
        ..SET
    },
    Command {
        name: "smembers",
        arity: 2,
        flags: READ,
        summary: "Returns all members of a set.",
        complexity: "O(N) where N is the set cardinality.",
        handler: Handler::Keys(read::smembers),
        ..SET
    },
    Command {
        name: "smismember",
        arity: -3,
        flags: FAST_READ,
        summary: "Determines whether multiple members belong to a set.",
        since: "6.2.0",
        complexity: "O(N) where N is the number of elements being checked for membership",
        handler: Handler::Keys(read::smismember),
        ..SET
    },
    Command {
        name: "smove",
        arity: 4,
        flags: FAST_WRITE,
        keys: KeyPositions::Range { first: 1, last: 2, step: 1 },
        key_use: &[KeyUse::TAKE, KeyUse::EXTEND],
        summary: "Moves a member from one set to another.",
        handler: Handler::Keys(change::smove),
        ..SET
    },
    Command {
        name: "spop",
        arity: -2,
        flags: FAST_WRITE,
        key_use: &[KeyUse::TAKE],
        summary: "Returns one or more random members from a set after removing them. Deletes the set if the last \
                  member was popped.",
        complexity: "Without the count argument O(1), otherwise O(N) where N is the value of the passed count.",
        handler: Handler::Keys(random::spop),
        ..SET
    },
    Command {
        name: "srandmember",
        arity: -2,
        flags: READ,
        summary: "Get one or multiple random members from a set",
        complexity: "Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed \
                     count.",
        handler: Handler::Keys(random::srandmember),
        ..SET
    },
    Command {
        name: "srem",
        arity: -3,
        flags: FAST_WRITE,
        key_use: &[KeyUse::REMOVE],
        summary: "Removes one or more members from a set. Deletes the set if the last member was removed.",
        complexity: "O(N) where N is the number of members to be removed.",
        handler: Handler::Keys(change::srem),
        ..SET
    },
    Command {
        name: "sscan",
        arity: -3,
        flags: READ,
        summary: "Iterates over members of a set.",
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the \
                     cursor to return back to 0. N is the number of elements inside the collection..",
        handler: Handler::Keys(read::sscan),
        ..SET
    },
    Command {
        name: "sunion",
        arity: -2,
        summary: "Returns the union of multiple sets.",
        complexity: SUM_OF_SIZES,
        handler: Handler::Keys(algebra::sunion),
        ..ALGEBRA
    },
    Command {
        name: "sunionstore",
        summary: "Stores the union of multiple sets in a key.",
        complexity: SUM_OF_SIZES,
        handler: Handler::Keys(algebra::sunionstore),
        ..STORE
    },
];
