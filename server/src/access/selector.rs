//! Selectors: commands, keys and channels that may be used together.

use thermocline_protocol::Arguments;

use super::commands::CommandSet;
use super::patterns::{ChannelPatterns, KeyAccess, KeyPatterns};
use super::permission::{Denied, channel_positions};
use crate::command::Flags;
use crate::command::key_use::use_of_key;
use crate::command::table::CommandEntry;
use crate::dispatch::key_positions::key_positions;

/// What a user may do, or a part of that. A new one permits nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// The commands.
    pub commands: CommandSet,
    /// The keys that they may be used with.
    pub keys: KeyPatterns,
    /// The channels.
    pub channels: ChannelPatterns,
}

impl Selector {
    /// Everything.
    pub const ALL: Self =
        Self { commands: CommandSet::ALL, keys: KeyPatterns::ALL, channels: ChannelPatterns::ALL };

    /// Whether it permits everything.
    pub fn permits_everything(&self) -> bool {
        self.commands.are_all() && self.keys.are_all() && self.channels.are_all()
    }

    /// Checks a request whose arity was checked.
    ///
    /// # Errors
    /// The first thing in it that is not permitted.
    pub fn check(&self, entry: &CommandEntry, arguments: Arguments<'_>) -> Result<(), Denied> {
        self.check_command(entry, arguments)?;
        if !self.keys.are_all() {
            for (number, at) in key_positions(entry.command, arguments).enumerate() {
                let wanted = use_of_key(entry.command, number).with(arguments).access();
                if !self.keys.permit(arguments.get(at), wanted) {
                    return Err(Denied::Key(at));
                }
            }
        }
        if entry.has(Flags::PUBSUB) && !self.channels.are_all() {
            let (mut positions, is_pattern) = channel_positions(entry, arguments);
            if let Some(at) = positions.find(|at| !self.channels.permit(arguments.get(*at), is_pattern)) {
                return Err(Denied::Channel(at));
            }
        }
        Ok(())
    }

    /// Whether it permits a request to look at all keys there are, whatever it names.
    pub fn permits_reading_all_keys(&self, entry: &CommandEntry, arguments: Arguments<'_>) -> bool {
        let wanted = KeyAccess { reads: true, writes: false };
        self.check_command(entry, arguments).is_ok() && self.keys.permit_all(wanted)
    }

    fn check_command(&self, entry: &CommandEntry, arguments: Arguments<'_>) -> Result<(), Denied> {
        // AUTH, HELLO, QUIT and RESET are for everybody.
        match entry.has(Flags::NO_AUTH) || self.commands.permit(entry, arguments) {
            true => Ok(()),
            false => Err(Denied::Command),
        }
    }

    /// The rules that make this selector, with blanks between them.
    pub fn describe(&self, text: &mut Vec<u8>) {
        let start = text.len();
        self.keys.describe(text);
        if text.len() > start {
            text.push(b' ');
        }
        if !self.channels.are_all() {
            text.extend_from_slice(b"resetchannels ");
        }
        let before = text.len();
        self.channels.describe(text);
        if text.len() > before {
            text.push(b' ');
        }
        text.extend_from_slice(self.commands.describe().as_bytes());
    }
}
