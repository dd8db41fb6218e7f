//! Garbage collection: overwriting for ever, reading meanwhile, being full.

use std::sync::Arc;

use crate::world::World;
use thermocline_engine::device::memory::MemoryDevice;
use thermocline_engine::{Admission, EvictionPolicy, SetExpiry};

const SEGMENT_BYTES: u64 = 256 << 10;
const VALUE_BYTES: usize = 1000;
/// What a record of such a value occupies: head, an eight-byte key, the value, rounded up to 16.
const RECORD_BYTES: u64 = 1040;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn value(key: u64, version: u64) -> Vec<u8> {
    let mut random = Random((key + 1) * 1_000_003 + version * 7 + 1);
    (0..VALUE_BYTES).map(|_| random.below(256) as u8).collect()
}

fn set(world: &mut World, key: u64, version: u64) -> bool {
    world.set(0, &key.to_le_bytes(), &value(key, version), SetExpiry::Clear)
}

/// Overwrites a data set of 80 % of the SSD three times over in an order that `next` gives.
fn overwrite(next: impl Fn(&mut Random, u64, u64) -> u64) -> (World, f64) {
    let segments = 128;
    let mut world =
        World::new(Arc::new(MemoryDevice::new(1, segments * SEGMENT_BYTES)), 400_000, SEGMENT_BYTES);
    let keys = segments * SEGMENT_BYTES * 8 / 10 / RECORD_BYTES;
    let mut versions = vec![0u64; keys as usize];
    let mut random = Random(42);
    for key in 0..keys {
        assert!(set(&mut world, key, 0), "no write is refused");
    }
    for i in 0..3 * keys {
        let key = next(&mut random, i, keys);
        versions[key as usize] += 1;
        assert!(set(&mut world, key, versions[key as usize]), "no write is refused");
        if i % 64 == 0 {
            let probe = random.below(keys);
            let expected = value(probe, versions[probe as usize]);
            assert_eq!(world.get(0, &probe.to_le_bytes()).unwrap(), Some(expected));
        }
    }
    for key in 0..keys {
        let expected = value(key, versions[key as usize]);
        assert_eq!(world.get(0, &key.to_le_bytes()).unwrap(), Some(expected));
    }
    world.engine.verify();
    let metrics = world.engine.metrics();
    assert_eq!(metrics.checksum_errors, 0, "gc reads no further than the segment was written");
    assert_eq!(metrics.segments_failed, 0);
    let write_amplification = metrics.write_amplification;
    (world, write_amplification)
}

#[test]
fn random_overwrites_lose_nothing_and_amplify_writes_at_most_threefold() {
    let (world, write_amplification) = overwrite(|random, _, keys| random.below(keys));
    assert!(world.engine.metrics().gc_segments_collected > 100);
    assert!(write_amplification <= 3.0, "write amplification {write_amplification}");
}

#[test]
fn overwrites_in_order_hardly_amplify_writes() {
    let (_, write_amplification) = overwrite(|_, i, keys| i % keys);
    assert!(write_amplification <= 1.2, "write amplification {write_amplification}");
}

#[test]
fn when_both_tiers_are_full_writes_are_refused_and_nothing_is_lost() {
    let mut world = World::new(Arc::new(MemoryDevice::new(1, 12 * SEGMENT_BYTES)), 200_000, SEGMENT_BYTES);
    let mut accepted = 0;
    while set(&mut world, accepted, 0) {
        accepted += 1;
        assert!(accepted < 10_000, "the tiers are full at some point");
    }
    assert!(accepted * RECORD_BYTES > 8 * SEGMENT_BYTES, "most of the SSD is used: {accepted} values");
    for key in 0..accepted {
        assert_eq!(world.get(0, &key.to_le_bytes()).unwrap(), Some(value(key, 0)), "key {key}");
    }
    // Deleting makes room again.
    for key in 0..accepted / 2 {
        let bytes = key.to_le_bytes();
        assert!(world.on_key(0, &bytes, |keys| Ok(keys.remove(&bytes))).unwrap());
    }
    world.settle();
    for key in 0..accepted / 4 {
        assert!(set(&mut world, key, 1), "there is room for key {key} again");
    }
    for key in accepted / 2..accepted {
        assert_eq!(world.get(0, &key.to_le_bytes()).unwrap(), Some(value(key, 0)));
    }
}

