//! The engine: shards, the budget over them, and the SSD tier behind them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam::utils::CachePadded;
use parking_lot::{Mutex, MutexGuard, RwLock};
use smallvec::SmallVec;

use crate::access::{AccessClock, Touch, tick_at};
use crate::components::Components;
use crate::config::{EngineConfig, MAX_DATABASES, Settings};
use crate::fetch::Fetched;
use crate::hash::KeyHasher;
use crate::index::Cursor;
use crate::index::scan::Position;
use crate::keys::Keys;
use crate::shard::keyspace::{KeyInfo, Keyspace};
use crate::shard::{Shard, ShardCounters};
use crate::tier::budget::Budget;
use crate::tier::ledger::Ledger;
use crate::time::UnixMillis;
use crate::value::Value;

/// How often [`Engine::random_key`] draws a place in the hash space before it looks at every key.
const RANDOM_KEY_DRAWS: u32 = 100;

/// The two-tier store. Shared by all threads; every method may be called from any of them.
pub struct Engine {
    config: EngineConfig,
    settings: RwLock<Settings>,
    components: Components,
    hasher: KeyHasher,
    shards: Box<[CachePadded<Mutex<Shard>>]>,
    budget: Budget,
    ledger: Arc<Ledger>,
    next_keyspace: AtomicU32,
}

impl Engine {
    /// The number of databases.
    pub fn database_count(&self) -> usize {
        self.config.database_count
    }

