//! KEYS, SCAN and RANDOMKEY: the names of a whole database.
//!
//! No shard is locked for longer than it takes to look at one segment of its index. So KEYS is no snapshot: a key
//! that is there from its start to its end is listed, once, and one that comes or goes meanwhile may be.

use thermocline_engine::Cursor;
use thermocline_engine::value::ValueType;
use thermocline_protocol::{Arguments, ReplyEncoder};

use super::super::arguments::{integer, is_word};
use super::super::{Command, Context, Failure, Flags, Handler};
use super::GENERIC;
use super::glob::{Case, matches, matches_all};

pub(super) const KEYS: Command = Command {
    name: "keys",
    arity: 2,
    flags: Flags::READONLY,
    categories: &["keyspace", "dangerous"],
    summary: "Returns all key names that match a pattern.",
    complexity: "O(N) with N being the number of keys in the database, under the assumption that the key names in \
                 the database and the given pattern have limited length.",
    handler: Handler::Server(keys),
    ..GENERIC
};

pub(super) const SCAN: Command = Command {
    name: "scan",
    arity: -2,
    flags: Flags::READONLY,
    summary: "Iterates over the key names in the database.",
    since: "2.8.0",
    complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor \
                 to return back to 0. N is the number of elements inside the collection.",
    handler: Handler::Server(scan),
    ..GENERIC
};

pub(super) const RANDOMKEY: Command = Command {
    name: "randomkey",
    arity: 1,
    flags: Flags::READONLY,
    summary: "Returns a random key name from the database.",
    handler: Handler::Server(random_key),
    ..GENERIC
};

/// How many keys SCAN looks at where COUNT does not say.
const DEFAULT_COUNT: usize = 10;

const TYPES: [ValueType; 6] = [
    ValueType::String,
    ValueType::List,
    ValueType::Set,
    ValueType::SortedSet,
    ValueType::Hash,
    ValueType::Stream,
];

fn keys(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let filter =
        Filter { pattern: Some(arguments.get(1)).filter(|pattern| !matches_all(pattern)), value_type: None };
    let (engine, reply) = (&context.server.engine, &mut context.reply);
    let mark = reply.begin_array();
    let mut count = 0;
    context.databases.for_each_key(context.session.database(), engine.now(), |key, info| {
        if filter.admits(key, info.value_type) {
            reply.bulk(key);
            count += 1;
        }
    });
    reply.end_array(mark, count);
    Ok(())
}

fn scan(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let cursor = cursor(arguments.get(1))?;
    let mut count = DEFAULT_COUNT;
    let mut filter = Filter::default();
    let mut options = arguments.skip(2).iter();
    while let Some(option) = options.next() {
        let argument = options.next().ok_or(Failure::SYNTAX)?;
        if is_word(option, "count") {
            count = scan_count(argument)?;
        } else if is_word(option, "match") {
            filter.pattern = Some(argument).filter(|pattern| !matches_all(pattern));
        } else if is_word(option, "type") {
            // A type that does not exist is no error: no key is of it.
            filter.value_type = Some(TYPES.into_iter().find(|known| is_word(argument, known.name())));
        } else {
            return Err(Failure::SYNTAX);
        }
    }

    let engine = &context.server.engine;
    // The cursor comes first in the reply and is known last.
    let mut found = Vec::new();
    let mut found_count = 0;
    let mut names = ReplyEncoder::new(&mut found, context.reply.protocol());
    let from = Cursor::from_number(cursor);
    let next = context.databases.scan(context.session.database(), from, count, engine.now(), |key, info| {
        if filter.admits(key, info.value_type) {
            names.bulk(key);
            found_count += 1;
        }
    });
    context.reply.array(2);
    context.reply.bulk(next.number().to_string().as_bytes());
    context.reply.array(found_count);
    context.reply.raw(&found);
    Ok(())
}

