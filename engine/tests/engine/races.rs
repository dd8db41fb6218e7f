//! Reads that something overtakes while they are under way.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use thermocline_engine::device::memory::MemoryDevice;
use thermocline_engine::value::{StringValue, Value};
use thermocline_engine::{Fetched, SetExpiry};

use crate::world::World;

const SEGMENT_BYTES: u64 = 64 << 10;

/// A cold value under another name than its record's.
fn cold_value_of_another_name() -> World {
    let mut world = World::new(Arc::new(MemoryDevice::new(1, 64 * SEGMENT_BYTES)), 0, SEGMENT_BYTES);
    assert!(world.set(0, b"old", &[7; 500], SetExpiry::Clear));
    assert_eq!(world.demote(0, b"old"), 1);
    rename(&world, b"old", b"name");
    world
}

/// Such a value, and a read of it during which `meanwhile` happens.
fn read_while(meanwhile: impl Fn(&World)) -> World {
    let world = cold_value_of_another_name();
    let mut fetched = Fetched::new();
    world.engine.want(0, b"name", world.now(), &mut fetched);
    {
        let mut fetch = pin!(world.reader.fetch(&mut fetched));
        meanwhile(&world);
        world.reader.flush();
        assert_eq!(world.reader.drain(), 1);
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(fetch.as_mut().poll(&mut context), Poll::Ready(Ok(())), "the index is asked again");
    }
    assert_eq!(world.engine.metrics().checksum_errors, 0);
    world
}

fn rename(world: &World, from: &[u8], to: &[u8]) {
    let mut fetched = Fetched::new();
    let mut keys = world.engine.lock_keys(0, [from, to].into_iter(), world.now(), &mut fetched);
    assert!(keys.rename(from, to, 0));
}

#[test]
fn a_read_that_a_rename_overtakes_starts_again() {
    let mut world = read_while(|world| rename(world, b"name", b"newer"));
    assert_eq!(world.get(0, b"newer").unwrap(), Some(vec![7; 500]));
    assert_eq!(world.get(0, b"name").unwrap(), None);
}

#[test]
fn a_read_that_a_deletion_overtakes_starts_again() {
    let mut world = read_while(|world| {
        let mut fetched = Fetched::new();
        assert!(world.engine.lock_key(0, b"name", world.now(), &mut fetched).remove(b"name"));
    });
    assert_eq!(world.get(0, b"name").unwrap(), None);
}

#[test]
fn a_read_that_a_rename_overtakes_waits_for_no_shard() {
    // The thread that drains the reads may hold the key's shard itself, for a script.
    let mut world = cold_value_of_another_name();
    let mut fetched = Fetched::new();
    world.engine.want(0, b"name", world.now(), &mut fetched);
    rename(&world, b"name", b"newer");
    {
        let mut nothing = Fetched::new();
        let mut fetch = pin!(world.reader.fetch(&mut fetched));
        let held = world.engine.lock_all(0, world.now(), &mut nothing).expect("nobody holds anything");
        world.reader.flush();
        assert_eq!(world.reader.drain(), 1);
        drop(held);
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(fetch.as_mut().poll(&mut context), Poll::Ready(Ok(())), "the index is asked again");
    }
    assert_eq!(world.get(0, b"newer").unwrap(), Some(vec![7; 500]));
}

#[test]
fn a_long_value_that_others_replace_while_it_is_demoted_is_the_last_one() {
    let long = |number: u64| -> Value { StringValue::raw(number.to_le_bytes().repeat(50_000)).into() };
    let mut world = World::new(Arc::new(MemoryDevice::new(1, 256 << 20)), 0, 1 << 20);
    let engine = Arc::clone(&world.engine);
    let now = world.now();
    let writer = std::thread::spawn(move || {
        for number in 0..=300 {
            let mut fetched = Fetched::new();
            engine.lock_key(0, b"long", now, &mut fetched).set(b"long", long(number), SetExpiry::Clear);
        }
    });
    let mut demoted = 0;
    while !writer.is_finished() {
        demoted += world.demote(0, b"long");
    }
    writer.join().expect("nothing panics");
    demoted += world.demote(0, b"long");
    assert!(demoted > 0, "at least the last one goes");
    assert_eq!(world.get(0, b"long").unwrap(), Some(300_u64.to_le_bytes().repeat(50_000)));
}
