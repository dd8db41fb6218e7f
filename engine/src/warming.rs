//! Warming: brings what several look-ups will touch into the processor's caches, for all of them at once.
//!
//! A look-up follows four pointers, bucket, entry, resident, value, and in a large data set every step waits for
//! DRAM some hundred nanoseconds. The steps of one look-up cannot overlap, but those of different keys can: where a
//! client has sent several commands, one round per step asks for that step's memory for all keys, and by
//! the time the next round needs it, it is there.
//!
//! Where a command names a member of a large collection, the same goes for the way to that member.
//!
//! Nothing here changes or decides anything: a guess that is wrong costs a little time.

use parking_lot::MutexGuard;
use smallvec::SmallVec;

use crate::engine::Engine;
use crate::index::entry::Place;
use crate::index::table::TableHash;
use crate::prefetch::{prefetch, prefetch_both_ends};
use crate::shard::Shard;
use crate::shard::keyspace::Keyspace;
use crate::value::{Element, Value, element_hash};

/// How many keys are warmed at once: more would push each other out of the nearest cache, and a core has
/// no more than some 10 to 20 reads of DRAM under way at once.
pub const WARMED_KEYS_MAX: usize = 16;

/// A data set smaller than this, in bytes, is in the caches anyway.
const WARM_FROM_BYTES: usize = 1 << 20;

/// How much of a value is asked for: what follows, the processor's own prefetcher sees coming.
const VALUE_BYTES: usize = 256;

const CACHE_LINE_BYTES: usize = 64;

/// Keys that will be looked up soon, and members of their values.
pub struct Warming<'a> {
    engine: &'a Engine,
    /// No key comes twice in a row.
    keys: SmallVec<[WarmedKey; WARMED_KEYS_MAX]>,
    members: SmallVec<[WarmedMember; WARMED_KEYS_MAX]>,
    added: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct WarmedKey {
    database: usize,
    shard: usize,
    hash: TableHash,
}

struct WarmedMember {
    /// The key's place among the keys.
    key: usize,
    hash: u64,
}

impl Engine {
    /// Whether warming is likely to pay.
    #[inline]
    pub fn is_worth_warming(&self) -> bool {
        self.budget().used_bytes() >= WARM_FROM_BYTES
    }

    /// Prepares look-ups of keys.
    pub fn warming(&self) -> Warming<'_> {
        Warming { engine: self, keys: SmallVec::new(), members: SmallVec::new(), added: 0 }
    }
}

impl Warming<'_> {
    /// Whether no more keys are taken.
    pub fn is_full(&self) -> bool {
        self.added >= WARMED_KEYS_MAX
    }

    /// This key of this database will be looked up, and where it is a large collection, this member in it.
    ///
    /// # Panics
    /// If [`Self::is_full`].
    #[inline]
    pub fn add(&mut self, database: usize, key: &[u8], member: Option<&[u8]>) {
        assert!(!self.is_full(), "the caller has asked");
        self.added += 1;
        let (shard, hash) = self.engine.hasher().locate(key);
        let key = WarmedKey { database, shard, hash };
        if self.keys.last() != Some(&key) {
            self.keys.push(key);
        }
        if let Some(member) = member {
            let hash = element_hash(Element::of(member));
            self.members.push(WarmedMember { key: self.keys.len() - 1, hash });
        }
    }

    /// Brings everything nearer that the look-ups will need.
    pub fn finish(self) {
        if self.keys.len() >= 2 {
            self.warm_keys();
        }
        if self.members.len() >= 2 {
            self.warm_members();
        }
    }

    fn warm_keys(&self) {
        self.each(|keyspace, hash| keyspace.home_bucket(hash).map(prefetch));
        self.each(|keyspace, hash| {
            keyspace.candidate(hash).map(|handle| prefetch(keyspace.entry_start(handle)))
        });
        self.each(|keyspace, hash| {
            let Place::Dram(number) = keyspace.head(keyspace.candidate(hash)?).place() else { return None };
            keyspace.resident_slot(number).map(prefetch_both_ends)
        });
        self.each(|keyspace, hash| {
            let bytes = candidate_value(keyspace, hash)?.heap_start()?;
            let shown = &bytes[..bytes.len().min(VALUE_BYTES)];
            shown.iter().step_by(CACHE_LINE_BYTES).for_each(prefetch);
            shown.last().map(prefetch)
        });
    }

    /// The rounds for members of one collection overlap; those of different collections do not.
    fn warm_members(&self) {
        for members in self.members.chunk_by(|one, next| one.key == next.key) {
            if members.len() < 2 {
                continue;
            }
            let hashes: SmallVec<[u64; WARMED_KEYS_MAX]> = members.iter().map(|member| member.hash).collect();
            self.look(self.keys[members[0].key], |keyspace, hash| {
                candidate_value(keyspace, hash).map(|value| value.warm_members(&hashes))
            });
        }
    }

    #[inline]
    fn each(&self, look: impl Fn(&Keyspace, TableHash) -> Option<()>) {
        self.keys.iter().for_each(|&key| self.look(key, &look));
    }

    #[inline]
    fn look(&self, key: WarmedKey, look: impl Fn(&Keyspace, TableHash) -> Option<()>) {
        // Whoever holds the lock is at work on these lines: not worth a wait.
        let shard: Option<MutexGuard<'_, Shard>> = self.engine.try_lock_shard(key.shard);
        if let Some(keyspace) = shard.as_ref().and_then(|shard| shard.databases[key.database].as_deref()) {
            look(keyspace, key.hash);
        }
    }
}

/// The value that is likely, but not certain, to be that of the key with this hash.
#[inline]
fn candidate_value(keyspace: &Keyspace, hash: TableHash) -> Option<&Value> {
    let Place::Dram(number) = keyspace.head(keyspace.candidate(hash)?).place() else { return None };
    Some(&keyspace.resident_slot(number)?.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::{Components, ManualClock, NoMemoryGauge};
    use crate::config::EngineConfig;
    use crate::fetch::Fetched;
    use crate::keys::SetExpiry;
    use crate::time::UnixMillis;
    use crate::value::{StringValue, Value};
    use std::sync::Arc;

    #[test]
    fn warming_changes_nothing_whether_keys_are_there_or_locked_or_not() {
        let components = Components {
            device: None,
            clock: Arc::new(ManualClock::default()),
            memory: Arc::new(NoMemoryGauge),
            seed: [1, 2, 3, 4],
        };
        let engine = Engine::new(EngineConfig { shard_count: 2, ..EngineConfig::default() }, components);
        let engine = engine.expect("an engine");
        let keys: Vec<String> = (0..WARMED_KEYS_MAX).map(|number| format!("key:{number}")).collect();
        let mut fetched = Fetched::new();
        for (number, key) in keys.iter().enumerate().skip(2) {
            let value = Value::String(StringValue::plain(&vec![b'v'; number * 40]));
            let mut locked = engine.lock_key(0, key.as_bytes(), UnixMillis(1), &mut fetched);
            locked.set(key.as_bytes(), value, SetExpiry::Clear);
        }
        let before = engine.metrics();
        let one_shard = engine.lock_key(0, b"key:3", UnixMillis(1), &mut fetched);
        let mut warming = engine.warming();
        for key in &keys {
            warming.add(0, key.as_bytes(), Some(b"member"));
        }
        assert!(warming.is_full());
        warming.finish();
        drop(one_shard);
        let after = engine.metrics();
        assert_eq!(
            (before.keyspace_hits, before.keyspace_misses, before.items_memory),
            (after.keyspace_hits, after.keyspace_misses, after.items_memory)
        );
    }
}
