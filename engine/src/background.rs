//! The background thread's work, one bounded step at a time.
//!
//! Each step: keep the ceiling, deal with finished I/O, answer requests, demote what is over the watermark, collect
//! garbage (or fill the clean reserve, where neither was needed), expire keys, give back what was flushed. A
//! production server calls [`Background::run`] on a thread of its own; a simulation calls [`Background::step`] whenever
//! its seed says so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::engine::Engine;
use crate::observer::Change;
use crate::tier::demotion::{Demoter, Reach};
use crate::tier::drain::{Drain, Progress};
use crate::tier::requests::{Done, Request};
use crate::tier::reserve::Reserve;
use crate::tier::ssd::writer::Refusal;
use crate::tier::work::Work;
use crate::tier::{budget::Pressure, gc};

/// Shards that one step demotes from.
const SHARDS_PER_STEP: usize = 16;
/// Bytes demoted from one shard before it is another's turn.
const BYTES_PER_SHARD: usize = 64 << 10;
/// Requests of clients answered in one step.
const REQUESTS_PER_STEP: usize = 64;
/// Index segments looked at for expired keys in one step.
const EXPIRY_SEGMENTS_PER_STEP: usize = 16;
/// A pass over all shards for expired keys starts this long after the one before began, in microseconds.
const EXPIRY_PASS_US: u64 = 100_000;
/// Keys deleted in one step where both tiers are full, unless fewer make room in DRAM or leave a segment's bytes dead.
const EVICTIONS_PER_STEP: usize = 256;
/// Time between two looks at the coldest value of a shard, in microseconds.
const OBSERVATION_US: u64 = 20_000;
/// How long the thread sleeps when there is nothing to do.
const IDLE_SLEEP: Duration = Duration::from_millis(20);
/// How long it waits for I/O in flight.
const BUSY_WAIT: Duration = Duration::from_micros(500);

/// The state of the background work. Belongs to the thread that made it.
pub struct Background {
    engine: Arc<Engine>,
    work: Option<Work>,
    demoter: Demoter,
    /// The next shard to demote from.
    next_shard: usize,
    /// Requests whose key is being written already.
    retried: VecDeque<(usize, Box<[u8]>, Done)>,
    drain: Option<Drain>,
    reserve: Reserve,
    /// Whether the policy found something to delete when the SSD was full last.
    may_evict: bool,
    expiry: ExpiryPass,
    observed_shard: usize,
    next_observation_us: u64,
}

#[derive(Default)]
struct ExpiryPass {
    shard: usize,
    database: usize,
    segment: usize,
    next_start_us: u64,
}

impl Background {
    /// The background work of `engine`, for the calling thread. There must be one only.
    ///
    /// # Errors
    /// If the device cannot open another queue.
    pub fn new(engine: Arc<Engine>) -> std::io::Result<Self> {
        Ok(Self {
            work: Work::new(Arc::clone(&engine))?,
            demoter: Demoter::new(Arc::clone(&engine)),
            next_shard: 0,
            retried: VecDeque::new(),
            drain: None,
            reserve: Reserve::default(),
            may_evict: true,
            expiry: ExpiryPass::default(),
            observed_shard: 0,
            next_observation_us: 0,
            engine,
        })
    }

