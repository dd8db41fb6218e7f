//! Ctrl-C and SIGTERM: a run ends early, and in order, so that servers it started are stopped and their files
//! removed.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Exit code after a second signal: that of a program which SIGINT has ended.
const INTERRUPTED: i32 = 130;

static REQUESTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Whether the user wants the run to end.
pub fn is_requested() -> bool {
    REQUESTED.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// Makes Ctrl-C and SIGTERM set the request. A second one ends the process at once.
///
/// # Errors
///
/// If the system does not let a handler be installed.
pub fn listen() -> io::Result<()> {
    let requested = REQUESTED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM] {
        // The order counts: the first signal finds the flag unset and only sets it.
        flag::register_conditional_shutdown(signal, INTERRUPTED, requested.clone())?;
        flag::register(signal, requested.clone())?;
    }
    Ok(())
}
