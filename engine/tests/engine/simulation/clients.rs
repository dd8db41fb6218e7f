//! Clients: commands drawn from the seed, each reply compared with the model in the moment the command runs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use thermocline_engine::value::StringValue;
use thermocline_engine::{
    Admission, Clock, Cold, Cursor, Engine, FetchError, Fetched, Keys, ManualClock, Reader, SetExpiry,
    Settings, UnixMillis,
};

use super::plan::{DATABASES, Faults, Plan, Random};
use super::scheduler::Trace;

/// Different keys in each database.
const KEYS: u64 = 60;
/// How long a writer waits for room, in microseconds.
const WRITE_TIMEOUT_US: u64 = 20_000;
/// Fetches after which a command is asking in vain.
const FETCHES_MAX: usize = 1000;

#[derive(Clone, PartialEq, Debug)]
struct Expected {
    value: Vec<u8>,
    expiry: Option<UnixMillis>,
}

/// What the keys are.
#[derive(Default)]
pub(super) struct Model {
    databases: [BTreeMap<Vec<u8>, Expected>; DATABASES],
    /// Keys found evicted.
    pub(super) evicted: u64,
}

impl Model {
    fn expire(&mut self, now: UnixMillis) {
        for database in &mut self.databases {
            database.retain(|_, expected| !expected.expiry.is_some_and(|at| at.is_due(now)));
        }
    }

    fn value(&self, database: usize, key: &[u8]) -> Option<&Vec<u8>> {
        self.databases[database].get(key).map(|expected| &expected.value)
    }

    /// Every database and key.
    fn keys(&self) -> Vec<(usize, Vec<u8>)> {
        let keys = |(database, keys): (usize, &BTreeMap<Vec<u8>, Expected>)| {
            keys.keys().map(move |key| (database, key.clone())).collect::<Vec<_>>()
        };
        self.databases.iter().enumerate().flat_map(keys).collect()
    }
}

/// What all clients of a run share.
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) engine: Arc<Engine>,
    pub(super) reader: Reader,
    pub(super) clock: Arc<ManualClock>,
    pub(super) random: RefCell<Random>,
    pub(super) model: RefCell<Model>,
    pub(super) trace: RefCell<Trace>,
    /// Who waits for what time.
    pub(super) timers: RefCell<Vec<(u64, Waker)>>,
    pub(super) failed_reads: Cell<u64>,
    pub(super) refused_writes: Cell<u64>,
    pub(super) is_healed: Cell<bool>,
}

/// Runs commands, one after the other.
pub(super) async fn client(shared: Rc<Shared>, commands: usize) {
    for _ in 0..commands {
        shared.command().await;
        yield_once().await;
    }
}

/// Reads every key when all is over.
pub(super) async fn audit(shared: Rc<Shared>) {
    shared.drain().await;
    shared.engine.verify();
    let keys = shared.model.borrow().keys();
    for (database, key) in keys {
        shared.get(database, &[key]).await;
    }
    shared.scan();
    shared.engine.verify();
}

