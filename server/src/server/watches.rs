//! WATCH: transactions that are not to run once a key has changed.
//!
//! A watching client has a flag; each key it watches names that flag. A change of the key sets it, whoever made the
//! change. The keys are also observed in the engine, so that changes of other keys cost nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use thermocline_engine::{Change, Engine, Keys};

/// A client's flag: a key that it watches has changed.
type Flag = Arc<AtomicBool>;

/// Somebody watches a key.
#[derive(Debug)]
struct Watcher {
    flag: Flag,
    /// Whether the key existed when it began to be watched. If not, its expiry is no change: who had made it in between has
    /// set the flag.
    was_there: bool,
}

/// Who watches each key of a database.
type WatchedKeys = HashMap<Box<[u8]>, Vec<Watcher>>;

/// All watched keys.
#[derive(Debug, Default)]
pub struct Watches {
    count: AtomicUsize,
    databases: Mutex<Vec<WatchedKeys>>,
}

impl Watches {
    /// Sets the flags of those who watch the key.
    pub(super) fn changed(&self, database: usize, key: &[u8], change: Change) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let databases = self.databases.lock();
        let watchers = databases.get(database).and_then(|keys| keys.get(key));
        for watcher in watchers.into_iter().flatten() {
            if change != Change::Expired || watcher.was_there {
                watcher.flag.store(true, Ordering::Relaxed);
            }
        }
    }

    /// The keys of a database that somebody watches.
    pub(super) fn keys_of(&self, database: usize) -> Vec<Box<[u8]>> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        self.databases.lock().get(database).map_or(Vec::new(), |keys| keys.keys().cloned().collect())
    }

    fn add(&self, database: usize, key: &[u8], watcher: Watcher) {
        let mut databases = self.databases.lock();
        if databases.len() <= database {
            databases.resize_with(database + 1, WatchedKeys::default);
        }
        databases[database].entry(key.into()).or_default().push(watcher);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn remove(&self, database: usize, key: &[u8], flag: &Flag) {
        let mut databases = self.databases.lock();
        let watchers = databases[database].get_mut(key).expect("it is watched");
        let at = watchers.iter().position(|other| Arc::ptr_eq(&other.flag, flag)).expect("by this client");
        watchers.swap_remove(at);
        if watchers.is_empty() {
            databases[database].remove(key);
        }
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one client watches. It must be [ended](Watch::end).
#[derive(Debug, Default)]
pub struct Watch {
    flag: Flag,
    keys: Vec<(usize, Box<[u8]>)>,
}

impl Watch {
    /// Watches a key, whose shard is locked, from now on.
    pub fn add(&mut self, watches: &Watches, keys: &mut Keys<'_>, key: &[u8]) {
        let database = keys.database();
        if self.keys.iter().any(|(other, watched)| *other == database && **watched == *key) {
            return;
        }
        // A key whose time is over goes now, so that its going is no change.
        let was_there = keys.exists(key);
        keys.observe(key);
        watches.add(database, key, Watcher { flag: Arc::clone(&self.flag), was_there });
        self.keys.push((database, key.into()));
    }

    /// The watched keys, with their databases.
    pub fn keys(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.keys.iter().map(|(database, key)| (*database, &**key))
    }

    /// How many keys are watched.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key is watched.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether one of the keys has changed. The answer holds while their shards are locked.
    pub fn is_broken(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// Watches nothing any more. Locks the keys' shards, one after the other.
    pub fn end(self, watches: &Watches, engine: &Engine) {
        for (database, key) in &self.keys {
            watches.remove(*database, key, &self.flag);
            engine.unobserve(key);
        }
    }
}
