//! What an observer is told of changes to keys.

use std::sync::{Arc, Mutex};

use thermocline_engine::device::memory::MemoryDevice;
use thermocline_engine::{Change, Fetched, KeyObserver, SetExpiry, UnixMillis};

use crate::world::World;

const SEGMENT_BYTES: u64 = 64 << 10;

#[derive(Default)]
struct Record(Mutex<Vec<String>>);

impl Record {
    /// What was told since the last call.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn note(&self, what: &str, database: usize, key: &[u8]) {
        self.0.lock().unwrap().push(format!("{what} {database} {}", key.escape_ascii()));
    }
}

impl KeyObserver for Record {
    fn changed(&self, database: usize, key: &[u8], change: Change) {
        self.note(&format!("{change:?}"), database, key);
    }

    fn missed(&self, database: usize, key: &[u8]) {
        self.note("Missed", database, key);
    }
}

fn observed() -> (World, Arc<Record>) {
    let world = World::new(Arc::new(MemoryDevice::new(1, 64 * SEGMENT_BYTES)), 0, SEGMENT_BYTES);
    let record = Arc::new(Record::default());
    world.engine.set_observer(Arc::clone(&record) as _);
    (world, record)
}

#[test]
fn changes_are_told_and_moves_between_the_tiers_are_not() {
    let (mut world, record) = observed();
    world.set(0, b"k", b"unheard", SetExpiry::Clear);
    assert!(record.take().is_empty(), "nobody asked");
    world.engine.observe_all(true);
    world.set(0, b"k", b"value", SetExpiry::Clear);
    world.set(1, b"new", b"value", SetExpiry::At(UnixMillis(world.now().0 + 5)));
    assert_eq!(record.take(), ["Written 0 k", "Created 1 new"]);
    assert_eq!(world.demote(0, b"k"), 1);
    for _ in 0..3 {
        world.get(0, b"k").unwrap();
    }
    assert!(record.take().is_empty());
    world.append(0, b"k", b"!").unwrap();
    world.clock.advance_us(10_000);
    world.get(1, b"new").unwrap();
    assert_eq!(record.take(), ["Written 0 k", "Expired 1 new", "Missed 1 new"]);
    world.on_key(0, b"k", |keys| Ok(keys.remove(b"k"))).unwrap();
    assert_eq!(record.take(), ["Removed 0 k"]);
    world.engine.observe_all(false);
    world.set(0, b"k", b"unheard", SetExpiry::Clear);
    assert!(record.take().is_empty());
}

#[test]
fn a_miss_is_told_once_though_the_command_runs_again() {
    let (mut world, record) = observed();
    world.set(0, b"cold", b"value", SetExpiry::Clear);
    assert_eq!(world.demote(0, b"cold"), 1);
    world.engine.observe_all(true);
    let mut fetched = Fetched::new();
    for is_fetched in [false, true] {
        let names = [&b"missing"[..], b"cold"];
        let mut keys = world.engine.lock_keys(0, names.into_iter(), world.now(), &mut fetched);
        assert!(keys.get(b"missing").unwrap().is_none());
        assert_eq!(keys.get(b"cold").is_ok(), is_fetched);
        if is_fetched {
            keys.set(
                b"missing",
                thermocline_engine::value::StringValue::plain(b"x").into(),
                SetExpiry::Clear,
            );
        }
        drop(keys);
        if !is_fetched {
            world.fetch(&mut fetched).unwrap();
        }
    }
    assert_eq!(record.take(), ["Missed 0 missing", "Created 0 missing"]);
}
