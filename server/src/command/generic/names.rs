//! RENAME, RENAMENX, MOVE and COPY: a value under another name or in another database.

use thermocline_engine::SetExpiry;
use thermocline_protocol::Arguments;

use super::super::arguments::{integer, is_word};
use super::super::key_use::KeyUse;
use super::super::{Command, Failure, Flags, Handler, KeyContext, Reads};
use super::{GENERIC, ONE_KEY, TWO_KEYS};
use crate::server::events::EventClass;

pub(super) const RENAME: Command = Command {
    name: "rename",
    arity: 3,
    flags: Flags::WRITE,
    keys: TWO_KEYS,
    key_use: &[KeyUse::TAKE, KeyUse::OVERWRITE],
    summary: "Renames a key and overwrites the destination.",
    handler: Handler::Keys(rename),
    ..GENERIC
};

pub(super) const RENAMENX: Command = Command {
    name: "renamenx",
    arity: 3,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: TWO_KEYS,
    key_use: &[KeyUse::TAKE, KeyUse::CREATE],
    summary: "Renames a key only when the target key name doesn't exist.",
    handler: Handler::Keys(rename_to_new),
    ..GENERIC
};

pub(super) const MOVE: Command = Command {
    name: "move",
    arity: 3,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: ONE_KEY,
    key_use: &[KeyUse::READ_AND_CHANGE],
    summary: "Moves a key to another database.",
    handler: Handler::Keys(move_key),
    ..GENERIC
};

pub(super) const COPY: Command = Command {
    name: "copy",
    arity: -3,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: TWO_KEYS,
    key_use: &[KeyUse::READ, KeyUse::OVERWRITE],
    reads: Reads::Values,
    summary: "Copies the value of a key to a new key.",
    since: "6.2.0",
    complexity: "O(N) worst case for collections, where N is the number of nested items. O(1) for string values.",
    handler: Handler::Keys(copy),
    ..GENERIC
};

const SAME_OBJECT: Failure =
    Failure::Error(std::borrow::Cow::Borrowed("ERR source and destination objects are the same"));

fn rename(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (from, to) = (arguments.get(1), arguments.get(2));
    if !context.keys.mark_used(from) {
        return Err(Failure::NO_SUCH_KEY);
    }
    rename_here(context, from, to);
    context.reply.ok();
    Ok(())
}

fn rename_to_new(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (from, to) = (arguments.get(1), arguments.get(2));
    if !context.keys.mark_used(from) {
        return Err(Failure::NO_SUCH_KEY);
    }
    let is_free = !context.keys.mark_used(to);
    if is_free {
        rename_here(context, from, to);
    }
    context.reply.integer(i64::from(is_free));
    Ok(())
}

fn rename_here(context: &mut KeyContext<'_>, from: &[u8], to: &[u8]) {
    let database = context.keys.database();
    context.keys.rename(from, to, database);
    if from != to {
        context.notify(EventClass::GENERIC, "rename_from", from);
        context.notify(EventClass::GENERIC, "rename_to", to);
    }
}

fn move_key(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    let from = context.keys.database();
    let to = database(context, arguments.get(2))?;
    if from == to {
        return Err(SAME_OBJECT);
    }
    let moves = context.keys.mark_used(key) && !mark_used_in(context, to, key);
    if moves {
        context.keys.rename(key, key, to);
        context.notify(EventClass::GENERIC, "move_from", key);
        context.keys.select(to);
        context.notify(EventClass::GENERIC, "move_to", key);
        context.keys.select(from);
    }
    context.reply.integer(i64::from(moves));
    Ok(())
}

