//! One phase: a thread per lane, watched from the calling thread until all are done.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use super::Observation;
use super::clock::Clock;
use super::recorder::{Interval, SharedInterval, lock};
use super::worker::Shared;
use crate::interrupt;

/// Runs every lane on a thread of its own. `observe` is called about every `tick` with what `intervals` have
/// gathered, on this thread.
///
/// # Errors
///
/// If a lane fails, which stops the others, or the user interrupts.
pub(super) fn run_lanes<L: Send>(
    lanes: &mut [L],
    intervals: &[SharedInterval],
    run: impl Fn(usize, &mut L, &Shared<'_>) -> Result<()> + Sync,
    tick: Duration,
    observe: &mut dyn FnMut(&Observation<'_>) -> Result<()>,
) -> Result<()> {
    let stop = AtomicBool::new(false);
    let shared = Shared { clock: Clock::start(), stop: &stop };
    let (done, is_done) = channel::<()>();
    let results = std::thread::scope(|scope| {
        let (run, shared) = (&run, &shared);
        let handles: Vec<_> = lanes
            .iter_mut()
            .enumerate()
            .map(|(number, lane)| {
                let done = done.clone();
                scope.spawn(move || {
                    let result = run(number, lane, shared);
                    if result.is_err() {
                        shared.stop.store(true, Ordering::Relaxed);
                    }
                    // Dropping the sender tells the watching thread that this one is done.
                    drop(done);
                    result
                })
            })
            .collect();
        drop(done);
        let watched = watch(intervals, &is_done, tick, shared, observe);
        if watched.is_err() {
            shared.stop.store(true, Ordering::Relaxed);
        }
        let panicked = |_| Err(anyhow!("a client thread panicked"));
        let mut results: Vec<Result<()>> =
            handles.into_iter().map(|handle| handle.join().unwrap_or_else(panicked)).collect();
        results.push(watched);
        results
    });
    if interrupt::is_requested() {
        bail!("interrupted");
    }
    results.into_iter().collect()
}

/// Collects the intervals of all threads every `tick`, until all threads are done.
fn watch(
    intervals: &[SharedInterval],
    is_done: &Receiver<()>,
    tick: Duration,
    shared: &Shared<'_>,
    observe: &mut dyn FnMut(&Observation<'_>) -> Result<()>,
) -> Result<()> {
    let mut last_s = 0.0;
    loop {
        let is_over = is_done.recv_timeout(tick) == Err(RecvTimeoutError::Disconnected);
        if interrupt::is_requested() {
            shared.stop.store(true, Ordering::Relaxed);
        }
        let mut merged = Interval::new();
        for interval in intervals {
            merged.take(&mut lock(interval));
        }
        let at_s = shared.clock.now_ns() as f64 / 1e9;
        let observation = Observation { at_s, length_s: at_s - last_s, interval: &merged };
        last_s = at_s;
        if merged.answered > 0 || !is_over {
            observe(&observation)?;
        }
        if is_over {
            return Ok(());
        }
    }
}
