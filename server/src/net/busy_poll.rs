//! What a reactor without work does: spin, wait in the ring, or park.
//!
//! Parking costs several system calls and two context switches, on the way of a request that may be a few
//! microseconds off. Waiting in the sockets' ring costs one of each, but holds up everything else on the thread, so
//! it is short. Two things go beyond that:
//!
//! - *spinning*, up to the bound that is configured, while few connections are active: for a lone client that
//!   waits for our reply, or a read that is about to complete. It buys latency with CPU time.
//! - *coalescing*: where requests come so fast that another is due within microseconds, the wait is for several of
//!   them, and all share one turn of the loop, one entry into the kernel, and their waits for DRAM. It buys CPU
//!   time with a little latency, bounded by [`COALESCING_WINDOW`], when requests queue for longer than that anyway.
//!
//! Owns the decision, as a pure function of what it was told. **Invariant:** after a spin or wait that found nothing
//! there is none until new work came, and spins that fail get rarer: an idle server does neither.

use std::time::{Duration, Instant};

/// With more connections active in an interval than this, the next request comes soon enough by itself.
const ACTIVE_MAX: u32 = 4;

/// The least interval over which active connections and events are counted.
const INTERVAL: Duration = Duration::from_millis(1);

/// A read from the device takes longer than a client's turn-around, so it gets this many times the bound.
const READ_FACTOR: u32 = 2;

/// After `n` failed spins in a row, `2^n` chances are passed over, up to this exponent.
const BACKOFF_EXPONENT_MAX: u32 = 10;

/// How long one event may wait for others to share a turn with.
const COALESCING_WINDOW: Duration = Duration::from_micros(40);

/// Where fewer events than this are likely to come within the window, the first is not kept waiting.
const COALESCE_FROM: u32 = 2;

/// No more events than this are waited for at once: beyond them a turn gains little.
const COALESCED_EVENTS_MAX: u32 = 16;

/// What to do while there is nothing to do, in this order; then park.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// Spin so long.
    pub(super) spin: Option<Duration>,
    /// Then wait in the ring.
    pub(super) wait: Option<Wait>,
}

/// A wait for so many events, of which one is enough once the window has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) events: usize,
    pub(super) window: Duration,
}

