//! Bitmap commands: strings as arrays of bits, the most significant bit of the first byte at position 0.
//!
//! * `bit`: GETBIT, SETBIT.
//! * `range`: BITCOUNT, BITPOS.
//! * `operation`: BITOP.
//! * `field`: BITFIELD, BITFIELD_RO; `integer_type` is the arithmetic of their integers.

mod bit;
mod field;
mod integer_type;
mod operation;
mod range;
#[cfg(test)]
mod tests;

use thermocline_protocol::parse_integer;

use super::key_use::KeyUse;
use super::string::max_string_bytes;
use super::{Command, Failure, Flags, Handler, KeyPositions, Reads};
use crate::server::Server;

/// The position of a bit, from an argument. One within a string of the greatest length that is allowed.
///
/// # Errors
/// Redis' error for anything else.
fn bit_offset(server: &Server, argument: &[u8]) -> Result<u64, Failure> {
    check_bit_offset(server, parse_integer(argument))
}

fn check_bit_offset(server: &Server, offset: Option<i64>) -> Result<u64, Failure> {
    offset
        .and_then(|offset| u64::try_from(offset).ok())
        .filter(|offset| offset >> 3 < max_string_bytes(server))
        .ok_or(Failure::error("ERR bit offset is not an integer or out of range"))
}

const ONE_KEY: KeyPositions = KeyPositions::Range { first: 1, last: 1, step: 1 };

/// A command of this group on one key, whose value it needs.
const BITMAP: Command =
    Command { group: "bitmap", categories: &["bitmap"], keys: ONE_KEY, reads: Reads::Values, ..Command::NEW };

const READ: Flags = Flags::READONLY;
const FAST_READ: Flags = Flags::READONLY.with(Flags::FAST);
const GROW: Flags = Flags::WRITE.with(Flags::DENYOOM);

/// The commands of this group.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "bitcount",
        arity: -2,
        flags: READ,
        summary: "Counts the number of set bits (population counting) in a string.",
        since: "2.6.0",
        complexity: "O(N)",
        handler: Handler::Keys(range::bitcount),
        ..BITMAP
    },
    Command {
        name: "bitfield",
        arity: -2,
        flags: GROW,
        key_use: &[KeyUse::BITFIELD],
        summary: "Performs arbitrary bitfield integer operations on strings.",
        since: "3.2.0",
        complexity: "O(1) for each subcommand specified",
        handler: Handler::Keys(field::bitfield),
        ..BITMAP
    },
    Command {
        name: "bitfield_ro",
        arity: -2,
        flags: FAST_READ,
        summary: "Performs arbitrary read-only bitfield integer operations on strings.",
        since: "6.0.0",
        complexity: "O(1) for each subcommand specified",
        handler: Handler::Keys(field::bitfield_ro),
        ..BITMAP
    },
    Command {
        name: "bitop",
        arity: -4,
        flags: GROW,
        keys: KeyPositions::Range { first: 2, last: -1, step: 1 },
        key_use: &[KeyUse::OVERWRITE, KeyUse::READ],
        summary: "Performs bitwise operations on multiple strings, and stores the result.",
        since: "2.6.0",
        complexity: "O(N)",
        handler: Handler::Keys(operation::bitop),
        ..BITMAP
    },
    Command {
        name: "bitpos",
        arity: -3,
        flags: READ,
        summary: "Finds the first set (1) or clear (0) bit in a string.",
        since: "2.8.7",
        complexity: "O(N)",
        handler: Handler::Keys(range::bitpos),
        ..BITMAP
    },
    Command {
        name: "getbit",
        arity: 3,
        flags: FAST_READ,
        summary: "Returns a bit value by offset.",
        since: "2.2.0",
        handler: Handler::Keys(bit::getbit),
        ..BITMAP
    },
    Command {
        name: "setbit",
        arity: 4,
        flags: GROW,
        summary: "Sets or clears the bit at offset of the string value. Creates the key if it doesn't exist.",
        since: "2.2.0",
        handler: Handler::Keys(bit::setbit),
        ..BITMAP
    },
];
