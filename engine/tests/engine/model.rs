//! The engine against a model, under random operations, with so little DRAM and SSD that values are demoted,
//! promoted and collected all the time.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::world::World;
use proptest::prelude::*;
use thermocline_engine::device::memory::MemoryDevice;
use thermocline_engine::{Cursor, SetExpiry, UnixMillis};

const DATABASES: usize = 3;

#[derive(Clone, Debug)]
enum Operation {
    Set { database: usize, key: u8, length: usize, fill: u8, ttl_ms: Option<u64> },
    Get { database: usize, key: u8 },
    Append { database: usize, key: u8, length: usize },
    Remove { database: usize, key: u8 },
    Rename { database: usize, from: u8, to: u8, to_database: usize },
    Expire { database: usize, key: u8, ttl_ms: Option<u64> },
    Demote { database: usize, key: u8 },
    Flush { database: usize },
    Swap { one: usize, other: usize },
    Wait { ms: u64 },
    Background { steps: usize },
    Drain,
}

fn operation() -> impl Strategy<Value = Operation> {
    let database = || 0..DATABASES;
    let key = || 0u8..40;
    let ttl = || prop_oneof![3 => Just(None), 1 => (1u64..20_000).prop_map(Some)];
    // Mostly small values, and some that are longer than a page or most of a segment.
    let length = || prop_oneof![4 => 0usize..200, 2 => 500usize..5000, 1 => 20_000usize..40_000];
    prop_oneof![
        8 => (database(), key(), length(), any::<u8>(), ttl())
            .prop_map(|(database, key, length, fill, ttl_ms)| Operation::Set { database, key, length, fill, ttl_ms }),
        8 => (database(), key()).prop_map(|(database, key)| Operation::Get { database, key }),
        2 => (database(), key(), 0usize..300)
            .prop_map(|(database, key, length)| Operation::Append { database, key, length }),
        2 => (database(), key()).prop_map(|(database, key)| Operation::Remove { database, key }),
        2 => (database(), key(), key(), database())
            .prop_map(|(database, from, to, to_database)| Operation::Rename { database, from, to, to_database }),
        2 => (database(), key(), ttl())
            .prop_map(|(database, key, ttl_ms)| Operation::Expire { database, key, ttl_ms }),
        6 => (database(), key()).prop_map(|(database, key)| Operation::Demote { database, key }),
        1 => database().prop_map(|database| Operation::Flush { database }),
        1 => (database(), database()).prop_map(|(one, other)| Operation::Swap { one, other }),
        1 => (1u64..3000).prop_map(|ms| Operation::Wait { ms }),
        4 => (1usize..20).prop_map(|steps| Operation::Background { steps }),
        1 => Just(Operation::Drain),
    ]
}

#[derive(Clone, PartialEq, Debug)]
struct Expected {
    value: Vec<u8>,
    expiry: Option<UnixMillis>,
}

type Model = Vec<BTreeMap<Vec<u8>, Expected>>;

fn key_bytes(key: u8) -> Vec<u8> {
    // Keys of very different lengths, one of them too long to be kept in an entry.
    let length = if key == 7 { 300 } else { 1 + usize::from(key) };
    let mut bytes = vec![b'k'; length];
    bytes[0] = key;
    bytes
}

fn value_bytes(length: usize, fill: u8) -> Vec<u8> {
    // Half of them compressible.
    (0..length).map(|i| if fill & 1 == 0 { fill } else { (i * 31 + i / 256 * 7) as u8 ^ fill }).collect()
}

fn run(operations: &[Operation], budget_bytes: u64) {
    let segment_bytes = 64 << 10;
    let device = MemoryDevice::new(2, 80 * segment_bytes);
    let mut world = World::new(Arc::new(device), budget_bytes, segment_bytes);
    let mut model: Model = vec![BTreeMap::new(); DATABASES];
    for operation in operations {
        let now = world.now();
        for database in &mut model {
            database.retain(|_, expected| !expected.expiry.is_some_and(|at| at.is_due(now)));
        }
        apply(&mut world, &mut model, operation.clone());
    }
    check(&mut world, &model);
    world.drain();
    check(&mut world, &model);
    let drained = world.engine.metrics();
    assert_eq!(drained.checksum_errors + drained.read_errors + drained.write_errors, 0);
}

