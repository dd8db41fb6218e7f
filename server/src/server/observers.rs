//! Who hears of changes to keys: the engine's one observer, which passes them on.
//!
//! Runs with the key's shard locked: everything here takes locks of its own only, for moments, and no shard's.

use std::sync::Arc;

use thermocline_engine::{Change, Databases, KeyObserver, UnixMillis};

use super::events::Events;
use super::tracking::Tracking;
use super::waiting::WaitingClients;
use super::watches::Watches;

/// All who hear of changes.
pub struct Observers {
    /// Transactions that watch keys.
    pub watches: Watches,
    /// Clients that wait for keys.
    pub waiting: WaitingClients,
    events: Arc<Events>,
    tracking: Arc<Tracking>,
}

impl KeyObserver for Observers {
    fn changed(&self, database: usize, key: &[u8], change: Change) {
        if change != Change::Appeared {
            self.watches.changed(database, key, change);
            self.waiting.changed(database, key, change);
            self.tracking.changed(key);
        }
        self.events.changed(database, key, change);
    }

    fn missed(&self, database: usize, key: &[u8]) {
        self.events.missed(database, key);
    }
}

impl Observers {
    /// Nobody watches a key or waits for one.
    pub fn new(events: Arc<Events>, tracking: Arc<Tracking>) -> Self {
        let (watches, waiting) = Default::default();
        Self { watches, waiting, events, tracking }
    }

    /// A database is about to lose all its keys, which no observer is told of one by one.
    pub fn flushing(&self, databases: &mut Databases<'_>, database: usize, now: UnixMillis) {
        for key in self.watches.keys_of(database) {
            if databases.contains(database, &key, now) {
                self.watches.changed(database, &key, Change::Removed);
            }
        }
        for key in self.waiting.keys_of(database) {
            if databases.contains(database, &key, now) {
                self.waiting.changed(database, &key, Change::Removed);
            }
        }
    }

    /// Two databases have just exchanged their contents.
    pub fn swapped(&self, databases: &mut Databases<'_>, pair: [usize; 2], now: UnixMillis) {
        for database in pair {
            let [one, other] = pair;
            for key in self.watches.keys_of(database) {
                if databases.contains(one, &key, now) || databases.contains(other, &key, now) {
                    self.watches.changed(database, &key, Change::Removed);
                }
            }
            for key in self.waiting.keys_of(database) {
                let change =
                    if databases.contains(database, &key, now) { Change::Created } else { Change::Removed };
                self.waiting.changed(database, &key, change);
            }
        }
    }
}
