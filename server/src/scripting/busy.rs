//! Scripts that have run for longer than `busy-reply-threshold`: while there is one, clients are told so, and may kill it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

/// The scripts that are busy, on any thread.
#[derive(Debug, Default)]
pub struct BusyScripts {
    count: AtomicUsize,
    running: Mutex<Vec<Arc<RunningScript>>>,
}

/// A script that is busy.
#[derive(Debug)]
pub struct RunningScript {
    /// The function's name, or the script's digest.
    pub name: String,
    /// Whether FCALL runs it.
    pub is_function: bool,
    /// The command that runs it.
    pub command: Vec<Vec<u8>>,
    /// When it began.
    pub began: Instant,
    state: AtomicU8,
}

/// It may be killed.
const KILLABLE: u8 = 0;
/// It has written, or is about to.
const WRITES: u8 = 1;
/// It has been killed.
const KILLED: u8 = 2;

impl RunningScript {
    pub(super) fn new(
        name: &str,
        is_function: bool,
        command: Vec<Vec<u8>>,
        began: Instant,
        wrote: bool,
    ) -> Self {
        let state = AtomicU8::new(if wrote { WRITES } else { KILLABLE });
        Self { name: name.to_owned(), is_function, command, began, state }
    }

    /// It is about to write; false if it was killed instead.
    pub(super) fn begin_write(&self) -> bool {
        let begun = self.state.compare_exchange(KILLABLE, WRITES, Ordering::AcqRel, Ordering::Acquire);
        begun.is_ok() || begun == Err(WRITES)
    }

    pub(super) fn is_killed(&self) -> bool {
        self.state.load(Ordering::Acquire) == KILLED
    }

    fn kill(&self) -> bool {
        let killed = self.state.compare_exchange(KILLABLE, KILLED, Ordering::AcqRel, Ordering::Acquire);
        killed.is_ok() || killed == Err(KILLED)
    }
}

/// What became of an order to kill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Killed {
    /// What was running ends.
    Ended,
    /// Nothing is busy.
    Nothing,
    /// What is busy is of the other kind: a function, not a script, or the reverse.
    OtherKind,
    /// It has written.
    HasWritten,
}

impl BusyScripts {
    /// Whether clients are to be told that the server is busy, and with what. Costs next to nothing while it is not.
    #[inline]
    pub fn refusal(&self) -> Option<&'static str> {
        if self.count.load(Ordering::Relaxed) == 0 { None } else { self.describe() }
    }

    #[cold]
    fn describe(&self) -> Option<&'static str> {
        let running = self.running.lock();
        Some(match running.first()?.is_function {
            true => {
                "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
            }
            false => "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        })
    }

    /// The script that has been busy for longest.
    pub fn first(&self) -> Option<Arc<RunningScript>> {
        self.running.lock().first().cloned()
    }

    /// SCRIPT KILL, or FUNCTION KILL.
    pub fn kill(&self, functions: bool) -> Killed {
        let running = self.running.lock();
        if running.is_empty() {
            return Killed::Nothing;
        }
        let mut of_kind = running.iter().filter(|script| script.is_function == functions).peekable();
        if of_kind.peek().is_none() {
            return Killed::OtherKind;
        }
        // Not `any`: all that can be killed are.
        match of_kind.filter(|script| script.kill()).count() {
            0 => Killed::HasWritten,
            _ => Killed::Ended,
        }
    }

    pub(super) fn add(&self, script: Arc<RunningScript>) {
        let mut running = self.running.lock();
        running.push(script);
        self.count.store(running.len(), Ordering::Relaxed);
    }

    pub(super) fn remove(&self, script: &Arc<RunningScript>) {
        let mut running = self.running.lock();
        running.retain(|other| !Arc::ptr_eq(other, script));
        self.count.store(running.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(is_function: bool, wrote: bool) -> Arc<RunningScript> {
        Arc::new(RunningScript::new("name", is_function, Vec::new(), Instant::now(), wrote))
    }

    #[test]
    fn only_what_is_busy_and_has_not_written_is_killed() {
        let busy = BusyScripts::default();
        assert_eq!((busy.refusal(), busy.kill(false)), (None, Killed::Nothing));
        let reader = script(false, false);
        busy.add(Arc::clone(&reader));
        assert!(busy.refusal().is_some_and(|text| text.contains("SCRIPT KILL")));
        assert_eq!(busy.kill(true), Killed::OtherKind);
        assert_eq!((busy.kill(false), busy.kill(false)), (Killed::Ended, Killed::Ended));
        assert!(reader.is_killed() && !reader.begin_write());
        busy.remove(&reader);
        let writer = script(true, true);
        busy.add(Arc::clone(&writer));
        assert_eq!(busy.kill(true), Killed::HasWritten);
        assert!(writer.begin_write() && !writer.is_killed());
    }
}