/// The policy of one thread.
#[derive(Debug)]
pub(super) struct BusyPoll {
    bound: Duration,
    interval_start: Instant,
    /// Counts intervals; a connection that carries the present number was counted already.
    interval: u32,
    active: u32,
    active_before: u32,
    events: u32,
    /// How many events an interval of the present rate has within the coalescing window.
    events_per_window: u32,
    /// There were events since the last plan.
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
            events: 0,
            events_per_window: 0,
            served: false,
            failures: 0,
            pass_over: 0,
        }
    }

    /// A connection had data; `seen` is its own note of the interval it was last counted in.
    pub(super) fn note_active(&mut self, seen: u32) -> u32 {
        self.note_events(1);
        if seen != self.interval {
            self.active += 1;
        }
        self.interval
    }

    /// So much has completed.
    pub(super) fn note_events(&mut self, events: u32) {
        self.served = true;
        self.events += events;
    }

    /// What to do, as nothing is to do at `now`.
    pub(super) fn plan(&mut self, now: Instant, outstanding_reads: usize) -> Plan {
        let elapsed = now.saturating_duration_since(self.interval_start);
        if elapsed >= INTERVAL {
            let window = u64::from(self.events) * COALESCING_WINDOW.as_micros() as u64;
            self.events_per_window = (window / elapsed.as_micros() as u64) as u32;
            self.active_before = if elapsed < INTERVAL * 2 { self.active } else { 0 };
            self.active = 0;
            self.events = 0;
            self.interval = self.interval.wrapping_add(1);
            self.interval_start = now;
        }
        if !std::mem::take(&mut self.served) && outstanding_reads == 0 {
            return Plan { spin: None, wait: None };
        }
        let active = self.active.max(self.active_before);
        if active > ACTIVE_MAX {
            let events = if self.events_per_window < COALESCE_FROM { 1 } else { active / 2 };
            let events = events.clamp(1, COALESCED_EVENTS_MAX) as usize;
            return Plan { spin: None, wait: Some(Wait { events, window: COALESCING_WINDOW }) };
        }
        let mut spin = None;
        if self.pass_over > 0 {
            self.pass_over -= 1;
        } else if !self.bound.is_zero() {
            spin = Some(if outstanding_reads > 0 { self.bound * READ_FACTOR } else { self.bound });
        }
        Plan { spin, wait: Some(Wait { events: 1, window: Duration::ZERO }) }
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
    const PARK: Plan = Plan { spin: None, wait: None };
    const WAIT: Wait = Wait { events: 1, window: Duration::ZERO };

    fn policy(now: Instant) -> BusyPoll {
        BusyPoll::new(50, now)
    }

    /// So many connections send a request each.
    fn requests(policy: &mut BusyPoll, count: u32) {
        for _ in 0..count {
            policy.note_active(0);
        }
    }

    #[test]
    fn spins_once_after_a_request_and_never_when_idle() {
        let now = Instant::now();
        let mut policy = policy(now);
        assert_eq!(policy.plan(now, 0), PARK, "idle");
        policy.note_active(0);
        assert_eq!(policy.plan(now, 0), Plan { spin: Some(BOUND), wait: Some(WAIT) });
        assert_eq!(policy.plan(now, 0), PARK, "nothing new");
    }

    #[test]
    fn many_active_connections_leave_only_waits_until_they_are_gone() {
        let mut now = Instant::now();
        let mut policy = policy(now);
        requests(&mut policy, ACTIVE_MAX + 1);
        assert_eq!(policy.plan(now, 3).spin, None);
        now += INTERVAL;
        policy.note_active(0);
        let plan = policy.plan(now, 0);
        assert!(plan.spin.is_none() && plan.wait.is_some(), "they were active a moment ago: {plan:?}");
        now += INTERVAL * 2;
        policy.note_active(0);
        assert_eq!(policy.plan(now, 0).spin, Some(BOUND));
    }

    #[test]
    fn one_connection_counts_once_per_interval() {
        let now = Instant::now();
        let mut policy = policy(now);
        let mut seen = 0;
        for _ in 0..100 {
            seen = policy.note_active(seen);
        }
        assert_eq!(policy.plan(now, 0).spin, Some(BOUND));
    }

    #[test]
    fn an_outstanding_read_is_reason_enough_and_gets_longer() {
        let now = Instant::now();
        assert_eq!(policy(now).plan(now, 1).spin, Some(BOUND * READ_FACTOR));
    }

    #[test]
    fn events_are_coalesced_only_where_another_is_likely_within_the_window() {
        let wait_after = |requests_per_ms: u32| {
            let mut now = Instant::now();
            let mut policy = policy(now);
            requests(&mut policy, requests_per_ms);
            now += INTERVAL;
            policy.plan(now, 0);
            policy.note_active(0);
            policy.plan(now, 0).wait.expect("a wait").events
        };
        assert_eq!(wait_after(20), 1, "one every 50 us");
        assert_eq!(wait_after(50), COALESCED_EVENTS_MAX as usize, "one every 20 us");
    }

    #[test]
    fn no_more_events_are_waited_for_than_half_the_connections_can_send() {
        let now = Instant::now();
        let mut policy = policy(now);
        let mut seen: Vec<u32> = vec![0; 6];
        for _ in 0..1000 {
            seen.iter_mut().for_each(|seen| *seen = policy.note_active(*seen));
        }
        assert_eq!(policy.plan(now + INTERVAL, 0).wait.expect("a wait").events, 3);
    }

    #[test]
    fn spins_that_fail_get_rarer_and_one_that_succeeds_restores_them() {
        let now = Instant::now();
        let mut policy = policy(now);
        let mut seen = 0;
        let mut spins = 0;
        for _ in 0..1000 {
            seen = policy.note_active(seen);
            if policy.plan(now, 0).spin.is_some() {
                spins += 1;
                policy.spun(false);
            }
        }
        assert!(spins < 12, "{spins} spins for nothing");
        policy.pass_over = 0;
        policy.note_active(seen);
        assert_eq!(policy.plan(now, 0).spin, Some(BOUND));
        policy.spun(true);
        policy.note_active(seen);
        assert_eq!(policy.plan(now, 0).spin, Some(BOUND));
    }

    #[test]
    fn zero_turns_spinning_off() {
        let now = Instant::now();
        let mut policy = BusyPoll::new(0, now);
        policy.note_active(0);
        assert_eq!(policy.plan(now, 1), Plan { spin: None, wait: Some(WAIT) });
    }
}
