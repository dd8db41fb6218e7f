//! Hash commands.
//!
//! * `change`: HSET, HMSET, HSETNX, HDEL.
//! * `counter`: HINCRBY, HINCRBYFLOAT.
//! * `read`: HGET, HMGET, HGETALL, HKEYS, HVALS, HLEN, HEXISTS, HSTRLEN, HSCAN.
//! * `random`: HRANDFIELD.
//! * `expiry`: HEXPIRE, HTTL, HPERSIST and their kin.
//!
//! A field that has expired is seen by none of them. Commands that change a hash take such fields out of it.

mod change;
mod counter;
mod expiry;
mod random;
mod read;
#[cfg(test)]
mod tests;

pub(crate) use expiry::MAX_EXPIRY_MS;

use thermocline_engine::KeyInfo;
use thermocline_engine::value::{HashValue, Value, ValueType};

use super::key_use::KeyUse;
use super::{Command, Failure, Flags, Handler, KeyPositions, Reads};

/// The value as a hash.
///
/// # Errors
/// [`Failure::WRONG_TYPE`] where it is something else.
#[inline]
pub(crate) fn hash(value: &Value) -> Result<&HashValue, Failure> {
    value.as_hash().ok_or(Failure::WRONG_TYPE)
}

/// Checks that a key is a hash, by what the index knows of it.
///
/// # Errors
/// [`Failure::WRONG_TYPE`] where it is something else.
fn check_is_hash(info: &KeyInfo) -> Result<(), Failure> {
    if info.value_type == ValueType::Hash { Ok(()) } else { Err(Failure::WRONG_TYPE) }
}

/// A value that was found to be a hash, for changing.
fn hash_mut(value: &mut Value) -> &mut HashValue {
    value.as_hash_mut().expect("the key's type was checked")
}

/// A command of this group on one key, whose value it needs.
const HASH: Command = Command {
    group: "hash",
    categories: &["hash"],
    keys: KeyPositions::Range { first: 1, last: 1, step: 1 },
    reads: Reads::Values,
    member: 2,
    since: "2.0.0",
    ..Command::NEW
};

const READ: Flags = Flags::READONLY;
const FAST_READ: Flags = Flags::READONLY.with(Flags::FAST);
const FAST_WRITE: Flags = Flags::WRITE.with(Flags::FAST);
const FAST_GROW: Flags = FAST_WRITE.with(Flags::DENYOOM);

/// A command of Redis 7.4 on some fields of a hash.
const OF_FIELDS: Command = Command {
    arity: -5,
    flags: FAST_READ,
    since: "7.4.0",
    complexity: "O(N) where N is the number of specified fields",
    ..HASH
};
/// One that sets when they expire.
const EXPIRE_FIELDS: Command =
    Command { arity: -6, flags: FAST_GROW, key_use: &[KeyUse::CHANGE], ..OF_FIELDS };

const SIZE: &str = "O(N) where N is the size of the hash.";

