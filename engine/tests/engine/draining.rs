//! `TIER DRAIN`: everything leaves DRAM, is counted, and the drain ends whatever clients and device do meanwhile.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use thermocline_engine::device::Device;
use thermocline_engine::device::Operation;
use thermocline_engine::device::fault::{Fault, FaultDevice, FaultPlan, RATE_UNIT, ScriptedFault};
use thermocline_engine::device::memory::MemoryDevice;
use thermocline_engine::{EngineConfig, SetExpiry, Settings, Tier};

use crate::world::World;

const SEGMENT_BYTES: u64 = 64 << 10;
/// Too long for a segment.
const OVERSIZE_BYTES: usize = 80 << 10;

fn key(i: u64) -> [u8; 8] {
    i.to_le_bytes()
}

fn memory() -> Arc<dyn Device> {
    Arc::new(MemoryDevice::new(1, 256 * SEGMENT_BYTES))
}

/// A device whose every request takes some dozens of steps.
fn slow() -> FaultDevice {
    let plan = FaultPlan { seed: 1, delays: RATE_UNIT, max_delay_polls: 60, ..FaultPlan::default() };
    FaultDevice::new(memory(), plan).unwrap()
}

/// More shards than one step of the background work looks at.
fn world(device: Arc<dyn Device>) -> World {
    sharded(device, 128, 0)
}

fn sharded(device: Arc<dyn Device>, shard_count: usize, budget_bytes: u64) -> World {
    let settings = Settings { max_memory_bytes: budget_bytes, compression_level: 0, ..Settings::default() };
    let config = EngineConfig { shard_count, database_count: 4, segment_bytes: SEGMENT_BYTES, settings };
    World::configured(device, config)
}

/// Steps until the drain is over, with `meanwhile` before each step.
fn drain_while(world: &mut World, mut meanwhile: impl FnMut(&mut World)) -> u64 {
    let mut outcome = pin!(world.engine.drain());
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(count) = outcome.as_mut().poll(&mut context) {
            return count;
        }
        meanwhile(world);
        world.clock.advance_us(50);
        world.background.step();
    }
    panic!("the drain never ends");
}

#[test]
fn a_drain_resolves_to_how_many_values_left_dram() {
    let mut world = world(memory());
    for i in 0..300 {
        assert!(world.set(i as usize % 3, &key(i), &[i as u8; 200], SetExpiry::Clear));
    }
    assert_eq!(world.demote(0, &key(0)), 1);
    assert_eq!(world.drain(), 299);
    assert_eq!(world.drain(), 0);
    // Clean values count too: DRAM is ample, so what is read stays in it.
    for i in 10..20 {
        world.get(i as usize % 3, &key(i)).unwrap();
        assert_eq!(world.tier(i as usize % 3, &key(i)), Some(Tier::Both));
    }
    assert!(world.set(0, &key(900), b"new", SetExpiry::Clear));
    assert_eq!(world.drain(), 11);
}

#[test]
fn who_asks_while_a_drain_is_under_way_waits_for_its_end_too() {
    let mut world = world(Arc::new(slow()));
    for i in 0..100 {
        assert!(world.set(0, &key(i), &[i as u8; 200], SetExpiry::Clear));
    }
    let first = world.engine.drain();
    world.background.step();
    let second = world.engine.drain();
    assert_eq!(world.wait_for(first), 100);
    assert_eq!(world.wait_for(second), 100);
    assert!((0..100).all(|i| world.tier(0, &key(i)) == Some(Tier::Ssd)));
}

#[test]
fn values_that_are_used_all_the_time_leave_dram_too() {
    for keys in [1, 2, 5] {
        let mut world = world(Arc::new(slow()));
        for i in 0..keys {
            assert!(world.set(0, &key(i), &[i as u8; 200], SetExpiry::Clear));
        }
        let moved = drain_while(&mut world, |world| {
            for i in 0..keys {
                world.on_key(0, &key(i), |keys| Ok(keys.touch(&key(i)))).unwrap();
            }
        });
        assert_eq!(moved, keys);
        assert!((0..keys).all(|i| world.tier(0, &key(i)) == Some(Tier::Ssd)), "of {keys} keys");
    }
}

#[test]
fn a_value_whose_write_failed_is_written_again() {
    let device = slow();
    let failed_write = ScriptedFault {
        operation: Operation::Write,
        file: None,
        range: None,
        skip: 0,
        times: 1,
        fault: Fault::Error(5),
    };
    let mut world = world(Arc::new(device.clone()));
    assert!(world.set(0, &key(1), &[1; 200], SetExpiry::Clear));
    device.script(failed_write);
    assert_eq!(world.drain(), 1);
    assert_eq!(world.engine.metrics().write_errors, 1);
    assert_eq!(world.tier(0, &key(1)), Some(Tier::Ssd));
}

#[test]
fn a_drain_ends_though_clients_go_on_writing() {
    let mut world = world(Arc::new(slow()));
    for i in 0..200 {
        assert!(world.set(0, &key(i), &[i as u8; 200], SetExpiry::Clear));
    }
    let mut version = 0;
    let moved = drain_while(&mut world, |world| {
        for i in 0..50 {
            version += 1;
            assert!(world.set(0, &key(i), &[version as u8; 200], SetExpiry::Clear));
        }
    });
    assert!(moved >= 150, "{moved} values were moved");
    assert!((50..200).all(|i| world.tier(0, &key(i)) == Some(Tier::Ssd)));
}

#[test]
fn a_drain_ends_where_no_write_succeeds() {
    let plan = FaultPlan { seed: 1, write_errors: RATE_UNIT, ..FaultPlan::default() };
    let mut world = world(Arc::new(FaultDevice::new(memory(), plan).unwrap()));
    assert!(world.set(0, &key(1), &[1; 200], SetExpiry::Clear));
    let moved = drain_while(&mut world, |world| world.clock.advance_us(100_000));
    assert_eq!(moved, 0);
    assert_eq!(world.tier(0, &key(1)), Some(Tier::Dram));
}

#[test]
fn values_longer_than_a_segment_stay_and_do_not_hold_up_the_drain_of_others() {
    let mut world = sharded(memory(), 1, 0);
    // Many of them in one place: more than a batch looks at, all of them older than the others.
    for i in 0..100 {
        assert!(world.set(1, &key(i), &[1; OVERSIZE_BYTES], SetExpiry::Clear));
    }
    world.clock.advance_us(5_000_000);
    for i in 0..100 {
        assert!(world.set(0, &key(i), &[1; 200], SetExpiry::Clear));
    }
    assert_eq!(world.drain(), 100);
    assert!((0..100).all(|i| world.tier(0, &key(i)) == Some(Tier::Ssd)));
    assert!((0..100).all(|i| world.tier(1, &key(i)) == Some(Tier::Dram)));
    assert_eq!(world.demote(1, &key(0)), 0);
}
