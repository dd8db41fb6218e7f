//! Configuration: one table of options, and the values in force.
//!
//! - [`option`]: what an option is, how its values are read and shown; [`size`] and [`words`] help it.
//! - [`table`]: all options, in groups.
//! - [`accessors`]: the value of each option that the server uses, with its type and unit.
//! - [`command_line`], [`mod@file`]: where values come from at start.
//! - [`rewrite`]: CONFIG REWRITE.
//! - [`reference`]: the reference page.
//!
//! Numbers are relaxed atomics and cost a load; texts are shared strings behind a lock. Each option is read on
//! its own: who reads two options during a CONFIG SET of both may see one old and one new.
//!
//! **Invariant:** every stored value was accepted by its row's [`OptionRow::parse`].

mod accessors;
mod command_line;
mod file;
mod option;
#[cfg(test)]
mod reference;
mod rewrite;
mod size;
mod table;
mod words;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::{Mutex, RwLock};

pub(crate) use accessors::total_memory_bytes;
pub use accessors::{ClientClass, LogLevel, Permission};
pub use command_line::{Startup, StartupError};
pub use file::FileError;
pub use option::{Change, Effect, Kind, OptionRow, OptionValue, Refusal};
pub use rewrite::RewriteError;
pub(crate) use rewrite::replace_file;
pub use table::{GROUPS, Group, OPTIONS, find};
pub use words::{MAX_TIER_PATHS, OutputLimit};

/// The values in force. Shared by all threads.
pub struct Config {
    /// By position in [`OPTIONS`]; unused where the option is a text.
    numbers: Box<[AtomicI64]>,
    /// By position in [`OPTIONS`]; empty where the option is a number.
    texts: Box<[RwLock<Arc<str>>]>,
    /// Held while values are checked against those in force and replaced.
    writer: Mutex<()>,
    /// The file they were read from, absolute.
    file: Option<PathBuf>,
    /// What was said of users at start.
    users: Vec<UserLine>,
}

/// A `user` line: what a user may do, not looked into.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserLine {
    /// Where it was found, for the operator.
    pub origin: String,
    /// The name and the rules. Rules may be passwords.
    pub words: Vec<String>,
}

/// Why CONFIG SET changed nothing. Displays as Redis' text, without `ERR`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SetError {
    /// There is no such option.
    Unknown {
        /// The name as it was given.
        name: String,
    },
    /// The value, or the change as such, was refused.
    Refused {
        /// The option.
        name: String,
        /// Why.
        reason: Refusal,
    },
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name } => {
                write!(f, "Unknown option or number of arguments for CONFIG SET - '{name}'")
            }
            Self::Refused { name, reason } => {
                write!(f, "CONFIG SET failed (possibly related to argument '{name}') - {reason}")
            }
        }
    }
}

