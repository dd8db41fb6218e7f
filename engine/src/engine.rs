//! The engine: shards, the budget over them, and the SSD tier behind them.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossbeam::queue::{ArrayQueue, SegQueue};
use crossbeam::sync::{Parker, Unparker};
use crossbeam::utils::CachePadded;
use parking_lot::{Mutex, MutexGuard, RwLock};
use smallvec::SmallVec;

use crate::access::{AccessClock, AccessPolicy, Touch, tick_at};
use crate::admission::Waiters;
use crate::components::{Clock, Components, MemoryGauge};
use crate::config::{EngineConfig, Settings};
use crate::databases::Databases;
use crate::device::Device;
use crate::device::buffer::BufferGauge;
use crate::error::EngineError;
use crate::fetch::Fetched;
use crate::hash::KeyHasher;
use crate::index::entry::Place;
use crate::keys::Keys;
use crate::metrics::TierMetrics;
use crate::observer::{Change, KeyObserver};
use crate::shard::Shard;
use crate::shard::held::{Guards, Shards};
use crate::shard::keyspace::Keyspace;
use crate::tier::budget::Budget;
use crate::tier::ceiling::Ceiling;
use crate::tier::ledger::Ledger;
use crate::tier::movement::Stay;
use crate::tier::requests::{Outcome, Request, request};
use crate::tier::ssd::decoding::JobSender;
use crate::tier::ssd::segment::{Layout, RESERVED_FOR_GC};
use crate::tier::ssd::segment_header::SEGMENT_HEADER_BYTES;
use crate::time::UnixMillis;
use crate::value::{Value, seed_member_hash};

/// How long somebody who holds shards waits for a further one before it lets go of all.
const HOLD_AND_WAIT: Duration = Duration::from_millis(2);
/// How often somebody who waits for a shard looks whether it is held up.
const HELD_UP_LOOK: Duration = Duration::from_millis(20);
/// How long a script waits for a key that it did not declare, when it cannot start again. Others hold shards for
/// microseconds, so this is for ever.
const LATE_WAIT: Duration = Duration::from_secs(5);
/// Large values that wait for the background thread to drop them; more are dropped by who gives them up.
const GIVEN_UP_MAX: usize = 256;

/// The keys' shards are held for long, by a script that takes more time than it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a script holds the keys for long")]
pub struct HeldUp;

/// See [`Engine::hold_up`].
#[must_use]
pub struct HoldUp<'e>(&'e Engine);

