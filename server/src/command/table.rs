//! The table of all commands: look-up by name, full names, numbers for counters.
//!
//! Rows come from the groups beside this file. The table is built once, at first use, and lives for ever: a
//! [`CommandEntry`] is `'static`, so sessions, counters and replies may point into it.
//!
//! A look-up allocates nothing: the first and last bytes of a name, in lower case, are its key in an open-addressed
//! table that is at most a quarter full.

use std::sync::LazyLock;

use thermocline_protocol::Arguments;

use super::{
    Command, Flags, Handler, KeyPositions, bitmap, connection, generic, geo, hash, hyperloglog, list, pubsub,
    scripting, server, set, sorted_set, stream, string, tier, transaction,
};

/// The rows of every group, in the order in which COMMAND lists them.
const GROUPS: &[&[Command]] = &[
    string::COMMANDS,
    bitmap::COMMANDS,
    hyperloglog::COMMANDS,
    list::COMMANDS,
    set::COMMANDS,
    sorted_set::COMMANDS,
    geo::COMMANDS,
    hash::COMMANDS,
    stream::COMMANDS,
    generic::COMMANDS,
    transaction::COMMANDS,
    scripting::COMMANDS,
    pubsub::COMMANDS,
    connection::COMMANDS,
    server::COMMANDS,
    tier::COMMANDS,
];

/// Slots per command name; the more, the fewer names share a neighbourhood.
const SLOTS_PER_NAME: usize = 4;

static TABLE: LazyLock<CommandTable> = LazyLock::new(|| CommandTable::new(GROUPS));

/// The table of all commands.
pub fn table() -> &'static CommandTable {
    &TABLE
}

/// One command or subcommand, and what follows from its row.
pub struct CommandEntry {
    /// The row.
    pub command: &'static Command,
    /// A number from 0 on, dense over commands and subcommands: the index of its counters.
    pub id: usize,
    /// The name as COMMAND, ACL and error texts write it: `get`, `client|list`.
    pub full_name: Box<str>,
    /// The container's number, for a subcommand.
    pub container: Option<usize>,
    /// The numbers of its subcommands.
    pub subcommands: std::ops::Range<usize>,
    /// The position of its only key, where it always has exactly one.
    pub single_key: Option<usize>,
}

impl std::fmt::Debug for CommandEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.full_name)
    }
}

impl CommandEntry {
    /// Whether so many arguments, the name included, are as many as it takes.
    #[inline]
    pub fn accepts(&self, arguments: usize) -> bool {
        let arity = self.command.arity;
        if arity >= 0 { arguments == arity as usize } else { arguments >= arity.unsigned_abs() as usize }
    }

    /// Whether all these flags are set.
    #[inline]
    pub fn has(&self, flags: Flags) -> bool {
        self.command.flags.has(flags)
    }

    /// Whether its client may keep what it replies as copies of its keys. A script reads only by the commands it runs.
    #[inline]
    pub fn reads_for_its_client(&self) -> bool {
        self.has(Flags::READONLY) && self.command.group != "scripting"
    }

    /// Whether it is SUBSCRIBE or one of its kin: its replies are messages.
    #[inline]
    pub fn subscribes(&self) -> bool {
        self.has(Flags::PUBSUB.with(Flags::NOSCRIPT))
    }
}

/// Why a request names no command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// There is no command of this name.
    Command,
    /// The container, by its number, has no such subcommand.
    Subcommand(usize),
}

#[derive(Clone, Copy)]
struct Slot {
    name_key: NameKey,
    /// The entry's number plus one; 0 marks an empty slot.
    entry: u32,
}

/// All commands.
pub struct CommandTable {
    entries: Vec<CommandEntry>,
    top_level: usize,
    slots: Box<[Slot]>,
}

