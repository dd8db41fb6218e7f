//! What a command needs from the SSD: wanted records, and the values read so far.

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::engine::Engine;
use crate::index::Location;
use crate::shard::keyspace::KeyspaceId;
use crate::tier::ledger::Ledger;
use crate::value::{Value, ValueType};

/// Up to so many values, looking through all of them is quicker than hashing.
const LINEAR_VALUES_MAX: usize = 16;

/// A key up to this length, in bytes, is kept without an allocation.
pub(crate) const INLINE_KEY_BYTES: usize = 32;

/// Values fetched for a batch of commands, and those still wanted.
///
/// Every wanted record's segment is pinned until its value was read or given up.
#[derive(Default)]
pub struct Fetched {
    values: Vec<FetchedValue>,
    /// Where each location's value is among `values`; kept only while there are more than [`LINEAR_VALUES_MAX`].
    positions: Option<HashMap<Location, usize, ahash::RandomState>>,
    wanted: SmallVec<[Wanted; 1]>,
    /// The engine that is to drop large values, where there are some.
    dropped_by: Option<Arc<Engine>>,
}

struct FetchedValue {
    keyspace: KeyspaceId,
    location: Location,
    value: Option<Value>,
}

/// A record that must be read.
pub(crate) struct Wanted {
    pub(crate) keyspace: KeyspaceId,
    /// The database the keyspace was in: no more than a hint, for warming.
    pub(crate) database: usize,
    pub(crate) key: SmallVec<[u8; INLINE_KEY_BYTES]>,
    pub(crate) location: Location,
    pub(crate) value_type: ValueType,
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

impl Drop for Fetched {
    fn drop(&mut self) {
        self.clear_values();
    }
}

impl Fetched {
    /// Nothing fetched, nothing wanted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all values; call it when the batch they were fetched for is done.
    pub fn clear(&mut self) {
        self.clear_values();
        self.wanted.clear();
    }

    /// Forgets the values that were read, but not what is still wanted.
    pub fn clear_values(&mut self) {
        if let Some(engine) = self.dropped_by.take() {
            let values = self.values.drain(..).filter_map(|fetched| fetched.value);
            engine.drop_later(values.filter(Value::is_slow_to_drop).collect());
        }
        self.values.clear();
        self.positions = None;
    }

    /// Takes over what `other` has read.
    pub fn append(&mut self, mut other: Self) {
        for FetchedValue { keyspace, location, value } in other.values.drain(..) {
            if let Some(value) = value {
                self.add(keyspace, location, value);
            }
        }
        self.dropped_by = self.dropped_by.take().or(other.dropped_by.take());
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
        let is_it = |fetched: &FetchedValue| {
            fetched.location == location && fetched.keyspace == keyspace && fetched.value.is_some()
        };
        match &self.positions {
            None => self.values.iter().position(is_it),
            Some(positions) => positions.get(&location).copied().filter(|&at| is_it(&self.values[at])),
        }
    }

    pub(crate) fn value(&self, at: usize) -> &Value {
        self.values[at].value.as_ref().expect("a position names a value that is there")
    }

    pub(crate) fn take(&mut self, at: usize) -> Value {
        self.values[at].value.take().expect("a position names a value that is there")
    }

    /// The caller holds the lock of the key's shard. The same record may be wanted more than once.
    pub(crate) fn want(
        &mut self,
        ledger: &Arc<Ledger>,
        (database, keyspace): (usize, KeyspaceId),
        key: &[u8],
        (value_type, location): (ValueType, Location),
    ) {
        ledger.pin(location);
        let pin = Pin { ledger: Arc::clone(ledger), location };
        self.wanted.push(Wanted { keyspace, database, key: key.into(), location, value_type, _pin: pin });
    }

    pub(crate) fn take_wanted(&mut self) -> SmallVec<[Wanted; 1]> {
        std::mem::take(&mut self.wanted)
    }

    /// A value was read.
    pub(crate) fn add_read(
        &mut self,
        engine: &Arc<Engine>,
        keyspace: KeyspaceId,
        location: Location,
        value: Value,
    ) {
        if value.is_slow_to_drop() {
            self.dropped_by = Some(Arc::clone(engine));
        }
        self.add(keyspace, location, value);
    }

    fn add(&mut self, keyspace: KeyspaceId, location: Location, value: Value) {
        let at = self.values.len();
        self.values.push(FetchedValue { keyspace, location, value: Some(value) });
        match &mut self.positions {
            Some(positions) => {
                positions.insert(location, at);
            }
            None if self.values.len() > LINEAR_VALUES_MAX => {
                // Clients do not choose locations: the hash need not be secret.
                let mut positions = HashMap::with_hasher(ahash::RandomState::with_seeds(1, 2, 3, 4));
                let all = self.values.iter().enumerate();
                positions.extend(all.map(|(at, fetched)| (fetched.location, at)));
                self.positions = Some(positions);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::StringValue;

    #[test]
    fn few_values_and_many_are_found_by_location_and_taken_once() {
        for count in [1, LINEAR_VALUES_MAX as u32, LINEAR_VALUES_MAX as u32 + 1, 1000] {
            let location = |number: u32| Location::new(number, 64, 128);
            let mut fetched = Fetched::new();
            for number in 0..count {
                fetched.add(7, location(number), StringValue::integer(i64::from(number)).into());
            }
            for number in 0..count {
                let at = fetched.position(7, location(number)).expect("it was added");
                assert_eq!(fetched.position(8, location(number)), None, "another keyspace's");
                assert_eq!(fetched.take(at), StringValue::integer(i64::from(number)).into());
                assert_eq!(fetched.position(7, location(number)), None, "it was taken");
            }
            fetched.clear_values();
            assert_eq!(fetched.position(7, location(0)), None);
        }
    }
}
