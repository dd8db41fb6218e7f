//! OBJECT: how a value is represented, and how long ago or how often it was used.

use thermocline_engine::KeyInfo;
use thermocline_engine::value::{Encoding, Value};
use thermocline_protocol::Arguments;

use super::super::{Command, Context, Failure, Flags, Handler, KeyContext, KeyPositions};
use super::GENERIC;

pub(super) const OBJECT: Command = Command {
    name: "object",
    arity: -2,
    categories: &[],
    summary: "A container for object introspection commands.",
    since: "2.2.3",
    complexity: "Depends on subcommand.",
    subcommands: &[
        Command {
            name: "encoding",
            summary: "Returns the internal encoding of a Redis object.",
            handler: Handler::Keys(encoding),
            ..OF_KEY
        },
        Command {
            name: "freq",
            summary: "Returns the logarithmic access frequency counter of a Redis object.",
            since: "4.0.0",
            handler: Handler::Keys(frequency),
            ..OF_KEY
        },
        Command {
            name: "help",
            arity: 2,
            flags: Flags::LOADING.with(Flags::STALE),
            summary: "Returns helpful text about the different subcommands.",
            since: "6.2.0",
            handler: Handler::Server(help),
            ..GENERIC
        },
        Command {
            name: "idletime",
            summary: "Returns the time since the last access to a Redis object.",
            handler: Handler::Keys(idle_time),
            ..OF_KEY
        },
        Command {
            name: "refcount",
            summary: "Returns the reference count of a value of a key.",
            handler: Handler::Keys(reference_count),
            ..OF_KEY
        },
    ],
    ..GENERIC
};

const OF_KEY: Command = Command {
    arity: 3,
    flags: Flags::READONLY,
    keys: KeyPositions::Range { first: 2, last: 2, step: 1 },
    since: "2.2.3",
    ..GENERIC
};

const HELP: [&str; 15] = [
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
    "HELP",
    "    Prints this help.",
];

const FREQUENCY_NOT_TRACKED: &str = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. \
                                     Please note that when switching between policies at runtime LRU and LFU data \
                                     will take some time to adjust.";
const IDLE_TIME_NOT_TRACKED: &str = "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note \
                                     that when switching between policies at runtime LRU and LFU data will take \
                                     some time to adjust.";

/// Redis keeps one shared object for each integer from zero to below this.
const SHARED_INTEGERS: i64 = 10_000;
/// How often a shared object is referred to, as Redis tells it.
const SHARED_REFERENCES: i64 = 2_147_483_647;

/// What `reply` writes for a key that is there, and null for one that is not.
fn reply_for(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
    reply: impl FnOnce(&mut KeyContext<'_>, KeyInfo) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match context.keys.info(arguments.get(2)) {
        Some(info) => reply(context, info),
        None => {
            // A look at what is no value's contents is no event.
            context.keys.conceal_misses();
            context.reply.null();
            Ok(())
        }
    }
}

fn encoding(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_for(context, arguments, |context, info| {
        context.reply.bulk(info.encoding.name().as_bytes());
        Ok(())
    })
}

fn idle_time(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_for(context, arguments, |context, info| {
        if context.server.engine.settings().eviction_policy.is_lfu() {
            return Err(Failure::error(IDLE_TIME_NOT_TRACKED));
        }
        context.reply.integer(i64::from(context.keys.idle_time_s(&info)));
        Ok(())
    })
}

fn frequency(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_for(context, arguments, |context, info| {
        if !context.server.engine.settings().eviction_policy.is_lfu() {
            return Err(Failure::error(FREQUENCY_NOT_TRACKED));
        }
        context.reply.integer(i64::from(context.keys.frequency(&info)));
        Ok(())
    })
}

