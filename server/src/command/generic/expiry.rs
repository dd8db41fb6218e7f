//! The EXPIRE and TTL families and PERSIST.

use thermocline_engine::UnixMillis;
use thermocline_protocol::Arguments;

use super::super::arguments::{TimeOrigin, TimeUnit, integer, invalid_expire_time, is_word};
use super::super::key_use::KeyUse;
use super::super::{Command, Failure, Flags, Handler, KeyContext};
use super::{GENERIC, ONE_KEY};
use crate::server::events::EventClass;

pub(super) const EXPIRE: Command = Command {
    name: "expire",
    summary: "Sets the expiration time of a key in seconds.",
    handler: Handler::Keys(expire),
    ..SETS_EXPIRY
};

pub(super) const PEXPIRE: Command = Command {
    name: "pexpire",
    summary: "Sets the expiration time of a key in milliseconds.",
    since: "2.6.0",
    handler: Handler::Keys(pexpire),
    ..SETS_EXPIRY
};

pub(super) const EXPIREAT: Command = Command {
    name: "expireat",
    summary: "Sets the expiration time of a key to a Unix timestamp.",
    since: "1.2.0",
    handler: Handler::Keys(expireat),
    ..SETS_EXPIRY
};

pub(super) const PEXPIREAT: Command = Command {
    name: "pexpireat",
    summary: "Sets the expiration time of a key to a Unix milliseconds timestamp.",
    since: "2.6.0",
    handler: Handler::Keys(pexpireat),
    ..SETS_EXPIRY
};

pub(super) const TTL: Command = Command {
    name: "ttl",
    summary: "Returns the expiration time in seconds of a key.",
    handler: Handler::Keys(ttl),
    ..TELLS_EXPIRY
};

pub(super) const PTTL: Command = Command {
    name: "pttl",
    summary: "Returns the expiration time in milliseconds of a key.",
    since: "2.6.0",
    handler: Handler::Keys(pttl),
    ..TELLS_EXPIRY
};

pub(super) const EXPIRETIME: Command = Command {
    name: "expiretime",
    summary: "Returns the expiration time of a key as a Unix timestamp.",
    since: "7.0.0",
    handler: Handler::Keys(expiretime),
    ..TELLS_EXPIRY
};

pub(super) const PEXPIRETIME: Command = Command {
    name: "pexpiretime",
    summary: "Returns the expiration time of a key as a Unix milliseconds timestamp.",
    since: "7.0.0",
    handler: Handler::Keys(pexpiretime),
    ..TELLS_EXPIRY
};

pub(super) const PERSIST: Command = Command {
    name: "persist",
    arity: 2,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: ONE_KEY,
    summary: "Removes the expiration time of a key.",
    since: "2.2.0",
    handler: Handler::Keys(persist),
    ..GENERIC
};

const SETS_EXPIRY: Command =
    Command { arity: -3, flags: Flags::WRITE.with(Flags::FAST), keys: ONE_KEY, ..GENERIC };
const TELLS_EXPIRY: Command = Command {
    arity: 2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: ONE_KEY,
    key_use: &[KeyUse::READ],
    ..GENERIC
};

fn expire(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    set_expiry(context, arguments, TimeUnit::Seconds, TimeOrigin::Now, EXPIRE.name)
}

fn pexpire(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    set_expiry(context, arguments, TimeUnit::Milliseconds, TimeOrigin::Now, PEXPIRE.name)
}

fn expireat(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    set_expiry(context, arguments, TimeUnit::Seconds, TimeOrigin::Epoch, EXPIREAT.name)
}

fn pexpireat(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    set_expiry(context, arguments, TimeUnit::Milliseconds, TimeOrigin::Epoch, PEXPIREAT.name)
}

/// On which condition the expiry is set.
#[derive(Clone, Copy, Default)]
struct Condition {
    /// There is none.
    nx: bool,
    /// There is one.
    xx: bool,
    /// The new one is later; no expiry is later than any.
    gt: bool,
    /// The new one is earlier.
    lt: bool,
}