fn random_key(context: &mut Context<'_>, _arguments: Arguments<'_>) -> Result<(), Failure> {
    let engine = &context.server.engine;
    match context.databases.random_key(context.session.database(), engine.now(), rand::random) {
        Some(key) => context.reply.bulk(&key),
        None => context.reply.null(),
    }
    Ok(())
}

/// Which keys are shown.
#[derive(Default)]
struct Filter<'a> {
    /// Those whose name matches.
    pattern: Option<&'a [u8]>,
    /// Those of this type; of none, where the inner option is `None`.
    value_type: Option<Option<ValueType>>,
}

impl Filter<'_> {
    fn admits(&self, key: &[u8], value_type: ValueType) -> bool {
        self.value_type.is_none_or(|wanted| wanted == Some(value_type))
            && self.pattern.is_none_or(|pattern| matches(pattern, key, Case::Sensitive))
    }
}

/// What HSCAN, SSCAN and ZSCAN are told behind the cursor.
pub(crate) struct CollectionScan<'a> {
    /// How many members to look at, at least.
    pub(crate) count: usize,
    pattern: Option<&'a [u8]>,
}

impl<'a> CollectionScan<'a> {
    /// Reads the options, which are all of `arguments`.
    ///
    /// # Errors
    /// [`Failure::SYNTAX`] and [`Failure::NOT_AN_INTEGER`].
    pub(crate) fn parse(arguments: Arguments<'a>) -> Result<Self, Failure> {
        Self::parse_with_flag(arguments, None).map(|(scan, _)| scan)
    }