fn copy(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (source, target) = (arguments.get(1), arguments.get(2));
    let from = context.keys.database();
    let mut to = from;
    let mut replaces = false;
    let mut options = arguments.skip(3).iter();
    while let Some(option) = options.next() {
        if is_word(option, "replace") {
            replaces = true;
        } else if is_word(option, "db")
            && let Some(number) = options.next()
        {
            to = database(context, number)?;
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    if from == to && source == target {
        return Err(SAME_OBJECT);
    }
    // The value is read only if it is needed.
    if !replaces && mark_used_in(context, to, target) {
        context.keys.touch(source);
        context.reply.integer(0);
        return Ok(());
    }
    let Some(value) = context.keys.get(source)?.cloned() else {
        context.reply.integer(0);
        return Ok(());
    };
    let expiry = context.keys.peek(source).and_then(|info| info.expiry);
    context.keys.select(to);
    // What was there is deleted, not replaced: the copy is a new key.
    context.keys.remove(target);
    context.keys.set(target, value, expiry.map_or(SetExpiry::Clear, SetExpiry::At));
    context.notify(EventClass::GENERIC, "copy_to", target);
    context.keys.select(from);
    context.reply.integer(1);
    Ok(())
}

/// The number of a database, with the errors of a C `int`.
fn database(context: &KeyContext<'_>, argument: &[u8]) -> Result<usize, Failure> {
    let number = i32::try_from(integer(argument)?).map_err(|_| {
        let (least, most) = (i32::MIN, i32::MAX);
        Failure::error(format!("ERR value is out of range, value must between {least} and {most}"))
    })?;
    let count = context.server.engine.database_count();
    usize::try_from(number)
        .ok()
        .filter(|&number| number < count)
        .ok_or(Failure::error("ERR DB index is out of range"))
}

fn mark_used_in(context: &mut KeyContext<'_>, database: usize, key: &[u8]) -> bool {
    let selected = context.keys.select(database);
    let is_there = context.keys.mark_used(key);
    context.keys.select(selected);
    is_there
}

#[cfg(test)]
mod tests {
    use crate::command::fixture::Fixture;
    use crate::command::{generic, string};

    const SAME_OBJECT: &str = "-ERR source and destination objects are the same";

    fn fixture() -> Fixture {
        let mut fixture = Fixture::new(&[generic::COMMANDS, string::COMMANDS]);
        fixture.expect(&[("SET a 1 EX 100", "+OK"), ("SET b 2", "+OK")]);
        fixture
    }

    #[test]
    fn a_renamed_key_takes_its_expiry_along() {
        fixture().expect(&[
            ("RENAME a b", "+OK"),
            ("GET b", "$1\\r\\n1"),
            ("TTL b", ":100"),
            ("EXISTS a", ":0"),
            ("RENAME a b", "-ERR no such key"),
            ("RENAME a a", "-ERR no such key"),
            ("RENAME b b", "+OK"),
        ]);
    }

    #[test]
    fn a_name_in_use_is_not_new() {
        fixture().expect(&[
            ("RENAMENX a b", ":0"),
            ("RENAMENX a a", ":0"),
            ("RENAMENX x b", "-ERR no such key"),
            ("RENAMENX a c", ":1"),
            ("GET c", "$1\\r\\n1"),
        ]);
    }

    #[test]
    fn a_key_moves_to_another_database_where_it_is_not() {
        let mut fixture = fixture();
        fixture.expect(&[
            ("MOVE a 0", SAME_OBJECT),
            ("MOVE a 16", "-ERR DB index is out of range"),
            ("MOVE a -1", "-ERR DB index is out of range"),
            ("MOVE a x", "-ERR value is not an integer or out of range"),
            (
                "MOVE a 2147483648",
                "-ERR value is out of range, value must between -2147483648 and 2147483647",
            ),
            ("MOVE x 1", ":0"),
            ("MOVE a 1", ":1"),
            ("SET a again", "+OK"),
            ("MOVE a 1", ":0"),
        ]);
        fixture.session.select(1);
        fixture.expect(&[("GET a", "$1\\r\\n1"), ("TTL a", ":100")]);
    }

    #[test]
    fn a_copy_has_the_value_and_the_expiry() {
        let mut fixture = fixture();
        fixture.expect(&[
            ("COPY a b", ":0"),
            ("COPY x b REPLACE", ":0"),
            ("COPY a b REPLACE", ":1"),
            ("GET b", "$1\\r\\n1"),
            ("TTL b", ":100"),
            ("GET a", "$1\\r\\n1"),
            ("COPY a a", SAME_OBJECT),
            ("COPY x x", SAME_OBJECT),
            ("COPY a a DB 3", ":1"),
            ("COPY a a DB 3", ":0"),
            ("COPY a b replace db 3", ":1"),
            ("COPY a c DB", "-ERR syntax error"),
            ("COPY a c DB 16", "-ERR DB index is out of range"),
            ("COPY a c DB x", "-ERR value is not an integer or out of range"),
            ("COPY a c OVER", "-ERR syntax error"),
        ]);
        fixture.session.select(3);
        fixture.expect(&[("GET b", "$1\\r\\n1"), ("TTL a", ":100")]);
    }
}
