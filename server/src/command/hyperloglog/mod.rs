//! HyperLogLog commands.
//!
//! * `commands`: PFADD, PFCOUNT, PFMERGE.
//! * `debug`: PFDEBUG, PFSELFTEST.
//! * `sketch`: the string that is a HyperLogLog; its registers are `dense` or `sparse`.
//! * `hash`: from elements to registers. `estimate`: from registers to a number of elements.
//!
//! The value is a plain string in Redis' own format, byte for byte: GET, SET, DUMP and the rest of the string commands
//! carry it from one server to another.

mod commands;
mod debug;
mod dense;
mod estimate;
mod hash;
mod sketch;
mod sparse;
#[cfg(test)]
mod tests;

use super::key_use::KeyUse;
use super::{Command, Flags, Handler, KeyPositions, Reads};

const ALL_KEYS: KeyPositions = KeyPositions::Range { first: 1, last: -1, step: 1 };

/// A command of this group on one key, whose value it needs.
const HYPERLOGLOG: Command = Command {
    group: "hyperloglog",
    categories: &["hyperloglog"],
    keys: KeyPositions::Range { first: 1, last: 1, step: 1 },
    reads: Reads::Values,
    since: "2.8.9",
    ..Command::NEW
};

/// The commands of this group.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "pfadd",
        arity: -2,
        flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
        key_use: &[KeyUse::EXTEND],
        summary: "Adds elements to a HyperLogLog key. Creates the key if it doesn't exist.",
        complexity: "O(1) to add every element.",
        handler: Handler::Keys(commands::pfadd),
        ..HYPERLOGLOG
    },
    Command {
        name: "pfcount",
        arity: -2,
        flags: Flags::READONLY,
        keys: ALL_KEYS,
        key_use: &[KeyUse::PFCOUNT],
        summary: "Returns the approximated cardinality of the set(s) observed by the HyperLogLog key(s).",
        complexity: "O(1) with a very small average constant time when called with a single key. O(N) with N being \
                     the number of keys, and much bigger constant times, when called with multiple keys.",
        handler: Handler::Keys(commands::pfcount),
        ..HYPERLOGLOG
    },
    Command {
        name: "pfdebug",
        arity: 3,
        flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::ADMIN),
        keys: KeyPositions::Range { first: 2, last: 2, step: 1 },
        key_use: &[KeyUse::READ_AND_RECODE],
        summary: "Internal commands for debugging HyperLogLog values.",
        complexity: "N/A",
        handler: Handler::Keys(debug::pfdebug),
        ..HYPERLOGLOG
    },
    Command {
        name: "pfmerge",
        arity: -2,
        flags: Flags::WRITE.with(Flags::DENYOOM),
        keys: ALL_KEYS,
        key_use: &[KeyUse::READ_AND_EXTEND, KeyUse::READ],
        summary: "Merges one or more HyperLogLog values into a single key.",
        complexity: "O(N) to merge N HyperLogLogs, but with high constant times.",
        handler: Handler::Keys(commands::pfmerge),
        ..HYPERLOGLOG
    },
    Command {
        name: "pfselftest",
        arity: 1,
        flags: Flags::ADMIN,
        keys: KeyPositions::None,
        reads: Reads::Nothing,
        summary: "An internal command for testing HyperLogLog values.",
        complexity: "N/A",
        handler: Handler::Server(debug::pfselftest),
        ..HYPERLOGLOG
    },
];