impl Condition {
    fn parse(options: Arguments<'_>) -> Result<Self, Failure> {
        let mut condition = Self::default();
        for option in options.iter() {
            let flag = match option {
                _ if is_word(option, "nx") => &mut condition.nx,
                _ if is_word(option, "xx") => &mut condition.xx,
                _ if is_word(option, "gt") => &mut condition.gt,
                _ if is_word(option, "lt") => &mut condition.lt,
                _ => {
                    let option = String::from_utf8_lossy(option);
                    return Err(Failure::error(format!("ERR Unsupported option {option}")));
                }
            };
            *flag = true;
        }
        if condition.nx && (condition.xx || condition.gt || condition.lt) {
            return Err(Failure::error(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if condition.gt && condition.lt {
            return Err(Failure::error("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(condition)
    }

    fn holds(self, current: Option<UnixMillis>, new_ms: i64) -> bool {
        let current_ms = current.map(|at| i64::try_from(at.0).unwrap_or(i64::MAX));
        !(self.nx && current_ms.is_some()
            || self.xx && current_ms.is_none()
            || self.gt && current_ms.is_none_or(|current_ms| new_ms <= current_ms)
            || self.lt && current_ms.is_some_and(|current_ms| new_ms >= current_ms))
    }
}

/// Unlike SET, a time that has passed is fine here: it deletes the key.
fn set_expiry(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
    unit: TimeUnit,
    origin: TimeOrigin,
    command: &str,
) -> Result<(), Failure> {
    let key = arguments.get(1);
    let condition = Condition::parse(arguments.skip(3))?;
    let count = integer(arguments.get(2))?;
    let now_ms =
        i64::try_from(context.keys.now().0).expect("the clock is within 292 million years of the epoch");
    let ms = match unit {
        TimeUnit::Seconds => count.checked_mul(1000),
        TimeUnit::Milliseconds => Some(count),
    };
    let at_ms = match origin {
        TimeOrigin::Now => ms.and_then(|ms| ms.checked_add(now_ms)),
        TimeOrigin::Epoch => ms,
    };
    let at_ms = at_ms.ok_or_else(|| invalid_expire_time(command))?;

    let sets = context.keys.mark_used(key)
        && condition.holds(context.keys.peek(key).and_then(|info| info.expiry), at_ms);
    if sets && at_ms <= now_ms {
        context.keys.remove(key);
        context.notify(EventClass::GENERIC, "del", key);
    } else if sets {
        context.keys.set_expiry(key, Some(UnixMillis(at_ms.unsigned_abs())));
        context.notify(EventClass::GENERIC, "expire", key);
    }
    context.reply.integer(i64::from(sets));
    Ok(())
}

fn ttl(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    tell_expiry(context, arguments, TimeUnit::Seconds, TimeOrigin::Now)
}

fn pttl(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    tell_expiry(context, arguments, TimeUnit::Milliseconds, TimeOrigin::Now)
}

fn expiretime(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    tell_expiry(context, arguments, TimeUnit::Seconds, TimeOrigin::Epoch)
}

fn pexpiretime(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    tell_expiry(context, arguments, TimeUnit::Milliseconds, TimeOrigin::Epoch)
}

/// Replies -2 where there is no key and -1 where it has no expiry. Seconds are rounded to the nearest.
fn tell_expiry(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
    unit: TimeUnit,
    origin: TimeOrigin,
) -> Result<(), Failure> {
    let told = match context.keys.info(arguments.get(1)).map(|info| info.expiry) {
        None => -2,
        Some(None) => -1,
        Some(Some(expiry)) => {
            let ms = match origin {
                TimeOrigin::Now => expiry.0.saturating_sub(context.keys.now().0),
                TimeOrigin::Epoch => expiry.0,
            };
            let told = match unit {
                TimeUnit::Seconds => ms.saturating_add(500) / 1000,
                TimeUnit::Milliseconds => ms,
            };
            i64::try_from(told).unwrap_or(i64::MAX)
        }
    };
    context.reply.integer(told);
    Ok(())
}

fn persist(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    let persists =
        context.keys.mark_used(key) && context.keys.peek(key).is_some_and(|info| info.expiry.is_some());
    if persists {
        context.keys.set_expiry(key, None);
        context.notify(EventClass::GENERIC, "persist", key);
    }
    context.reply.integer(i64::from(persists));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::command::fixture::{Fixture, START};
    use crate::command::{generic, string};

    fn fixture() -> Fixture {
        let mut fixture = Fixture::new(&[generic::COMMANDS, string::COMMANDS]);
        fixture.expect(&[("SET a 1", "+OK")]);
        fixture
    }

    #[test]
    fn every_unit_and_origin_sets_the_same_expiry() {
        let at_s = START.0 / 1000 + 100;
        for command in [
            "EXPIRE a 100".to_owned(),
            "PEXPIRE a 100000".to_owned(),
            format!("EXPIREAT a {at_s}"),
            format!("PEXPIREAT a {at_s}000"),
        ] {
            fixture().expect(&[
                (&command, ":1"),
                ("TTL a", ":100"),
                ("PTTL a", ":100000"),
                ("EXPIRETIME a", &format!(":{at_s}")),
                ("PEXPIRETIME a", &format!(":{at_s}000")),
                ("PERSIST a", ":1"),
                ("PERSIST a", ":0"),
                ("TTL a", ":-1"),
            ]);
        }
    }

    #[test]
    fn there_is_no_expiry_without_a_key() {
        for command in ["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"] {
            fixture().expect(&[(&format!("{command} x"), ":-2"), (&format!("{command} a"), ":-1")]);
        }
        fixture().expect(&[("EXPIRE x 1", ":0"), ("PERSIST x", ":0"), ("PERSIST a", ":0")]);
    }

    #[test]
    fn seconds_are_rounded() {
        fixture().expect(&[
            ("PEXPIRE a 1499", ":1"),
            ("TTL a", ":1"),
            ("PEXPIRE a 1500", ":1"),
            ("TTL a", ":2"),
        ]);
    }

    #[test]
    fn a_time_that_has_passed_deletes_the_key() {
        for command in
            ["EXPIRE a 0", "EXPIRE a -1", "PEXPIRE a -9223372036854775808", "EXPIREAT a 0", "PEXPIREAT a -5"]
        {
            fixture().expect(&[(command, ":1"), ("EXISTS a", ":0")]);
        }
        fixture().expect(&[("EXPIRE a -1 XX", ":0"), ("EXISTS a", ":1")]);
    }

    #[test]
    fn conditions_compare_with_the_expiry_that_is_set() {
        fixture().expect(&[
            ("EXPIRE a 100 XX", ":0"),
            ("EXPIRE a 100 GT", ":0"),
            ("EXPIRE a 100 NX", ":1"),
            ("EXPIRE a 200 NX", ":0"),
            ("EXPIRE a 100 GT", ":0"),
            ("EXPIRE a 100 LT", ":0"),
            ("EXPIRE a 101 GT", ":1"),
            ("EXPIRE a 100 XX LT", ":1"),
            ("EXPIRE a 99 xx gt", ":0"),
            ("TTL a", ":100"),
            ("PERSIST a", ":1"),
            ("EXPIRE a 100 LT", ":1"),
        ]);
    }

    #[test]
    fn errors_come_in_the_order_of_redis() {
        fixture().expect(&[
            ("EXPIRE x y FOO NX", "-ERR Unsupported option FOO"),
            ("EXPIRE x y NX XX", "-ERR NX and XX, GT or LT options at the same time are not compatible"),
            ("EXPIRE x y NX GT LT", "-ERR NX and XX, GT or LT options at the same time are not compatible"),
            ("EXPIRE x y GT LT", "-ERR GT and LT options at the same time are not compatible"),
            ("EXPIRE x y", "-ERR value is not an integer or out of range"),
            ("EXPIRE x 9223372036854775807", "-ERR invalid expire time in 'expire' command"),
            ("EXPIRE x -9223372036854775807", "-ERR invalid expire time in 'expire' command"),
            ("EXPIREAT x 9223372036854775807", "-ERR invalid expire time in 'expireat' command"),
            ("PEXPIRE x 9223372036854775807", "-ERR invalid expire time in 'pexpire' command"),
            ("PEXPIREAT a 9223372036854775807", ":1"),
            ("PEXPIRETIME a", ":9223372036854775807"),
            ("EXPIRETIME a", ":9223372036854776"),
        ]);
    }

    #[test]
    fn setting_an_expiry_is_an_access() {
        let mut fixture = fixture();
        fixture.advance_ms(50_000);
        fixture.expect(&[("TTL a", ":-1"), ("EXISTS a", ":1"), ("OBJECT IDLETIME a", ":50")]);
        fixture.expect(&[("EXPIRE a 100", ":1"), ("OBJECT IDLETIME a", ":0")]);
    }
}