impl CommandTable {
    fn new(groups: &[&'static [Command]]) -> Self {
        let rows: Vec<&'static Command> = groups.iter().copied().flatten().collect();
        let top_level = rows.len();
        let mut entries: Vec<CommandEntry> = Vec::with_capacity(top_level);
        for &command in &rows {
            entries.push(entry(command, entries.len(), None));
        }
        for container in 0..top_level {
            let first = entries.len();
            for subcommand in rows[container].subcommands {
                entries.push(entry(subcommand, entries.len(), Some(&entries[container])));
            }
            entries[container].subcommands = first..entries.len();
        }
        let slot_count = (top_level * SLOTS_PER_NAME).next_power_of_two();
        let empty = Slot { name_key: NameKey::NONE, entry: 0 };
        let mut slots = vec![empty; slot_count].into_boxed_slice();
        for (id, row) in rows.iter().enumerate() {
            let name_key = NameKey::of(row.name.as_bytes());
            let mut at = name_key.hash() & (slot_count - 1);
            while slots[at].entry != 0 {
                at = (at + 1) & (slot_count - 1);
            }
            slots[at] = Slot { name_key, entry: id as u32 + 1 };
        }
        Self { entries, top_level, slots }
    }

    /// How many commands and subcommands there are: numbers are below it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no commands.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The command or subcommand of this number.
    pub fn entry(&self, id: usize) -> &CommandEntry {
        &self.entries[id]
    }

    /// All commands and subcommands, by their numbers.
    pub fn entries(&self) -> &[CommandEntry] {
        &self.entries
    }

    /// All commands, without subcommands.
    pub fn commands(&self) -> &[CommandEntry] {
        &self.entries[..self.top_level]
    }

    /// A command's subcommands.
    pub fn subcommands(&self, container: &CommandEntry) -> &[CommandEntry] {
        &self.entries[container.subcommands.clone()]
    }

    /// The command of this name, in any case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&CommandEntry> {
        let name_key = NameKey::of(name);
        let mask = self.slots.len() - 1;
        let mut at = name_key.hash() & mask;
        loop {
            let slot = &self.slots[at];
            let id = slot.entry.checked_sub(1)?;
            if slot.name_key == name_key {
                let entry = &self.entries[id as usize];
                if name.len() <= KEYED_BYTES_MAX || entry.command.name.as_bytes().eq_ignore_ascii_case(name) {
                    return Some(entry);
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// A command's subcommand of this name, in any case.
    pub fn find_subcommand(&self, container: &CommandEntry, name: &[u8]) -> Option<&CommandEntry> {
        self.subcommands(container)
            .iter()
            .find(|entry| entry.command.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// The command that a request names, as Redis finds it: a command that has subcommands is itself meant only
    /// where its name stands alone.
    ///
    /// # Errors
    /// [`Unknown`].
    #[inline]
    pub fn resolve(&self, arguments: Arguments<'_>) -> Result<&CommandEntry, Unknown> {
        let entry = self.find(arguments.get(0)).ok_or(Unknown::Command)?;
        if entry.subcommands.is_empty() || arguments.len() == 1 {
            return Ok(entry);
        }
        self.find_subcommand(entry, arguments.get(1)).ok_or(Unknown::Subcommand(entry.id))
    }

    /// A command by its full name, `client|list`, or `client`, in any case.
    pub fn find_full_name(&self, full_name: &[u8]) -> Option<&CommandEntry> {
        match full_name.iter().position(|&byte| byte == b'|') {
            None => self.find(full_name),
            Some(bar) => self.find_subcommand(self.find(&full_name[..bar])?, &full_name[bar + 1..]),
        }
    }
}

fn entry(command: &'static Command, id: usize, container: Option<&CommandEntry>) -> CommandEntry {
    let full_name = match container {
        None => command.name.into(),
        Some(container) => format!("{}|{}", container.command.name, command.name).into(),
    };
    let single_key = match (command.handler, command.keys) {
        (Handler::Keys(_), KeyPositions::Range { first, last, .. }) if last == first as i32 => {
            assert!(command.arity.unsigned_abs() as usize > first, "{full_name} always has its key");
            Some(first)
        }
        _ => None,
    };
    CommandEntry { command, id, full_name, container: container.map(|c| c.id), subcommands: 0..0, single_key }
}

/// A name's length and, in lower case, its first and last eight bytes: all of it up to 16 bytes, so that most names
/// are compared with two instructions.
#[derive(Clone, Copy, PartialEq, Eq)]
struct NameKey {
    low: u64,
    high: u64,
    length: u32,
}

/// The longest name that its key tells all of.
const KEYED_BYTES_MAX: usize = 16;

impl NameKey {
    const NONE: Self = Self { low: 0, high: 0, length: 0 };

    #[inline]
    fn of(name: &[u8]) -> Self {
        let (low, high) = match *name {
            [a, b, c] => (u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16, 0),
            [_, _, _, _, _, _, _, _, ..] => (word(&name[..8]), word(&name[name.len() - 8..])),
            [_, _, _, _, ..] => (half_word(&name[..4]), half_word(&name[name.len() - 4..])),
            [a, b] => (u64::from(a) | u64::from(b) << 8, 0),
            [a] => (u64::from(a), 0),
            [] => (0, 0),
        };
        Self { low: lower_case(low), high: lower_case(high), length: name.len() as u32 }
    }

    #[inline]
    fn hash(self) -> usize {
        // Multipliers with well mixed bits (those of splitmix64); the high half is the best mixed one.
        let mixed =
            self.low.wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ self.high.wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
    }
}

/// The eight bytes with ASCII capitals made small, all at once.
#[inline]
fn lower_case(bytes: u64) -> u64 {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const ONES: u64 = 0x0101_0101_0101_0101;
    let low_bits = bytes & !HIGH;
    // The high bit of a byte says, in these two, that it is at least `A`, and that it is beyond `Z`.
    let from_a = low_bits + ONES * u64::from(0x80 - b'A');
    let beyond_z = low_bits + ONES * u64::from(0x7f - b'Z');
    let capitals = from_a & !beyond_z & !bytes & HIGH;
    bytes | capitals >> 2
}

#[inline]
fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

#[inline]
fn half_word(bytes: &[u8]) -> u64 {
    u64::from(u32::from_le_bytes(bytes.try_into().expect("four bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use thermocline_protocol::{ArgumentRanges, Limits, RequestParser};

    const ROWS: &[Command] = &[
        Command { name: "get", arity: 2, ..Command::NEW },
        Command { name: "getrange", arity: 4, ..Command::NEW },
        Command { name: "georadiusbymember", arity: -5, ..Command::NEW },
        Command { name: "georadiusbymember_ro", arity: -5, ..Command::NEW },
        Command {
            name: "client",
            arity: -2,
            subcommands: &[
                Command { name: "list", arity: -2, ..Command::NEW },
                Command { name: "id", arity: 2, ..Command::NEW },
            ],
            ..Command::NEW
        },
    ];

    fn resolve<'t>(table: &'t CommandTable, line: &str) -> Result<&'t str, Unknown> {
        let mut ranges = ArgumentRanges::new();
        let bytes = format!("{line}\r\n");
        RequestParser::new().parse(bytes.as_bytes(), &Limits::REDIS, &mut ranges).expect("an inline request");
        table.resolve(ranges.in_buffer(bytes.as_bytes())).map(|entry| &*entry.full_name)
    }

    #[test]
    fn names_are_found_in_any_case() {
        let table = CommandTable::new(&[ROWS]);
        for name in ["get", "GET", "gEt"] {
            assert_eq!(table.find(name.as_bytes()).map(|entry| entry.id), Some(0));
        }
        assert_eq!(resolve(&table, "GeoRadiusByMember_RO"), Ok("georadiusbymember_ro"));
        for name in ["", "ge", "gett", "getrang", "getrange2", "g%t", "georadiusbymember_r", "\x07ET"] {
            assert!(table.find(name.as_bytes()).is_none(), "{name:?}");
        }
    }

    #[test]
    fn a_container_with_a_second_word_means_its_subcommand() {
        let table = CommandTable::new(&[ROWS]);
        assert_eq!(resolve(&table, "client LIST"), Ok("client|list"));
        assert_eq!(resolve(&table, "client"), Ok("client"));
        assert_eq!(resolve(&table, "client nothing"), Err(Unknown::Subcommand(4)));
        assert_eq!(resolve(&table, "nothing"), Err(Unknown::Command));
        assert_eq!(table.find_full_name(b"CLIENT|id").map(|entry| entry.container), Some(Some(4)));
    }

    #[test]
    fn every_byte_has_the_lower_case_that_ascii_gives_it() {
        for byte in 0..=u8::MAX {
            let bytes = [byte, b'a', byte, b'Z', 0xff, byte, 0x80, byte];
            let expected = u64::from_le_bytes(bytes.map(|byte| byte.to_ascii_lowercase()));
            assert_eq!(lower_case(u64::from_le_bytes(bytes)), expected, "{byte}");
        }
    }

    #[test]
    fn arity_counts_exactly_or_at_least() {
        let table = CommandTable::new(&[ROWS]);
        let get = table.entry(0);
        assert_eq!([1, 2, 3].map(|n| get.accepts(n)), [false, true, false]);
        let list = table.find_full_name(b"client|list").expect("a subcommand");
        assert_eq!([1, 2, 9].map(|n| list.accepts(n)), [false, true, true]);
    }

    #[test]
    fn every_row_is_found_by_its_own_name_and_no_name_is_given_twice() {
        let table = table();
        for (id, entry) in table.commands().iter().enumerate() {
            assert_eq!(table.find(entry.command.name.as_bytes()).map(|found| found.id), Some(id));
            assert_eq!(entry.command.name, entry.command.name.to_ascii_lowercase());
        }
    }
}
