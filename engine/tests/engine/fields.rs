//! Fields of hashes that expire: taken away in the background, wherever the hash is.

use std::sync::Arc;

use thermocline_engine::device::memory::MemoryDevice;
use thermocline_engine::value::{HashValue, PackLimits};
use thermocline_engine::{EngineConfig, Fetched, SetExpiry, UnixMillis};

use crate::world::World;

const SEGMENT_BYTES: u64 = 64 << 10;
const LIMITS: PackLimits = PackLimits { entries: 100, element_bytes: 64 };

fn world() -> World {
    let config = EngineConfig { shard_count: 1, segment_bytes: SEGMENT_BYTES, ..EngineConfig::default() };
    World::configured(Arc::new(MemoryDevice::new(1, 64 * SEGMENT_BYTES)), config)
}

/// Sets a hash of `fields` fields, of which the first `expiring` expire in `ttl_ms`.
fn set(world: &World, key: &[u8], fields: usize, expiring: usize, ttl_ms: u64) {
    let mut hash = HashValue::new();
    for number in 0..fields {
        let expiry = (number < expiring).then(|| UnixMillis(world.now().0 + ttl_ms));
        hash.set_with_expiry(format!("field {number}").as_bytes(), b"value", expiry, LIMITS);
    }
    let mut fetched = Fetched::new();
    world.engine.lock_key(0, key, world.now(), &mut fetched).set(key, hash.into(), SetExpiry::Clear);
}

/// How many fields the index says there are.
fn length(world: &World, key: &[u8]) -> Option<u32> {
    let mut fetched = Fetched::new();
    world.engine.lock_key(0, key, world.now(), &mut fetched).peek(key).map(|info| info.length)
}

fn let_pass(world: &mut World, ms: u64) {
    for _ in 0..ms.div_ceil(20) {
        world.clock.advance_us(20_000);
        for _ in 0..50 {
            world.background.step();
        }
    }
}

#[test]
fn expired_fields_are_taken_away_and_empty_hashes_with_them() {
    let mut world = world();
    set(&world, b"small", 10, 4, 1_000);
    set(&world, b"large", 5_000, 4_000, 1_000);
    set(&world, b"gone", 7, 7, 1_000);
    set(&world, b"lasting", 7, 7, 1_000_000);
    set(&world, b"plain", 7, 0, 0);
    let_pass(&mut world, 500);
    let lengths = |world: &World| {
        [&b"small"[..], b"large", b"gone", b"lasting", b"plain"].map(|key| length(world, key))
    };
    assert_eq!(lengths(&world), [Some(10), Some(5_000), Some(7), Some(7), Some(7)]);
    let_pass(&mut world, 3_000);
    assert_eq!(lengths(&world), [Some(6), Some(1_000), None, Some(7), Some(7)]);
    world.engine.verify();
}
