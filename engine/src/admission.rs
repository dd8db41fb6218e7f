//! Admission: whether a write may go ahead, has to wait for room, or is refused; and what is deleted where
//! nothing else makes room.
//!
//! With an SSD tier, values are demoted while there is room on the SSD, so writers wait, for a bounded time. When
//! both tiers are full, or there is only DRAM, `maxmemory-policy` decides what is deleted.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::config::EvictionPolicy;
use crate::engine::Engine;
use crate::index::scan::Position;
use crate::observer::Change;
use crate::shard::keyspace::{KeyInfo, Keyspace};
use crate::tier::budget::Pressure;
use crate::time::UnixMillis;

/// How long one command deletes keys to make room for itself, in microseconds. What is still too much then is for the
/// next ones, as in Redis.
const EVICTION_TIME_US: u64 = 500;
/// How many places in the hash space are drawn to find keys that may be deleted.
const DRAWS: usize = 256;
/// Clients waiting for room at once; further ones are refused.
const MAX_WAITERS: usize = 100_000;

/// What becomes of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It may go ahead.
    Go,
    /// It must wait for [`Engine::room`], but not for ever: see `tier-write-timeout`.
    Wait,
    /// There is no memory, and nothing may be deleted.
    Refuse,
}

/// Writers waiting for room.
#[derive(Default)]
pub(crate) struct Waiters {
    wakers: Mutex<VecDeque<Waker>>,
    are_waiting: AtomicBool,
    /// Whether a writer found no room since there was some, or since [`Waiters::take_need`] was last asked.
    found_no_room: AtomicBool,
    /// Whether no value can be demoted, because the SSD is full, and none may be deleted.
    ssd_is_full: AtomicBool,
    refused: AtomicU64,
    random: AtomicU64,
}

impl Waiters {
    pub(crate) fn count(&self) -> usize {
        if self.are_waiting.load(Ordering::Relaxed) { self.wakers.lock().len() } else { 0 }
    }

    /// Whether a writer waits for room, or found none since there was some, or since this was last asked.
    pub(crate) fn take_need(&self) -> bool {
        self.found_no_room.swap(false, Ordering::Relaxed) || self.count() > 0
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn set_ssd_is_full(&self, is_full: bool) {
        if self.ssd_is_full.swap(is_full, Ordering::Relaxed) != is_full {
            tracing::info!(is_full, "the SSD tier");
        }
    }

    /// There is room: nobody is in need any more.
    pub(crate) fn wake_all(&self) {
        if self.found_no_room.load(Ordering::Relaxed) {
            self.found_no_room.store(false, Ordering::Relaxed);
        }
        if self.are_waiting.swap(false, Ordering::AcqRel) {
            for waker in self.wakers.lock().drain(..) {
                waker.wake();
            }
        }
    }
}

/// Resolves when it is worth asking [`Engine::admit_write`] again.
pub struct Room<'a> {
    engine: &'a Engine,
    is_registered: bool,
}

impl Future for Room<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let waiters = self.engine.waiters();
        if self.is_registered || self.engine.budget().pressure() != Pressure::Full {
            return Poll::Ready(());
        }
        let mut wakers = waiters.wakers.lock();
        if wakers.len() >= MAX_WAITERS {
            return Poll::Ready(());
        }
        wakers.push_back(context.waker().clone());
        waiters.are_waiting.store(true, Ordering::Release);
        drop(wakers);
        self.is_registered = true;
        self.engine.wake_background();
        Poll::Pending
    }
}

impl Engine {
    /// Whether a command that may take memory can run now. Costs two loads where there is room.
    #[inline]
    pub fn admit_write(&self) -> Admission {
        match self.budget().pressure() {
            Pressure::None => Admission::Go,
            Pressure::High => {
                self.wake_background();
                Admission::Go
            }
            Pressure::Full => self.admit_when_full(),
        }
    }

    /// Whether there is room for a command that may take memory and cannot wait. Locks nothing.
    pub fn has_room(&self) -> bool {
        self.budget().pressure() != Pressure::Full
    }

    /// Whether a command that may take memory can run, now or when it has waited for a while.
    pub fn is_open_to_writes(&self) -> bool {
        self.has_room() || self.admit_write() != Admission::Refuse
    }

