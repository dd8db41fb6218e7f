//! Whether spinning for a moment beats parking.
//!
//! Parking and being woken costs two system calls and a trip through the scheduler, on the way of a request that
//! may be a few microseconds off. A spin saves that for a lone client that waits for our reply, or for a read that
//! is about to complete; under load it would only burn the CPU that other work needs.
//!
//! Owns the decision, as a pure function of what it was told. **Invariant:** after a spin that found nothing there
//! is none until new work came, and the more of them fail, the rarer they get: an idle server does not spin.

use std::time::{Duration, Instant};

/// With more connections active in an interval than this, the next request comes soon enough by itself.
const ACTIVE_MAX: u32 = 4;

/// The interval in which active connections are counted.
const INTERVAL: Duration = Duration::from_millis(1);

/// A read from the device takes longer than a client's turn-around, so it gets this many times the bound.
const READ_FACTOR: u32 = 2;

/// After `n` failed spins in a row, `2^n` chances are passed over, up to this exponent.
const BACKOFF_EXPONENT_MAX: u32 = 10;

/// The spin policy of one thread.
#[derive(Debug)]
pub(super) struct BusyPoll {
    bound: Duration,
    interval_start: Instant,
    /// Counts intervals; a connection that carries the present number was counted already.
    interval: u32,
    active: u32,
    active_before: u32,
    /// A connection had data since the last spin.
    served: bool,
    failures: u32,
    pass_over: u32,
}

impl BusyPoll {
    /// A policy that spins for at most `bound_us` microseconds at once; 0 never spins.
    pub(super) fn new(bound_us: u32, now: Instant) -> Self {
        Self {
            bound: Duration::from_micros(bound_us.into()),
            interval_start: now,
            interval: 1,
            active: 0,
            active_before: 0,
            served: false,
            failures: 0,
            pass_over: 0,
        }
    }

    /// A connection had data; `seen` is its own note of the interval it was last counted in.
    pub(super) fn note_active(&mut self, seen: u32) -> u32 {
        self.served = true;
        if seen != self.interval {
            self.active += 1;
        }
        self.interval
    }

    /// Whether the policy can ever want a spin; if not, the caller need not ask the clock.
    pub(super) fn is_enabled(&self) -> bool {
        !self.bound.is_zero()
    }

    /// Nothing is to do at `now`: how long to spin for more, if at all.
    pub(super) fn spin_for(&mut self, now: Instant, outstanding_reads: usize) -> Option<Duration> {
        let elapsed = now.saturating_duration_since(self.interval_start);
        if elapsed >= INTERVAL {
            self.active_before = if elapsed < INTERVAL * 2 { self.active } else { 0 };
            self.active = 0;
            self.interval = self.interval.wrapping_add(1);
            self.interval_start = now;
        }
        if self.active.max(self.active_before) > ACTIVE_MAX {
            self.served = false;
            return None;
        }
        let bound = if outstanding_reads > 0 { self.bound * READ_FACTOR } else { self.bound };
        if !std::mem::take(&mut self.served) && outstanding_reads == 0 {
            return None;
        }
        if self.pass_over > 0 {
            self.pass_over -= 1;
            return None;
        }
        Some(bound)
    }

    /// How the spin went.
    pub(super) fn spun(&mut self, found_work: bool) {
        if found_work {
            self.failures = 0;
        } else {
            self.failures = (self.failures + 1).min(BACKOFF_EXPONENT_MAX);
            self.pass_over = 1 << self.failures;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_micros(50);

    fn policy(now: Instant) -> BusyPoll {
        BusyPoll::new(50, now)
    }

    #[test]
    fn spins_once_after_a_request_and_never_when_idle() {
        let now = Instant::now();
        let mut policy = policy(now);
        assert_eq!(policy.spin_for(now, 0), None, "idle");
        policy.note_active(0);
        assert_eq!(policy.spin_for(now, 0), Some(BOUND));
        assert_eq!(policy.spin_for(now, 0), None, "nothing new");
    }

    #[test]
    fn many_active_connections_rule_a_spin_out_until_they_are_gone() {
        let mut now = Instant::now();
        let mut policy = policy(now);
        let mut seen = [0; 5];
        for note in &mut seen {
            *note = policy.note_active(*note);
        }
        assert_eq!(policy.spin_for(now, 3), None);
        now += INTERVAL;
        policy.note_active(seen[0]);
        assert_eq!(policy.spin_for(now, 0), None, "they were active a moment ago");
        now += INTERVAL * 2;
        policy.note_active(0);
        assert_eq!(policy.spin_for(now, 0), Some(BOUND));
    }

    #[test]
    fn one_connection_counts_once_per_interval() {
        let now = Instant::now();
        let mut policy = policy(now);
        let mut seen = 0;
        for _ in 0..100 {
            seen = policy.note_active(seen);
        }
        assert_eq!(policy.spin_for(now, 0), Some(BOUND));
    }

    #[test]
    fn an_outstanding_read_is_reason_enough_and_gets_longer() {
        let now = Instant::now();
        assert_eq!(policy(now).spin_for(now, 1), Some(BOUND * READ_FACTOR));
    }

    #[test]
    fn spins_that_fail_get_rarer_and_one_that_succeeds_restores_them() {
        let now = Instant::now();
        let mut policy = policy(now);
        let mut seen = 0;
        let mut spins = 0;
        for _ in 0..1000 {
            seen = policy.note_active(seen);
            if policy.spin_for(now, 0).is_some() {
                spins += 1;
                policy.spun(false);
            }
        }
        assert!(spins < 12, "{spins} spins for nothing");
        policy.pass_over = 0;
        policy.spun(true);
        policy.note_active(seen);
        assert_eq!(policy.spin_for(now, 0), Some(BOUND));
    }

    #[test]
    fn zero_turns_it_off() {
        assert!(!BusyPoll::new(0, Instant::now()).is_enabled());
    }
}
