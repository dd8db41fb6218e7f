//! Sorted set commands.

use super::Command;

/// The commands of this group.
pub const COMMANDS: &[Command] = &[];
