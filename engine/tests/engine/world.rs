//! An engine, its reader and its background work in one thread, stepped by hand.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use thermocline_engine::device::Device;
use thermocline_engine::value::StringValue;
use thermocline_engine::{
    Background, Components, Engine, EngineConfig, FetchError, Fetched, Keys, ManualClock, NoMemoryGauge,
    Reader, SetExpiry, Settings, Tier, UnixMillis,
};

/// Steps after which something that should have happened by now never will.
const PATIENCE: usize = 100_000;

/// Everything one engine needs.
pub(crate) struct World {
    pub(crate) engine: Arc<Engine>,
    pub(crate) reader: Reader,
    pub(crate) background: Background,
    pub(crate) clock: Arc<ManualClock>,
}

fn start() -> UnixMillis {
    UnixMillis(1_700_000_000_000)
}

impl World {
    /// An engine whose values may take `budget_bytes` of DRAM (0: no limit), over `device`.
    pub(crate) fn new(device: Arc<dyn Device>, budget_bytes: u64, segment_bytes: u64) -> Self {
        let settings = Settings { max_memory_bytes: budget_bytes, ..Settings::default() };
        Self::configured(device, EngineConfig { shard_count: 4, database_count: 4, segment_bytes, settings })
    }

    /// An engine as configured, over `device`.
    pub(crate) fn configured(device: Arc<dyn Device>, config: EngineConfig) -> Self {
        let clock = Arc::new(ManualClock::at(start()));
        let components = Components {
            device: Some(device),
            clock: Arc::clone(&clock) as _,
            memory: Arc::new(NoMemoryGauge),
            seed: [1, 2, 3, 4],
        };
        let engine = Arc::new(Engine::new(config, components).unwrap());
        let reader = Reader::new(Arc::clone(&engine)).unwrap();
        let background = Background::new(Arc::clone(&engine)).unwrap();
        Self { engine, reader, background, clock }
    }

    pub(crate) fn now(&self) -> UnixMillis {
        thermocline_engine::Clock::now(&*self.clock)
    }

    /// Runs `command` on one key, fetching what is cold, as a server would.
    pub(crate) fn on_key<T>(
        &mut self,
        database: usize,
        key: &[u8],
        mut command: impl FnMut(&mut Keys<'_>) -> Result<T, thermocline_engine::Cold>,
    ) -> Result<T, FetchError> {
        let mut fetched = Fetched::new();
        for _ in 0..PATIENCE {
            let now = self.now();
            let result = command(&mut self.engine.lock_key(database, key, now, &mut fetched));
            match result {
                Ok(result) => return Ok(result),
                Err(_) => self.fetch(&mut fetched)?,
            }
        }
        panic!("a value is fetched in vain");
    }

    pub(crate) fn fetch(&mut self, fetched: &mut Fetched) -> Result<(), FetchError> {
        let mut fetch = pin!(self.reader.fetch(fetched));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..PATIENCE {
            if let Poll::Ready(result) = fetch.as_mut().poll(&mut context) {
                return result;
            }
            self.reader.flush();
            self.reader.drain();
        }
        panic!("a read never completes");
    }

    pub(crate) fn get(&mut self, database: usize, key: &[u8]) -> Result<Option<Vec<u8>>, FetchError> {
        self.on_key(database, key, |keys| Ok(keys.get(key)?.map(|value| value.as_string().unwrap().to_vec())))
    }

    /// Sets a key, waiting for room first; false where the write is refused.
    pub(crate) fn set(&mut self, database: usize, key: &[u8], value: &[u8], expiry: SetExpiry) -> bool {
        if !self.admit() {
            return false;
        }
        self.on_key(database, key, |keys| {
            keys.set(key, StringValue::encoded(value).into(), expiry);
            Ok(())
        })
        .unwrap();
        true
    }

    pub(crate) fn admit(&mut self) -> bool {
        use thermocline_engine::Admission;
        for _ in 0..1000 {
            match self.engine.admit_write() {
                Admission::Go => return true,
                Admission::Refuse => return false,
                Admission::Wait => {
                    self.clock.advance_us(100);
                    self.background.step();
                }
            }
        }
        false
    }

    pub(crate) fn append(&mut self, database: usize, key: &[u8], tail: &[u8]) -> Result<(), FetchError> {
        self.on_key(database, key, |keys| {
            let changed = keys.modify(key, |value| {
                value.as_string_mut().unwrap().edit(|bytes| bytes.extend_from_slice(tail));
            })?;
            if changed.is_none() {
                keys.set(key, StringValue::plain(tail).into(), SetExpiry::Clear);
            }
            Ok(())
        })
    }

    /// Steps the background work until it has nothing to do.
    pub(crate) fn settle(&mut self) {
        for _ in 0..PATIENCE {
            self.clock.advance_us(50);
            if !self.background.step() && !self.background.step() && !self.background.step() {
                return;
            }
        }
        panic!("the background work never ends");
    }

    /// Moves one key to the SSD; how many were moved.
    pub(crate) fn demote(&mut self, database: usize, key: &[u8]) -> u64 {
        let outcome = self.engine.demote(database, key);
        self.wait_for(outcome)
    }

    /// Moves everything to the SSD; how many values were moved.
    pub(crate) fn drain(&mut self) -> u64 {
        let outcome = self.engine.drain();
        self.wait_for(outcome)
    }

    /// Which tiers have the key's value; leaves no trace.
    pub(crate) fn tier(&mut self, database: usize, key: &[u8]) -> Option<Tier> {
        self.on_key(database, key, |keys| Ok(keys.peek(key).map(|info| info.tier))).unwrap()
    }

    pub(crate) fn wait_for(&mut self, outcome: impl Future<Output = u64>) -> u64 {
        let mut outcome = pin!(outcome);
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..PATIENCE {
            if let Poll::Ready(count) = outcome.as_mut().poll(&mut context) {
                return count;
            }
            self.clock.advance_us(50);
            self.background.step();
        }
        panic!("a request to the background work is never answered");
    }
}
