//! DEL, UNLINK, EXISTS, TYPE and TOUCH: whether keys are there, of which type, and that they go.

use thermocline_protocol::Arguments;

use super::super::key_use::KeyUse;
use super::super::{Command, Failure, Flags, Handler, KeyContext};
use super::{ALL_KEYS, GENERIC, ONE_KEY};
use crate::server::events::EventClass;

pub(super) const DEL: Command = Command {
    name: "del",
    arity: -2,
    flags: Flags::WRITE,
    keys: ALL_KEYS,
    key_use: &[KeyUse::DELETE],
    summary: "Deletes one or more keys.",
    complexity: "O(N) where N is the number of keys that will be removed. When a key to remove holds a value other \
                 than a string, the individual complexity for this key is O(M) where M is the number of elements in \
                 the list, set, sorted set or hash. Removing a single key that holds a string value is O(1).",
    handler: Handler::Keys(delete),
    ..GENERIC
};

/// The same as DEL: what a value on the SSD occupied is given back in the background anyway.
pub(super) const UNLINK: Command = Command {
    name: "unlink",
    arity: -2,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: ALL_KEYS,
    key_use: &[KeyUse::DELETE],
    summary: "Asynchronously deletes one or more keys.",
    since: "4.0.0",
    complexity: "O(1) for each key removed regardless of its size. Then the command does O(N) work in a different \
                 thread in order to reclaim memory, where N is the number of allocations the deleted objects where \
                 composed of.",
    handler: Handler::Keys(delete),
    ..GENERIC
};

pub(super) const EXISTS: Command = Command {
    name: "exists",
    arity: -2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: ALL_KEYS,
    summary: "Determines whether one or more keys exist.",
    complexity: "O(N) where N is the number of keys to check.",
    handler: Handler::Keys(exists),
    ..GENERIC
};

pub(super) const TYPE: Command = Command {
    name: "type",
    arity: 2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: ONE_KEY,
    summary: "Determines the type of value stored at a key.",
    handler: Handler::Keys(value_type),
    ..GENERIC
};

pub(super) const TOUCH: Command = Command {
    name: "touch",
    arity: -2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: ALL_KEYS,
    summary: "Returns the number of existing keys out of those specified after updating the time they were last \
              accessed.",
    since: "3.2.1",
    complexity: "O(N) where N is the number of keys that will be touched.",
    handler: Handler::Keys(touch),
    ..GENERIC
};

fn delete(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    count_keys(context, arguments, |context, key| {
        let is_removed = context.keys.remove(key);
        if is_removed {
            context.notify(EventClass::GENERIC, "del", key);
        }
        is_removed
    })
}

/// A key named twice counts twice.
fn exists(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    count_keys(context, arguments, |context, key| context.keys.info(key).is_some())
}

fn touch(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    context.keys.resume_touching();
    count_keys(context, arguments, |context, key| context.keys.touch(key))
}

/// Replies for how many of the keys `is_counted` is true.
fn count_keys(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
    is_counted: impl Fn(&mut KeyContext<'_>, &[u8]) -> bool,
) -> Result<(), Failure> {
    let mut count = 0;
    for key in arguments.skip(1).iter() {
        count += i64::from(is_counted(context, key));
    }
    context.reply.integer(count);
    Ok(())
}

fn value_type(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let info = context.keys.info(arguments.get(1));
    context.reply.simple(info.map_or("none", |info| info.value_type.name()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::command::fixture::Fixture;
    use crate::command::{generic, string};

    fn fixture() -> Fixture {
        Fixture::new(&[generic::COMMANDS, string::COMMANDS])
    }

    #[test]
    fn deletion_counts_what_was_there() {
        let mut fixture = fixture();
        fixture.expect(&[
            ("SET a 1", "+OK"),
            ("SET b 1", "+OK"),
            ("DEL a a b c", ":2"),
            ("EXISTS a b", ":0"),
            ("SET a 1", "+OK"),
            ("UNLINK a b", ":1"),
            ("DEL a", ":0"),
        ]);
    }

    #[test]
    fn a_key_named_twice_exists_twice() {
        fixture().expect(&[("SET a 1", "+OK"), ("EXISTS a a b", ":2"), ("TOUCH a b a", ":2")]);
    }

    #[test]
    fn an_expired_key_is_no_key() {
        let mut fixture = fixture();
        fixture.expect(&[("SET a 1 PX 10", "+OK"), ("TYPE a", "+string")]);
        fixture.advance_ms(11);
        fixture.expect(&[("EXISTS a", ":0"), ("TYPE a", "+none"), ("DEL a", ":0"), ("TOUCH a", ":0")]);
    }

    #[test]
    fn touching_works_for_a_client_that_leaves_no_trace() {
        let mut fixture = fixture();
        fixture.expect(&[("SET a 1", "+OK")]);
        fixture.advance_ms(9000);
        fixture.session.no_touch = true;
        fixture.expect(&[("EXPIRE a 100", ":1"), ("OBJECT IDLETIME a", ":9")]);
        fixture.expect(&[("TOUCH a", ":1"), ("OBJECT IDLETIME a", ":0")]);
    }
}