fn apply(world: &mut World, model: &mut Model, operation: Operation) {
    let now = world.now();
    let at = |ttl_ms: Option<u64>| ttl_ms.map(|ms| UnixMillis(now.0 + ms));
    match operation {
        Operation::Set { database, key, length, fill, ttl_ms } => {
            let (key, value) = (key_bytes(key), value_bytes(length, fill));
            let expiry = at(ttl_ms);
            let set_expiry = expiry.map_or(SetExpiry::Clear, SetExpiry::At);
            assert!(world.set(database, &key, &value, set_expiry), "there is room for everything");
            model[database].insert(key, Expected { value, expiry });
        }
        Operation::Get { database, key } => {
            let key = key_bytes(key);
            let expected = model[database].get(&key).map(|expected| expected.value.clone());
            assert_eq!(world.get(database, &key).unwrap(), expected);
        }
        Operation::Append { database, key, length } => {
            let key = key_bytes(key);
            let tail = vec![b'+'; length];
            world.append(database, &key, &tail).unwrap();
            let expected =
                model[database].entry(key).or_insert_with(|| Expected { value: Vec::new(), expiry: None });
            expected.value.extend_from_slice(&tail);
        }
        Operation::Remove { database, key } => {
            let key = key_bytes(key);
            let removed = world.on_key(database, &key, |keys| Ok(keys.remove(&key))).unwrap();
            assert_eq!(removed, model[database].remove(&key).is_some());
        }
        Operation::Rename { database, from, to, to_database } => {
            let (from, to) = (key_bytes(from), key_bytes(to));
            let mut fetched = thermocline_engine::Fetched::new();
            let both = [&from[..], &to[..]];
            let mut keys = world.engine.lock_keys(database, both.into_iter(), now, &mut fetched);
            let renamed = keys.rename(&from, &to, to_database);
            drop(keys);
            let expected = model[database].get(&from).cloned();
            assert_eq!(renamed, expected.is_some());
            if let Some(expected) = expected {
                model[database].remove(&from);
                model[to_database].insert(to, expected);
            }
        }
        Operation::Expire { database, key, ttl_ms } => {
            let key = key_bytes(key);
            let expiry = at(ttl_ms);
            let set = world.on_key(database, &key, |keys| Ok(keys.set_expiry(&key, expiry))).unwrap();
            assert_eq!(set, model[database].contains_key(&key));
            if let Some(expected) = model[database].get_mut(&key) {
                expected.expiry = expiry;
            }
        }
        Operation::Demote { database, key } => {
            world.demote(database, &key_bytes(key));
        }
        Operation::Flush { database } => {
            world.engine.databases().flush(database);
            model[database].clear();
        }
        Operation::Swap { one, other } => {
            world.engine.databases().swap(one, other);
            model.swap(one, other);
        }
        Operation::Wait { ms } => world.clock.advance_us(ms * 1000),
        Operation::Background { steps } => {
            for _ in 0..steps {
                world.clock.advance_us(10);
                world.background.step();
            }
        }
        Operation::Drain => {
            world.drain();
        }
    }
}

/// Every key has its value and its expiry, a scan shows exactly the keys there are, and the books are balanced.
fn check(world: &mut World, model: &Model) {
    let now = world.now();
    world.engine.verify();
    for (database, expected_keys) in model.iter().enumerate() {
        let live: BTreeMap<_, _> = expected_keys
            .iter()
            .filter(|(_, expected)| !expected.expiry.is_some_and(|at| at.is_due(now)))
            .collect();
        let mut shown = Vec::new();
        let mut cursor = Cursor::START;
        loop {
            cursor = world.engine.databases().scan(database, cursor, 3, now, |key, info| {
                shown.push((key.to_vec(), info.length as usize, info.expiry));
            });
            if cursor == Cursor::START {
                break;
            }
        }
        shown.sort();
        let expected: Vec<_> = live
            .iter()
            .map(|(key, expected)| (key.to_vec(), expected.value.len(), expected.expiry))
            .collect();
        assert_eq!(shown, expected);
        for (key, expected) in live {
            assert_eq!(world.get(database, key).unwrap().as_ref(), Some(&expected.value));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_agrees_with_the_model_when_dram_is_scarce(
        operations in prop::collection::vec(operation(), 1..400)
    ) {
        run(&operations, 60_000);
    }

    #[test]
    fn the_engine_agrees_with_the_model_when_dram_is_ample(
        operations in prop::collection::vec(operation(), 1..200)
    ) {
        run(&operations, 0);
    }
}