    /// The same where one more word may be among the options: also tells whether it is.
    ///
    /// # Errors
    /// [`Failure::SYNTAX`] and [`Failure::NOT_AN_INTEGER`].
    pub(crate) fn parse_with_flag(
        arguments: Arguments<'a>,
        flag: Option<&str>,
    ) -> Result<(Self, bool), Failure> {
        let mut scan = Self { count: DEFAULT_COUNT, pattern: None };
        let mut has_flag = false;
        let mut options = arguments.iter();
        while let Some(option) = options.next() {
            if flag.is_some_and(|flag| is_word(option, flag)) {
                has_flag = true;
                continue;
            }
            let argument = options.next().ok_or(Failure::SYNTAX)?;
            if is_word(option, "count") {
                scan.count = scan_count(argument)?;
            } else if is_word(option, "match") {
                scan.pattern = Some(argument).filter(|pattern| !matches_all(pattern));
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        Ok((scan, has_flag))
    }

    /// Whether a member is shown.
    pub(crate) fn admits(&self, member: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| matches(pattern, member, Case::Sensitive))
    }
}

fn scan_count(argument: &[u8]) -> Result<usize, Failure> {
    usize::try_from(integer(argument)?).ok().filter(|&count| count > 0).ok_or(Failure::SYNTAX)
}

/// The cursor that an argument spells.
///
/// # Errors
/// Redis' where it spells none.
pub(crate) fn cursor(argument: &[u8]) -> Result<u64, Failure> {
    parse_cursor(argument).ok_or(Failure::error("ERR invalid cursor"))
}

/// A cursor as C's `strtoul` reads it: with a sign, perhaps, and nothing where there is nothing.
fn parse_cursor(text: &[u8]) -> Option<u64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let (negative, digits) = match text {
        [] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(if negative { number.wrapping_neg() } else { number })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::command::fixture::Fixture;
    use crate::command::{generic, string};

    fn fixture(keys: usize) -> Fixture {
        let mut fixture = Fixture::new(&[generic::COMMANDS, string::COMMANDS]);
        (0..keys).for_each(|i| assert_eq!(fixture.run(&format!("SET key:{i} {i}")), "+OK\\r\\n"));
        fixture
    }

    /// The cursor and the keys of a reply to SCAN, or the keys of one to KEYS.
    fn words(reply: &[u8]) -> Vec<String> {
        let lines = String::from_utf8(reply.to_vec()).expect("names of this test are ASCII");
        lines
            .split("\r\n")
            .filter(|line| !line.is_empty() && !line.starts_with(['*', '$']))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn keys_lists_every_key_that_matches() {
        let mut fixture = fixture(3000);
        assert_eq!(words(&fixture.run_words(&["KEYS", "*"])).len(), 3000);
        let listed: BTreeSet<String> = words(&fixture.run_words(&["KEYS", "key:1?"])).into_iter().collect();
        let expected: BTreeSet<String> = (10..20).map(|i| format!("key:{i}")).collect();
        assert_eq!(listed, expected);
        fixture.expect(&[("KEYS nothing*", "*0")]);
    }

    #[test]
    fn only_the_lone_star_lists_the_empty_name() {
        let mut fixture = fixture(0);
        fixture.run_words(&["SET", "", "x"]);
        fixture.expect(&[
            ("KEYS *", "*1\\r\\n$0\\r\\n"),
            ("KEYS **", "*0"),
            ("SCAN 0 COUNT 10000 MATCH **", "*2\\r\\n$1\\r\\n0\\r\\n*0"),
        ]);
    }

    #[test]
    fn a_whole_scan_shows_every_key() {
        let mut fixture = fixture(2000);
        let (mut cursor, mut seen, mut calls) = ("0".to_owned(), BTreeSet::new(), 0);
        loop {
            let mut shown = words(&fixture.run_words(&["SCAN", &cursor, "COUNT", "50"])).into_iter();
            cursor = shown.next().expect("a cursor");
            seen.extend(shown);
            calls += 1;
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(seen.len(), 2000);
        assert!(calls > 20, "{calls} calls");
    }

    #[test]
    fn expired_keys_are_not_shown() {
        let mut fixture = fixture(1);
        fixture.expect(&[("PEXPIRE key:0 10", ":1"), ("RANDOMKEY", "$5\\r\\nkey:0")]);
        fixture.advance_ms(11);
        fixture.expect(&[
            ("KEYS *", "*0"),
            ("SCAN 0 COUNT 10000", "*2\\r\\n$1\\r\\n0\\r\\n*0"),
            ("RANDOMKEY", "$-1"),
        ]);
    }

    #[test]
    fn scan_filters_by_pattern_and_type() {
        let none = "*2\\r\\n$1\\r\\n0\\r\\n*0";
        let one = "*2\\r\\n$1\\r\\n0\\r\\n*1\\r\\n$5\\r\\nkey:7";
        fixture(10).expect(&[
            ("SCAN 0 COUNT 10000 MATCH *7", one),
            ("scan 0 match *7 type STRING count 10000", one),
            ("SCAN 0 COUNT 10000 MATCH *7 TYPE list", none),
            ("SCAN 0 COUNT 10000 TYPE nothing", none),
        ]);
    }

    #[test]
    fn scan_refuses_what_redis_refuses() {
        fixture(0).expect(&[
            ("SCAN x FOO", "-ERR invalid cursor"),
            ("SCAN 18446744073709551616", "-ERR invalid cursor"),
            ("SCAN 0 COUNT", "-ERR syntax error"),
            ("SCAN 0 COUNT 0", "-ERR syntax error"),
            ("SCAN 0 COUNT -1", "-ERR syntax error"),
            ("SCAN 0 COUNT x", "-ERR value is not an integer or out of range"),
            ("SCAN 0 FOO 1", "-ERR syntax error"),
            ("SCAN 0 MATCH * x", "-ERR syntax error"),
        ]);
    }

    #[test]
    fn cursors_are_read_as_strtoul_reads_them() {
        for (text, number) in [
            ("", 0),
            ("+3", 3),
            ("-1", u64::MAX),
            ("007", 7),
            ("18446744073709551615", u64::MAX),
            ("5\0x", 5),
        ] {
            assert_eq!(parse_cursor(text.as_bytes()), Some(number), "{text}");
        }
        for text in [" 1", "1 ", "+", "-", "+-1", "1x", "18446744073709551616", "-18446744073709551616"] {
            assert_eq!(parse_cursor(text.as_bytes()), None, "{text}");
        }
    }
}
