//! A library of functions, and how its code registers them.

use std::borrow::Cow;

use thermocline_protocol::double::write_double;

use super::api::push_error;
use super::lua::{Kind, Raised, Reference, Stack};
use super::shebang::{BAD_NAME, ScriptFlags, valid_name};

/// A library, as all threads share it.
#[derive(Debug)]
pub struct Library {
    /// Tells it from every other, and from an older one of its name.
    pub(super) id: u64,
    /// Its name.
    pub name: String,
    /// Its code, the first line included.
    pub code: Box<[u8]>,
    /// Its functions.
    pub functions: Vec<FunctionInfo>,
}

/// What is known of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Its name; FCALL finds it in any case.
    pub name: String,
    /// What its author says of it.
    pub description: Option<Vec<u8>>,
    /// What it may do.
    pub flags: ScriptFlags,
}

/// A function that a library's code has registered in one interpreter.
pub(super) struct Registration {
    pub(super) info: FunctionInfo,
    pub(super) callback: Reference,
}

/// The arguments of redis.register_function; the callback is on the stack.
#[derive(Default)]
struct Described {
    name: Option<Vec<u8>>,
    description: Option<Vec<u8>>,
    flags: ScriptFlags,
    callback: Option<Reference>,
}

/// `redis.register_function(name, callback)`, or with one table of named arguments.
pub(super) fn register_function(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    let mut described = Described::default();
    let result = describe(stack, &mut described).and_then(|()| register(stack, &mut described));
    if let Err(problem) = result {
        if let Some(callback) = described.callback {
            stack.forget(callback);
        }
        let text = if problem.starts_with("ERR ") { problem } else { format!("ERR {problem}").into() };
        push_error(stack, text.as_bytes());
        return Err(stack.raise_top());
    }
    Ok(0)
}

fn register(stack: &mut Stack<'_>, described: &mut Described) -> Result<(), Cow<'static, str>> {
    let context = stack.context();
    if !context.is_loading() {
        return Err("redis.register_function can only be called on FUNCTION LOAD command".into());
    }
    let name = described.name.take().ok_or("redis.register_function must get a function name argument")?;
    if described.callback.is_none() {
        return Err("redis.register_function must get a callback argument".into());
    }
    let name = valid_name(&name).ok_or(BAD_NAME)?.to_owned();
    let mut registrations = context.registrations.borrow_mut();
    if registrations.iter().any(|other| other.info.name.eq_ignore_ascii_case(&name)) {
        return Err("Function already exists in the library".into());
    }
    let info = FunctionInfo { name, description: described.description.take(), flags: described.flags };
    if let Some(callback) = described.callback.take() {
        registrations.push(Registration { info, callback });
    }
    Ok(())
}

fn describe(stack: &mut Stack<'_>, described: &mut Described) -> Result<(), Cow<'static, str>> {
    match (stack.top(), stack.kind(1), stack.kind(2)) {
        (1, Kind::Table, _) => stack.walk(1, |stack| describe_field(stack, described)),
        (1, ..) => {
            Err("calling redis.register_function with a single argument is only applicable to Lua table \
                        (representing named arguments)."
                .into())
        }
        (2, Kind::String | Kind::Number, Kind::Function) => {
            described.name = text(stack, 1);
            described.callback = Some(stack.keep());
            Ok(())
        }
        (2, Kind::String | Kind::Number, _) => {
            Err("second argument to redis.register_function must be a function".into())
        }
        (2, ..) => Err("first argument to redis.register_function must be a string".into()),
        _ => Err("wrong number of arguments to redis.register_function".into()),
    }
}

/// Takes one named argument: its name is below its value, which is on top.
fn describe_field(stack: &mut Stack<'_>, described: &mut Described) -> Result<(), Cow<'static, str>> {
    let name = match stack.kind(-2) {
        Kind::String => stack.bytes(-2).unwrap_or_default().to_ascii_lowercase(),
        Kind::Number => Vec::new(),
        _ => return Err("named argument key given to redis.register_function is not a string".into()),
    };
    match &name[..] {
        b"function_name" => {
            described.name = text(stack, -1);
            if described.name.is_none() {
                return Err("function_name argument given to redis.register_function must be a string".into());
            }
        }
        b"description" => {
            described.description = text(stack, -1);
            if described.description.is_none() {
                return Err("description argument given to redis.register_function must be a string".into());
            }
        }
        b"callback" => {
            if stack.kind(-1) != Kind::Function {
                return Err("callback argument given to redis.register_function must be a function".into());
            }
            stack.push_copy(-1);
            described.callback = Some(stack.keep());
        }
        b"flags" => {
            if stack.kind(-1) != Kind::Table {
                return Err(
                    "flags argument to redis.register_function must be a table representing function flags"
                        .into(),
                );
            }
            described.flags = read_flags(stack)?;
        }
        _ => return Err("unknown argument given to redis.register_function".into()),
    }
    Ok(())
}

/// The string at `at`, or a number as one.
fn text(stack: &Stack<'_>, at: i32) -> Option<Vec<u8>> {
    let number = stack.number(at).map(|number| {
        let mut text = Vec::new();
        write_double(&mut text, number);
        text
    });
    number.or_else(|| stack.bytes(at).map(<[u8]>::to_vec))
}

/// The flags that the table on top lists.
fn read_flags(stack: &mut Stack<'_>) -> Result<ScriptFlags, Cow<'static, str>> {
    let mut flags = ScriptFlags::NONE;
    for index in 1.. {
        stack.raw_get_index(-1, index);
        let flag = match stack.kind(-1) {
            Kind::Nil => break,
            _ => stack.bytes(-1).and_then(ScriptFlags::named),
        };
        stack.pop(1);
        flags = flags.with(flag.ok_or("unknown flag given")?);
    }
    stack.pop(1);
    Ok(flags)
}
