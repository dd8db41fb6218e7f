//! How fast commands are being run: `instantaneous_ops_per_sec`.
//!
//! Measured between two askings, so that nothing has to be sampled while nobody asks.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Askings closer together than this get the same answer: over a shorter time a rate means little.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// The number of commands at the last asking, and the rate found then.
#[derive(Debug)]
pub struct CommandRate(Mutex<Sample>);

#[derive(Debug)]
struct Sample {
    taken: Instant,
    commands: u64,
    per_second: u64,
}

impl Default for CommandRate {
    fn default() -> Self {
        Self(Mutex::new(Sample { taken: Instant::now(), commands: 0, per_second: 0 }))
    }
}

impl CommandRate {
    /// Commands per second since the last asking, when `commands` were run since the start.
    pub fn per_second(&self, commands: u64) -> u64 {
        let mut sample = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let elapsed = sample.taken.elapsed();
        if elapsed >= LEAST_INTERVAL {
            let done = commands.saturating_sub(sample.commands);
            sample.per_second = (done as f64 / elapsed.as_secs_f64()) as u64;
            sample.taken = Instant::now();
            sample.commands = commands;
        }
        sample.per_second
    }
}
