//! Whether spinning for a moment beats parking.
//!
//! Parking and being woken costs three system calls and two context switches, on the way of a request that may be a
//! few microseconds off. Two kinds of spin avoid that:
//!
//! - a *long* one, up to the bound that is configured, while few connections are active: for a lone client that
//!   waits for our reply, or a read that is about to complete. It buys latency with CPU time.
//! - a *short* one, under load: no longer than parking itself costs, so whenever more than half of them find work,
//!   the CPU time per request goes down.
//!
//! Owns the decision, as a pure function of what it was told. **Invariant:** after a spin that found nothing there
//! is none until new work came, and those that fail get rarer: an idle server does not spin.

use std::time::{Duration, Instant};

/// With more connections active in an interval than this, the next request comes soon enough by itself.
const ACTIVE_MAX: u32 = 4;

/// The interval in which active connections are counted.
const INTERVAL: Duration = Duration::from_millis(1);

/// A read from the device takes longer than a client's turn-around, so it gets this many times the bound.
const READ_FACTOR: u32 = 2;

/// After `n` failed long spins in a row, `2^n` chances are passed over, up to this exponent.
const BACKOFF_EXPONENT_MAX: u32 = 10;

/// About what parking and being woken costs.
const SHORT_SPIN: Duration = Duration::from_micros(4);

/// Short spins are on while their score is above 0: one that finds work adds 1, up to this, one that fails takes 1.
const SHORT_SCORE_MAX: u32 = 16;

/// With the score at 0, every so many chances a short spin is tried all the same.
const SHORT_RETRY_CHANCES: u32 = 64;

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
    short_score: u32,
    short_chances: u32,
    /// The spin under way is a short one.
    short: bool,
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
            short_score: SHORT_SCORE_MAX,
            short_chances: 0,
            short: false,
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
        if !std::mem::take(&mut self.served) && outstanding_reads == 0 {
            return None;
        }
        let few = self.active.max(self.active_before) <= ACTIVE_MAX;
        if few && self.pass_over == 0 {
            self.short = false;
            return Some(if outstanding_reads > 0 { self.bound * READ_FACTOR } else { self.bound });
        }
        self.pass_over = self.pass_over.saturating_sub(1);
        self.short_chances = self.short_chances.wrapping_add(1);
        self.short = true;
        let pays = self.short_score > 0 || self.short_chances.is_multiple_of(SHORT_RETRY_CHANCES);
        pays.then_some(SHORT_SPIN.min(self.bound))
    }

    /// How the spin went.
    pub(super) fn spun(&mut self, found_work: bool) {
        match (self.short, found_work) {
            (true, true) => self.short_score = (self.short_score + 1).min(SHORT_SCORE_MAX),
            (true, false) => self.short_score = self.short_score.saturating_sub(1),
            (false, true) => self.failures = 0,
            (false, false) => {
                self.failures = (self.failures + 1).min(BACKOFF_EXPONENT_MAX);
                self.pass_over = 1 << self.failures;
            }
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

    /// Makes more connections active than long spins are for.
    fn make_busy(policy: &mut BusyPoll) {
        for _ in 0..=ACTIVE_MAX {
            policy.note_active(0);
        }
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
    fn many_active_connections_leave_only_short_spins_until_they_are_gone() {
        let mut now = Instant::now();
        let mut policy = policy(now);
        make_busy(&mut policy);
        assert_eq!(policy.spin_for(now, 3), Some(SHORT_SPIN));
        now += INTERVAL;
        policy.note_active(0);
        assert_eq!(policy.spin_for(now, 0), Some(SHORT_SPIN), "they were active a moment ago");
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
    fn long_spins_that_fail_get_rarer_and_one_that_succeeds_restores_them() {
        let now = Instant::now();
        let mut policy = policy(now);
        let mut seen = 0;
        let mut spins = 0;
        for _ in 0..1000 {
            seen = policy.note_active(seen);
            if policy.spin_for(now, 0) == Some(BOUND) {
                spins += 1;
                policy.spun(false);
            }
        }
        assert!(spins < 12, "{spins} spins for nothing");
        policy.pass_over = 0;
        policy.note_active(seen);
        assert_eq!(policy.spin_for(now, 0), Some(BOUND));
        policy.spun(true);
        policy.note_active(seen);
        assert_eq!(policy.spin_for(now, 0), Some(BOUND));
    }

    #[test]
    fn short_spins_stop_when_they_fail_and_come_back_when_they_find_work() {
        let now = Instant::now();
        let mut policy = policy(now);
        let mut run = |finds_work: bool| {
            let mut spins = 0;
            for _ in 0..1000 {
                make_busy(&mut policy);
                if policy.spin_for(now, 0).is_some() {
                    spins += 1;
                    policy.spun(finds_work);
                }
            }
            spins
        };
        assert!(run(true) == 1000);
        assert!(run(false) < 50);
        assert!(run(true) > 900);
    }

    #[test]
    fn zero_turns_it_off() {
        assert!(!BusyPoll::new(0, Instant::now()).is_enabled());
    }
}