impl Drop for HoldUp<'_> {
    fn drop(&mut self) {
        self.0.hold_ups.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The two-tier store. Shared by all threads; every method may be called from any of them.
pub struct Engine {
    config: EngineConfig,
    settings: RwLock<Settings>,
    /// What of the settings every access needs, in one word.
    access_policy: AtomicU64,
    components: Components,
    hasher: KeyHasher,
    shards: Box<[CachePadded<Mutex<Shard>>]>,
    budget: Budget,
    ceiling: Ceiling,
    stay: Stay,
    layout: Layout,
    ledger: Arc<Ledger>,
    waiters: Waiters,
    tier_metrics: TierMetrics,
    buffer_gauge: Arc<BufferGauge>,
    next_keyspace: AtomicU32,
    /// What clients ask of the background thread.
    requests: SegQueue<Request>,
    /// Flushed keyspaces whose records are still claimed.
    flushed: SegQueue<Box<Keyspace>>,
    /// Large values that nothing refers to any more.
    given_up: ArrayQueue<Value>,
    /// Where long records are decoded, if there is somebody for it.
    decoder: OnceLock<JobSender>,
    parker: Mutex<Parker>,
    unparker: Unparker,
    is_parked: AtomicBool,
    active_expiry: AtomicBool,
    observer: OnceLock<Arc<dyn KeyObserver>>,
    observes_all: AtomicBool,
    /// How many keys of each shard are observed; grows with the shard locked.
    observed: Box<[AtomicU32]>,
    /// How many hold shards for long.
    hold_ups: AtomicU32,
}

impl Engine {
    /// The number of databases.
    pub fn database_count(&self) -> usize {
        self.config.database_count
    }

    /// Locks the shard of one key.
    ///
    /// # Panics
    /// If that is held up.
    pub fn lock_key<'a>(
        &'a self,
        database: usize,
        key: &[u8],
        now: UnixMillis,
        fetched: &'a mut Fetched,
    ) -> Keys<'a> {
        self.try_lock_key(database, key, now, fetched).expect("nobody holds shards for long")
    }

    /// Locks the shard of one key.
    ///
    /// # Errors
    /// [`HeldUp`].
    #[inline]
    pub fn try_lock_key<'a>(
        &'a self,
        database: usize,
        key: &[u8],
        now: UnixMillis,
        fetched: &'a mut Fetched,
    ) -> Result<Keys<'a>, HeldUp> {
        let (shard, _) = self.hasher.locate(key);
        let mut shards = SmallVec::new();
        shards.push((shard, self.acquire_one(shard)?));
        Ok(Keys::new(self, Shards::Own(shards), database, now, fetched))
    }

    /// Locks the shards of several keys.
    ///
    /// # Panics
    /// If one of them is held up.
    pub fn lock_keys<'a, 'k>(
        &'a self,
        database: usize,
        keys: impl Iterator<Item = &'k [u8]>,
        now: UnixMillis,
        fetched: &'a mut Fetched,
    ) -> Keys<'a> {
        self.try_lock_keys(database, keys, now, fetched).expect("nobody holds shards for long")
    }

    /// Locks the shards of several keys.
    ///
    /// # Errors
    /// [`HeldUp`].
    pub fn try_lock_keys<'a, 'k>(
        &'a self,
        database: usize,
        keys: impl Iterator<Item = &'k [u8]>,
        now: UnixMillis,
        fetched: &'a mut Fetched,
    ) -> Result<Keys<'a>, HeldUp> {
        let mut numbers: SmallVec<[usize; 16]> = keys.map(|key| self.hasher.locate(key).0).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let guards = self.acquire(numbers.iter().copied())?;
        Ok(Keys::new(self, Shards::Own(guards), database, now, fetched))
    }

    /// Locks shards in ascending order.
    ///
    /// Who has locked one and finds the next one locked waits a moment only, gives up what it has and starts again: a
    /// script that has changed something and finds that it needs a further shard can do neither, so the others must.
    pub(crate) fn acquire(&self, numbers: impl Iterator<Item = usize> + Clone) -> Result<Guards<'_>, HeldUp> {
        loop {
            let mut guards = Guards::new();
            let all = numbers.clone().all(|number| {
                let shard = &self.shards[number];
                let guard = match guards.is_empty() {
                    true => shard.try_lock(),
                    false => shard.try_lock().or_else(|| shard.try_lock_for(HOLD_AND_WAIT)),
                };
                let is_locked = guard.is_some();
                guards.extend(guard.map(|guard| (number, guard)));
                is_locked
            });
            if all {
                return Ok(guards);
            }
            let missing = numbers.clone().nth(guards.len()).expect("one could not be locked");
            drop(guards);
            drop(self.wait_for_shard(missing)?);
        }
    }

    /// A shard, for somebody who holds none.
    #[inline]
    pub(crate) fn acquire_one(&self, number: usize) -> Result<MutexGuard<'_, Shard>, HeldUp> {
        match self.shards[number].try_lock() {
            Some(guard) => Ok(guard),
            None => self.wait_for_shard(number),
        }
    }

    #[cold]
    fn wait_for_shard(&self, number: usize) -> Result<MutexGuard<'_, Shard>, HeldUp> {
        loop {
            if let Some(guard) = self.shards[number].try_lock_for(HELD_UP_LOOK) {
                return Ok(guard);
            }
            if self.hold_ups.load(Ordering::Acquire) > 0 {
                return Err(HeldUp);
            }
        }
    }

    /// One more shard for somebody who holds others; `None` where it is not to be had for a long time.
    pub(crate) fn acquire_late(&self, number: usize) -> Option<MutexGuard<'_, Shard>> {
        self.shards[number].try_lock_for(LATE_WAIT)
    }

    /// Locks all shards: for what may turn out to need any key.
    ///
    /// # Errors
    /// [`HeldUp`].
    pub fn lock_all<'a>(
        &'a self,
        database: usize,
        now: UnixMillis,
        fetched: &'a mut Fetched,
    ) -> Result<Keys<'a>, HeldUp> {
        let guards = self.acquire(0..self.shards.len())?;
        Ok(Keys::new(self, Shards::Own(guards), database, now, fetched))
    }

    /// Whole databases, whose shards are locked one after another.
    pub fn databases(&self) -> Databases<'_> {
        Databases::unlocked(self)
    }

    /// Says who is told of changes; once, before there are any.
    ///
    /// # Panics
    /// If somebody is told already.
    pub fn set_observer(&self, observer: Arc<dyn KeyObserver>) {
        assert!(self.observer.set(observer).is_ok(), "there is one observer");
    }

    /// Whether the observer is told of changes of all keys, not only of those that are observed.
    pub fn observe_all(&self, all: bool) {
        self.observes_all.store(all, Ordering::Relaxed);
    }

    /// Undoes one [`Keys::observe`]. Locks nothing.
    pub fn unobserve(&self, key: &[u8]) {
        let before = self.observed[self.hasher.locate(key).0].fetch_sub(1, Ordering::Relaxed);
        assert!(before > 0, "it was observed");
    }

    /// While this lasts, somebody holds shards for long: who asks for one of them gets [`HeldUp`] after a moment, instead
    /// of waiting.
    pub fn hold_up(&self) -> HoldUp<'_> {
        self.hold_ups.fetch_add(1, Ordering::AcqRel);
        HoldUp(self)
    }

    /// The time of day, by the engine's clock.
    pub fn now(&self) -> UnixMillis {
        self.components.clock.now()
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        *self.settings.read()
    }

    /// Changes the settings.
    pub fn set_settings(&self, settings: Settings) {
        *self.settings.write() = settings;
        self.access_policy.store(settings.access_policy().bits(), Ordering::Relaxed);
        self.measure();
        self.wake_background();
    }

    /// If the key's value is cold, adds it to what `fetched` wants; reads nothing yet.
    pub fn want(&self, database: usize, key: &[u8], now: UnixMillis, fetched: &mut Fetched) {
        let (shard, hash) = self.hasher.locate(key);
        let Ok(shard) = self.acquire_one(shard) else { return };
        let Some(keyspace) = &shard.databases[database] else { return };
        if let Some(handle) = keyspace.find(hash, key)
            && !keyspace.is_expired(handle, now)
            && let head = keyspace.head(handle)
            && let Place::Ssd(location) = head.place()
            && fetched.position(keyspace.id, location).is_none()
        {
            fetched.want(&self.ledger, (database, keyspace.id), key, (head.value_type(), location));
        }
    }

    pub(crate) fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(crate) fn is_lfu(&self) -> bool {
        AccessPolicy::from_bits(self.access_policy.load(Ordering::Relaxed)) != AccessPolicy::Lru
    }

    pub(crate) fn new_keyspace(&self) -> Box<Keyspace> {
        let id = self.next_keyspace.fetch_add(1, Ordering::Relaxed);
        Box::new(Keyspace::new(id, self.hasher.clone(), Arc::clone(&self.ledger)))
    }

    pub(crate) fn touch_at(&self, now: UnixMillis) -> Touch {
        let policy = AccessPolicy::from_bits(self.access_policy.load(Ordering::Relaxed));
        Touch {
            clock: AccessClock::new(policy, now),
            tick: tick_at(now),
            bump_after_ticks: self.stay.bump_after_ticks(),
        }
    }

    pub(crate) fn dispose(&self, keyspace: Box<Keyspace>) {
        self.flushed.push(keyspace);
        self.wake_background();
    }

    /// Has the background thread drop large values. If it has many to drop already, they are dropped here.
    #[cold]
    pub(crate) fn drop_later(&self, values: Vec<Value>) {
        for value in values {
            drop(self.given_up.push(value));
        }
        self.wake_background();
    }

    /// Builds the engine. Its background work must be run: see [`crate::Background`].
    ///
    /// # Errors
    /// If the configuration makes no sense, or the device is too small for it.
    pub fn new(config: EngineConfig, components: Components) -> Result<Self, EngineError> {
        config.check()?;
        let layout = match &components.device {
            Some(device) => Layout::over(&**device, config.segment_bytes),
            None => Layout::NONE,
        };
        if components.device.is_some() && (layout.segment_count as usize) < LEAST_SEGMENTS {
            return Err(EngineError::TierTooSmall {
                least_bytes: LEAST_SEGMENTS as u64 * config.segment_bytes,
                segment_bytes: config.segment_bytes,
            });
        }
        let shards =
            (0..config.shard_count).map(|_| CachePadded::new(Mutex::new(Shard::new(config.database_count))));
        seed_member_hash(components.seed);
        let parker = Parker::new();
        let engine = Self {
            access_policy: AtomicU64::new(config.settings.access_policy().bits()),
            settings: RwLock::new(config.settings),
            hasher: KeyHasher::new(components.seed, config.shard_count),
            shards: shards.collect(),
            budget: Budget::new(),
            ceiling: Ceiling::default(),
            stay: Stay::new(),
            ledger: Arc::new(Ledger::new(layout.segment_count)),
            layout,
            waiters: Waiters::default(),
            tier_metrics: TierMetrics::new(),
            buffer_gauge: Arc::default(),
            next_keyspace: AtomicU32::new(0),
            requests: SegQueue::new(),
            flushed: SegQueue::new(),
            given_up: ArrayQueue::new(GIVEN_UP_MAX),
            decoder: OnceLock::new(),
            unparker: parker.unparker().clone(),
            parker: Mutex::new(parker),
            is_parked: AtomicBool::new(false),
            active_expiry: AtomicBool::new(true),
            observer: OnceLock::new(),
            observes_all: AtomicBool::new(false),
            observed: (0..config.shard_count).map(|_| AtomicU32::new(0)).collect(),
            hold_ups: AtomicU32::new(0),
            components,
            config,
        };
        engine.measure();
        Ok(engine)
    }

    /// Checks every invariant of the index and the ledger; walks over everything.
    ///
    /// # Panics
    /// If one does not hold.
    pub fn verify(&self) {
        let shards: Vec<MutexGuard<'_, Shard>> = self.shards.iter().map(|shard| shard.lock()).collect();
        let claimed: u64 = shards.iter().flat_map(|shard| shard.keyspaces()).map(Keyspace::verify).sum();
        if self.flushed.is_empty() {
            // Copies under way are claimed twice until the index has chosen.
            assert!(self.ledger.live_bytes() >= claimed, "every record of the index is claimed");
        }
    }

    // ---- requests to the background thread

    /// Moves a key's value to the SSD now, wherever it stands in LRU order. Resolves when it is out of DRAM, to 1, or
    /// to 0 where there was nothing to move.
    pub fn demote(&self, database: usize, key: &[u8]) -> Outcome {
        let (done, outcome) = request();
        self.request(Request::Demote { database, key: key.into(), done });
        outcome
    }

    /// Moves all values to the SSD. Resolves to how many left DRAM meanwhile, when all are out of it, or when what is left
    /// cannot leave: it is longer than a segment, the SSD is full, or clients or write errors keep bringing values back.
    pub fn drain(&self) -> Outcome {
        let (done, outcome) = request();
        self.request(Request::Drain { done });
        outcome
    }

    /// Collects every segment that gains anything; resolves to how many were.
    pub fn collect_garbage(&self) -> Outcome {
        let (done, outcome) = request();
        self.request(Request::Collect { done });
        outcome
    }

    /// Turns the background search for expired keys on or off; they are not served either way.
    pub fn set_active_expiry(&self, is_on: bool) {
        self.active_expiry.store(is_on, Ordering::Relaxed);
    }

    pub(crate) fn active_expiry(&self) -> bool {
        self.active_expiry.load(Ordering::Relaxed)
    }

    fn request(&self, request: Request) {
        self.requests.push(request);
        self.wake_background();
    }

    pub(crate) fn next_request(&self) -> Option<Request> {
        self.requests.pop()
    }

    /// Gives up one flushed keyspace, or one large value; false where there is none.
    pub(crate) fn dispose_some(&self) -> bool {
        if let Some(value) = self.given_up.pop() {
            drop(value);
            return true;
        }
        let Some(mut keyspace) = self.flushed.pop() else { return false };
        keyspace.release_all_records();
        let gone_bytes = keyspace.demotable_bytes() as isize - keyspace.take_growth_bytes();
        drop(keyspace);
        self.budget.report_all(&mut -gone_bytes);
        true
    }

    pub(crate) fn wake_background(&self) {
        if self.is_parked.load(Ordering::Relaxed) && self.is_parked.swap(false, Ordering::AcqRel) {
            self.unparker.unpark();
        }
    }

    /// Called by the background thread only: sleeps until woken, or until `timeout`.
    pub(crate) fn park_background(&self, timeout: Duration) {
        self.is_parked.store(true, Ordering::SeqCst);
        if self.requests.is_empty() && self.flushed.is_empty() && self.given_up.is_empty() {
            self.parker.lock().park_timeout(timeout);
        }
        self.is_parked.store(false, Ordering::Relaxed);
    }

    // ---- for the rest of the crate

    /// Whether the observer wants to hear of every change.
    #[inline]
    pub(crate) fn observes_all(&self) -> bool {
        self.observes_all.load(Ordering::Relaxed)
    }

    /// Whether the observer wants to hear of changes in a shard, which is locked.
    #[inline]
    pub(crate) fn observes(&self, shard: usize) -> bool {
        self.observed[shard].load(Ordering::Relaxed) > 0 || self.observes_all()
    }

    pub(crate) fn note_observed(&self, shard: usize) {
        self.observed[shard].fetch_add(1, Ordering::Relaxed);
    }

    /// Tells the observer of a change in a shard that has observed keys, or of any where it wants to hear of all.
    #[cold]
    pub(crate) fn tell_observer(&self, database: usize, key: &[u8], change: Change) {
        if let Some(observer) = self.observer.get() {
            observer.changed(database, key, change);
        }
    }

    /// Tells the observer, which wants to hear of all keys, of one that was missed.
    #[cold]
    pub(crate) fn tell_miss(&self, database: usize, key: &[u8]) {
        if let Some(observer) = self.observer.get() {
            observer.missed(database, key);
        }
    }

    pub(crate) fn try_lock_shard(&self, number: usize) -> Option<MutexGuard<'_, Shard>> {
        self.shards[number].try_lock()
    }

    pub(crate) fn lock_shard(&self, number: usize) -> MutexGuard<'_, Shard> {
        self.shards[number].lock()
    }

    pub(crate) fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// Passes the shard's growth on to the budget, if it is worth it.
    pub(crate) fn report_growth(&self, shard: &mut Shard) {
        for keyspace in shard.databases.iter_mut().flatten() {
            shard.unreported_bytes += keyspace.take_growth_bytes();
            if let Some(values) = keyspace.take_given_up() {
                self.drop_later(values);
            }
        }
        self.budget.report(&mut shard.unreported_bytes);
    }

    /// Passes the shard's growth on to the budget, however small.
    pub(crate) fn report_growth_now(&self, shard: &mut Shard) {
        self.report_growth(shard);
        self.budget.report_all(&mut shard.unreported_bytes);
    }

    pub(crate) fn device(&self) -> Option<&Arc<dyn Device>> {
        self.components.device.as_ref()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.components.clock
    }

    pub(crate) fn memory(&self) -> &dyn MemoryGauge {
        &*self.components.memory
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// The longest key and value together that fit a segment.
    pub(crate) fn max_value_bytes(&self) -> usize {
        // The record's head, expiry, gap and padding are far less than a second header's length.
        (self.layout.segment_bytes as usize).saturating_sub(4 * SEGMENT_HEADER_BYTES) / 8 * 7
    }

    pub(crate) fn tier_id(&self) -> u64 {
        self.components.seed[0] ^ self.components.seed[3]
    }

    pub(crate) fn seed(&self) -> u64 {
        self.components.seed[1]
    }

    pub(crate) fn ceiling(&self) -> &Ceiling {
        &self.ceiling
    }

    pub(crate) fn stay(&self) -> &Stay {
        &self.stay
    }

    pub(crate) fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    pub(crate) fn tier_metrics(&self) -> &TierMetrics {
        &self.tier_metrics
    }

    pub(crate) fn decoder(&self) -> &OnceLock<JobSender> {
        &self.decoder
    }

    pub(crate) fn buffer_gauge(&self) -> Arc<BufferGauge> {
        Arc::clone(&self.buffer_gauge)
    }

    pub(crate) fn reads_in_flight_changed(&self, by: i64) {
        self.tier_metrics.reads_in_flight_changed(by);
    }
}

/// A log of fewer segments cannot be written, collected and read at once.
const LEAST_SEGMENTS: usize = RESERVED_FOR_GC + 6;
