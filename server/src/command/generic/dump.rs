//! DUMP and RESTORE: a value as bytes that Redis understands, and back.

use std::cell::RefCell;

use thermocline_engine::value::Value;
use thermocline_engine::{SetExpiry, UnixMillis};
use thermocline_protocol::Arguments;

use super::super::arguments::{integer, is_word};
use super::super::{Command, Failure, Flags, Handler, KeyContext, Reads};
use super::lzf::Compressor;
use super::rdb::{self, PayloadError};
use super::{GENERIC, ONE_KEY};
use crate::server::events::EventClass;

pub(super) const DUMP: Command = Command {
    name: "dump",
    arity: 2,
    flags: Flags::READONLY,
    keys: ONE_KEY,
    reads: Reads::Values,
    summary: "Returns a serialized representation of the value stored at a key.",
    since: "2.6.0",
    complexity: "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis objects \
                 composing the value and M their average size. For small string values the time complexity is thus \
                 O(1)+O(1*M) where M is small, so simply O(1).",
    handler: Handler::Keys(dump),
    ..GENERIC
};

pub(super) const RESTORE: Command = Command {
    name: "restore",
    arity: -4,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: ONE_KEY,
    categories: &["keyspace", "dangerous"],
    summary: "Creates a key from the serialized representation of a value.",
    since: "2.6.0",
    complexity: "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the \
                 number of Redis objects composing the value and M their average size. For small string values the \
                 time complexity is thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values \
                 the complexity is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
    handler: Handler::Keys(restore),
    ..GENERIC
};

/// What clusters move keys with: RESTORE, under another name.
pub(super) const RESTORE_ASKING: Command = Command {
    name: "restore-asking",
    group: "server",
    flags: RESTORE.flags.with(Flags::ASKING),
    summary: "An internal command for migrating keys in a cluster.",
    since: "3.0.0",
    ..RESTORE
};

thread_local! {
    /// One for each thread that runs commands, so that DUMP clears no table.
    static COMPRESSOR: RefCell<Compressor> = RefCell::default();
}

fn dump(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    match context.keys.get(arguments.get(1))? {
        Some(value) => {
            let payload = payload(value);
            context.reply.bulk(&payload);
        }
        None => context.reply.null(),
    }
    Ok(())
}

/// What DUMP replies for a value.
pub(super) fn payload(value: &Value) -> Vec<u8> {
    COMPRESSOR.with_borrow_mut(|compressor| rdb::dump(value, compressor))
}

/// What RESTORE is told behind the payload.
#[derive(Default)]
struct Options {
    replaces: bool,
    /// The time to live is a point in time.
    is_absolute: bool,
    idle_s: Option<u32>,
    frequency: Option<u8>,
}

