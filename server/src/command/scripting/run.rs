//! EVAL, FCALL and their kin: which script or function is to run, on what.

use std::rc::Rc;

use thermocline_protocol::{Arguments, parse_integer};

use crate::command::{Context, Failure};
use crate::scripting::{Program, ScriptFlags, ScriptRequest};

const NO_SCRIPT: &str = "NOSCRIPT No matching script. Please use EVAL.";
const NO_FUNCTION: &str = "ERR Function not found";
const WRITES: &str = "ERR Can not execute a script with write flag using *_ro command.";
const OUT_OF_MEMORY: &str =
    "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'";

/// Where the first key is.
const FIRST_KEY: usize = 3;

/// What a script may do, as the command that runs it says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Full,
    ReadOnly,
}

pub(super) fn eval<'a>(
    context: &mut Context<'_>,
    arguments: Arguments<'a>,
) -> Result<ScriptRequest<'a>, Failure> {
    eval_as(context, arguments, Access::Full)
}

pub(super) fn eval_ro<'a>(
    context: &mut Context<'_>,
    arguments: Arguments<'a>,
) -> Result<ScriptRequest<'a>, Failure> {
    eval_as(context, arguments, Access::ReadOnly)
}

pub(super) fn evalsha<'a>(
    context: &mut Context<'_>,
    arguments: Arguments<'a>,
) -> Result<ScriptRequest<'a>, Failure> {
    evalsha_as(context, arguments, Access::Full)
}

pub(super) fn evalsha_ro<'a>(
    context: &mut Context<'_>,
    arguments: Arguments<'a>,
) -> Result<ScriptRequest<'a>, Failure> {
    evalsha_as(context, arguments, Access::ReadOnly)
}

pub(super) fn fcall<'a>(
    context: &mut Context<'_>,
    arguments: Arguments<'a>,
) -> Result<ScriptRequest<'a>, Failure> {
    fcall_as(context, arguments, Access::Full)
}

pub(super) fn fcall_ro<'a>(
    context: &mut Context<'_>,
    arguments: Arguments<'a>,
) -> Result<ScriptRequest<'a>, Failure> {
    fcall_as(context, arguments, Access::ReadOnly)
}

fn eval_as<'a>(
    context: &mut Context<'_>,
    arguments: Arguments<'a>,
    access: Access,
) -> Result<ScriptRequest<'a>, Failure> {
    let keys = key_count(arguments, Failure::NOT_AN_INTEGER)?;
    let program = context.thread.scripts.script(arguments.get(1)).map_err(Failure::Error)?;
    request(context, program, arguments, keys, access)
}

fn evalsha_as<'a>(
    context: &mut Context<'_>,
    arguments: Arguments<'a>,
    access: Access,
) -> Result<ScriptRequest<'a>, Failure> {
    let digest = arguments.get(1);
    if digest.len() != 40 {
        return Err(Failure::error(NO_SCRIPT));
    }
    let keys = key_count(arguments, Failure::NOT_AN_INTEGER)?;
    let program = context.thread.scripts.cached_script(digest).map_err(Failure::Error)?;
    let program = program.ok_or(Failure::error(NO_SCRIPT))?;
    request(context, program, arguments, keys, access)
}

fn fcall_as<'a>(
    context: &mut Context<'_>,
    arguments: Arguments<'a>,
    access: Access,
) -> Result<ScriptRequest<'a>, Failure> {
    let program = context.thread.scripts.function(arguments.get(1)).map_err(Failure::Error)?;
    let program = program.ok_or(Failure::error(NO_FUNCTION))?;
    let keys = key_count(arguments, Failure::error("ERR Bad number of keys provided"))?;
    request(context, program, arguments, keys, access)
}

/// How many keys there are; `otherwise` if the argument is no number.
fn key_count(arguments: Arguments<'_>, otherwise: Failure) -> Result<usize, Failure> {
    let count = parse_integer(arguments.get(2)).ok_or(otherwise)?;
    let given = arguments.len() - FIRST_KEY;
    match usize::try_from(count) {
        Ok(count) if count <= given => Ok(count),
        Ok(_) => Err(Failure::error("ERR Number of keys can't be greater than number of args")),
        Err(_) => Err(Failure::error("ERR Number of keys can't be negative")),
    }
}

/// # Errors
/// The script, as it describes itself, may not run now.
fn request<'a>(
    context: &Context<'_>,
    program: Rc<Program>,
    arguments: Arguments<'a>,
    key_count: usize,
    access: Access,
) -> Result<ScriptRequest<'a>, Failure> {
    let flags = program.flags();
    let is_read_only = flags.has(ScriptFlags::NO_WRITES);
    if !program.is_plain() && !is_read_only {
        if access == Access::ReadOnly {
            return Err(Failure::error(WRITES));
        }
        if !flags.has(ScriptFlags::ALLOW_OOM) && !context.server.engine.has_room() {
            return Err(Failure::error(OUT_OF_MEMORY));
        }
    }
    let is_read_only = is_read_only || access == Access::ReadOnly;
    Ok(ScriptRequest { program, arguments, first_key: FIRST_KEY, key_count, is_read_only })
}