/// The commands of this group.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "hdel",
        arity: -3,
        flags: FAST_WRITE,
        key_use: &[KeyUse::REMOVE],
        summary: "Deletes one or more fields and their values from a hash. Deletes the hash if no fields remain.",
        complexity: "O(N) where N is the number of fields to be removed.",
        handler: Handler::Keys(change::hdel),
        ..HASH
    },
    Command {
        name: "hexists",
        arity: 3,
        flags: FAST_READ,
        key_use: &[KeyUse::LOOK],
        summary: "Determines whether a field exists in a hash.",
        handler: Handler::Keys(read::hexists),
        ..HASH
    },
    Command {
        name: "hexpire",
        summary: "Set expiry for hash field using relative time to expire (seconds)",
        handler: Handler::Keys(expiry::hexpire),
        ..EXPIRE_FIELDS
    },
    Command {
        name: "hexpireat",
        summary: "Set expiry for hash field using an absolute Unix timestamp (seconds)",
        handler: Handler::Keys(expiry::hexpireat),
        ..EXPIRE_FIELDS
    },
    Command {
        name: "hexpiretime",
        summary: "Returns the expiration time of a hash field as a Unix timestamp, in seconds.",
        handler: Handler::Keys(expiry::hexpiretime),
        ..OF_FIELDS
    },
    Command {
        name: "hget",
        arity: 3,
        flags: FAST_READ,
        summary: "Returns the value of a field in a hash.",
        handler: Handler::Keys(read::hget),
        ..HASH
    },
    Command {
        name: "hgetall",
        arity: 2,
        flags: READ,
        summary: "Returns all fields and values in a hash.",
        complexity: SIZE,
        handler: Handler::Keys(read::hgetall),
        ..HASH
    },
    Command {
        name: "hincrby",
        arity: 4,
        flags: FAST_GROW,
        summary: "Increments the integer value of a field in a hash by a number. Uses 0 as initial value if the field \
                  doesn't exist.",
        handler: Handler::Keys(counter::hincrby),
        ..HASH
    },
    Command {
        name: "hincrbyfloat",
        arity: 4,
        flags: FAST_GROW,
        summary: "Increments the floating point value of a field by a number. Uses 0 as initial value if the field \
                  doesn't exist.",
        since: "2.6.0",
        handler: Handler::Keys(counter::hincrbyfloat),
        ..HASH
    },
    Command {
        name: "hkeys",
        arity: 2,
        flags: READ,
        summary: "Returns all fields in a hash.",
        complexity: SIZE,
        handler: Handler::Keys(read::hkeys),
        ..HASH
    },
    Command {
        name: "hlen",
        arity: 2,
        flags: FAST_READ,
        reads: Reads::Nothing,
        summary: "Returns the number of fields in a hash.",
        handler: Handler::Keys(read::hlen),
        ..HASH
    },
    Command {
        name: "hmget",
        arity: -3,
        flags: FAST_READ,
        summary: "Returns the values of all fields in a hash.",
        complexity: "O(N) where N is the number of fields being requested.",
        handler: Handler::Keys(read::hmget),
        ..HASH
    },
    Command {
        name: "hmset",
        arity: -4,
        flags: FAST_GROW,
        key_use: &[KeyUse::CHANGE],
        summary: "Sets the values of multiple fields.",
        complexity: "O(N) where N is the number of fields being set.",
        handler: Handler::Keys(change::hmset),
        ..HASH
    },
    Command {
        name: "hpersist",
        flags: FAST_WRITE,
        key_use: &[KeyUse::CHANGE],
        summary: "Removes the expiration time for each specified field",
        handler: Handler::Keys(expiry::hpersist),
        ..OF_FIELDS
    },
    Command {
        name: "hpexpire",
        summary: "Set expiry for hash field using relative time to expire (milliseconds)",
        handler: Handler::Keys(expiry::hpexpire),
        ..EXPIRE_FIELDS
    },
    Command {
        name: "hpexpireat",
        summary: "Set expiry for hash field using an absolute Unix timestamp (milliseconds)",
        handler: Handler::Keys(expiry::hpexpireat),
        ..EXPIRE_FIELDS
    },
    Command {
        name: "hpexpiretime",
        summary: "Returns the expiration time of a hash field as a Unix timestamp, in msec.",
        handler: Handler::Keys(expiry::hpexpiretime),
        ..OF_FIELDS
    },
    Command {
        name: "hpttl",
        summary: "Returns the TTL in milliseconds of a hash field.",
        handler: Handler::Keys(expiry::hpttl),
        ..OF_FIELDS
    },
    Command {
        name: "hrandfield",
        arity: -2,
        flags: READ,
        summary: "Returns one or more random fields from a hash.",
        since: "6.2.0",
        complexity: "O(N) where N is the number of fields returned",
        handler: Handler::Keys(random::hrandfield),
        ..HASH
    },
    Command {
        name: "hscan",
        arity: -3,
        flags: READ,
        summary: "Iterates over fields and values of a hash.",
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the \
                     cursor to return back to 0. N is the number of elements inside the collection..",
        handler: Handler::Keys(read::hscan),
        ..HASH
    },
    Command {
        name: "hset",
        arity: -4,
        flags: FAST_GROW,
        key_use: &[KeyUse::CHANGE],
        summary: "Creates or modifies the value of a field in a hash.",
        complexity: "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is \
                     called with multiple field/value pairs.",
        handler: Handler::Keys(change::hset),
        ..HASH
    },
    Command {
        name: "hsetnx",
        arity: 4,
        flags: FAST_GROW,
        key_use: &[KeyUse::EXTEND],
        summary: "Sets the value of a field in a hash only when the field doesn't exist.",
        handler: Handler::Keys(change::hsetnx),
        ..HASH
    },
    Command {
        name: "hstrlen",
        arity: 3,
        flags: FAST_READ,
        key_use: &[KeyUse::LOOK],
        summary: "Returns the length of the value of a field.",
        since: "3.2.0",
        handler: Handler::Keys(read::hstrlen),
        ..HASH
    },
    Command {
        name: "httl",
        summary: "Returns the TTL in seconds of a hash field.",
        handler: Handler::Keys(expiry::httl),
        ..OF_FIELDS
    },
    Command {
        name: "hvals",
        arity: 2,
        flags: READ,
        summary: "Returns all values in a hash.",
        complexity: SIZE,
        handler: Handler::Keys(read::hvals),
        ..HASH
    },
];
