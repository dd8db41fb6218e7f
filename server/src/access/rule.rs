//! Rules: the words that ACL SETUSER, the file of users and `user` lines make rights of.

use std::fmt;

use super::password::PasswordDigest;
use super::patterns::KeyAccess;
use super::selector::Selector;
use super::user::{Rights, Sanitizing};
use crate::command::arguments::is_word;
use crate::command::categories::{category_named, is_in_category};
use crate::command::table::{CommandEntry, CommandTable, table};

/// What is wrong with a rule. Displays as Redis' text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RuleError {
    /// It makes no sense.
    Syntax,
    /// It names a command or category that does not exist.
    Unknown,
    /// It names a word behind a subcommand.
    FirstArgumentOfSubcommand,
    /// It adds a pattern of keys where all keys are permitted.
    PatternAfterAllKeys,
    /// It adds a pattern of channels where all channels are permitted.
    PatternAfterAllChannels,
    /// It removes a password that there is not.
    NoSuchPassword,
    /// It is no digest.
    BadDigest,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "Syntax error",
            Self::Unknown => "Unknown command or category name in ACL",
            Self::FirstArgumentOfSubcommand => "Allowing first-arg of a subcommand is not supported",
            Self::PatternAfterAllKeys => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
                 effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            Self::PatternAfterAllChannels => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
                 effect. Try 'resetchannels' to start with an empty list of channels"
            }
            Self::NoSuchPassword => {
                "The password you are trying to remove from the user does not exist"
            }
            Self::BadDigest => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
        })
    }
}

/// A parenthesis that is never closed: the rule that it begins with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unmatched(pub Vec<u8>);

/// Joins the words of each selector, `(+get`, `~a` and `)`, into one rule.
///
/// # Errors
/// A selector has no end.
pub fn join_selectors<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, Unmatched> {
    let mut rules: Vec<Vec<u8>> = Vec::new();
    let mut opened: Option<Vec<u8>> = None;
    for word in words {
        let rule = match opened.take() {
            Some(mut rule) => {
                rule.push(b' ');
                rule.extend_from_slice(word);
                rule
            }
            None => word.to_vec(),
        };
        if rule.starts_with(b"(") && !rule.ends_with(b")") {
            opened = Some(rule);
        } else {
            rules.push(rule);
        }
    }
    match opened {
        None => Ok(rules),
        Some(rule) => {
            let first = rule.split(|&byte| byte == b' ').next().unwrap_or_default();
            Err(Unmatched(first.to_vec()))
        }
    }
}

impl Rights {
    /// Applies one rule. `all_channels` is what `acl-pubsub-default` gives new users, and `reset`.
    ///
    /// # Errors
    /// What is wrong with it; then nothing has changed.
    pub fn apply(&mut self, rule: &[u8], all_channels: bool) -> Result<(), RuleError> {
        let is = |word| is_word(rule, word);
        match rule {
            [] => {}
            _ if is("on") => self.is_on = true,
            _ if is("off") => self.is_on = false,
            _ if is("nopass") => {
                self.needs_no_password = true;
                self.passwords.clear();
            }
            _ if is("resetpass") => {
                self.needs_no_password = false;
                self.passwords.clear();
            }
            _ if is("sanitize-payload") => self.sanitizing = Sanitizing::Always,
            _ if is("skip-sanitize-payload") => self.sanitizing = Sanitizing::Skipped,
            _ if is("clearselectors") => self.others.clear(),
            _ if is("reset") => *self = Self::of_new_user(all_channels),
            [b'>', password @ ..] => self.add_password(PasswordDigest::of(password)),
            [b'#', digest @ ..] => {
                self.add_password(PasswordDigest::parse(digest).ok_or(RuleError::BadDigest)?);
            }
            [b'<', password @ ..] => self.remove_password(PasswordDigest::of(password))?,
            [b'!', digest @ ..] => {
                self.remove_password(PasswordDigest::parse(digest).ok_or(RuleError::BadDigest)?)?;
            }
            [b'(', inner @ .., b')'] => self.others.push(parse_selector(inner)?),
            _ => self.root.apply(rule)?,
        }
        Ok(())
    }

    fn add_password(&mut self, digest: PasswordDigest) {
        if !self.passwords.contains(&digest) {
            self.passwords.push(digest);
        }
        self.needs_no_password = false;
    }

    fn remove_password(&mut self, digest: PasswordDigest) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| *known == digest);
        self.passwords.remove(at.ok_or(RuleError::NoSuchPassword)?);
        Ok(())
    }
}

