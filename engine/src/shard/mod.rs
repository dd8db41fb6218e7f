//! A shard: the keys that one lock guards, of all databases.
//!
//! - [`held`]: locked shards.
//! - [`keyspace`]: one database's part of a shard.
//!
//! Any thread may lock any shard; no lock is held across I/O or an `.await`. Who needs several shards locks
//! them in ascending order.

pub(crate) mod held;
pub(crate) mod keyspace;

use keyspace::{Keyspace, KeyspaceId};

/// What happened to the keys of one shard, as counters since the start or the last `CONFIG RESETSTAT`.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct ShardCounters {
    pub(crate) keyspace_hits: u64,
    pub(crate) keyspace_misses: u64,
    pub(crate) hits_memory: u64,
    pub(crate) hits_ssd: u64,
    pub(crate) promotions: u64,
    pub(crate) demotions: u64,
    pub(crate) clean_demotions: u64,
    pub(crate) expired: u64,
    pub(crate) evicted: u64,
}

impl ShardCounters {
    pub(crate) fn add(&mut self, other: &Self) {
        self.keyspace_hits += other.keyspace_hits;
        self.keyspace_misses += other.keyspace_misses;
        self.hits_memory += other.hits_memory;
        self.hits_ssd += other.hits_ssd;
        self.promotions += other.promotions;
        self.demotions += other.demotions;
        self.clean_demotions += other.clean_demotions;
        self.expired += other.expired;
        self.evicted += other.evicted;
    }
}

/// The keys that one lock guards.
pub(crate) struct Shard {
    /// By database number; a database without keys here has no keyspace.
    pub(crate) databases: Vec<Option<Box<Keyspace>>>,
    pub(crate) counters: ShardCounters,
    /// Change of DRAM that demotion can free, not yet in the budget's total.
    pub(crate) unreported_bytes: isize,
}

impl Shard {
    pub(crate) fn new(databases: usize) -> Self {
        Self {
            databases: (0..databases).map(|_| None).collect(),
            counters: ShardCounters::default(),
            unreported_bytes: 0,
        }
    }

    /// The keyspace of this id, unless it was flushed. Databases are few.
    pub(crate) fn keyspace_by_id(&mut self, id: KeyspaceId) -> Option<&mut Keyspace> {
        self.databases.iter_mut().flatten().find(|keyspace| keyspace.id == id).map(AsMut::as_mut)
    }

    pub(crate) fn keyspaces(&self) -> impl Iterator<Item = &Keyspace> {
        self.databases.iter().flatten().map(AsRef::as_ref)
    }
}
