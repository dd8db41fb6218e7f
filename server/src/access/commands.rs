//! Which commands a selector covers: a bit for each, and the words that say how the bits came about.

use std::collections::BTreeMap;

use thermocline_protocol::Arguments;

use crate::command::table::{CommandEntry, CommandTable};

/// The commands of a selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandSet {
    /// `+@all`: every command, also those that are not invented yet, and nothing was taken away since.
    all: bool,
    /// What a command is that none of the rules is about: what `+@all` or `-@all` said last.
    others: bool,
    /// By the numbers of commands; those beyond the end are as `others`.
    bits: Vec<u64>,
    /// Commands that are permitted only with certain words as their first argument.
    first_arguments: BTreeMap<usize, Vec<Box<[u8]>>>,
    /// The rules since the last `+@all` or `-@all`, in lower case, each with its sign.
    rules: Vec<String>,
}

impl CommandSet {
    /// `+@all`.
    pub const ALL: Self = Self {
        all: true,
        others: true,
        bits: Vec::new(),
        first_arguments: BTreeMap::new(),
        rules: Vec::new(),
    };

    /// Whether every command is permitted.
    #[inline]
    pub fn are_all(&self) -> bool {
        self.all
    }

    /// Whether a command may be run with these arguments.
    pub fn permit(&self, entry: &CommandEntry, arguments: Arguments<'_>) -> bool {
        if self.all || self.has(entry.id) {
            return true;
        }
        let Some(words) = self.first_arguments.get(&entry.id) else { return false };
        arguments.len() > 1 && words.iter().any(|word| word.eq_ignore_ascii_case(arguments.get(1)))
    }

    /// `+@all` or `-@all`.
    pub fn set_all(&mut self, is_permitted: bool) {
        *self = if is_permitted { Self::ALL } else { Self::default() };
    }

    /// `+@category` or `-@category`, with its commands.
    pub fn set_category<'a>(
        &mut self,
        category: &str,
        commands: impl Iterator<Item = &'a CommandEntry>,
        is_permitted: bool,
    ) {
        commands.for_each(|entry| self.set(entry, is_permitted));
        self.note(format!("@{category}"), is_permitted);
    }

    /// `+command` or `-command`: with all of its subcommands.
    pub fn set_command(&mut self, table: &CommandTable, entry: &CommandEntry, is_permitted: bool) {
        self.set(entry, is_permitted);
        table.subcommands(entry).iter().for_each(|subcommand| self.set(subcommand, is_permitted));
        self.note(entry.full_name.to_lowercase(), is_permitted);
    }

    /// `+command|word`, for a command that has no subcommand of that name.
    pub fn add_first_argument(&mut self, entry: &CommandEntry, word: &[u8]) {
        let words = self.first_arguments.entry(entry.id).or_default();
        if !words.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            words.push(word.into());
        }
        self.note(format!("{}|{}", entry.full_name, String::from_utf8_lossy(word).to_lowercase()), true);
    }

    /// The rules that make this set, with blanks between them.
    pub fn describe(&self) -> String {
        let mut text = if self.others { "+@all" } else { "-@all" }.to_owned();
        for rule in &self.rules {
            text.push(' ');
            text.push_str(rule);
        }
        text
    }

    fn has(&self, id: usize) -> bool {
        match self.bits.get(id / 64) {
            Some(word) => word & 1 << (id % 64) != 0,
            None => self.others,
        }
    }

    fn set(&mut self, entry: &CommandEntry, is_permitted: bool) {
        let (word, bit) = (entry.id / 64, 1 << (entry.id % 64));
        if self.bits.len() <= word {
            self.bits.resize(word + 1, if self.others { u64::MAX } else { 0 });
        }
        if is_permitted {
            self.bits[word] |= bit;
        } else {
            self.bits[word] &= !bit;
            self.all = false;
        }
        self.first_arguments.remove(&entry.id);
    }

    /// Remembers a rule, and forgets those that it makes pointless: about the same, or about a part of it.
    fn note(&mut self, about: String, is_permitted: bool) {
        self.rules.retain(|rule| {
            let rest = rule[1..].strip_prefix(&*about);
            !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('|'))
        });
        self.rules.push(format!("{}{about}", if is_permitted { '+' } else { '-' }));
    }
}
