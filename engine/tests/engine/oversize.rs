//! Values longer than a log segment stay in DRAM: they hold nobody up, and where they fill it, writes are refused.

use std::sync::Arc;

use thermocline_engine::device::memory::MemoryDevice;
use thermocline_engine::{EngineConfig, SetExpiry, Settings, Tier};

use crate::world::World;

const SEGMENT_BYTES: u64 = 64 << 10;
const OVERSIZE_BYTES: usize = 80 << 10;

fn key(i: u64) -> [u8; 8] {
    i.to_le_bytes()
}

/// One shard, so that all values are in each other's way.
fn world() -> World {
    let settings = Settings { max_memory_bytes: 400_000, compression_level: 0, ..Settings::default() };
    let config = EngineConfig { shard_count: 1, database_count: 2, segment_bytes: SEGMENT_BYTES, settings };
    World::configured(Arc::new(MemoryDevice::new(1, 256 * SEGMENT_BYTES)), config)
}

#[test]
fn others_are_demoted_around_values_that_cannot_be() {
    for oversize_database in [0, 1] {
        let mut world = world();
        assert!(world.set(oversize_database, &key(0), &[7; OVERSIZE_BYTES], SetExpiry::Clear));
        world.clock.advance_us(5_000_000);
        // Six times what DRAM holds, all of it younger.
        for i in 0..2400 {
            assert!(world.set(1 - oversize_database, &key(i), &[i as u8; 1000], SetExpiry::Clear), "key {i}");
        }
        assert_eq!(world.tier(oversize_database, &key(0)), Some(Tier::Dram));
        assert_eq!(world.get(oversize_database, &key(0)).unwrap(), Some(vec![7; OVERSIZE_BYTES]));
        world.settle();
        assert!(world.engine.metrics().demotions > 1900);
        world.engine.verify();
    }
}

#[test]
fn writes_are_refused_where_they_fill_dram_and_go_on_when_some_are_deleted() {
    let mut world = world();
    let mut accepted = 0;
    while world.set(0, &key(accepted), &[accepted as u8; OVERSIZE_BYTES], SetExpiry::Clear) {
        accepted += 1;
        assert!(accepted < 100, "DRAM is full at some point");
    }
    assert_eq!(accepted, 5);
    assert!(!world.set(1, b"small", b"value", SetExpiry::Clear));
    for i in 0..accepted {
        assert_eq!(world.get(0, &key(i)).unwrap(), Some(vec![i as u8; OVERSIZE_BYTES]));
    }
    assert!(world.on_key(0, &key(0), |keys| Ok(keys.remove(&key(0)))).unwrap());
    assert!(world.set(1, b"small", b"value", SetExpiry::Clear));
}
