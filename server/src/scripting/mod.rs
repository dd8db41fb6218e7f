//! The script machine: Lua scripts and functions as Redis runs them. It knows nothing of commands or keys.
//!
//! ```text
//!  EVAL, FCALL                                      the dispatcher
//!      | body, digest or name                          | Host: redis.call, redis.acl_check_cmd
//!      v                                               v
//!  ThreadScripts   thread   what this thread compiled  ScriptRun  run   one run, on a fiber
//!      |                                               |
//!      v                                               v
//!  Scripts         scripts  what all threads share     Interpreter  interpreter   Lua, and what becomes of errors
//!    libraries     library, libraries                    sandbox      what a script sees
//!    busy scripts  busy                                  api          the table `redis`
//!    shebangs      shebang                               reply        between replies and Lua values
//!                                                        cjson, cmsgpack, structs, bit, random
//!                                                        context      what the native functions share
//!                                                        lua          Lua's C interface behind safe calls
//! ```
//!
//! A run is asked to go on with [`ScriptRun::resume`]; it comes back when it has ended or is busy. On the way it asks the
//! [`Host`] for commands: the fiber is left for that, so commands run on the thread's own stack.
//!
//! **Invariant:** an interpreter runs one script at a time; a thread's other tasks may run while it is suspended.
//!
//! **Invariant:** a run that ends with [`Outcome::Restart`] was ended at once, whatever the script catches.

mod api;
mod bit;
mod busy;
mod cjson;
mod cmsgpack;
mod context;
mod interpreter;
mod libraries;
mod library;
mod lua;
mod random;
mod reply;
mod run;
mod sandbox;
mod scripts;
mod shebang;
mod structs;
#[cfg(test)]
mod tests;
mod thread;

use thermocline_protocol::{Arguments, Protocol};

pub use busy::{BusyScripts, Killed, RunningScript};
pub use libraries::{Libraries, RestorePolicy};
pub use library::{FunctionInfo, Library};
pub use run::{Outcome, Progress, ScriptRequest, ScriptRun};
pub use scripts::{Script, Scripts};
pub use shebang::ScriptFlags;
pub use thread::{Program, Reach, ThreadScripts};

/// Where a script's commands run. Whoever runs a script implements it.
pub trait Host {
    /// Runs a command and appends its reply to `reply`, in this version of the protocol; an error is a reply, too.
    fn call(&mut self, arguments: Arguments<'_>, protocol: Protocol, reply: &mut Vec<u8>) -> Called;

    /// Whether the user may run this command on these keys; `None` if there is no such command, or it cannot have these
    /// arguments.
    fn check_access(&mut self, arguments: Arguments<'_>) -> Option<bool>;

    /// Whether this is a command that writes.
    fn writes(&self, arguments: Arguments<'_>) -> bool;

    /// Whether the script has changed data: then it cannot be killed any more.
    fn has_written(&self) -> bool;

    /// The command that runs the script, for FUNCTION STATS. Asked for only when it becomes busy.
    fn command(&self) -> Vec<Vec<u8>>;
}

/// What became of a script's command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Called {
    /// It was run, or refused; the reply says so.
    Replied,
    /// It needs data that must be read from the SSD first, or keys that must be locked: the script ends at once and runs
    /// again from its start. It must not have changed anything.
    Restart,
}
