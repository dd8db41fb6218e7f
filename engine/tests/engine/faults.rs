//! What goes wrong on the device is an error and a counter; no value is lost and none is wrong.

use std::sync::Arc;

use crate::world::World;
use thermocline_engine::device::fault::{FaultDevice, FaultPlan, RATE_UNIT};
use thermocline_engine::device::memory::MemoryDevice;
use thermocline_engine::{FetchError, SetExpiry};

const SEGMENT_BYTES: u64 = 64 << 10;
/// Every tenth request.
const TENTH: u32 = RATE_UNIT / 10;

fn key(i: u64) -> Vec<u8> {
    format!("key:{i:06}").into_bytes()
}

fn value(i: u64, version: u64) -> Vec<u8> {
    (0..400).map(|at| ((i * 31 + version * 17 + at * 7) >> 2) as u8).collect()
}

fn world(plan: FaultPlan) -> (World, FaultDevice) {
    let inner = MemoryDevice::new(1, 200 * SEGMENT_BYTES);
    let device = FaultDevice::new(Arc::new(inner), plan).unwrap();
    (World::new(Arc::new(device.clone()), 100_000, SEGMENT_BYTES), device)
}

/// Loads keys and overwrites them for a while under `plan`; then every key either has its last value or is an
/// error, never another value, and after the device has healed every key has its value.
fn survive(plan: FaultPlan) -> World {
    let (mut world, device) = world(plan);
    let keys = 600;
    let mut versions = vec![0; keys as usize];
    let mut refused = 0;
    for i in 0..4 * keys {
        let (k, version) = (i * 7919 % keys, i / keys);
        if world.set(0, &key(k), &value(k, version), SetExpiry::Clear) {
            versions[k as usize] = version;
        } else {
            refused += 1;
        }
        let probe = i * 104_729 % keys;
        match world.get(0, &key(probe)) {
            Ok(Some(found)) => assert_eq!(found, value(probe, versions[probe as usize])),
            Ok(None) => assert!(i < keys, "key {probe} is lost"),
            Err(FetchError::Device(_) | FetchError::Damaged(_)) => {}
        }
    }
    assert!(refused < keys, "{refused} writes were refused");
    device.heal();
    for k in 0..keys {
        assert_eq!(world.get(0, &key(k)).unwrap(), Some(value(k, versions[k as usize])), "key {k}");
    }
    world.engine.verify();
    world
}

#[test]
fn read_errors_are_errors_and_pass() {
    let world = survive(FaultPlan { seed: 1, read_errors: TENTH, ..FaultPlan::default() });
    assert!(world.engine.metrics().read_errors > 10);
}

#[test]
fn short_reads_are_errors_and_pass() {
    let world = survive(FaultPlan { seed: 2, short_reads: TENTH, ..FaultPlan::default() });
    assert!(world.engine.metrics().read_errors > 10);
}

#[test]
fn flipped_bits_are_never_served() {
    let world = survive(FaultPlan { seed: 3, read_bit_flips: TENTH, ..FaultPlan::default() });
    assert!(world.engine.metrics().checksum_errors > 10);
}

#[test]
fn failed_writes_keep_the_values_in_dram() {
    let world = survive(FaultPlan { seed: 4, write_errors: TENTH, ..FaultPlan::default() });
    assert!(world.engine.metrics().write_errors > 0);
    assert!(world.engine.metrics().segments_failed > 0);
}

#[test]
fn short_and_torn_writes_that_are_reported_lose_nothing() {
    let plan = FaultPlan { seed: 5, short_writes: TENTH / 2, torn_writes: TENTH / 2, ..FaultPlan::default() };
    let world = survive(plan);
    assert!(world.engine.metrics().write_errors > 0);
}

#[test]
fn a_full_disk_refuses_writes_and_keeps_everything() {
    let (mut world, device) = world(FaultPlan { seed: 6, ..FaultPlan::default() });
    device.set_disk_full(true);
    let mut accepted = 0;
    while accepted < 2000 && world.set(0, &key(accepted), &value(accepted, 0), SetExpiry::Clear) {
        accepted += 1;
    }
    assert!(accepted < 2000, "DRAM is full at some point");
    for k in 0..accepted {
        assert_eq!(world.get(0, &key(k)).unwrap(), Some(value(k, 0)));
    }
}

#[test]
fn writes_that_are_lost_silently_give_errors_and_never_another_value() {
    let (mut world, device) =
        world(FaultPlan { seed: 7, lost_writes: TENTH, write_bit_flips: TENTH, ..FaultPlan::default() });
    let keys = 1000;
    for k in 0..keys {
        assert!(world.set(0, &key(k), &value(k, 0), SetExpiry::Clear));
    }
    world.drain();
    device.heal();
    let mut damaged = 0;
    for k in 0..keys {
        match world.get(0, &key(k)) {
            Ok(found) => assert_eq!(found, Some(value(k, 0))),
            Err(FetchError::Damaged(_)) => damaged += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(damaged > 10, "{damaged} values are damaged");
    // A damaged key can still be deleted and set anew: neither needs the value.
    for k in 0..keys {
        assert!(world.set(0, &key(k), &value(k, 1), SetExpiry::Clear));
        assert_eq!(world.get(0, &key(k)).unwrap(), Some(value(k, 1)));
    }
}
