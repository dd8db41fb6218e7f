//! Ctrl-C and SIGTERM: a run ends early, and in order, so that servers it started are stopped and their files
//! removed.

use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Whether the user wants the run to end.
pub fn is_requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Makes Ctrl-C and SIGTERM set the request. A second one ends the process at once.
///
/// # Errors
///
/// If a handler is installed already.
pub fn listen() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
}
