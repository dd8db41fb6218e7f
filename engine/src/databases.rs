//! Whole databases: counting, iterating, flushing, exchanging.
//!
//! Such commands go from shard to shard and lock one after another; inside a transaction they run on the shards that
//! the transaction holds, which then are all.

use smallvec::SmallVec;

use crate::engine::{Engine, HeldUp};
use crate::index::Cursor;
use crate::index::scan::Position;
use crate::shard::Shard;
use crate::shard::held::HeldShards;
use crate::shard::keyspace::{KeyInfo, Keyspace};
use crate::time::UnixMillis;

/// So many buckets one call of SCAN may look at in any case, which takes a tenth of a millisecond.
const SCANNED_BUCKETS_LEAST: usize = 4096;

/// How often [`Databases::random_key`] draws a place in the hash space before it looks at every key.
const RANDOM_KEY_DRAWS: u32 = 100;

/// Of up to so many keys, one is drawn by counting: few keys in many shards are seldom found by drawing places.
const COUNTED_KEYS_MAX: usize = 1024;

/// Whole databases, by whoever may work on all of them.
pub struct Databases<'a> {
    engine: &'a Engine,
    /// All shards; `None` where each shard is locked when its turn comes.
    held: Option<&'a mut dyn HeldShards>,
    was_held_up: bool,
}

impl<'a> Databases<'a> {
    pub(crate) fn unlocked(engine: &'a Engine) -> Self {
        Self { engine, held: None, was_held_up: false }
    }

    pub(crate) fn held(engine: &'a Engine, shards: &'a mut dyn HeldShards) -> Self {
        Self { engine, held: Some(shards), was_held_up: false }
    }

