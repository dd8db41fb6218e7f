//! The functions of the `redis` table.

use sha1::{Digest, Sha1};
use thermocline_protocol::Protocol;
use thermocline_protocol::double::write_general;

use super::context::{Context, Request};
use super::lua::{Kind, Native, Raised, Stack};
use super::reply::push_reply;

/// The version of Redis that scripts are told of.
const REDIS_VERSION: &str = "7.2.0";
const REDIS_VERSION_NUMBER: f64 = 0x0007_0200 as f64;

/// Log levels, as scripts name them, and what they are called in the log.
const LOG_LEVELS: [(&str, f64); 4] =
    [("LOG_DEBUG", 0.0), ("LOG_VERBOSE", 1.0), ("LOG_NOTICE", 2.0), ("LOG_WARNING", 3.0)];

const REPLICATION: [(&str, f64); 5] =
    [("REPL_NONE", 0.0), ("REPL_AOF", 1.0), ("REPL_SLAVE", 2.0), ("REPL_REPLICA", 2.0), ("REPL_ALL", 3.0)];

/// The functions that scripts and functions have.
pub(super) const SHARED: &[(&str, Native)] = &[
    ("call", call),
    ("pcall", pcall),
    ("log", log),
    ("setresp", set_resp),
    ("error_reply", error_reply),
    ("status_reply", status_reply),
    ("set_repl", set_repl),
    ("acl_check_cmd", acl_check_cmd),
    ("sha1hex", sha1hex),
];

/// The functions that only EVAL has.
pub(super) const SCRIPTS_ONLY: &[(&str, Native)] =
    &[("replicate_commands", replicate_commands), ("breakpoint", breakpoint), ("debug", debug)];

/// The functions that the code of a library has while it is loaded.
pub(super) const LOAD_ONLY: &[(&str, Native)] =
    &[("register_function", super::library::register_function), ("log", log)];

/// Pushes the table `redis`, with these functions.
pub(super) fn push_redis(stack: &mut Stack<'_>, functions: &[&[(&str, Native)]], replicates: bool) {
    stack.push_table(0, 32);
    for &(name, native) in functions.iter().copied().flatten() {
        stack.push_native(native, 0);
        stack.raw_set_name(-2, name);
    }
    let numbers = if replicates { &REPLICATION[..] } else { &[] };
    for &(name, number) in LOG_LEVELS.iter().chain(numbers) {
        stack.push_number(number);
        stack.raw_set_name(-2, name);
    }
    stack.push_bytes(REDIS_VERSION.as_bytes());
    stack.raw_set_name(-2, "REDIS_VERSION");
    stack.push_number(REDIS_VERSION_NUMBER);
    stack.raw_set_name(-2, "REDIS_VERSION_NUM");
}

/// Pushes `{err = text}`.
pub(super) fn push_error(stack: &mut Stack<'_>, text: &[u8]) {
    stack.push_table(0, 1);
    stack.push_bytes(text);
    stack.raw_set_name(-2, "err");
}

/// Raises `{err = "ERR " .. text}`.
fn raise(stack: &mut Stack<'_>, text: &str) -> Raised {
    push_error(stack, format!("ERR {text}").as_bytes());
    stack.raise_top()
}

fn call(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    match command(stack)? {
        Done::Replied => Ok(1),
        Done::Failed => Err(stack.raise_top()),
    }
}

fn pcall(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    command(stack).map(|_| 1)
}

/// What became of a command; its reply is on top.
enum Done {
    Replied,
    Failed,
}

#[inline]
fn command(stack: &mut Stack<'_>) -> Result<Done, Raised> {
    if let Err(problem) = take_arguments(stack) {
        push_error(stack, format!("ERR {problem}").as_bytes());
        return Ok(Done::Failed);
    }
    if !stack.context().ask(Request::Call) {
        return Err(Context::raise_unwinding(stack));
    }
    stack.set_top(0);
    Ok(Context::with_reply(stack, |stack, reply| {
        if let Some(text) = reply.strip_prefix(b"-") {
            push_command_error(stack, text.strip_suffix(b"\r\n").unwrap_or(text));
            return Done::Failed;
        }
        match push_reply(stack, reply) {
            Ok(()) => Done::Replied,
            Err(problem) => {
                push_error(stack, problem.as_bytes());
                Done::Failed
            }
        }
    }))
}

/// The table that a command's error is: it is already counted.
fn push_command_error(stack: &mut Stack<'_>, text: &[u8]) {
    stack.push_table(0, 2);
    stack.push_bytes(&with_code(text));
    stack.raw_set_name(-2, "err");
    stack.push_boolean(true);
    stack.raw_set_name(-2, "ignore_error_stats_update");
}

/// An error's text with its code: the first word, unless there is only one.
fn with_code(text: &[u8]) -> Vec<u8> {
    match text.contains(&b' ') {
        true => text.to_vec(),
        false => [b"ERR ", text].concat(),
    }
}

