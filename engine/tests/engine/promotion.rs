//! Which reads bring a value back to DRAM.

use std::sync::Arc;

use thermocline_engine::device::memory::MemoryDevice;
use thermocline_engine::{SetExpiry, Tier};

use crate::world::World;

const SEGMENT_BYTES: u64 = 256 << 10;

fn key(i: u64) -> [u8; 8] {
    i.to_le_bytes()
}

/// Four times more values than DRAM holds, loaded within a moment.
fn loaded() -> World {
    let mut world = World::new(Arc::new(MemoryDevice::new(1, 64 * SEGMENT_BYTES)), 400_000, SEGMENT_BYTES);
    for i in 0..1600 {
        assert!(world.set(0, &key(i), &[i as u8; 1000], SetExpiry::Clear));
    }
    world.settle();
    world
}

fn tier(world: &mut World, i: u64) -> Tier {
    world.on_key(0, &key(i), |keys| Ok(keys.peek(&key(i)).unwrap().tier)).unwrap()
}

#[test]
fn a_value_used_again_soon_is_promoted_though_the_load_before_was_fast() {
    let mut world = loaded();
    // Time passes; nothing is demoted, so values in DRAM stay for longer than they did during the load.
    for _ in 0..3000 {
        world.clock.advance_us(10_000);
        world.background.step();
    }
    let cold = (0..1600).find(|&i| tier(&mut world, i) == Tier::Ssd).unwrap();
    world.get(0, &key(cold)).unwrap();
    world.clock.advance_us(5_000_000);
    world.get(0, &key(cold)).unwrap();
    assert_eq!(tier(&mut world, cold), Tier::Both);
}

#[test]
fn a_scan_of_cold_values_promotes_next_to_nothing() {
    let mut world = loaded();
    let hot: Vec<u64> = (0..1600).filter(|&i| tier(&mut world, i) != Tier::Ssd).collect();
    for _ in 0..3 {
        for i in 0..1600 {
            world.get(0, &key(i)).unwrap();
            world.clock.advance_us(20_000);
            world.background.step();
            for &kept in hot.iter().skip(i as usize % 8).step_by(8) {
                world.get(0, &key(kept)).unwrap();
            }
        }
    }
    let still_hot = hot.iter().filter(|&&i| tier(&mut world, i) != Tier::Ssd).count();
    assert!(still_hot * 10 >= hot.len() * 9, "{still_hot} of {} hot values are still in DRAM", hot.len());
}