    /// Steps until `stop` is set, sleeping when there is nothing to do.
    pub fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            if !self.step() {
                self.sleep();
            }
        }
    }

    /// One bounded piece of work; true if there was some, so that another step may find more.
    pub fn step(&mut self) -> bool {
        let mut busy = false;
        self.engine.keep_ceiling();
        self.observe_tail();
        if let Some(mut work) = self.work.take() {
            busy |= work.complete() > 0;
            busy |= self.answer_requests(&mut work);
            busy |= if self.drain.is_some() { self.drain(&mut work) } else { self.demote(&mut work) };
            busy |= gc::step(&mut work);
            busy |= !busy && self.reserve.step(&mut self.demoter, &mut work, self.engine.clock().now());
            work.write_out();
            let is_full = work.collector.is_stuck() && !self.may_evict;
            self.engine.waiters().set_ssd_is_full(is_full);
            self.engine.set_promotes(work.has_room());
            self.work = Some(work);
        } else {
            // Without an SSD tier, demoting moves nothing.
            while self.engine.next_request().is_some() {}
            busy |= self.engine.evict_some(EVICTIONS_PER_STEP);
        }
        busy |= self.expire();
        busy |= self.engine.dispose_some();
        if self.engine.budget().pressure() != Pressure::Full {
            self.engine.waiters().wake_all();
        }
        busy
    }

    fn observe_tail(&mut self) {
        let now_us = self.engine.clock().monotonic_us();
        if now_us >= self.next_observation_us {
            self.next_observation_us = now_us + OBSERVATION_US;
            self.observed_shard = (self.observed_shard + 1) % self.engine.shard_count();
            self.engine.observe_tail(self.observed_shard);
        }
    }

    fn sleep(&mut self) {
        match &mut self.work {
            Some(work) if !work.is_idle() => work.wait(BUSY_WAIT),
            _ => self.engine.park_background(IDLE_SLEEP),
        }
    }

    fn answer_requests(&mut self, work: &mut Work) -> bool {
        let now = self.engine.clock().now();
        let mut answered = 0;
        for _ in 0..self.retried.len() {
            let Some((database, key, done)) = self.retried.pop_front() else { break };
            if let Err(done) = self.demoter.demote_key(work, database, &key, done, now) {
                self.retried.push_back((database, key, done));
            }
        }
        while answered < REQUESTS_PER_STEP
            && let Some(request) = self.engine.next_request()
        {
            answered += 1;
            match request {
                Request::Demote { database, key, done } => {
                    if let Err(done) = self.demoter.demote_key(work, database, &key, done, now) {
                        self.retried.push_back((database, key, done));
                    }
                }
                Request::Drain { done } => match &mut self.drain {
                    Some(drain) => drain.join(done, work),
                    None => self.drain = Some(Drain::new(done, work)),
                },
                Request::Collect { done } => work.collector.request(done),
            }
        }
        answered > 0
    }

    /// Demotes what is over the watermark.
    fn demote(&mut self, work: &mut Work) -> bool {
        if work.is_paused() {
            return false;
        }
        let budget = self.engine.budget();
        let (used, high, low) =
            (budget.used_bytes(), budget.high_watermark_bytes(), budget.low_watermark_bytes());
        let mut wanted =
            if used > high { used.saturating_sub(low).saturating_sub(work.writing_bytes) } else { 0 };
        let reach = if budget.pressure() == Pressure::Full { Reach::Anything } else { Reach::ColdEnd };
        let now = self.engine.clock().now();
        let mut did_something = false;
        for _ in 0..SHARDS_PER_STEP {
            if wanted == 0 {
                break;
            }
            let limit = wanted.min(BYTES_PER_SHARD);
            let batch = self.demoter.demote_from_shard(work, self.next_shard, limit, reach, now);
            let moved = batch.freed_bytes + batch.writing_bytes;
            wanted = wanted.saturating_sub(moved);
            did_something |= moved > 0;
            match batch.refusal {
                Some(Refusal::Busy) => break,
                Some(Refusal::NoSpace) => {
                    self.ssd_is_short(work);
                    break;
                }
                Some(Refusal::TooLong) | None => {}
            }
            self.next_shard = (self.next_shard + 1) % self.engine.shard_count();
        }
        did_something
    }

    /// Demotes everything.
    fn drain(&mut self, work: &mut Work) -> bool {
        if work.is_paused() {
            return false;
        }
        let now = self.engine.clock().now();
        let Some(drain) = &mut self.drain else { return false };
        let progress = drain.step(&mut self.demoter, work, now);
        let is_over =
            progress == Progress::Over || (progress == Progress::NoSpace && work.collector.is_stuck());
        if is_over && let Some(drain) = self.drain.take() {
            drain.end(work);
        }
        progress == Progress::More
    }

    /// No free segment: gc is at work, or both tiers are full and the policy decides.
    fn ssd_is_short(&mut self, work: &Work) {
        // Only a writer in need has something deleted: values that were read and promoted have not, nor have the
        // buffers of replies.
        let is_full = work.collector.is_stuck() && self.engine.budget().pressure() == Pressure::Full;
        if is_full && self.engine.waiters().take_need() {
            let live_bytes = self.engine.ledger().live_bytes();
            let enough_bytes = live_bytes.saturating_sub(self.engine.layout().segment_bytes);
            for _ in 0..EVICTIONS_PER_STEP {
                self.may_evict = self.engine.evict_one();
                let is_enough = self.engine.ledger().live_bytes() <= enough_bytes
                    || self.engine.budget().pressure() != Pressure::Full;
                if !self.may_evict || is_enough {
                    break;
                }
            }
        }
    }

    fn expire(&mut self) -> bool {
        let pass = &mut self.expiry;
        let now_us = self.engine.clock().monotonic_us();
        if pass.shard == 0 && pass.database == 0 && pass.segment == 0 {
            if now_us < pass.next_start_us || !self.engine.active_expiry() {
                return false;
            }
            pass.next_start_us = now_us + EXPIRY_PASS_US;
        }
        let now = self.engine.clock().now();
        let (mut expired, mut has_changed) = (0, false);
        let mut shard = self.engine.lock_shard(pass.shard);
        let database_count = shard.databases.len();
        let is_observed = self.engine.observes(pass.shard);
        let next = match shard.databases[pass.database].as_deref_mut() {
            Some(keyspace) if keyspace.may_expire() => {
                keyspace.expire_segments(pass.segment, EXPIRY_SEGMENTS_PER_STEP, now, |key, change| {
                    expired += u64::from(change == Change::Expired);
                    has_changed = true;
                    if is_observed {
                        self.engine.tell_observer(pass.database, key, change);
                    }
                })
            }
            _ => None,
        };
        shard.counters.expired += expired;
        if has_changed {
            self.engine.report_growth_now(&mut shard);
        }
        match next {
            Some(segment) => pass.segment = segment,
            None => {
                pass.segment = 0;
                // The rest of this shard's databases mostly have no keys with an expiry: pass over them here.
                pass.database = (pass.database + 1..database_count)
                    .find(|&database| shard.databases[database].as_ref().is_some_and(|k| k.may_expire()))
                    .unwrap_or(0);
                if pass.database == 0 {
                    pass.shard = (pass.shard + 1) % self.engine.shard_count();
                }
            }
        }
        true
    }
}