    /// Locks the shard of one key.
    #[inline]
    pub fn lock_key<'a>(
        &'a self,
        database: usize,
        key: &[u8],
        now: UnixMillis,
        fetched: &'a mut Fetched,
    ) -> Keys<'a> {
        let (shard, _) = self.hasher.locate(key);
        let mut shards = SmallVec::new();
        shards.push((shard, self.shards[shard].lock()));
        Keys::new(self, shards, database, now, fetched)
    }

    /// Locks the shards of several keys, in ascending order.
    pub fn lock_keys<'a, 'k>(
        &'a self,
        database: usize,
        keys: impl Iterator<Item = &'k [u8]>,
        now: UnixMillis,
        fetched: &'a mut Fetched,
    ) -> Keys<'a> {
        let mut numbers: SmallVec<[usize; 16]> = keys.map(|key| self.hasher.locate(key).0).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let shards = numbers.into_iter().map(|shard| (shard, self.shards[shard].lock())).collect();
        Keys::new(self, shards, database, now, fetched)
    }

    /// How many keys a database has, expired ones that were not yet removed included.
    pub fn key_count(&self, database: usize) -> usize {
        self.shards.iter().map(|shard| shard.lock().databases[database].as_ref().map_or(0, |k| k.len())).sum()
    }

    /// How many keys of a database have an expiry.
    pub fn expiry_count(&self, database: usize) -> usize {
        let count = |shard: &CachePadded<Mutex<Shard>>| {
            shard.lock().databases[database].as_ref().map_or(0, |k| k.keys_with_expiry())
        };
        self.shards.iter().map(count).sum()
    }

    /// Deletes all keys of a database. What they occupied is given back in the background.
    pub fn flush(&self, database: usize) {
        for shard in &self.shards {
            let flushed = shard.lock().databases[database].take();
            if let Some(keyspace) = flushed {
                self.dispose(keyspace);
            }
        }
    }

    /// Exchanges the contents of two databases.
    pub fn swap_databases(&self, one: usize, other: usize) {
        let mut shards: Vec<MutexGuard<'_, Shard>> = self.shards.iter().map(|shard| shard.lock()).collect();
        for shard in &mut shards {
            shard.databases.swap(one, other);
        }
    }

    /// Visits keys from `cursor` on, at least `count` of them unless the end comes first, and returns where to go
    /// on: [`Cursor::START`] at the end. Expired keys are not shown. The key's shard is locked during the visit.
    pub fn scan(
        &self,
        database: usize,
        cursor: Cursor,
        count: usize,
        now: UnixMillis,
        mut visit: impl FnMut(&[u8], KeyInfo),
    ) -> Cursor {
        let mut at = cursor.position();
        let mut visited = 0;
        // An empty table costs next to nothing, but a sparse one must not make one call walk millions of buckets.
        let mut buckets_left = count.saturating_mul(10);
        while at.shard < self.shards.len() {
            let shard = self.shards[at.shard].lock();
            let mut next = None;
            if let Some(keyspace) = &shard.databases[database] {
                next = keyspace.scan(at.prefix, at.bucket, |handle| {
                    visited += 1;
                    if !keyspace.is_expired(handle, now) {
                        visit(keyspace.key(handle), keyspace.info(handle));
                    }
                });
                buckets_left = buckets_left.saturating_sub(1);
            }
            at = match next {
                Some((prefix, bucket)) => Position { shard: at.shard, prefix, bucket },
                None => Position { shard: at.shard + 1, prefix: 0, bucket: 0 },
            };
            if visited >= count || buckets_left == 0 {
                break;
            }
        }
        if at.shard < self.shards.len() { Cursor::at(at) } else { Cursor::START }
    }

    /// Visits every key of a database that is there throughout, and none twice. Expired keys are not shown. The
    /// key's shard is locked during the visit, and unlocked after some hundred keys at most.
    pub fn for_each_key(&self, database: usize, now: UnixMillis, mut visit: impl FnMut(&[u8], KeyInfo)) {
        for shard in &self.shards {
            let mut next = Some(0);
            while let Some(prefix) = next {
                let shard = shard.lock();
                let Some(keyspace) = &shard.databases[database] else { break };
                next = keyspace.visit_segment(prefix, |handle| {
                    if !keyspace.is_expired(handle, now) {
                        visit(keyspace.key(handle), keyspace.info(handle));
                    }
                });
            }
        }
    }

    /// A key drawn nearly evenly from a database; `random` gives 64 random bits at each call.
    pub fn random_key(
        &self,
        database: usize,
        now: UnixMillis,
        mut random: impl FnMut() -> u64,
    ) -> Option<Box<[u8]>> {
        for _ in 0..RANDOM_KEY_DRAWS {
            let shard = self.shards[random() as usize % self.shards.len()].lock();
            let Some(keyspace) = &shard.databases[database] else { continue };
            let mut keys = SmallVec::<[_; 16]>::new();
            keyspace.scan(random(), random() as usize % 64, |handle| {
                if !keyspace.is_expired(handle, now) {
                    keys.push(handle);
                }
            });
            if !keys.is_empty() {
                return Some(keyspace.key(keys[random() as usize % keys.len()]).into());
            }
        }
        let mut found = None;
        let mut cursor = Cursor::START;
        while found.is_none() {
            cursor = self.scan(database, cursor, 1000, now, |key, _| found = Some(key.into()));
            if cursor == Cursor::START {
                break;
            }
        }
        found
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
        self.settings.read().eviction_policy.is_lfu()
    }

    pub(crate) fn new_keyspace(&self) -> Box<Keyspace> {
        let id = self.next_keyspace.fetch_add(1, Ordering::Relaxed);
        Box::new(Keyspace::new(id, self.hasher.clone(), Arc::clone(&self.ledger)))
    }

    pub(crate) fn touch_at(&self, now: UnixMillis) -> Touch {
        let policy = self.settings.read().access_policy();
        Touch { clock: AccessClock::new(policy, now), tick: tick_at(now), bump_after_ticks: 8 }
    }

    pub(crate) fn should_promote(&self, _idle_s: u32, _value: &Value) -> bool {
        self.budget.has_ample_room()
    }

    fn dispose(&self, keyspace: Box<Keyspace>) {
        keyspace.release_all_records();
    }

    /// Builds the engine.
    pub fn new(config: EngineConfig, components: Components) -> Self {
        assert!(config.shard_count.is_power_of_two() && config.shard_count <= 1024);
        assert!((1..=MAX_DATABASES).contains(&config.database_count));
        let shards = (0..config.shard_count).map(|_| CachePadded::new(Mutex::new(Shard::new(config.database_count))));
        Self {
            settings: RwLock::new(config.settings),
            hasher: KeyHasher::new(components.seed, config.shard_count),
            shards: shards.collect(),
            budget: Budget::new(),
            ledger: Arc::new(Ledger::new(0)),
            next_keyspace: AtomicU32::new(0),
            components,
            config,
        }
    }

    /// Sums of all shards' counters.
    pub(crate) fn counters(&self) -> ShardCounters {
        let mut sum = ShardCounters::default();
        for shard in &self.shards {
            sum.add(&shard.lock().counters);
        }
        sum
    }
}
