//! DEBUG: what tests of servers and clients use. `enable-debug-command` says who may.

use std::sync::atomic::Ordering;
use std::time::Duration;

use thermocline_engine::value::{StringValue, Value};
use thermocline_engine::{Admission, Fetched, SetExpiry, Tier};
use thermocline_protocol::{Arguments, Protocol};

use super::config::is_local;
use super::{ANY_STATE, SERVER};
use crate::command::arguments::{float, integer, is_word};
use crate::command::generic::glob::{self, Case};
use crate::command::help::{Entry, reply_help};
use crate::command::{Command, Context, Failure, Flags, Handler, Waiting};

/// The longest DEBUG SLEEP: a server that sleeps answers nobody.
const SLEEP_MAX: Duration = Duration::from_secs(3600);

pub(super) const DEBUG: Command = Command {
    name: "debug",
    arity: -2,
    flags: ANY_STATE.with(Flags::ADMIN).with(Flags::NOSCRIPT),
    summary: "A container for debugging commands.",
    complexity: "Depends on subcommand.",
    handler: Handler::Waiting(debug),
    ..SERVER
};

const ENTRIES: &[Entry] = &[
    ("CHANGE-REPL-ID", &["Nothing: there is no replication id."]),
    ("ERROR <string>", &["Reply an error of this text."]),
    ("LOG <message>", &["Write a message to the log."]),
    ("OBJECT <key>", &["Return what the index knows of a key."]),
    ("POPULATE <count> [<prefix>] [<size>]", &["Create keys <prefix>:<number> that do not exist."]),
    ("PROTOCOL <type>", &["Reply a value of this type."]),
    ("QUICKLIST-PACKED-THRESHOLD <size>", &["Nothing: there are no quicklists."]),
    (
        "RELOAD",
        &["Move all values to the SSD tier, so that they are read and decoded when they are used next."],
    ),
    ("SET-ACTIVE-EXPIRE <0|1>", &["Whether expired keys are looked for."]),
    ("SET-DISABLE-DENY-SCRIPTS <0|1>", &["Whether scripts may call commands that are not for scripts."]),
    ("SLEEP <seconds>", &["Answer nobody on this thread for so long."]),
    ("STRINGMATCH-LEN <len> <pattern>", &["Match a string of so many 'a' against a pattern."]),
];

fn debug<'a>(context: &'a mut Context<'_>, arguments: Arguments<'a>) -> Waiting<'a> {
    Box::pin(async move {
        check_permission(context)?;
        let name = arguments.get(1);
        if is_word(name, "RELOAD") || is_word(name, "LOADAOF") {
            context.server.engine.drain().await;
            context.reply.ok();
            return Ok(());
        }
        debug_now(context, arguments)
    })
}

fn check_permission(context: &Context<'_>) -> Result<(), Failure> {
    if !context.server.config.enable_debug_command().allows(is_local(context)) {
        return Err(Failure::error(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it \
             from a local connection, otherwise you need to set this option in the configuration file, and then \
             restart the server.",
        ));
    }
    Ok(())
}

fn debug_now(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let name = arguments.get(1);
    let is = |word: &str, count: usize| is_word(name, word) && arguments.len() == count;
    match arguments.len() {
        _ if is("HELP", 2) => reply_help(&mut context.reply, "DEBUG", ENTRIES),
        _ if is("SLEEP", 3) => sleep(context, arguments)?,
        // These lock keys themselves, and a transaction has locked all.
        _ if context.databases.is_held() && (is_word(name, "OBJECT") || is_word(name, "POPULATE")) => {
            return Err(Failure::error("ERR Command not allowed inside a transaction"));
        }
        _ if is("OBJECT", 3) => object(context, arguments.get(2))?,
        _ if is("SET-ACTIVE-EXPIRE", 3) => {
            context.server.engine.set_active_expiry(integer(arguments.get(2))? != 0);
            context.reply.ok();
        }
        _ if is("ERROR", 3) => {
            return Err(Failure::error(String::from_utf8_lossy(arguments.get(2)).into_owned()));
        }
        _ if is("LOG", 3) => {
            tracing::warn!(message = %String::from_utf8_lossy(arguments.get(2)), "DEBUG LOG");
            context.reply.ok();
        }
        3..=5 if is_word(name, "POPULATE") => populate(context, arguments)?,
        _ if is("PROTOCOL", 3) => protocol(context, arguments.get(2))?,
        _ if is("STRINGMATCH-LEN", 4) => {
            let length = usize::try_from(integer(arguments.get(2))?).map_err(|_| Failure::NOT_AN_INTEGER)?;
            let length = length.min(context.server.config.proto_max_bulk_bytes() as usize);
            let matches = glob::matches(arguments.get(3), &vec![b'a'; length], Case::Sensitive);
            context.reply.integer(i64::from(matches));
        }
        // Knobs of what does not exist here, which tests turn before they test something else.
        _ if is("CHANGE-REPL-ID", 2) || is("QUICKLIST-PACKED-THRESHOLD", 3) => context.reply.ok(),
        _ if is("SET-DISABLE-DENY-SCRIPTS", 3) => {
            let lets_all = integer(arguments.get(2))? != 0;
            context.server.lets_scripts_call_all.store(lets_all, Ordering::Relaxed);
            context.reply.ok();
        }
        _ => {
            let name = String::from_utf8_lossy(name);
            return Err(Failure::error(format!(
                "ERR unknown subcommand or wrong number of arguments for '{name}'. Try DEBUG HELP."
            )));
        }
    }
    Ok(())
}

