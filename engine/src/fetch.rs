//! What a command needs from the SSD: wanted records, and the values read so far.

use std::sync::Arc;

use crate::index::Location;
use crate::shard::keyspace::KeyspaceId;
use crate::tier::ledger::Ledger;
use crate::value::Value;

/// Values fetched for a batch of commands, and those still wanted.
///
/// Every wanted record's segment is pinned until its value was read or given up.
#[derive(Default)]
pub struct Fetched {
    values: Vec<FetchedValue>,
    wanted: Vec<Wanted>,
}

struct FetchedValue {
    keyspace: KeyspaceId,
    location: Location,
    value: Option<Value>,
}

/// A record that must be read.
pub(crate) struct Wanted {
    pub(crate) keyspace: KeyspaceId,
    pub(crate) key: Box<[u8]>,
    pub(crate) location: Location,
    _pin: Pin,
}

struct Pin {
    ledger: Arc<Ledger>,
    location: Location,
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.ledger.unpin(self.location);
    }
}

impl Fetched {
    /// Nothing fetched, nothing wanted.
    pub const fn new() -> Self {
        Self { values: Vec::new(), wanted: Vec::new() }
    }

    /// Forgets all values; call it when the batch they were fetched for is done.
    pub fn clear(&mut self) {
        self.values.clear();
        self.wanted.clear();
    }

    /// Forgets the values that were read, but not what is still wanted.
    pub fn clear_values(&mut self) {
        self.values.clear();
    }

    /// Takes over what `other` has read.
    pub fn append(&mut self, mut other: Self) {
        self.values.append(&mut other.values);
    }

    /// The length of all wanted records, in bytes.
    pub fn wanted_bytes(&self) -> usize {
        self.wanted.iter().map(|wanted| wanted.location.length_bytes() as usize).sum()
    }

    /// Whether something must be read.
    pub fn has_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    #[inline]
    pub(crate) fn position(&self, keyspace: KeyspaceId, location: Location) -> Option<usize> {
        self.values.iter().position(|fetched| {
            fetched.location == location && fetched.keyspace == keyspace && fetched.value.is_some()
        })
    }

    pub(crate) fn value(&self, at: usize) -> &Value {
        self.values[at].value.as_ref().expect("a position names a value that is there")
    }

    pub(crate) fn take(&mut self, at: usize) -> Value {
        self.values[at].value.take().expect("a position names a value that is there")
    }

    /// The caller holds the lock of the key's shard.
    pub(crate) fn want(
        &mut self,
        ledger: &Arc<Ledger>,
        keyspace: KeyspaceId,
        key: &[u8],
        location: Location,
    ) {
        if self.wanted.iter().any(|wanted| wanted.location == location) {
            return;
        }
        ledger.pin(location);
        let pin = Pin { ledger: Arc::clone(ledger), location };
        self.wanted.push(Wanted { keyspace, key: key.into(), location, _pin: pin });
    }

    pub(crate) fn take_wanted(&mut self) -> Vec<Wanted> {
        std::mem::take(&mut self.wanted)
    }

    pub(crate) fn add(&mut self, keyspace: KeyspaceId, location: Location, value: Value) {
        self.values.push(FetchedValue { keyspace, location, value: Some(value) });
    }
}
