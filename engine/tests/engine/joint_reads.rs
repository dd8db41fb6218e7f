//! Records that lie close together are read by one I/O, and each of them stands for itself all the same.

use std::sync::Arc;

use thermocline_engine::device::memory::MemoryDevice;
use thermocline_engine::value::StringValue;
use thermocline_engine::{EngineConfig, Fetched, SetExpiry, Settings, UnixMillis};

use crate::world::World;

const SEGMENT_BYTES: u64 = 1 << 20;
const KEYS: u64 = 100;

fn key(i: u64) -> [u8; 8] {
    i.to_le_bytes()
}

fn value(i: u64, length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (at * 7 + i) as u8).collect()
}

/// Every `step`th of these keys' values is 100 bytes long, the others are `between` bytes; all are on the SSD, in order.
fn world(step: u64, between: usize) -> (World, Arc<MemoryDevice>) {
    let device = Arc::new(MemoryDevice::new(1, 64 * SEGMENT_BYTES));
    let settings = Settings { compression_level: 0, ..Settings::default() };
    let config = EngineConfig { shard_count: 4, database_count: 1, segment_bytes: SEGMENT_BYTES, settings };
    let mut world = World::configured(Arc::clone(&device) as _, config);
    for i in 0..KEYS * step {
        let length = if i.is_multiple_of(step) { 100 } else { between };
        assert!(world.set(0, &key(i), &value(i, length), SetExpiry::Clear));
        assert_eq!(world.demote(0, &key(i)), 1);
    }
    (world, device)
}

/// How many I/Os it takes to read all 100-byte values at once; those that could be read are right.
fn read_at_once(world: &mut World, step: u64) -> (u64, usize) {
    let before = world.engine.metrics();
    let mut fetched = Fetched::new();
    for i in (0..KEYS * step).step_by(step as usize) {
        world.engine.want(0, &key(i), world.now(), &mut fetched);
    }
    let _ = world.fetch(&mut fetched);
    let after = world.engine.metrics();
    assert_eq!(after.items_read_from_disk - before.items_read_from_disk, KEYS);
    let mut right = 0;
    for i in (0..KEYS * step).step_by(step as usize) {
        let mut keys = world.engine.lock_key(0, &key(i), UnixMillis(0), &mut fetched);
        if let Ok(found) = keys.get(&key(i)) {
            assert_eq!(found, Some(&StringValue::plain(&value(i, 100)).into()), "key {i}");
            right += 1;
        }
    }
    (after.ssd_latency.count - before.ssd_latency.count, right)
}

#[test]
fn neighbours_are_read_together_and_distant_ones_are_not() {
    // All 100 records are some 16 KB, and a segment's header may be among them.
    let (ios, right) = read_at_once(&mut world(1, 0).0, 1);
    assert!(ios <= 3 && right == 100, "{ios} I/Os, {right} values");
    // With 4 KB between them, some seven fit 32 KB.
    let (ios, right) = read_at_once(&mut world(2, 4 << 10).0, 2);
    assert!((12..20).contains(&ios) && right == 100, "{ios} I/Os, {right} values");
    // 12 KB between them are not worth reading.
    let (ios, right) = read_at_once(&mut world(2, 12 << 10).0, 2);
    assert!(ios == 100 && right == 100, "{ios} I/Os, {right} values");
}

#[test]
fn a_damaged_record_spoils_no_other_that_is_read_with_it() {
    let (mut world, device) = world(1, 0);
    let content = value(50, 100);
    device.alter(0, |image| {
        let mut bytes = vec![0; SEGMENT_BYTES as usize];
        for segment in 0..8 {
            image.read(segment * SEGMENT_BYTES, &mut bytes);
            if let Some(at) = bytes.windows(content.len()).position(|window| window == content) {
                image.write(segment * SEGMENT_BYTES + at as u64, &[!content[0]]);
                return;
            }
        }
        panic!("the value is on the device");
    });
    let (ios, right) = read_at_once(&mut world, 1);
    assert!(ios <= 3 && right == 99, "{ios} I/Os, {right} values");
    assert_eq!(world.engine.metrics().checksum_errors, 1);
    assert!(world.get(0, &key(50)).is_err());
}
