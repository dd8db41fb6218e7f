//! Lua scripts and functions.

use super::Command;

/// The commands of this group.
pub const COMMANDS: &[Command] = &[];