impl std::error::Error for SetError {}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// All options at their defaults.
    pub fn new() -> Self {
        let number = |row: &OptionRow| match row.default_value() {
            OptionValue::Number(number) => AtomicI64::new(number),
            OptionValue::Text(_) => AtomicI64::new(0),
        };
        let text = |row: &OptionRow| match row.default_value() {
            OptionValue::Number(_) => RwLock::new(Arc::from("")),
            OptionValue::Text(text) => RwLock::new(text),
        };
        Self {
            numbers: OPTIONS.iter().map(number).collect(),
            texts: OPTIONS.iter().map(text).collect(),
            writer: Mutex::new(()),
            file: None,
            users: Vec::new(),
        }
    }

    /// The file that CONFIG REWRITE writes, absolute.
    pub fn file(&self) -> Option<&PathBuf> {
        self.file.as_ref()
    }

    /// The `user` lines of file and command line, each of another user.
    pub fn user_lines(&self) -> &[UserLine] {
        &self.users
    }

    fn add_user_line(&mut self, origin: String, words: &[String]) -> Result<(), &'static str> {
        let name = words.first().ok_or("a name is expected")?;
        if self.users.iter().any(|line| line.words[0] == *name) {
            return Err("Duplicate user found. A user can only be defined once in config files");
        }
        self.users.push(UserLine { origin, words: words.to_vec() });
        Ok(())
    }

    /// Sets options as CONFIG SET does: all of them, or none. `may_change_protected` is what
    /// `enable-protected-configs` says of the client.
    ///
    /// # Errors
    /// The first option that is unknown, fixed, named twice or does not take its value.
    pub fn set(&self, pairs: &[(&str, &str)], may_change_protected: bool) -> Result<(), SetError> {
        self.set_and(pairs, may_change_protected, |_| Ok(()))
    }

    /// As [`Self::set`]; then `apply`, which is told the names of the options that were given, makes the new values
    /// known to the rest of the server. If it fails, the old values are in force again.
    ///
    /// # Errors
    /// As of [`Self::set`], or of `apply`.
    pub fn set_and(
        &self,
        pairs: &[(&str, &str)],
        may_change_protected: bool,
        apply: impl FnOnce(&[&'static str]) -> Result<(), SetError>,
    ) -> Result<(), SetError> {
        let _writing = self.writer.lock();
        // An unknown name is reported before anything that is wrong with a known option before it.
        for (name, _) in pairs {
            if find(name).is_none() {
                return Err(SetError::Unknown { name: (*name).to_owned() });
            }
        }
        let mut changes: Vec<(usize, &str, &str)> = Vec::with_capacity(pairs.len());
        for &(name, value) in pairs {
            let at = find(name).expect("all names were found above");
            let reason = match OPTIONS[at].change {
                Change::AtStart => "can't set immutable config",
                Change::Protected if !may_change_protected => "can't set protected config",
                _ if changes.iter().any(|(other, ..)| *other == at) => "duplicate parameter",
                _ => {
                    changes.push((at, name, value));
                    continue;
                }
            };
            return Err(SetError::Refused { name: name.to_owned(), reason: reason.into() });
        }
        let mut checked = Vec::with_capacity(changes.len());
        for (at, name, value) in changes {
            let row = &OPTIONS[at];
            let words = if row.takes_words() { words::split(value) } else { vec![value.to_owned()] };
            match row.parse(&words, &self.value(at)) {
                Ok(value) => checked.push((at, value)),
                Err(reason) => return Err(SetError::Refused { name: name.to_owned(), reason }),
            }
        }
        let names: Vec<&str> = checked.iter().map(|(at, _)| OPTIONS[*at].name).collect();
        let before: Vec<(usize, OptionValue)> =
            checked.iter().map(|(at, _)| (*at, self.value(*at))).collect();
        checked.into_iter().for_each(|(at, value)| self.store(at, value));
        apply(&names).inspect_err(|_| before.into_iter().for_each(|(at, value)| self.store(at, value)))
    }

    /// The value of the option at this position in [`OPTIONS`], as CONFIG GET shows it.
    pub fn show(&self, at: usize) -> String {
        OPTIONS[at].format(&self.value(at))
    }

    /// Sets one option at start, whether or not it may change later.
    fn set_at_start(&mut self, at: usize, words: &[String]) -> Result<(), Refusal> {
        let value = OPTIONS[at].parse(words, &self.value(at))?;
        self.store(at, value);
        Ok(())
    }

    fn value(&self, at: usize) -> OptionValue {
        match OPTIONS[at].default_value() {
            OptionValue::Number(_) => OptionValue::Number(self.number(at)),
            OptionValue::Text(_) => OptionValue::Text(self.text(at)),
        }
    }

    fn store(&self, at: usize, value: OptionValue) {
        match value {
            OptionValue::Number(number) => self.numbers[at].store(number, Ordering::Relaxed),
            OptionValue::Text(text) => *self.texts[at].write() = text,
        }
    }

    #[inline]
    fn number(&self, at: usize) -> i64 {
        self.numbers[at].load(Ordering::Relaxed)
    }

    fn text(&self, at: usize) -> Arc<str> {
        Arc::clone(&self.texts[at].read())
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(at, row): (usize, &OptionRow)| {
            (row.name, if row.is_secret { "***".to_owned() } else { self.show(at) })
        };
        f.debug_map().entries(OPTIONS.iter().enumerate().map(shown)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(config: &Config, name: &str) -> String {
        config.show(find(name).unwrap())
    }

    #[test]
    fn several_options_are_set_together() {
        let config = Config::new();
        config.set(&[("MaxMemory", "100mb"), ("timeout", "7")], false).unwrap();
        assert_eq!(shown(&config, "maxmemory"), "104857600");
        assert_eq!(shown(&config, "timeout"), "7");
    }

    #[test]
    fn one_wrong_value_leaves_everything_as_it_was() {
        let config = Config::new();
        let error = config.set(&[("timeout", "7"), ("maxmemory", "lots")], false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value"
        );
        assert_eq!(shown(&config, "timeout"), "0");
    }

    #[test]
    fn an_unknown_name_is_the_first_error() {
        let error = Config::new().set(&[("databases", "1"), ("nonsense", "1")], false).unwrap_err();
        assert_eq!(error.to_string(), "Unknown option or number of arguments for CONFIG SET - 'nonsense'");
    }

    #[test]
    fn fixed_protected_and_repeated_options_are_refused() {
        let config = Config::new();
        let reason = |pairs: &[(&str, &str)]| match config.set(pairs, false) {
            Err(SetError::Refused { reason, .. }) => reason.into_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(reason(&[("databases", "1")]), "can't set immutable config");
        assert_eq!(reason(&[("dbfilename", "x")]), "can't set protected config");
        assert_eq!(reason(&[("slave-priority", "1"), ("replica-priority", "2")]), "duplicate parameter");
        assert_eq!(config.set(&[("dbfilename", "x")], true), Ok(()));
    }

    #[test]
    fn what_cannot_be_applied_leaves_the_values_before() {
        let config = Config::new();
        let failure = SetError::Refused { name: "port".into(), reason: "no".into() };
        let result = config.set_and(&[("timeout", "7"), ("bind", "a b")], false, |names| {
            assert_eq!((names, config.timeout_s(), config.bind().len()), (&["timeout", "bind"][..], 7, 2));
            Err(failure.clone())
        });
        assert_eq!(result, Err(failure));
        assert_eq!((config.timeout_s(), config.bind().join(" ")), (0, "127.0.0.1 -::1".to_owned()));
    }

    #[test]
    fn words_come_as_one_value() {
        let config = Config::new();
        config.set(&[("client-output-buffer-limit", "pubsub 1mb 0 0")], false).unwrap();
        assert_eq!(
            shown(&config, "client-output-buffer-limit"),
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 1048576 0 0"
        );
    }

    #[test]
    fn a_promise_that_cannot_be_kept_is_refused() {
        let error = Config::new().set(&[("appendonly", "yes")], false).unwrap_err();
        assert!(error.to_string().contains("data does not survive a restart"), "{error}");
        assert_eq!(Config::new().set(&[("appendonly", "no")], false), Ok(()));
    }

    #[test]
    fn secrets_are_not_shown_in_debug_output() {
        let config = Config::new();
        config.set(&[("requirepass", "hunter2")], false).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
