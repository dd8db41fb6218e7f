//! What MIGRATE is asked to do.

use std::time::Duration;

use thermocline_protocol::Arguments;

use crate::command::Failure;
use crate::command::arguments::{integer, is_word};

/// The option that the keys follow.
pub(super) const KEYS_OPTION: &str = "KEYS";
/// The other options that have arguments of their own, and how many.
pub(super) const OPTIONS_WITH_ARGUMENTS: &[(&str, usize)] = &[("AUTH", 1), ("AUTH2", 2)];

/// What Redis takes for a timeout that is not positive.
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(1000);

/// The arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options<'a> {
    pub(super) host: &'a [u8],
    /// `None` where it is no port's number: nobody listens there.
    pub(super) port: Option<u16>,
    pub(super) keys: Vec<&'a [u8]>,
    pub(super) database: i64,
    /// How long the target may stay silent.
    pub(super) timeout: Duration,
    pub(super) copies: bool,
    pub(super) replaces: bool,
    /// The arguments of AUTH: a password, or a user and its password.
    pub(super) credentials: Vec<&'a [u8]>,
}

impl<'a> Options<'a> {
    /// # Errors
    /// Redis' errors, in its order.
    pub(super) fn parse(arguments: Arguments<'a>) -> Result<Self, Failure> {
        let key = arguments.get(3);
        let (mut copies, mut replaces) = (false, false);
        let (mut keys, mut credentials) = (vec![key], Vec::new());
        let mut at = 6;
        while at < arguments.len() {
            let option = arguments.get(at);
            let rest = arguments.skip(at + 1);
            let own = OPTIONS_WITH_ARGUMENTS.iter().find(|(word, _)| is_word(option, word));
            if let Some(&(_, count)) = own {
                if rest.len() < count {
                    return Err(Failure::SYNTAX);
                }
                credentials = rest.iter().take(count).collect();
                at += count;
            } else if is_word(option, KEYS_OPTION) {
                if !key.is_empty() {
                    return Err(Failure::error(
                        "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                    ));
                }
                keys = rest.iter().collect();
                break;
            } else if is_word(option, "COPY") {
                copies = true;
            } else if is_word(option, "REPLACE") {
                replaces = true;
            } else {
                return Err(Failure::SYNTAX);
            }
            at += 1;
        }
        let timeout_ms = integer(arguments.get(5))?;
        let database = integer(arguments.get(4))?;
        let timeout = match u64::try_from(timeout_ms) {
            Ok(ms @ 1..) => Duration::from_millis(ms),
            _ => DEFAULT_TIMEOUT,
        };
        let port = std::str::from_utf8(arguments.get(2)).ok().and_then(|port| port.parse().ok());
        let port = port.filter(|port| *port != 0);
        Ok(Self { host: arguments.get(1), port, keys, database, timeout, copies, replaces, credentials })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thermocline_protocol::OwnedArguments;

    fn parse(line: &str, check: impl FnOnce(Result<Options<'_>, Failure>)) {
        let words = line.split(' ').map(|word| if word == "-" { "" } else { word });
        let arguments = OwnedArguments::new(words.map(str::as_bytes));
        check(Options::parse(arguments.as_arguments()));
    }

    #[test]
    fn one_key_is_moved_with_the_timeout_that_was_given() {
        parse("MIGRATE host 6379 k 3 20", |options| {
            let expected = Options {
                host: b"host",
                port: Some(6379),
                keys: vec![b"k"],
                database: 3,
                timeout: Duration::from_millis(20),
                copies: false,
                replaces: false,
                credentials: vec![],
            };
            assert_eq!(options, Ok(expected));
        });
    }

    #[test]
    fn several_keys_follow_the_other_options() {
        parse("MIGRATE host x - 0 -1 copy AUTH2 keys p REPLACE KEYS a b", |options| {
            let options = options.expect("all is well");
            assert_eq!(options.keys, [b"a", b"b"]);
            assert_eq!(options.credentials, [&b"keys"[..], b"p"]);
            assert_eq!((options.port, options.timeout), (None, DEFAULT_TIMEOUT));
            assert!(options.copies && options.replaces);
        });
        parse("MIGRATE host 1 - 0 1 KEYS", |options| assert_eq!(options.expect("none").keys, [b""; 0]));
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_numbers_are_looked_at() {
        for options in ["FOO", "AUTH", "AUTH2 user", "COPY FOO"] {
            parse(&format!("MIGRATE host 1 k x x {options}"), |parsed| {
                assert_eq!(parsed, Err(Failure::SYNTAX), "{options}");
            });
        }
        parse("MIGRATE host 1 k x x", |parsed| assert_eq!(parsed, Err(Failure::NOT_AN_INTEGER)));
        parse("MIGRATE host 1 k x x KEYS a", |parsed| {
            assert!(matches!(parsed, Err(Failure::Error(text)) if text.contains("the empty string")));
        });
    }
}