#[test]
fn when_both_tiers_are_full_the_policy_deletes_and_writes_go_on() {
    let mut world = World::new(Arc::new(MemoryDevice::new(1, 12 * SEGMENT_BYTES)), 200_000, SEGMENT_BYTES);
    let settings = world.engine.settings();
    let policy = EvictionPolicy::AllKeysLru;
    world.engine.set_settings(thermocline_engine::Settings { eviction_policy: policy, ..settings });
    for key in 0..10_000 {
        assert!(set(&mut world, key, 0), "key {key}");
    }
    let metrics = world.engine.metrics();
    assert!(metrics.evicted_keys > 5_000);
    let left = (0..10_000u64).filter(|key| {
        let found = world.get(0, &key.to_le_bytes()).unwrap();
        assert!(found.is_none() || found == Some(value(*key, 0)));
        found.is_some()
    });
    assert!(left.count() > 1000);
    world.engine.verify();
}

/// Values of which only one fits a segment: much of each segment is empty, and no collection changes that.
fn world_of_long_values() -> (World, Vec<u8>) {
    let segment_bytes = 64 << 10;
    let world = World::new(Arc::new(MemoryDevice::new(1, 40 * segment_bytes)), 200_000, segment_bytes);
    let mut random = Random(7);
    (world, (0..36_000).map(|_| random.below(256) as u8).collect())
}

#[test]
fn a_collection_that_was_asked_for_ends() {
    let (mut world, long) = world_of_long_values();
    for key in 0..10u64 {
        assert!(world.set(0, &key.to_le_bytes(), &long, SetExpiry::Clear));
    }
    world.drain();
    let outcome = world.engine.collect_garbage();
    assert_eq!(world.wait_for(outcome), 0);
    for key in 0..5u64 {
        assert!(world.on_key(0, &key.to_le_bytes(), |keys| Ok(keys.remove(&key.to_le_bytes()))).unwrap());
    }
    let outcome = world.engine.collect_garbage();
    assert_eq!(world.wait_for(outcome), 5);
}

#[test]
fn segments_that_hold_all_they_can_are_not_rewritten_for_ever() {
    let (mut world, long) = world_of_long_values();
    let mut accepted = 0u64;
    while world.set(0, &accepted.to_le_bytes(), &long, SetExpiry::Clear) {
        accepted += 1;
        assert!(accepted < 100, "the tiers are full at some point");
    }
    assert!(accepted > 35, "{accepted} values");
    world.settle();
    let relocated_bytes = world.engine.metrics().gc_bytes_relocated;
    assert!(relocated_bytes < 640 << 10, "{relocated_bytes} bytes were rewritten in vain");
    assert_eq!(world.engine.admit_write(), Admission::Refuse);
}

#[test]
fn no_more_is_deleted_than_makes_room() {
    let (mut world, long) = world_of_long_values();
    let settings = world.engine.settings();
    let policy = EvictionPolicy::AllKeysLru;
    world.engine.set_settings(thermocline_engine::Settings { eviction_policy: policy, ..settings });
    for key in 0..60u64 {
        assert!(world.set(0, &key.to_le_bytes(), &long, SetExpiry::Clear), "key {key}");
        world.clock.advance_us(1_000_000);
    }
    world.settle();
    // Some 40 fit.
    let left = world.engine.databases().key_count(0);
    assert!((30..45).contains(&left), "{left} keys are left");
}

#[test]
fn nothing_is_deleted_where_nobody_writes() {
    let (mut world, long) = world_of_long_values();
    let policy = EvictionPolicy::AllKeysLru;
    let settings = thermocline_engine::Settings { eviction_policy: policy, ..world.engine.settings() };
    world.engine.set_settings(settings);
    for key in 0..60u64 {
        assert!(world.set(0, &key.to_le_bytes(), &long, SetExpiry::Clear), "key {key}");
    }
    world.settle();
    let evicted = world.engine.metrics().evicted_keys;
    assert!(evicted > 0);
    let steps = |world: &mut World, max_memory_bytes| {
        world.engine.set_settings(thermocline_engine::Settings { max_memory_bytes, ..settings });
        for _ in 0..1000 {
            world.clock.advance_us(1000);
            world.background.step();
        }
    };
    // A writer that needed room has got it.
    let max_memory_bytes = settings.max_memory_bytes / 2;
    world.engine.set_settings(thermocline_engine::Settings { max_memory_bytes, ..settings });
    assert_eq!(world.engine.admit_write(), Admission::Wait);
    steps(&mut world, settings.max_memory_bytes * 2);
    // Something else takes half of the memory for a while, as replies in the making do.
    steps(&mut world, settings.max_memory_bytes / 2);
    assert_eq!(world.engine.metrics().evicted_keys, evicted);
    assert!(world.set(0, b"more", &long, SetExpiry::Clear), "a write makes room for itself");
    assert!(world.engine.metrics().evicted_keys > evicted);
}