/// Takes over what the script calls a command with.
fn take_arguments(stack: &Stack<'_>) -> Result<(), &'static str> {
    let count = stack.top();
    if count == 0 {
        return Err("Please specify at least one argument for this redis lib call");
    }
    let mut arguments = stack.context().arguments.borrow_mut();
    arguments.clear();
    for at in 1..=count {
        let fits = match stack.kind(at) {
            Kind::String => arguments.push(stack.bytes(at).unwrap_or_default()),
            Kind::Number => {
                let mut text = Vec::with_capacity(32);
                write_number(&mut text, stack.number(at).unwrap_or_default());
                arguments.push(&text)
            }
            _ => return Err("Lua redis lib command arguments must be strings or integers"),
        };
        if !fits {
            return Err("the arguments of the command are longer than a request may be");
        }
    }
    Ok(())
}

/// A number as C's `%.17g` prints it.
fn write_number(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        write_general(out, number, 17);
    } else {
        out.extend_from_slice(if number.is_sign_negative() { b"-" } else { b"" });
        out.extend_from_slice(if number.is_nan() { b"nan" } else { b"inf" });
    }
}

fn acl_check_cmd(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    if let Err(problem) = take_arguments(stack) {
        return Err(raise(stack, problem));
    }
    if !stack.context().ask(Request::CheckAccess) {
        return Err(Context::raise_unwinding(stack));
    }
    match stack.context().access.get() {
        Some(may) => {
            stack.push_boolean(may);
            Ok(1)
        }
        None => Err(raise(stack, "Invalid command passed to redis.acl_check_cmd()")),
    }
}

fn log(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    let count = stack.top();
    if count < 2 {
        return Err(raise(stack, "redis.log() requires two arguments or more."));
    }
    let Some(level) = stack.as_number(1) else {
        return Err(raise(stack, "First argument must be a number (log level)."));
    };
    if !(0.0..4.0).contains(&level) {
        return Err(raise(stack, "Invalid debug level."));
    }
    let mut text = Vec::new();
    for at in 2..=count {
        if at > 2 {
            text.push(b' ');
        }
        if let Some(bytes) = stack.as_bytes(at) {
            text.extend_from_slice(bytes);
        }
    }
    let text = String::from_utf8_lossy(&text);
    match level as u32 {
        0 => tracing::trace!("{text}"),
        1 => tracing::debug!("{text}"),
        2 => tracing::info!("{text}"),
        _ => tracing::warn!("{text}"),
    }
    Ok(0)
}

fn set_resp(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    if stack.top() != 1 {
        return Err(raise(stack, "redis.setresp() requires one argument."));
    }
    let protocol = match stack.as_number(1).map(f64::trunc) {
        Some(2.0) => Protocol::Resp2,
        Some(3.0) => Protocol::Resp3,
        _ => return Err(raise(stack, "RESP version must be 2 or 3.")),
    };
    stack.context().protocol.set(protocol);
    Ok(0)
}

fn error_reply(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    let Some(text) = only_string(stack) else { return Ok(refuse_reply(stack)) };
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let error = with_code(text.trim_ascii_end());
    push_error(stack, &error);
    Ok(1)
}

fn status_reply(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    if only_string(stack).is_none() {
        return Ok(refuse_reply(stack));
    }
    stack.push_table(0, 1);
    stack.push_copy(1);
    stack.raw_set_name(-2, "ok");
    Ok(1)
}

fn only_string<'s>(stack: &'s Stack<'_>) -> Option<&'s [u8]> {
    if stack.top() == 1 { stack.bytes(1) } else { None }
}

fn refuse_reply(stack: &mut Stack<'_>) -> i32 {
    push_error(stack, b"ERR wrong number or type of arguments");
    1
}

fn set_repl(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    if stack.top() != 1 {
        return Err(raise(stack, "redis.set_repl() requires two arguments."));
    }
    let flags = stack.as_number(1).unwrap_or(0.0);
    if !(0.0..4.0).contains(&flags.trunc()) {
        return Err(raise(
            stack,
            "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
        ));
    }
    Ok(0)
}

fn sha1hex(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    if stack.top() != 1 {
        return Err(raise(stack, "wrong number of arguments"));
    }
    let digest = sha1_of(stack.as_bytes(1).unwrap_or_default());
    stack.push_bytes(&digest);
    Ok(1)
}

/// The SHA-1 digest in 40 hexadecimal digits.
pub(super) fn sha1_of(bytes: &[u8]) -> [u8; 40] {
    let digest = Sha1::digest(bytes);
    let mut text = [0; 40];
    for (pair, byte) in text.chunks_exact_mut(2).zip(digest) {
        let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    text
}

fn replicate_commands(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    stack.push_boolean(true);
    Ok(1)
}

fn breakpoint(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    stack.push_boolean(false);
    Ok(1)
}

fn debug(_: &mut Stack<'_>) -> Result<i32, Raised> {
    Ok(0)
}