/// No value is shared here, but clients that look see what Redis shows them.
fn reference_count(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(2);
    let is_short_integer = |info: KeyInfo| info.encoding == Encoding::Int && info.length <= 4;
    if context.keys.peek(key).is_some_and(is_short_integer) && shares_integers(context) {
        context.keys.stop_touching();
        let value = context.keys.get(key)?;
        let integer = value.and_then(Value::as_string).and_then(|string| string.as_integer());
        let is_shared = integer.is_some_and(|integer| (0..SHARED_INTEGERS).contains(&integer));
        context.reply.integer(if is_shared { SHARED_REFERENCES } else { 1 });
        return Ok(());
    }
    reply_for(context, arguments, |context, _| {
        context.reply.integer(1);
        Ok(())
    })
}

/// Redis shares no integers while each object needs an access history of its own.
fn shares_integers(context: &KeyContext<'_>) -> bool {
    use thermocline_engine::EvictionPolicy::{AllKeysLru, VolatileLru};
    let settings = context.server.engine.settings();
    let policy = settings.eviction_policy;
    settings.max_memory_bytes == 0 || !(policy.is_lfu() || matches!(policy, AllKeysLru | VolatileLru))
}

fn help(context: &mut Context<'_>, _arguments: Arguments<'_>) -> Result<(), Failure> {
    context.reply.array(HELP.len());
    for line in HELP {
        context.reply.simple(line);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use thermocline_engine::EvictionPolicy;

    use super::*;
    use crate::command::fixture::Fixture;
    use crate::command::{generic, string};

    fn fixture() -> Fixture {
        let mut fixture = Fixture::new(&[generic::COMMANDS, string::COMMANDS]);
        fixture.expect(&[("SET integer 12", "+OK"), ("SET short abc", "+OK")]);
        fixture
    }

    fn set_policy(fixture: &Fixture, max_memory_bytes: u64, eviction_policy: EvictionPolicy) {
        let mut settings = fixture.server.engine.settings();
        settings.max_memory_bytes = max_memory_bytes;
        settings.eviction_policy = eviction_policy;
        fixture.server.engine.set_settings(settings);
    }

    #[test]
    fn encodings_have_the_names_of_redis() {
        let mut fixture = fixture();
        fixture.run(&format!("SET long {}", "x".repeat(45)));
        fixture.expect(&[
            ("OBJECT ENCODING integer", "$3\\r\\nint"),
            ("object encoding short", "$6\\r\\nembstr"),
            ("OBJECT ENCODING long", "$3\\r\\nraw"),
            ("OBJECT ENCODING none", "$-1"),
        ]);
    }

    #[test]
    fn idle_time_or_frequency_is_told_as_the_policy_keeps_it() {
        let mut fixture = fixture();
        fixture.advance_ms(7000);
        let not_tracked = format!("-{FREQUENCY_NOT_TRACKED}");
        fixture.expect(&[
            ("OBJECT IDLETIME short", ":7"),
            ("OBJECT IDLETIME short", ":7"),
            ("OBJECT FREQ short", &not_tracked),
            ("OBJECT FREQ none", "$-1"),
        ]);
        set_policy(&fixture, 0, EvictionPolicy::AllKeysLfu);
        let not_tracked = format!("-{IDLE_TIME_NOT_TRACKED}");
        fixture.expect(&[
            ("SET new 1", "+OK"),
            ("OBJECT FREQ new", ":5"),
            ("OBJECT IDLETIME new", &not_tracked),
            ("OBJECT IDLETIME none", "$-1"),
        ]);
    }

    #[test]
    fn small_integers_look_shared_as_long_as_redis_shares_them() {
        let mut fixture = fixture();
        fixture.expect(&[
            ("SET negative -1", "+OK"),
            ("SET large 10000", "+OK"),
            ("OBJECT REFCOUNT integer", ":2147483647"),
            ("OBJECT REFCOUNT negative", ":1"),
            ("OBJECT REFCOUNT large", ":1"),
            ("OBJECT REFCOUNT short", ":1"),
            ("OBJECT REFCOUNT none", "$-1"),
        ]);
        set_policy(&fixture, 1 << 30, EvictionPolicy::VolatileTtl);
        fixture.expect(&[("OBJECT REFCOUNT integer", ":2147483647")]);
        set_policy(&fixture, 1 << 30, EvictionPolicy::VolatileLru);
        fixture.expect(&[("OBJECT REFCOUNT integer", ":1")]);
    }
}