    /// Waits until there may be room. The caller bounds the wait by `tier-write-timeout` and asks
    /// [`Self::admit_write`] again.
    pub fn room(&self) -> Room<'_> {
        Room { engine: self, is_registered: false }
    }

    /// Counts a write that was refused for lack of memory.
    pub fn note_refused_write(&self) {
        self.waiters().refused.fetch_add(1, Ordering::Relaxed);
    }

    #[cold]
    fn admit_when_full(&self) -> Admission {
        self.waiters().found_no_room.store(true, Ordering::Relaxed);
        self.wake_background();
        if self.device().is_some() {
            // The background thread demotes, and deletes where the SSD is full and the policy allows it.
            let is_full = self.waiters().ssd_is_full.load(Ordering::Relaxed);
            return if is_full || self.is_hopeless() { Admission::Refuse } else { Admission::Wait };
        }
        let until_us = self.clock().monotonic_us() + EVICTION_TIME_US;
        while self.evict_one() {
            if self.budget().pressure() != Pressure::Full || self.clock().monotonic_us() > until_us {
                return Admission::Go;
            }
        }
        Admission::Refuse
    }

    /// Whether there would be no room even with all values on the SSD, and nothing may be deleted: the keys alone, and what
    /// else the process needs, take all of `maxmemory`.
    fn is_hopeless(&self) -> bool {
        self.budget().limit_bytes() == 0 && self.settings().eviction_policy == EvictionPolicy::NoEviction
    }

    /// Deletes up to so many keys by `maxmemory-policy` while there is no room; true where it did and there is still none.
    /// For a `maxmemory` that was lowered: writers make room for themselves.
    pub(crate) fn evict_some(&self, keys_max: usize) -> bool {
        let is_full = || self.budget().pressure() == Pressure::Full;
        is_full() && (0..keys_max).all(|_| self.evict_one() && is_full())
    }

    /// Deletes the best of a few keys by `maxmemory-policy`; false where none may be deleted.
    pub(crate) fn evict_one(&self) -> bool {
        let settings = self.settings();
        let policy = settings.eviction_policy;
        if policy == EvictionPolicy::NoEviction {
            return false;
        }
        let now = self.clock().now();
        let mut best: Option<(u64, usize, Box<[u8]>)> = None;
        let mut samples = 0;
        for _ in 0..DRAWS {
            if samples >= settings.eviction_samples {
                break;
            }
            self.sample(now, policy, |score, database, key| {
                samples += 1;
                if best.as_ref().is_none_or(|(best, ..)| score > *best) {
                    best = Some((score, database, key.into()));
                }
            });
        }
        let best = best.or_else(|| self.first_evictable(policy));
        let Some((_, database, key)) = best else { return false };
        let (shard_number, hash) = self.hasher().locate(&key);
        let mut shard = self.lock_shard(shard_number);
        let Some(keyspace) = shard.databases[database].as_deref_mut() else { return true };
        if let Some(handle) = keyspace.find(hash, &key) {
            keyspace.remove(hash, handle);
            shard.counters.evicted += 1;
            self.report_growth_now(&mut shard);
            if self.observes(shard_number) {
                self.tell_observer(database, &key, Change::Evicted);
            }
        }
        true
    }

    /// Shows one random place's keys that the policy may delete, with a score: the higher, the sooner.
    fn sample(&self, now: UnixMillis, policy: EvictionPolicy, mut show: impl FnMut(u64, usize, &[u8])) {
        let shard = self.lock_shard(self.draw() as usize % self.shard_count());
        let databases: Vec<usize> = (0..shard.databases.len())
            .filter(|&d| shard.databases[d].as_ref().is_some_and(|k| is_any_evictable(k, policy)))
            .collect();
        let Some(&database) = databases.get(self.draw() as usize % databases.len().max(1)) else { return };
        let Some(keyspace) = &shard.databases[database] else { return };
        let random = self.draw();
        let position = Position { shard: 0, prefix: random, bucket: (random & 63) as usize };
        keyspace.scan(position.prefix, position.bucket, |handle| {
            let info = keyspace.info(handle);
            if let Some(score) = self.eviction_score(&info, policy, now, random) {
                show(score, database, keyspace.key(handle));
            }
        });
    }

    /// Keys with an expiry may be too few to be found by drawing.
    fn first_evictable(&self, policy: EvictionPolicy) -> Option<(u64, usize, Box<[u8]>)> {
        let now = self.clock().now();
        for number in 0..self.shard_count() {
            let shard = self.lock_shard(number);
            for (database, keyspace) in shard.databases.iter().enumerate() {
                let Some(keyspace) = keyspace.as_ref().filter(|k| is_any_evictable(k, policy)) else {
                    continue;
                };
                for handle in keyspace.handles() {
                    if let Some(score) = self.eviction_score(&keyspace.info(handle), policy, now, 0) {
                        return Some((score, database, keyspace.key(handle).into()));
                    }
                }
            }
        }
        None
    }

    fn eviction_score(
        &self,
        info: &KeyInfo,
        policy: EvictionPolicy,
        now: UnixMillis,
        random: u64,
    ) -> Option<u64> {
        let clock = &self.touch_at(now).clock;
        if policy.is_volatile() && info.expiry.is_none() {
            return None;
        }
        Some(match policy {
            EvictionPolicy::NoEviction => return None,
            EvictionPolicy::AllKeysLru | EvictionPolicy::VolatileLru => {
                u64::from(clock.idle_seconds(info.access))
            }
            EvictionPolicy::AllKeysLfu | EvictionPolicy::VolatileLfu => {
                u64::from(255 - clock.frequency(info.access).min(255))
            }
            EvictionPolicy::AllKeysRandom | EvictionPolicy::VolatileRandom => random >> 32,
            EvictionPolicy::VolatileTtl => u64::MAX - info.expiry?.0,
        })
    }

    /// 64 random bits; good enough to choose keys.
    pub(crate) fn draw(&self) -> u64 {
        // SplitMix64 (https://prng.di.unimi.it/splitmix64.c) over a shared counter.
        let mut z = self.waiters().random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed) ^ self.seed();
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn is_any_evictable(keyspace: &Keyspace, policy: EvictionPolicy) -> bool {
    if policy.is_volatile() { keyspace.keys_with_expiry() > 0 } else { keyspace.len() > 0 }
}
