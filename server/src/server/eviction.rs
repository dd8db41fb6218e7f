//! `maxmemory-clients`: when all clients together take more memory than that, those that take most are disconnected.
//!
//! Looked at after a batch that left something behind for its client, and now and then; a client that is too large alone,
//! as soon as its request arrives. Clients that asked for it (`CLIENT NO-EVICT`) are counted, but spared.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicU64, Ordering};

use thermocline_engine::UnixMillis;

use super::Server;
use super::clients::{ClientFlags, ClientShared};

/// A batch that leaves its client with less than this, in bytes, is no reason to look at all clients.
pub(crate) const NOTICED_BYTES: usize = 16 * 1024;

/// All clients are looked at no more often than this: ten thousand of them take half a millisecond.
const LOOKS_APART_MS: u64 = 10;

/// When clients were looked at, and how many were disconnected.
#[derive(Debug, Default)]
pub struct ClientEviction {
    last_look_ms: AtomicU64,
    evicted: AtomicU64,
}

impl ClientEviction {
    /// How many clients were disconnected since the last reset.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Starts counting anew.
    pub fn reset(&self) {
        self.evicted.store(0, Ordering::Relaxed);
    }

    /// Whether it is time to look again; if so, only this caller is to do it.
    fn is_due(&self, now: UnixMillis) -> bool {
        let last_ms = self.last_look_ms.load(Ordering::Relaxed);
        let is_due = now.0.saturating_sub(last_ms) >= LOOKS_APART_MS || now.0 < last_ms;
        is_due
            && self
                .last_look_ms
                .compare_exchange(last_ms, now.0, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

impl Server {
    /// What all clients take, in bytes, as far as it is accounted for.
    pub fn client_memory_bytes(&self) -> u64 {
        self.clients.all().iter().map(|client| client.memory_bytes() as u64).sum()
    }

    /// Disconnects a client which takes too much without any other, with requests of `unread_bytes` that are about to be run;
    /// whether it did.
    #[cold]
    pub(crate) fn evict_for_request(&self, client: &ClientShared, unread_bytes: usize) -> bool {
        let Some(limit) = self.config.client_memory_limit_bytes() else { return false };
        client.note_query_buffer(unread_bytes);
        let bytes = client.memory_bytes() as u64;
        let is_evicted = bytes >= limit && !client.flags().has(ClientFlags::NO_EVICT);
        if is_evicted {
            self.evict(client, bytes);
        }
        is_evicted
    }

    fn evict(&self, client: &ClientShared, bytes: u64) {
        tracing::info!(client = client.id, bytes, "disconnected: clients take more than maxmemory-clients");
        client.evict();
        self.client_eviction.evicted.fetch_add(1, Ordering::Relaxed);
    }

    /// Disconnects the clients that take most, until the others are within `maxmemory-clients`. Costs nothing where
    /// there is no limit, or it was done just now.
    pub(crate) fn evict_clients(&self, now: UnixMillis) {
        let Some(limit) = self.config.client_memory_limit_bytes() else { return };
        if !self.client_eviction.is_due(now) {
            return;
        }
        let mut clients: Vec<_> = self.clients.all();
        // Those who are being disconnected already are as good as gone.
        clients.retain(|client| !client.is_evicted());
        let mut sized: Vec<(u64, _)> =
            clients.into_iter().map(|client| (client.memory_bytes() as u64, client)).collect();
        let mut total: u64 = sized.iter().map(|(bytes, _)| bytes).sum();
        if total < limit {
            return;
        }
        sized.sort_by_key(|(bytes, _)| Reverse(*bytes));
        for (bytes, client) in sized {
            if total < limit {
                break;
            }
            if !client.flags().has(ClientFlags::NO_EVICT) {
                self.evict(&client, bytes);
                total -= bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::fixture::{Fixture, START};
    use std::sync::Arc;

    #[test]
    fn the_largest_go_until_the_rest_is_within_the_limit() {
        let fixture = Fixture::new(&[]);
        let server = &fixture.server;
        let client = |id: u64, bytes: usize| {
            let client = Arc::new(ClientShared::new(id, START, None));
            client.note_query_buffer(bytes);
            assert!(server.clients.add(&client, 100));
            client
        };
        let clients = [client(1, 50_000), client(2, 200_000), client(3, 400_000), client(4, 100_000)];
        clients[2].note_session(0, 2, ClientFlags::NO_EVICT);
        server.evict_clients(START);
        assert_eq!(server.client_eviction.evicted(), 0, "there is no limit");

        server.config.set(&[("maxmemory-clients", "600k")], false).expect("it can be set");
        server.evict_clients(UnixMillis(START.0 + 100));
        assert_eq!(clients.each_ref().map(|client| client.is_evicted()), [false, true, false, false]);
        // What is on its way out does not count any more.
        server.evict_clients(UnixMillis(START.0 + 200));
        assert_eq!(server.client_eviction.evicted(), 1);
        server.config.set(&[("maxmemory-clients", "100")], false).expect("it can be set");
        server.evict_clients(UnixMillis(START.0 + 205));
        assert_eq!(server.client_eviction.evicted(), 1, "it was looked at just now");
        server.evict_clients(UnixMillis(START.0 + 210));
        assert_eq!(clients.each_ref().map(|client| client.is_evicted()), [true, true, false, true]);
    }
}
