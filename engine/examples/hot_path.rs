//! Nanoseconds per GET and SET of values in DRAM, through the interface that command handlers use.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use thermocline_engine::value::StringValue;
use thermocline_engine::{
    Components, Engine, EngineConfig, Fetched, ManualClock, NoMemoryGauge, SetExpiry, UnixMillis,
};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let components = Components {
        device: None,
        clock: Arc::new(ManualClock::at(UnixMillis(1_700_000_000_000))),
        memory: Arc::new(NoMemoryGauge),
        seed: [1, 2, 3, 4],
    };
    let engine = Engine::new(EngineConfig::default(), components).expect("the defaults are valid");
    let now = UnixMillis(1_700_000_000_000);
    let keys: Vec<Vec<u8>> = (0..100_000).map(|i| format!("key:{i:012}").into_bytes()).collect();
    let value = vec![b'x'; 100];
    let mut fetched = Fetched::new();
    let mut order: Vec<usize> = (0..2_000_000).map(|i| (i * 7919 + i / 13) % keys.len()).collect();
    order.sort_by_key(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 20);
    for round in 0..3 {
        let start = Instant::now();
        for &i in &order {
            let key = &keys[i];
            let mut view = engine.lock_key(0, key, now, &mut fetched);
            view.set(key, StringValue::encoded(&value).into(), SetExpiry::Clear);
        }
        let set_ns = start.elapsed().as_nanos() as f64 / order.len() as f64;
        let start = Instant::now();
        for &i in &order {
            let key = &keys[i];
            let mut view = engine.lock_key(0, key, now, &mut fetched);
            black_box(view.get(key).expect("nothing is cold").map(|value| value.length()));
        }
        let get_ns = start.elapsed().as_nanos() as f64 / order.len() as f64;
        eprintln!("round {round}: SET {set_ns:.0} ns, GET {get_ns:.0} ns");
    }
}
