//! HyperLogLog commands, on strings.

use super::Command;

/// The commands of this group.
pub const COMMANDS: &[Command] = &[];
