//! Lua scripts and functions: what the [script machine](crate::scripting) is asked for.
//!
//! - [`run`]: EVAL, FCALL and their kin, which say what is to run; the dispatcher runs it.
//! - [`script`]: SCRIPT, the cache of scripts. - [`function`]: FUNCTION, the libraries of functions.

mod function;
mod run;
mod script;
#[cfg(test)]
mod tests;

use super::key_use::KeyUse;
use super::{Command, Context, Failure, Flags, Handler, KeyPositions, Reads};
use crate::scripting::Killed;

/// What runs a script or function.
const RUN: Command = Command {
    arity: -3,
    flags: RUNS,
    keys: KeyPositions::Counted { count: 2 },
    key_use: &[KeyUse::ANYTHING],
    reads: Reads::Values,
    complexity: "Depends on the script that is executed.",
    ..SCRIPTING
};

const RUNS: Flags = Flags::NOSCRIPT
    .with(Flags::STALE)
    .with(Flags::SKIP_MONITOR)
    .with(Flags::NO_MANDATORY_KEYS)
    .with(Flags::MOVABLE_KEYS)
    .with(Flags::MORE_KEYS);

/// A command of this group.
const SCRIPTING: Command =
    Command { group: "scripting", categories: &["scripting"], flags: Flags::NOSCRIPT, ..Command::NEW };

/// The HELP subcommand of a container, without its handler.
const HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.with(Flags::STALE),
    summary: "Returns helpful text about the different subcommands.",
    ..SCRIPTING
};

/// What a kill replies where nothing is to be killed.
const NOTHING_RUNS: &str = "NOTBUSY No scripts in execution right now.";
/// What a kill replies where the script has written.
const UNKILLABLE: &str = "UNKILLABLE Sorry the script already executed write commands against the dataset. You can \
                          either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE \
                          command.";

/// Ends the function that runs, or else the script.
///
/// # Errors
/// It cannot be ended, or nothing like it runs.
fn kill_running(context: &mut Context<'_>, is_function: bool) -> Result<(), Failure> {
    let busy = &context.server.scripts.busy;
    match busy.kill(is_function) {
        Killed::Ended => {
            context.reply.ok();
            Ok(())
        }
        Killed::HasWritten => Err(Failure::error(UNKILLABLE)),
        Killed::OtherKind => Err(Failure::error(busy.refusal().unwrap_or(NOTHING_RUNS))),
        Killed::Nothing => Err(Failure::error(NOTHING_RUNS)),
    }
}

/// The commands of this group.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "eval",
        summary: "Executes a server-side Lua script.",
        since: "2.6.0",
        handler: Handler::Script(run::eval),
        ..RUN
    },
    Command {
        name: "evalsha",
        key_use: &[KeyUse::READ_AND_CHANGE],
        summary: "Executes a server-side Lua script by SHA1 digest.",
        since: "2.6.0",
        handler: Handler::Script(run::evalsha),
        ..RUN
    },
    Command {
        name: "eval_ro",
        flags: RUNS.with(Flags::READONLY),
        key_use: &[KeyUse::READ_ANYTHING],
        summary: "Executes a read-only server-side Lua script.",
        since: "7.0.0",
        handler: Handler::Script(run::eval_ro),
        ..RUN
    },
    Command {
        name: "evalsha_ro",
        flags: RUNS.with(Flags::READONLY),
        key_use: &[KeyUse::READ],
        summary: "Executes a read-only server-side Lua script by SHA1 digest.",
        since: "7.0.0",
        handler: Handler::Script(run::evalsha_ro),
        ..RUN
    },
    Command {
        name: "fcall",
        summary: "Invokes a function.",
        since: "7.0.0",
        complexity: "Depends on the function that is executed.",
        handler: Handler::Script(run::fcall),
        ..RUN
    },
    Command {
        name: "fcall_ro",
        flags: RUNS.with(Flags::READONLY),
        key_use: &[KeyUse::READ_ANYTHING],
        summary: "Invokes a read-only function.",
        since: "7.0.0",
        complexity: "Depends on the function that is executed.",
        handler: Handler::Script(run::fcall_ro),
        ..RUN
    },
    script::SCRIPT,
    function::FUNCTION,
];
