//! Who wants to hear of changes to keys: transactions that watch them, clients that wait for them or keep copies.
//!
//! The engine has one observer. It is told only of keys that somebody has asked to observe, by
//! [`Keys::observe`](crate::Keys::observe), or that share a shard with one; or of all keys, where
//! [`Engine::observe_all`](crate::Engine::observe_all) says so. So a change that nobody cares for costs two loads.

/// What happened to a key. Moves between the tiers are no changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It was not there, and has got a value.
    Created,
    /// It was not there and is there now, but in the eyes of WATCH and its kin nobody has written to it.
    Appeared,
    /// It has another value, or another expiry.
    Written,
    /// A command took it away.
    Removed,
    /// Its time was over.
    Expired,
    /// It had to make room.
    Evicted,
}

/// Hears of changes.
pub trait KeyObserver: Send + Sync {
    /// A key of a database has changed. Called with the key's shard locked, by the thread that made the change: it must
    /// not lock a shard, and not take long.
    fn changed(&self, database: usize, key: &[u8], change: Change);

    /// A command looked for a key that is not there, in a way that counts as a keyspace miss. Only told by who tells of
    /// all keys; otherwise as of changes.
    fn missed(&self, _database: usize, _key: &[u8]) {}
}
