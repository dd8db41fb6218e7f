//! Waiting for what another process does: polls a condition, and gives up loudly.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Returns what `condition` returns once it is `Some`.
///
/// # Panics
///
/// If it is not within `deadline`, with `what` in the message.
pub fn wait_for<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain for {what}");
        sleep(POLL_INTERVAL);
    }
}

/// As [`wait_for`], for a condition that is true or not.
pub fn wait_until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, deadline, || condition().then_some(()));
}
