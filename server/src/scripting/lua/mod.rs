//! The Lua 5.1 interpreter behind safe calls: the only files of the script machine that call its C interface.
//!
//! - [`state`]: an interpreter, its memory, what it runs and what interrupts it.
//! - [`stack`]: the values that a native function works on.
//! - [`native`]: Rust functions that Lua calls, and functions of Lua's own library behind a check.
//! - [`fiber`]: the coroutine that a script runs on.
//!
//! Lua reports an error by `longjmp`, which skips Rust frames without running their destructors. So nothing here lets it:
//!
//! **Invariant:** [`stack::Stack`] has only operations that raise no error. They are raw (no metamethods), memory never runs
//! out as far as Lua can see (the process ends instead), and table sizes are bounded.
//!
//! **Invariant:** a Rust function raises an error by returning [`Raised`]; the C function around it, which owns nothing that
//! must be dropped, raises it after that.

pub(super) mod fiber;
pub(super) mod native;
pub(super) mod stack;
pub(super) mod state;

pub(super) use native::{Check, Native, Verdict};
pub(super) use stack::{Kind, Reference, Stack};
pub(super) use state::{BINARY_MARK, Lua};

/// The value on top of the stack is to be raised as an error.
#[derive(Debug)]
#[must_use = "an error that is not returned is not raised"]
pub(super) struct Raised(());