fn parse_selector(rules: &[u8]) -> Result<Selector, RuleError> {
    let mut selector = Selector::default();
    rules
        .split(|&byte| byte == b' ')
        .filter(|rule| !rule.is_empty())
        .try_for_each(|rule| selector.apply(rule))?;
    Ok(selector)
}

impl Selector {
    /// Applies one rule about commands, keys or channels.
    ///
    /// # Errors
    /// What is wrong with it; then nothing has changed.
    pub fn apply(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        let is = |word| is_word(rule, word);
        match rule {
            _ if is("allkeys") || is("~*") => self.keys.set_all(),
            _ if is("resetkeys") => self.keys.clear(),
            _ if is("allchannels") || is("&*") => self.channels.set_all(),
            _ if is("resetchannels") => self.channels.clear(),
            _ if is("allcommands") || is("+@all") => self.commands.set_all(true),
            _ if is("nocommands") || is("-@all") => self.commands.set_all(false),
            [b'~' | b'%', ..] => self.add_key_pattern(rule)?,
            [b'&', pattern @ ..] if self.channels.are_all() => {
                plain(pattern)?;
                return Err(RuleError::PatternAfterAllChannels);
            }
            [b'&', pattern @ ..] => self.channels.add(plain(pattern)?),
            [sign @ (b'+' | b'-'), b'@', category @ ..] => self.set_category(category, *sign == b'+')?,
            [sign @ (b'+' | b'-'), command @ ..] => self.set_command(command, *sign == b'+')?,
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    /// `~pattern`, `%R~pattern`, `%W~pattern`, `%RW~pattern`.
    fn add_key_pattern(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        if self.keys.are_all() {
            return Err(RuleError::PatternAfterAllKeys);
        }
        let Some(rest) = rule.strip_prefix(b"%") else {
            self.keys.add(plain(&rule[1..])?, KeyAccess::BOTH);
            return Ok(());
        };
        let letters = rest.iter().position(|&byte| byte == b'~').unwrap_or(rest.len());
        let mut access = KeyAccess::default();
        for letter in &rest[..letters] {
            let is_given = match letter.to_ascii_uppercase() {
                b'R' => &mut access.reads,
                b'W' => &mut access.writes,
                _ => return Err(RuleError::Syntax),
            };
            if std::mem::replace(is_given, true) {
                return Err(RuleError::Syntax);
            }
        }
        if access == KeyAccess::default() {
            return Err(RuleError::Syntax);
        }
        self.keys.add(plain(rest.get(letters + 1..).unwrap_or_default())?, access);
        Ok(())
    }

    fn set_category(&mut self, name: &[u8], is_permitted: bool) -> Result<(), RuleError> {
        let category = category_named(name).ok_or(RuleError::Unknown)?;
        let commands = table().entries().iter().filter(|entry| is_in_category(entry.command, category));
        self.commands.set_category(category, commands, is_permitted);
        Ok(())
    }

    fn set_command(&mut self, name: &[u8], is_permitted: bool) -> Result<(), RuleError> {
        let table = table();
        if let Some(entry) = table.find_full_name(name) {
            self.commands.set_command(table, entry, is_permitted);
            return Ok(());
        }
        let bar = name.iter().rposition(|&byte| byte == b'|').filter(|_| is_permitted);
        let (command, word) = name.split_at(bar.ok_or(RuleError::Unknown)?);
        self.add_first_argument(table, table.find_full_name(command).ok_or(RuleError::Unknown)?, &word[1..])
    }

    /// `+command|word`, for a command without subcommands.
    fn add_first_argument(
        &mut self,
        table: &CommandTable,
        entry: &CommandEntry,
        word: &[u8],
    ) -> Result<(), RuleError> {
        if word.is_empty() {
            return Err(RuleError::Syntax);
        }
        if entry.container.is_some() {
            return Err(RuleError::FirstArgumentOfSubcommand);
        }
        if !table.subcommands(entry).is_empty() {
            return Err(RuleError::Unknown);
        }
        self.commands.add_first_argument(entry, plain(word)?);
        Ok(())
    }
}

/// The word itself, unless it has a blank or a zero byte, which no line of a file could hold.
fn plain(word: &[u8]) -> Result<&[u8], RuleError> {
    match word.iter().any(|&byte| is_blank(byte)) {
        true => Err(RuleError::Syntax),
        false => Ok(word),
    }
}

/// What separates words, or ends them.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, 0 | b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}
