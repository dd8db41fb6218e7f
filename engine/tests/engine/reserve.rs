//! The clean reserve: the coldest values are on the SSD before DRAM is needed.

use std::sync::Arc;

use thermocline_engine::device::memory::{CompletionOrder, MemoryDevice};
use thermocline_engine::{EngineConfig, SetExpiry, Settings, Tier, UnixMillis};

use crate::world::World;

const SEGMENT_BYTES: u64 = 256 << 10;
const BUDGET_BYTES: u64 = 1_600_000;
const KEYS: u64 = 3000;

fn key(i: u64) -> [u8; 8] {
    i.to_le_bytes()
}

/// Twice as many values as DRAM holds, older ones with lower numbers, loaded long ago.
fn calm(device: MemoryDevice, ttl_ms: Option<u64>) -> World {
    let settings = Settings { max_memory_bytes: BUDGET_BYTES, compression_level: 0, ..Settings::default() };
    let config = EngineConfig { shard_count: 1, database_count: 2, segment_bytes: SEGMENT_BYTES, settings };
    let mut world = World::configured(Arc::new(device), config);
    for i in 0..KEYS {
        let expiry = ttl_ms.map_or(SetExpiry::Clear, |ms| SetExpiry::At(UnixMillis(world.now().0 + ms)));
        assert!(world.set(0, &key(i), &[i as u8; 1000], expiry));
        world.clock.advance_us(1000);
    }
    for _ in 0..600 {
        world.clock.advance_us(20_000);
        world.background.step();
    }
    world
}

fn device() -> MemoryDevice {
    MemoryDevice::new(1, 128 * SEGMENT_BYTES)
}

/// The values in DRAM, coldest first, by whether the SSD has them too.
fn clean_in_order(world: &mut World) -> Vec<bool> {
    let tiers: Vec<_> = (0..KEYS).filter_map(|i| world.tier(0, &key(i))).collect();
    tiers.into_iter().filter(|&tier| tier != Tier::Ssd).map(|tier| tier == Tier::Both).collect()
}

#[test]
fn the_coldest_values_are_clean_in_a_calm_and_no_others() {
    let mut world = calm(device(), None);
    let clean = clean_in_order(&mut world);
    let reserve = clean.iter().take_while(|&&is_clean| is_clean).count();
    // A sixteenth of what DRAM holds.
    assert!((80..110).contains(&reserve), "{reserve} of {} values are clean", clean.len());
    assert!(clean[reserve..].iter().filter(|&&is_clean| is_clean).count() < 10);
    world.engine.verify();
}

#[test]
fn a_burst_finds_room_although_no_write_completes() {
    let device = device();
    let mut world = calm(device.clone(), None);
    let before = world.engine.metrics();
    device.set_order(CompletionOrder::Held);
    for i in KEYS..KEYS + 150 {
        assert!(world.set(0, &key(i), &[i as u8; 1000], SetExpiry::Clear), "value {}", i - KEYS);
        world.background.step();
    }
    let after = world.engine.metrics();
    assert_eq!(after.demotions, before.demotions);
    assert!(after.clean_demotions - before.clean_demotions > 60, "{}", after.clean_demotions);
}

#[test]
fn values_that_change_all_the_time_are_not_written_again_and_again() {
    let mut world = calm(device(), None);
    let before = world.engine.metrics().items_written_to_disk;
    for round in 0..100 {
        // Everything in DRAM changes, none of it leaves.
        for i in 0..KEYS {
            if world.tier(0, &key(i)) != Some(Tier::Ssd) {
                assert!(world.set(0, &key(i), &[round; 1000], SetExpiry::Clear));
            }
        }
        for _ in 0..100 {
            world.clock.advance_us(200_000);
            world.background.step();
        }
    }
    let written = world.engine.metrics().items_written_to_disk - before;
    assert!(written < 250, "{written} records were written");
}

#[test]
fn what_expires_soon_is_not_written_ahead() {
    let mut world = calm(device(), Some(50_000));
    let clean = clean_in_order(&mut world);
    assert_eq!(clean.iter().filter(|&&is_clean| is_clean).count(), 0, "of {}", clean.len());
}
