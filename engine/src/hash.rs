//! The keyed hash that spreads keys over shards and tables.

use std::hash::{BuildHasher, Hasher};

use crate::index::table::TableHash;

/// Hashes keys with a secret drawn at start, so that clients cannot choose keys that collide.
#[derive(Clone)]
pub(crate) struct KeyHasher {
    state: ahash::RandomState,
    shard_bits: u32,
}

impl KeyHasher {
    pub(crate) fn new(secret: [u64; 4], shard_count: usize) -> Self {
        assert!(shard_count.is_power_of_two());
        let [a, b, c, d] = secret;
        Self { state: ahash::RandomState::with_seeds(a, b, c, d), shard_bits: shard_count.trailing_zeros() }
    }

    /// The key's shard and its hash within the shard's tables.
    #[inline]
    pub(crate) fn locate(&self, key: &[u8]) -> (usize, TableHash) {
        let hash = self.hash(key);
        let shard = if self.shard_bits == 0 { 0 } else { hash >> (64 - self.shard_bits) };
        (shard as usize, TableHash(hash << self.shard_bits))
    }

    #[inline]
    pub(crate) fn table_hash(&self, key: &[u8]) -> TableHash {
        TableHash(self.hash(key) << self.shard_bits)
    }

    fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.state.build_hasher();
        hasher.write(key);
        hasher.finish()
    }
}