    /// The same, for somebody else to work with for a while.
    pub fn reborrow(&mut self) -> Databases<'_> {
        match &mut self.held {
            Some(held) => Databases::held(self.engine, &mut **held),
            None => Databases::unlocked(self.engine),
        }
    }

    /// Whether their shards are locked already, so that nothing may lock one of them.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Whether a shard was passed over, because somebody [holds it for long](crate::HeldUp): what was found is not
    /// everything, what was done not everywhere, and must be done again.
    pub fn was_held_up(&self) -> bool {
        self.was_held_up
    }

    pub(crate) fn engine(&self) -> &'a Engine {
        self.engine
    }

    pub(crate) fn for_each_shard(&mut self, mut work: impl FnMut(&mut Shard)) {
        for number in 0..self.engine.shard_count() {
            self.on_shard(number, &mut work);
        }
    }

    /// `None` where the shard is passed over.
    fn on_shard<T>(&mut self, number: usize, work: impl FnOnce(&mut Shard) -> T) -> Option<T> {
        if let Some(held) = &mut self.held {
            return Some(work(held.at_mut(number)));
        }
        let Ok(mut shard) = self.engine.acquire_one(number) else {
            self.was_held_up = true;
            return None;
        };
        Some(work(&mut shard))
    }

    fn on_keyspace<T>(
        &mut self,
        shard: usize,
        database: usize,
        work: impl FnOnce(&Keyspace) -> T,
    ) -> Option<T> {
        self.on_shard(shard, |shard| shard.databases[database].as_deref().map(work)).flatten()
    }

    /// How many keys a database has, expired ones that were not yet removed included.
    pub fn key_count(&mut self, database: usize) -> usize {
        self.sum(database, Keyspace::len)
    }

    /// How many keys of a database have an expiry.
    pub fn expiry_count(&mut self, database: usize) -> usize {
        self.sum(database, Keyspace::keys_with_expiry)
    }

    fn sum(&mut self, database: usize, count: fn(&Keyspace) -> usize) -> usize {
        (0..self.engine.shard_count())
            .map(|shard| self.on_keyspace(shard, database, count).unwrap_or(0))
            .sum()
    }

    /// Whether a key exists.
    pub fn contains(&mut self, database: usize, key: &[u8], now: UnixMillis) -> bool {
        let (shard, hash) = self.engine.hasher().locate(key);
        let found = self.on_keyspace(shard, database, |keyspace| {
            keyspace.find(hash, key).is_some_and(|handle| !keyspace.is_expired(handle, now))
        });
        found.unwrap_or(false)
    }

    /// Deletes all keys of a database. What they occupied is given back in the background. Observers are not told.
    pub fn flush(&mut self, database: usize) {
        for number in 0..self.engine.shard_count() {
            let taken = self.on_shard(number, |shard| shard.databases[database].take());
            if let Some(keyspace) = taken.flatten() {
                self.engine.dispose(keyspace);
            }
        }
    }

    /// Exchanges the contents of two databases, at one moment for all clients. Observers are not told.
    pub fn swap(&mut self, one: usize, other: usize) {
        let engine = self.engine;
        match &mut self.held {
            Some(held) => {
                (0..engine.shard_count()).for_each(|number| held.at_mut(number).databases.swap(one, other));
            }
            None => match engine.acquire(0..engine.shard_count()) {
                Ok(mut shards) => {
                    shards.iter_mut().for_each(|(_, shard)| shard.databases.swap(one, other));
                }
                Err(HeldUp) => self.was_held_up = true,
            },
        }
    }

    /// Visits keys from `cursor` on, at least `count` of them unless the end comes first, and returns where to go
    /// on: [`Cursor::START`] at the end. Expired keys are not shown. The key's shard is locked during the visit.
    pub fn scan(
        &mut self,
        database: usize,
        cursor: Cursor,
        count: usize,
        now: UnixMillis,
        mut visit: impl FnMut(&[u8], KeyInfo),
    ) -> Cursor {
        let shard_count = self.engine.shard_count();
        let mut at = cursor.position();
        let mut visited = 0;
        // A sparse table must not make one call walk millions of buckets.
        let mut buckets_left = count.saturating_mul(10).max(SCANNED_BUCKETS_LEAST);
        while at.shard < shard_count {
            let next = self.on_keyspace(at.shard, database, |keyspace| {
                buckets_left = buckets_left.saturating_sub(1);
                keyspace.scan(at.prefix, at.bucket, |handle| {
                    visited += 1;
                    if !keyspace.is_expired(handle, now) {
                        visit(keyspace.key(handle), keyspace.info(handle));
                    }
                })
            });
            at = match next.flatten() {
                Some((prefix, bucket)) => Position { shard: at.shard, prefix, bucket },
                None => Position { shard: at.shard + 1, prefix: 0, bucket: 0 },
            };
            if visited >= count || buckets_left == 0 {
                break;
            }
        }
        if at.shard < shard_count { Cursor::at(at) } else { Cursor::START }
    }

    /// Visits every key of a database that is there throughout, and none twice. Expired keys are not shown. The
    /// key's shard is locked during the visit, and unlocked after some hundred keys at most.
    pub fn for_each_key(&mut self, database: usize, now: UnixMillis, mut visit: impl FnMut(&[u8], KeyInfo)) {
        for shard in 0..self.engine.shard_count() {
            let mut next = Some(0);
            while let Some(prefix) = next {
                let visited = self.on_keyspace(shard, database, |keyspace| {
                    keyspace.visit_segment(prefix, |handle| {
                        if !keyspace.is_expired(handle, now) {
                            visit(keyspace.key(handle), keyspace.info(handle));
                        }
                    })
                });
                next = visited.flatten();
            }
        }
    }

    /// A key drawn nearly evenly from a database; `random` gives 64 random bits at each call.
    pub fn random_key(
        &mut self,
        database: usize,
        now: UnixMillis,
        mut random: impl FnMut() -> u64,
    ) -> Option<Box<[u8]>> {
        let count = self.key_count(database);
        if count <= COUNTED_KEYS_MAX {
            return self.key_at(database, now, random() as usize % count.max(1));
        }
        for _ in 0..RANDOM_KEY_DRAWS {
            let shard = random() as usize % self.engine.shard_count();
            let found = self.on_keyspace(shard, database, |keyspace| {
                let mut keys = SmallVec::<[_; 16]>::new();
                keyspace.scan(random(), random() as usize % 64, |handle| {
                    if !keyspace.is_expired(handle, now) {
                        keys.push(handle);
                    }
                });
                let drawn = *keys.get(random() as usize % keys.len().max(1))?;
                Some(Box::from(keyspace.key(drawn)))
            });
            if let Some(key) = found.flatten() {
                return Some(key);
            }
        }
        self.key_at(database, now, 0)
    }

    /// The key at a place in the order of hashes; the last one, where there are fewer. Expired ones do not count.
    fn key_at(&mut self, database: usize, now: UnixMillis, place: usize) -> Option<Box<[u8]>> {
        let (mut found, mut passed) = (None, 0);
        let mut cursor = Cursor::START;
        loop {
            cursor = self.scan(database, cursor, 1000, now, |key, _| {
                if passed <= place {
                    found = Some(key.into());
                }
                passed += 1;
            });
            if cursor == Cursor::START || passed > place {
                return found;
            }
        }
    }
}