fn sleep(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let seconds = float(arguments.get(2))?;
    let duration = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(SLEEP_MAX);
    // The thread sleeps, not the task: to seem stuck is the purpose.
    std::thread::sleep(duration.min(SLEEP_MAX));
    context.reply.ok();
    Ok(())
}

fn object(context: &mut Context<'_>, key: &[u8]) -> Result<(), Failure> {
    let server = context.server;
    let mut fetched = Fetched::new();
    let mut keys = server.engine.lock_key(context.session.database(), key, server.clock.now(), &mut fetched);
    let info = keys.peek(key).ok_or(Failure::NO_SUCH_KEY)?;
    let tier = match info.tier {
        Tier::Dram => "dram",
        Tier::Ssd => "ssd",
        Tier::Both => "both",
    };
    let text = format!(
        "Value at:{tier} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
        info.encoding.name(),
        info.length,
        info.access,
        keys.idle_time_s(&info)
    );
    context.reply.simple(&text);
    Ok(())
}

fn populate(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let count = usize::try_from(integer(arguments.get(2))?).map_err(|_| Failure::NOT_AN_INTEGER)?;
    let prefix = if arguments.len() > 3 { String::from_utf8_lossy(arguments.get(3)) } else { "key".into() };
    let size = match arguments.len() {
        5 => Some(usize::try_from(integer(arguments.get(4))?).map_err(|_| Failure::NOT_AN_INTEGER)?),
        _ => None,
    };
    let (engine, now) = (&context.server.engine, context.server.clock.now());
    let mut fetched = Fetched::new();
    for number in 0..count {
        if engine.admit_write() != Admission::Go {
            return Err(Failure::error("OOM command not allowed when used memory > 'maxmemory'."));
        }
        let key = format!("{prefix}:{number}");
        let mut value = format!("value:{number}").into_bytes();
        if let Some(size) = size {
            value.resize(size, 0);
        }
        let mut keys = engine.lock_key(context.session.database(), key.as_bytes(), now, &mut fetched);
        if !keys.exists(key.as_bytes()) {
            keys.set(key.as_bytes(), Value::from(StringValue::plain(&value)), SetExpiry::Clear);
        }
    }
    context.reply.ok();
    Ok(())
}

/// Replies what Redis replies, digit for digit: tests of clients compare it.
#[allow(clippy::approx_constant, reason = "it is Redis' number, not pi")]
fn protocol(context: &mut Context<'_>, kind: &[u8]) -> Result<(), Failure> {
    let reply = &mut context.reply;
    match kind {
        _ if is_word(kind, "string") => reply.bulk(b"Hello World"),
        _ if is_word(kind, "integer") => reply.integer(12345),
        _ if is_word(kind, "double") => reply.double(3.141),
        _ if is_word(kind, "null") => reply.null(),
        _ if is_word(kind, "array") => {
            reply.array(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        _ if is_word(kind, "set") => {
            reply.set(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        _ if is_word(kind, "map") => {
            reply.map(3);
            for number in 0..3 {
                reply.integer(number);
                reply.boolean(number == 1);
            }
        }
        _ if is_word(kind, "bignum") => reply.big_number("1234567999999999999999999999999999999"),
        _ if is_word(kind, "true") => reply.boolean(true),
        _ if is_word(kind, "false") => reply.boolean(false),
        _ if is_word(kind, "verbatim") => reply.verbatim(b"txt", b"This is a verbatim\nstring"),
        _ if is_word(kind, "attrib") => {
            if reply.protocol() == Protocol::Resp3 {
                reply.attribute(1);
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.integer(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        _ if is_word(kind, "push") && reply.protocol() == Protocol::Resp3 => {
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.integer(42);
        }
        _ if is_word(kind, "push") => {
            return Err(Failure::error("ERR RESP2 is not supported by this command"));
        }
        _ => {
            return Err(Failure::error(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}