impl Options {
    fn parse(arguments: Arguments<'_>) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(option) = rest.next() {
            if is_word(option, "replace") {
                options.replaces = true;
            } else if is_word(option, "absttl") {
                options.is_absolute = true;
            } else if is_word(option, "idletime")
                && options.frequency.is_none()
                && let Some(argument) = rest.next()
            {
                let idle_s = u64::try_from(integer(argument)?)
                    .map_err(|_| Failure::error("ERR Invalid IDLETIME value, must be >= 0"))?;
                options.idle_s = Some(u32::try_from(idle_s).unwrap_or(u32::MAX));
            } else if is_word(option, "freq")
                && options.idle_s.is_none()
                && let Some(argument) = rest.next()
            {
                let frequency = u8::try_from(integer(argument)?)
                    .map_err(|_| Failure::error("ERR Invalid FREQ value, must be >= 0 and <= 255"))?;
                options.frequency = Some(frequency);
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        Ok(options)
    }
}

fn restore(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    let options = Options::parse(arguments.skip(4))?;
    if !options.replaces && context.keys.mark_used(key) {
        return Err(Failure::error("BUSYKEY Target key name already exists."));
    }
    let ttl_ms = integer(arguments.get(2))?;
    if ttl_ms < 0 {
        return Err(Failure::error("ERR Invalid TTL value, must be >= 0"));
    }
    let value = rdb::restore(arguments.get(3), &context.server.config).map_err(|error| match error {
        PayloadError::VersionOrChecksum => Failure::error("ERR DUMP payload version or checksum are wrong"),
        PayloadError::BadFormat => Failure::error("ERR Bad data format"),
    })?;

    let now = context.keys.now();
    let expiry = match (ttl_ms.unsigned_abs(), options.is_absolute) {
        (0, _) => None,
        (at_ms, true) => Some(UnixMillis(at_ms)),
        // A sum beyond 63 bits is a time long past to Redis.
        (ttl_ms, false) => Some(UnixMillis(i64::try_from(ttl_ms + now.0).map_or(0, i64::unsigned_abs))),
    };
    // What was there is deleted, not replaced: its access history goes with it.
    context.keys.remove(key);
    if !expiry.is_some_and(|at| at.is_due(now)) {
        context.keys.set(key, value, expiry.map_or(SetExpiry::Clear, SetExpiry::At));
        context.keys.set_access(key, options.idle_s, options.frequency);
        context.notify(EventClass::GENERIC, "restore", key);
    }
    context.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::command::fixture::{Fixture, START};
    use crate::command::{generic, string};

    /// What DUMP replies for `hello` in redis-server 7.0.
    const HELLO: &[u8] = b"\x00\x05hello\x0a\x00cr\xdfve4 \x0a";

    fn fixture() -> Fixture {
        let mut fixture = Fixture::new(&[generic::COMMANDS, string::COMMANDS]);
        fixture.expect(&[("SET used 1", "+OK")]);
        fixture
    }

    /// The reply to `RESTORE key ttl <hello> options`.
    fn restore(fixture: &mut Fixture, key: &str, ttl: &str, options: &str) -> String {
        let mut words = vec![b"RESTORE".to_vec(), key.into(), ttl.into(), HELLO.into()];
        words.extend(options.split_whitespace().map(|option| option.as_bytes().to_vec()));
        let reply = String::from_utf8(fixture.run_words(&words)).expect("a reply of one line");
        reply.trim_end().to_owned()
    }

    #[test]
    fn a_dumped_value_is_restored() {
        let mut fixture = fixture();
        assert_eq!(restore(&mut fixture, "a", "0", ""), "+OK");
        fixture.expect(&[("GET a", "$5\\r\\nhello"), ("TTL a", ":-1"), ("DUMP none", "$-1")]);
        assert_eq!(fixture.run_words(&["DUMP", "a"]), [b"$17\r\n", HELLO, b"\r\n"].concat());
    }

    #[test]
    fn the_time_to_live_is_relative_unless_told_otherwise() {
        let mut fixture = fixture();
        assert_eq!(restore(&mut fixture, "a", "1500", ""), "+OK");
        fixture.expect(&[("PTTL a", ":1500")]);
        assert_eq!(restore(&mut fixture, "a", &(START.0 + 70).to_string(), "replace absttl"), "+OK");
        fixture.expect(&[("PTTL a", ":70")]);
    }

    #[test]
    fn a_key_that_would_have_expired_is_not_created() {
        let mut fixture = fixture();
        assert_eq!(restore(&mut fixture, "used", "1", "ABSTTL REPLACE"), "+OK");
        fixture.expect(&[("EXISTS used", ":0")]);
        assert_eq!(restore(&mut fixture, "a", "9223372036854775807", ""), "+OK");
        fixture.expect(&[("EXISTS a", ":0")]);
        assert_eq!(restore(&mut fixture, "a", "9223372036854775807", "ABSTTL"), "+OK");
        fixture.expect(&[("PEXPIRETIME a", ":9223372036854775807")]);
    }

    #[test]
    fn errors_come_in_the_order_of_redis() {
        let mut fixture = fixture();
        for (key, ttl, options, error) in [
            ("used", "x", "FOO", "ERR syntax error"),
            ("used", "x", "IDLETIME", "ERR syntax error"),
            ("used", "x", "IDLETIME 1 FREQ 1", "ERR syntax error"),
            ("used", "x", "FREQ 1 IDLETIME 1", "ERR syntax error"),
            ("used", "x", "IDLETIME x", "ERR value is not an integer or out of range"),
            ("used", "x", "IDLETIME -1", "ERR Invalid IDLETIME value, must be >= 0"),
            ("used", "x", "FREQ 256", "ERR Invalid FREQ value, must be >= 0 and <= 255"),
            ("used", "x", "FREQ -1", "ERR Invalid FREQ value, must be >= 0 and <= 255"),
            ("used", "x", "", "BUSYKEY Target key name already exists."),
            ("used", "x", "REPLACE", "ERR value is not an integer or out of range"),
            ("a", "-1", "", "ERR Invalid TTL value, must be >= 0"),
        ] {
            assert_eq!(restore(&mut fixture, key, ttl, options), format!("-{error}"), "{options}");
        }
        fixture.expect(&[
            ("RESTORE a 0 damaged", "-ERR DUMP payload version or checksum are wrong"),
            ("RESTORE used 0 damaged REPLACE", "-ERR DUMP payload version or checksum are wrong"),
            ("EXISTS used", ":1"),
        ]);
        let list = b"\x01\x00\x0a\x00\x5b\xf8\x25\xcc\x6c\x17\x43\x56";
        assert_eq!(fixture.run_words(&[b"RESTORE", &b"a"[..], b"0", list]), b"-ERR Bad data format\r\n");
    }

    #[test]
    fn the_access_history_is_restored_as_the_policy_keeps_it() {
        let mut fixture = fixture();
        assert_eq!(restore(&mut fixture, "a", "0", "IDLETIME 1000"), "+OK");
        assert_eq!(restore(&mut fixture, "b", "0", "FREQ 99"), "+OK");
        fixture.expect(&[("OBJECT IDLETIME a", ":1000"), ("OBJECT IDLETIME b", ":0")]);
        let mut settings = fixture.server.engine.settings();
        settings.eviction_policy = thermocline_engine::EvictionPolicy::AllKeysLfu;
        fixture.server.engine.set_settings(settings);
        assert_eq!(restore(&mut fixture, "c", "0", "FREQ 99"), "+OK");
        assert_eq!(restore(&mut fixture, "d", "0", "IDLETIME 1000"), "+OK");
        fixture.expect(&[("OBJECT FREQ c", ":99"), ("OBJECT FREQ d", ":5")]);
    }
}
