//! DUMP and RESTORE: a value as bytes that Redis understands, and back.

use std::cell::RefCell;

use thermocline_engine::{SetExpiry, UnixMillis};
use thermocline_protocol::Arguments;

use super::super::arguments::{integer, is_word};
use super::super::{Command, Failure, Flags, Handler, KeyContext, Reads};
use super::lzf::Compressor;
use super::rdb::{self, PayloadError};
use super::{GENERIC, ONE_KEY};

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

thread_local! {
    /// One for each thread that runs commands, so that DUMP clears no table.
    static COMPRESSOR: RefCell<Compressor> = RefCell::default();
}

fn dump(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    match context.keys.get(arguments.get(1))? {
        Some(value) => {
            let payload = COMPRESSOR.with_borrow_mut(|compressor| rdb::dump(value, compressor));
            context.reply.bulk(&payload);
        }
        None => context.reply.null(),
    }
    Ok(())
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
    let value = rdb::restore(arguments.get(3)).map_err(|error| match error {
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
    }
    context.reply.ok();
    Ok(())
}
