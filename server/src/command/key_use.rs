//! What commands do with their keys, as COMMAND INFO and COMMAND GETKEYSANDFLAGS tell clients and proxies: Redis' [flags
//! of key specifications](https://redis.io/docs/latest/develop/reference/key-specs/).

use thermocline_protocol::Arguments;

use super::{Command, Flags, Reads};
use crate::access::patterns::KeyAccess;
use crate::command::arguments::is_word;

/// What a command does with one or several of its keys.
#[derive(Clone, Copy, Debug)]
pub struct KeyUse {
    flags: &'static [&'static str],
    /// Why the flags are what they are, for people; mostly empty.
    notes: &'static str,
    /// Whether what there was does not matter.
    is_blind: bool,
    /// Where it depends on the arguments: `flags` is the most it may do then.
    given: Option<fn(Arguments<'_>) -> KeyUse>,
}

impl KeyUse {
    /// Looks at the key or at what is known of its value, not at the value's contents.
    pub const LOOK: Self = Self::new(&["RO"]);
    /// Replies with what the value holds.
    pub const READ: Self = Self::new(&["RO", "access"]);
    /// It is no key, but a shard channel.
    pub const CHANNEL: Self = Self::new(&["not_key"]);
    /// Replaces whatever there is.
    pub const OVERWRITE: Self = Self::new(&["OW", "update"]);
    /// Makes the key, where it does not exist.
    pub const CREATE: Self = Self::new(&["OW", "insert"]);
    /// Deletes the key.
    pub const DELETE: Self = Self::new(&["RM", "delete"]);
    /// Replies with what the value holds, and deletes the key.
    pub const TAKE: Self = Self::new(&["RW", "access", "delete"]);
    /// The same, of keys that the specification does not find all of.
    pub const TAKE_INCOMPLETE: Self = Self::new(&["RW", "access", "delete", "incomplete"]);
    /// Takes something out of what there is.
    pub const REMOVE: Self = Self::new(&["RW", "delete"]);
    /// Adds to what there is.
    pub const EXTEND: Self = Self::new(&["RW", "insert"]);
    /// Changes what there is.
    pub const CHANGE: Self = Self::new(&["RW", "update"]);
    /// SINTERSTORE: replaces whatever there is, though Redis does not say so.
    pub const REPLACE: Self = Self { is_blind: true, ..Self::CHANGE };
    /// Replies with what the value holds, or held, and changes it.
    pub const READ_AND_CHANGE: Self = Self::new(&["RW", "access", "update"]);
    /// Deletes something within the value.
    pub const DELETE_WITHIN: Self = Self::new(&["RW", "delete"]);
    /// XADD: adds, and may delete.
    pub const XADD: Self =
        Self { notes: "UPDATE instead of INSERT because of the optional trimming feature", ..Self::CHANGE };
    /// SET: blind, unless it replies the old value.
    pub const SET: Self = Self {
        is_blind: false,
        flags: &["RW", "access", "update", "variable_flags"],
        notes: "RW and ACCESS due to the optional `GET` argument",
        given: Some(|arguments| match arguments.iter().skip(3).any(|word| is_word(word, "GET")) {
            true => Self::READ_AND_CHANGE,
            false => Self::OVERWRITE,
        }),
    };
    /// BITFIELD: reads, unless it sets or increments.
    pub const BITFIELD: Self = Self {
        given: Some(|arguments| match only_reads_fields(arguments) {
            true => Self::READ,
            false => Self::READ_AND_CHANGE,
        }),
        notes: "This command allows both access and modification of the key",
        ..Self::SET
    };
    /// GETEX: replies with the value, and changes its expiry.
    pub const GETEX: Self =
        Self { notes: "RW and UPDATE because it changes the TTL", ..Self::READ_AND_CHANGE };

    /// Replies with what the value holds, and adds to it.
    pub const READ_AND_EXTEND: Self = Self::new(&["RW", "access", "insert"]);
    /// PFCOUNT: keeps what it counted with the value.
    pub const PFCOUNT: Self = Self {
        notes: "RW because it may change the internal representation of the key, and propagate to replicas",
        ..Self::READ_AND_RECODE
    };
    /// The keys that SORT's patterns lead to.
    pub const SORT_PATTERN: Self = Self {
        notes: "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content \
                of the key we sort",
        ..Self::READ
    };
    /// The key behind SORT's STORE.
    pub const SORT_TARGET: Self = Self {
        notes: "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the \
                argument array",
        ..Self::OVERWRITE
    };
    /// Replies with what the value holds, and may represent it in another way.
    pub const READ_AND_RECODE: Self = Self::new(&["RW", "access"]);

    /// EVAL, FCALL: whatever the script does.
    pub const ANYTHING: Self = Self {
        notes: "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE",
        ..Self::READ_AND_CHANGE
    };
    /// EVAL_RO, FCALL_RO: whatever the script does.
    pub const READ_ANYTHING: Self = Self {
        notes: "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS",
        ..Self::READ
    };

    const fn new(flags: &'static [&'static str]) -> Self {
        let is_blind = matches!(flags[0].as_bytes(), b"OW");
        Self { flags, notes: "", is_blind, given: None }
    }

    /// The flags of the specification, in Redis' order.
    pub fn flags(self) -> &'static [&'static str] {
        self.flags
    }

    /// The notes of the specification; empty where there are none.
    pub fn notes(self) -> &'static str {
        self.notes
    }

    /// Whether what there was does not matter, whatever the arguments.
    pub fn is_blind(self) -> bool {
        self.is_blind
    }

    /// What it needs the permission for: to look at the key itself, none.
    pub fn access(self) -> KeyAccess {
        KeyAccess {
            reads: self.flags.contains(&"access"),
            writes: ["insert", "update", "delete"].iter().any(|flag| self.flags.contains(flag)),
        }
    }

    /// What the command does with these arguments.
    pub fn with(self, arguments: Arguments<'_>) -> Self {
        self.given.map_or(self, |given| given(arguments))
    }
}

/// What a command does with its key number `index`.
pub fn use_of_key(command: &Command, index: usize) -> KeyUse {
    let uses = key_use(command);
    uses[index.min(uses.len() - 1)]
}

/// What a command does with its keys: the first element is about its first key, the last about all others.
pub fn key_use(command: &Command) -> &[KeyUse] {
    if !command.key_use.is_empty() {
        return command.key_use;
    }
    let reads = !matches!(command.reads, Reads::Nothing);
    match (command.flags.has(Flags::WRITE), reads) {
        (false, false) => &[KeyUse::LOOK],
        (false, true) => &[KeyUse::READ],
        (true, false) if command.flags.has(Flags::DENYOOM) => &[KeyUse::OVERWRITE],
        (true, false) => &[KeyUse::CHANGE],
        (true, true) => &[KeyUse::READ_AND_CHANGE],
    }
}

fn only_reads_fields(arguments: Arguments<'_>) -> bool {
    let mut at = 2;
    while at < arguments.len() {
        let rest = arguments.len() - at - 1;
        match arguments.get(at) {
            word if is_word(word, "GET") && rest >= 2 => at += 3,
            word if is_word(word, "OVERFLOW") && rest >= 1 => at += 2,
            _ => return false,
        }
    }
    true
}