/// Lets others go first.
async fn yield_once() {
    let mut is_polled = false;
    poll_fn(|context| {
        if std::mem::replace(&mut is_polled, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Shared {
    fn draw(&self, bound: u64) -> u64 {
        self.random.borrow_mut().below(bound)
    }

    fn note(&self, what: &[u64]) {
        self.trace.borrow_mut().note(what);
    }

    fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    fn database(&self) -> usize {
        self.draw(DATABASES as u64) as usize
    }

    /// Some keys are asked for more often than others; one is too long to be kept in an entry.
    fn key(&self) -> Vec<u8> {
        let number = self.draw(KEYS).min(self.draw(KEYS));
        let length = if number == 7 { 300 } else { 1 + number as usize };
        let mut key = vec![b'k'; length];
        key[0] = number as u8;
        key
    }

    /// Mostly short, some longer than a page, few longer than a segment; half of them compressible.
    fn value(&self) -> Vec<u8> {
        let length = match self.draw(20) {
            0..10 => self.draw(200),
            10..17 => 500 + self.draw(5000),
            17..19 => 20_000 + self.draw(20_000),
            _ => 50_000 + self.draw(30_000),
        };
        let seed = self.draw(1 << 32);
        let byte = |i| if seed & 1 == 0 { seed as u8 } else { ((i * 31 + i / 256 * 7) ^ seed) as u8 };
        (0..length).map(byte).collect()
    }

    fn expiry(&self) -> Option<UnixMillis> {
        let is_short = self.draw(4) == 0;
        is_short.then(|| UnixMillis(self.now().0 + 1 + self.draw(20_000)))
    }

    async fn command(&self) {
        let (kind, database) = (self.draw(100), self.database());
        self.note(&[1, kind, database as u64]);
        match kind {
            0..30 => self.get(database, &[self.key()]).await,
            30..36 => self.get(database, &[self.key(), self.key(), self.key()]).await,
            36..60 => self.set(database).await,
            60..66 => self.append(database).await,
            66..70 => self.remove(database).await,
            70..74 => self.rename(database).await,
            74..78 => self.expire(database).await,
            78..84 => self.describe(database).await,
            84..92 => self.demote(database).await,
            92 => self.drain().await,
            93 => {
                let collected = self.engine.collect_garbage().await;
                self.note(&[2, collected]);
            }
            94 => self.flush_or_swap(database),
            95..97 => self.scan(),
            97 => self.change_settings(),
            _ => self.engine.verify(),
        }
    }

    /// Runs a command on keys with their shards locked, as often as something cold must be fetched first. An error
    /// counts as one of the device, where it may have any.
    async fn execute<T>(
        &self,
        database: usize,
        keys: &[Vec<u8>],
        mut command: impl FnMut(&mut Keys<'_>, &mut Model) -> Result<T, Cold>,
    ) -> Option<T> {
        let mut fetched = Fetched::new();
        for _ in 0..FETCHES_MAX {
            {
                let model = &mut *self.model.borrow_mut();
                let now = self.now();
                model.expire(now);
                let names = keys.iter().map(Vec::as_slice);
                let mut locked = self.engine.lock_keys(database, names, now, &mut fetched);
                if self.plan.evicts() {
                    forget_evicted(&mut locked, model, keys);
                }
                if let Ok(reply) = command(&mut locked, model) {
                    return Some(reply);
                }
            }
            self.note(&[3, fetched.wanted_bytes() as u64]);
            if let Err(error) = self.reader.fetch(&mut fetched).await {
                self.failed_reads.set(self.failed_reads.get() + 1);
                self.note(&[4]);
                let may_fail = match error {
                    FetchError::Device(_) => self.plan.faults != Faults::None && !self.is_healed.get(),
                    FetchError::Damaged(_) => match self.plan.faults {
                        Faults::None => false,
                        Faults::Reported => !self.is_healed.get(),
                        Faults::Silent => true,
                    },
                };
                assert!(may_fail, "{error}");
                return None;
            }
        }
        panic!("a value is fetched in vain");
    }

    async fn get(&self, database: usize, keys: &[Vec<u8>]) {
        let found = self.execute(database, keys, |locked, model| {
            let mut is_cold = false;
            let mut lengths = 0;
            for key in keys {
                match locked.get(key) {
                    Ok(found) => {
                        let found = found.map(|value| value.as_string().expect("a string").to_vec());
                        assert_eq!(found.as_ref(), model.value(database, key), "key {key:?} of {database}");
                        lengths += found.map_or(0, |value| 1 + value.len());
                    }
                    Err(Cold) => is_cold = true,
                }
            }
            if is_cold { Err(Cold) } else { Ok(lengths) }
        });
        if let Some(lengths) = found.await {
            self.note(&[5, lengths as u64]);
        }
    }

    /// Waits for room, for a while; false where there is none.
    async fn admit(&self) -> bool {
        let deadline_us = self.clock.monotonic_us() + WRITE_TIMEOUT_US;
        loop {
            match self.engine.admit_write() {
                Admission::Go => return true,
                Admission::Refuse => break,
                Admission::Wait if self.clock.monotonic_us() >= deadline_us => break,
                Admission::Wait => self.room_until(deadline_us).await,
            }
        }
        self.refused_writes.set(self.refused_writes.get() + 1);
        self.note(&[6]);
        false
    }

    async fn room_until(&self, deadline_us: u64) {
        let mut room = pin!(self.engine.room());
        poll_fn(|context| {
            if room.as_mut().poll(context).is_ready() || self.clock.monotonic_us() >= deadline_us {
                return Poll::Ready(());
            }
            self.timers.borrow_mut().push((deadline_us, context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    async fn set(&self, database: usize) {
        let (key, value, expiry) = (self.key(), self.value(), self.expiry());
        let keeps = expiry.is_none() && self.draw(4) == 0;
        if !self.admit().await {
            return;
        }
        let set = self.execute(database, std::slice::from_ref(&key), |locked, model| {
            let set_expiry = match expiry {
                Some(at) => SetExpiry::At(at),
                None if keeps => SetExpiry::Keep,
                None => SetExpiry::Clear,
            };
            locked.set(&key, StringValue::encoded(&value).into(), set_expiry);
            let kept = model.databases[database].get(&key).and_then(|expected| expected.expiry);
            let expiry = expiry.or(if keeps { kept } else { None });
            model.databases[database].insert(key.clone(), Expected { value: value.clone(), expiry });
            Ok(())
        });
        assert!(set.await.is_some(), "setting a value reads nothing");
    }

    async fn append(&self, database: usize) {
        let (key, tail) = (self.key(), vec![b'+'; self.draw(300) as usize]);
        if !self.admit().await {
            return;
        }
        self.execute(database, std::slice::from_ref(&key), |locked, model| {
            let length = locked.modify(&key, |value| {
                let string = value.as_string_mut().expect("a string");
                string.edit(|bytes| bytes.extend_from_slice(&tail));
                string.len()
            })?;
            match model.databases[database].get_mut(&key) {
                Some(expected) => {
                    expected.value.extend_from_slice(&tail);
                    assert_eq!(length, Some(expected.value.len()));
                }
                None => assert_eq!(length, None),
            }
            Ok(())
        })
        .await;
    }

    async fn remove(&self, database: usize) {
        let key = self.key();
        let removed = self.execute(database, std::slice::from_ref(&key), |locked, model| {
            let removed = locked.remove(&key);
            assert_eq!(removed, model.databases[database].remove(&key).is_some());
            Ok(removed)
        });
        let removed = removed.await.expect("removing a key reads nothing");
        self.note(&[7, u64::from(removed)]);
    }

    async fn rename(&self, database: usize) {
        let (from, to, to_database) = (self.key(), self.key(), self.database());
        let both = [from.clone(), to.clone()];
        let renamed = self.execute(database, &both, |locked, model| {
            let renamed = locked.rename(&from, &to, to_database);
            let moved = model.databases[database].remove(&from);
            assert_eq!(renamed, moved.is_some());
            if let Some(moved) = moved {
                model.databases[to_database].insert(to.clone(), moved);
            }
            Ok(renamed)
        });
        let renamed = renamed.await.expect("renaming a key reads nothing");
        self.note(&[8, u64::from(renamed)]);
    }

    async fn expire(&self, database: usize) {
        let (key, expiry) = (self.key(), self.expiry());
        self.execute(database, std::slice::from_ref(&key), |locked, model| {
            let set = locked.set_expiry(&key, expiry);
            let expected = model.databases[database].get_mut(&key);
            assert_eq!(set, expected.is_some());
            if let Some(expected) = expected {
                expected.expiry = expiry;
            }
            Ok(())
        })
        .await;
    }

    /// What is known of a key without reading its value.
    async fn describe(&self, database: usize) {
        let key = self.key();
        let tier = self.execute(database, std::slice::from_ref(&key), |locked, model| {
            let info = locked.info(&key);
            let described = info.map(|info| (info.length as usize, info.expiry));
            let expected = model.databases[database].get(&key);
            assert_eq!(described, expected.map(|expected| (expected.value.len(), expected.expiry)));
            Ok(info.map_or(0, |info| 1 + info.tier as u64))
        });
        self.note(&[9, tier.await.expect("describing a key reads nothing")]);
    }

    async fn demote(&self, database: usize) {
        let moved = self.engine.demote(database, &self.key()).await;
        assert!(moved <= 1);
        self.note(&[10, moved]);
    }

    async fn drain(&self) {
        let moved = self.engine.drain().await;
        self.note(&[11, moved]);
    }

    fn flush_or_swap(&self, database: usize) {
        let other = self.database();
        let model = &mut self.model.borrow_mut().databases;
        if self.draw(2) == 0 {
            self.engine.databases().flush(database);
            model[database].clear();
        } else {
            self.engine.databases().swap(database, other);
            model.swap(database, other);
        }
    }

    /// A scan shows exactly the keys there are, where none are evicted, and no others.
    fn scan(&self) {
        let (model, now) = (&mut *self.model.borrow_mut(), self.now());
        model.expire(now);
        for (database, expected) in model.databases.iter().enumerate() {
            let mut shown = BTreeMap::new();
            let mut cursor = Cursor::START;
            loop {
                cursor = self.engine.databases().scan(database, cursor, 5, now, |key, info| {
                    let expected = &expected[key];
                    assert_eq!((info.length as usize, info.expiry), (expected.value.len(), expected.expiry));
                    shown.insert(key.to_vec(), ());
                });
                if cursor == Cursor::START {
                    break;
                }
            }
            assert!(self.plan.evicts() || shown.len() == expected.len(), "all keys of {database} are shown");
            self.note(&[12, shown.len() as u64]);
        }
    }

    fn change_settings(&self) {
        let planned = self.plan.config.settings;
        let factor = 1 + self.draw(3);
        let max_memory_bytes = planned.max_memory_bytes * factor / 2;
        let compression_level = self.draw(2) as i32;
        self.engine.set_settings(Settings { max_memory_bytes, compression_level, ..planned });
    }
}

/// Takes keys out of the model that the engine has evicted.
fn forget_evicted(locked: &mut Keys<'_>, model: &mut Model, keys: &[Vec<u8>]) {
    let selected = locked.database();
    for database in 0..DATABASES {
        locked.select(database);
        for key in keys {
            if model.databases[database].contains_key(key) && !locked.exists(key) {
                model.databases[database].remove(key);
                model.evicted += 1;
            }
        }
    }
    locked.select(selected);
}
