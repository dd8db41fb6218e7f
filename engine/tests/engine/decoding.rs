//! Long collections are decoded on a thread of their own, and readers hear of them as of any other.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use thermocline_engine::device::memory::MemoryDevice;
use thermocline_engine::value::{PackLimits, SetLimits, SetValue, Value};
use thermocline_engine::{Decoder, EngineConfig, FetchError, Fetched, SetExpiry, Settings};

use crate::world::World;

const SEGMENT_BYTES: u64 = 4 << 20;
const SETS: u32 = 4;
/// How long another thread may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn long_set(number: u32) -> Value {
    let limits = SetLimits { intset_entries: 0, pack: PackLimits { entries: 0, element_bytes: 0 } };
    let mut set = SetValue::new_table(0);
    for member in 0..20_000 {
        set.insert(format!("set {number}, member {member}").as_bytes(), limits);
    }
    set.into()
}

/// Sets with tens of thousands of members, on the SSD.
fn world() -> (World, Arc<MemoryDevice>) {
    let device = Arc::new(MemoryDevice::new(1, 32 * SEGMENT_BYTES));
    let settings = Settings { compression_level: 0, ..Settings::default() };
    let config = EngineConfig { shard_count: 4, database_count: 1, segment_bytes: SEGMENT_BYTES, settings };
    let mut world = World::configured(Arc::clone(&device) as _, config);
    for number in 0..SETS {
        let key = number.to_le_bytes();
        world
            .on_key(0, &key, |keys| {
                keys.set(&key, long_set(number), SetExpiry::Clear);
                Ok(())
            })
            .expect("a new key");
        assert_eq!(world.demote(0, &key), 1);
    }
    (world, device)
}

/// Reads all sets at once; in how many rounds without a result, and the outcome.
fn fetch_all(world: &mut World, fetched: &mut Fetched) -> (u64, Result<(), FetchError>) {
    for number in 0..SETS {
        world.engine.want(0, &number.to_le_bytes(), world.now(), fetched);
    }
    let mut fetch = pin!(world.reader.fetch(fetched));
    let mut context = Context::from_waker(Waker::noop());
    let (began, mut rounds) = (Instant::now(), 0);
    loop {
        if let Poll::Ready(outcome) = fetch.as_mut().poll(&mut context) {
            return (rounds, outcome);
        }
        assert!(began.elapsed() < PATIENCE, "a value is never decoded");
        world.reader.flush();
        rounds += u64::from(world.reader.drain() == 0);
        std::thread::yield_now();
    }
}

fn right_sets(world: &World, fetched: &mut Fetched) -> u32 {
    let is_right = |&number: &u32| {
        let key = number.to_le_bytes();
        let mut keys = world.engine.lock_key(0, &key, world.now(), fetched);
        keys.get(&key).is_ok_and(|found| found == Some(&long_set(number)))
    };
    (0..SETS).filter(is_right).count() as u32
}

#[test]
fn long_sets_come_back_with_a_decoder_and_without_one() {
    for has_decoder in [true, false] {
        let (mut world, _) = world();
        let decoder = Decoder::new(&world.engine).expect("memory");
        let decoder = decoder.filter(|_| has_decoder);
        let thread = decoder.map(|decoder| std::thread::spawn(move || decoder.run()));
        let mut fetched = Fetched::new();
        let (rounds, outcome) = fetch_all(&mut world, &mut fetched);
        assert_eq!(outcome, Ok(()));
        assert_eq!(rounds > 0, has_decoder, "only a decoder takes its time");
        assert_eq!(right_sets(&world, &mut fetched), SETS);
        assert_eq!(world.reader.outstanding(), 0);
        // The decoder's thread ends with the engine.
        drop((fetched, world));
        thread.into_iter().for_each(|thread| thread.join().expect("the decoder"));
    }
}

#[test]
fn what_a_decoder_finds_damaged_is_an_error() {
    let (mut world, device) = world();
    let needle = b"set 2, member 777";
    device.alter(0, |image| {
        let mut bytes = vec![0; 16 << 20];
        image.read(0, &mut bytes);
        let at = bytes.windows(needle.len()).position(|window| window == needle).expect("the set is there");
        image.write(at as u64, b"S");
    });
    let decoder = Decoder::new(&world.engine).expect("memory").expect("the first one");
    assert!(Decoder::new(&world.engine).expect("memory").is_none(), "there is one at most");
    let thread = std::thread::spawn(move || decoder.run());
    let mut fetched = Fetched::new();
    let (_, outcome) = fetch_all(&mut world, &mut fetched);
    assert!(matches!(outcome, Err(FetchError::Damaged(_))), "{outcome:?}");
    assert_eq!(right_sets(&world, &mut fetched), SETS - 1);
    assert_eq!(world.engine.metrics().checksum_errors, 1);
    drop((fetched, world));
    thread.join().expect("the decoder");
}
