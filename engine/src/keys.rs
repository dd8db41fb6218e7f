//! The keys of one command, with their shards locked: how handlers see the data.
//!
//! Handlers work on values in DRAM and never know that one was cold. Where a value is on the SSD only and was not
//! fetched, [`Keys::get`] and [`Keys::modify`] note what is missing and return [`Cold`]; the caller hands that
//! up with `?`, the shards are unlocked, the dispatcher fetches what is missing and runs the command anew.
//!
//! **Invariant:** a command that returns [`Cold`] has changed nothing. [`Keys`] asserts it.

use crate::access::Touch;
use crate::databases::Databases;
use crate::engine::Engine;
use crate::fetch::Fetched;
use crate::index::entry::{Handle, Place};
use crate::index::table::TableHash;
use crate::observer::Change;
use crate::shard::ShardCounters;
use crate::shard::held::{HeldShards, Shards};
use crate::shard::keyspace::{KeyInfo, Keyspace, Removed};
use crate::tier::ledger::Alias;
use crate::time::UnixMillis;
use crate::value::Value;

/// The command needs a value that is on the SSD: fetch it and run the command again.
///
/// Which values, [`Fetched`] knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cold;

/// What to do with a key's expiry when it gets a new value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetExpiry {
    /// The key lives until it is deleted.
    Clear,
    /// As it was.
    Keep,
    /// The key expires at this time.
    At(UnixMillis),
}

/// Locked shards, and one database of theirs.
pub struct Keys<'a> {
    engine: &'a Engine,
    shards: Shards<'a>,
    database: usize,
    now: UnixMillis,
    touch: Touch,
    touches: bool,
    fetched: &'a mut Fetched,
    /// The key looked up last: most commands ask for the same key two or three times.
    recent: Option<Found>,
    counters: ShardCounters,
    changes: u64,
    is_cold: bool,
    /// Keys that the observer is to be told were missed, unless the command runs again.
    missed: Vec<Box<[u8]>>,
}

#[derive(Clone, Copy)]
struct Found {
    /// Index into `shards`.
    shard: usize,
    hash: TableHash,
    handle: Handle,
}

impl<'a> Keys<'a> {
    pub(crate) fn new(
        engine: &'a Engine,
        shards: Shards<'a>,
        database: usize,
        now: UnixMillis,
        fetched: &'a mut Fetched,
    ) -> Self {
        Self {
            engine,
            shards,
            database,
            now,
            touch: engine.touch_at(now),
            touches: true,
            fetched,
            recent: None,
            counters: ShardCounters::default(),
            changes: 0,
            is_cold: false,
            missed: Vec::new(),
        }
    }

    /// The time at which the command runs: expiry is judged by it throughout.
    pub fn now(&self) -> UnixMillis {
        self.now
    }

    /// The selected database.
    pub fn database(&self) -> usize {
        self.database
    }

    /// Works on another database from now on; returns the number of the one before. The locks cover a key in
    /// every database.
    ///
    /// # Panics
    /// If there is no such database.
    pub fn select(&mut self, database: usize) -> usize {
        assert!(database < self.engine.database_count());
        self.recent = None;
        std::mem::replace(&mut self.database, database)
    }

    /// How many changes were made: keys set, modified or removed, expiries changed.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// From now on accesses leave no trace in LRU and LFU, as `CLIENT NO-TOUCH` asks.
    pub fn stop_touching(&mut self) {
        self.touches = false;
    }

    /// Accesses leave traces again: `TOUCH` does what it says whatever `CLIENT NO-TOUCH` asked for.
    pub fn resume_touching(&mut self) {
        self.touches = true;
    }

    /// What the index knows of the key; counts as a keyspace hit or miss, but not as an access.
    pub fn info(&mut self, key: &[u8]) -> Option<KeyInfo> {
        let info = self.peek(key);
        match info {
            Some(_) => self.counters.keyspace_hits += 1,
            None => self.note_miss(key),
        }
        info
    }

    /// What the index knows of the key; leaves no trace in any counter.
    pub fn peek(&mut self, key: &[u8]) -> Option<KeyInfo> {
        let found = self.find(key)?;
        Some(self.keyspace(found.shard)?.info(found.handle))
    }

    /// Whether the key exists; leaves no trace in any counter.
    pub fn exists(&mut self, key: &[u8]) -> bool {
        self.find(key).is_some()
    }

    /// Marks the key as used, value or not; false where there is no such key.
    pub fn touch(&mut self, key: &[u8]) -> bool {
        let Some(found) = self.find(key) else {
            self.note_miss(key);
            return false;
        };
        self.counters.keyspace_hits += 1;
        self.note_access(found);
        true
    }

    /// The same without a trace in the counters: how commands look keys up that they are about to change.
    pub fn mark_used(&mut self, key: &[u8]) -> bool {
        let found = self.find(key);
        if let Some(found) = found {
            self.note_access(found);
        }
        found.is_some()
    }

    /// The key's value for reading.
    ///
    /// # Errors
    /// [`Cold`] if it must be fetched first.
    #[inline]
    pub fn get(&mut self, key: &[u8]) -> Result<Option<&Value>, Cold> {
        self.value::<true>(key)
    }

    /// The same for a command that reads the value only to change it: no keyspace hit or miss, as in Redis.
    ///
    /// # Errors
    /// [`Cold`] if it must be fetched first.
    #[inline]
    pub fn get_to_change(&mut self, key: &[u8]) -> Result<Option<&Value>, Cold> {
        self.value::<false>(key)
    }

    /// The value of a key that was asked for with [`Self::get`], and may have been changed since, while those of others are
    /// looked at too: it leaves no trace anywhere. `None` where there is no such key.
    ///
    /// # Panics
    /// If the value is cold.
    pub fn view(&self, key: &[u8]) -> Option<&Value> {
        let (shard, hash) = self.locate(key);
        let keyspace = self.keyspace(shard)?;
        let handle = keyspace.find(hash, key)?;
        if keyspace.is_expired(handle, self.now) {
            return None;
        }
        Some(match keyspace.head(handle).place() {
            Place::Dram(number) => &keyspace.resident(number).value,
            Place::Ssd(location) => {
                let at = self.fetched.position(keyspace.id, location).expect("a value that was asked for");
                self.fetched.value(at)
            }
        })
    }

    #[inline]
    fn value<const COUNTS: bool>(&mut self, key: &[u8]) -> Result<Option<&Value>, Cold> {
        let Some(found) = self.find(key) else {
            if COUNTS {
                self.note_miss(key);
            }
            return Ok(None);
        };
        let place = self.place(found);
        match place {
            Place::Dram(number) => {
                self.counters.hits_memory += 1;
                self.counters.keyspace_hits += u64::from(COUNTS);
                self.note_access(found);
                let keyspace = self.keyspace(found.shard).expect("a key was found in it");
                Ok(Some(&keyspace.resident(number).value))
            }
            Place::Ssd(location) => {
                let keyspace_id = self.keyspace(found.shard).expect("a key was found in it").id;
                let Some(at) = self.fetched.position(keyspace_id, location) else {
                    return Err(self.missing(found, key));
                };
                self.counters.hits_ssd += 1;
                self.counters.keyspace_hits += u64::from(COUNTS);
                if self.engine.should_promote(&self.touch.clock, self.access(found)) {
                    let number = self.promote(found, at);
                    self.note_access(found);
                    let keyspace = self.keyspace(found.shard).expect("a key was found in it");
                    return Ok(Some(&keyspace.resident(number).value));
                }
                self.note_access(found);
                Ok(Some(self.fetched.value(at)))
            }
        }
    }

    /// Changes the key's value in place, `None` where there is no such key. The change must not fail halfway:
    /// check with [`Self::get`] first.
    ///
    /// # Errors
    /// [`Cold`] if it must be fetched first.
    pub fn modify<T>(&mut self, key: &[u8], change: impl FnOnce(&mut Value) -> T) -> Result<Option<T>, Cold> {
        self.modify_if(key, |value| (change(value), true))
    }

    /// The same for a change that may turn out to change nothing, and tells whether it did: if not, it counts as none, and
    /// what the SSD has of the value is still good.
    ///
    /// # Errors
    /// [`Cold`] if it must be fetched first.
    pub fn modify_if<T>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut Value) -> (T, bool),
    ) -> Result<Option<T>, Cold> {
        let Some((shard, result, is_changed)) = self.change_value(key, change)? else { return Ok(None) };
        if is_changed {
            self.tell(shard, key, Change::Written);
        }
        Ok(Some(result))
    }

    /// As [`Self::modify`], but the change tells whether those who observe the key are to be told: in the eyes of WATCH, what
    /// consumers of a stream have read is no part of its value, and neither is a string's encoding.
    ///
    /// # Errors
    /// [`Cold`] if it must be fetched first.
    pub fn modify_and_tell_if<T>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut Value) -> (T, bool),
    ) -> Result<Option<T>, Cold> {
        let Some((shard, (result, tells), _)) = self.change_value(key, |value| (change(value), true))? else {
            return Ok(None);
        };
        if tells {
            self.tell(shard, key, Change::Written);
        }
        Ok(Some(result))
    }

    /// The same where they are not told in any case.
    ///
    /// # Errors
    /// [`Cold`] if it must be fetched first.
    pub fn modify_untold<T>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut Value) -> T,
    ) -> Result<Option<T>, Cold> {
        self.modify_and_tell_if(key, |value| (change(value), false))
    }

    /// Has the key's value represented in another way; what it is must stay the same. That is no change, and nobody is told.
    ///
    /// # Errors
    /// [`Cold`] if it must be fetched first.
    pub fn reencode(&mut self, key: &[u8], reencode: impl FnOnce(&mut Value)) -> Result<(), Cold> {
        let changes = self.changes;
        self.modify_untold(key, reencode)?;
        self.changes = changes;
        Ok(())
    }

    /// Changes the key's value in place: where its shard is, what the change returned, and whether it was one.
    fn change_value<T>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut Value) -> (T, bool),
    ) -> Result<Option<(usize, T, bool)>, Cold> {
        let Some(found) = self.find(key) else { return Ok(None) };
        if let Place::Ssd(location) = self.place(found) {
            let keyspace_id = self.keyspace(found.shard).expect("a key was found in it").id;
            let Some(at) = self.fetched.position(keyspace_id, location) else {
                return Err(self.missing(found, key));
            };
            self.promote(found, at);
        }
        self.note_access(found);
        let keyspace = self.keyspace_mut(found.shard).expect("a key was found in it");
        let (result, is_changed) = keyspace.modify_if(found.handle, change);
        if is_changed {
            self.changes += 1;
            self.report_growth(found.shard);
        }
        Ok(Some((found.shard, result, is_changed)))
    }

    /// Gives the key a value, whether or not it had one. A past expiry deletes the key at its next look-up.
    #[inline]
    pub fn set(&mut self, key: &[u8], value: Value, expiry: SetExpiry) {
        let (shard, is_new) = self.put(key, value, expiry);
        self.note_change(shard, key, if is_new { Change::Created } else { Change::Written });
    }

    /// Gives a key that is not there a value that nobody has written: see [`Change::Appeared`].
    pub fn let_appear(&mut self, key: &[u8], value: Value) {
        let (shard, is_new) = self.put(key, value, SetExpiry::Clear);
        assert!(is_new, "a key that is there does not appear");
        self.note_change(shard, key, Change::Appeared);
    }

    /// Gives the key a value; in which shard it is, and whether it is new.
    #[inline]
    fn put(&mut self, key: &[u8], value: Value, expiry: SetExpiry) -> (usize, bool) {
        let (shard, hash) = self.locate(key);
        let found = self.find(key);
        let database = self.database;
        let touch = &self.touch;
        let slot = &mut self.shards.at_mut(shard).databases[database];
        let keyspace = slot.get_or_insert_with(|| self.engine.new_keyspace());
        let handle = found.map(|found| found.handle);
        let expiry = match expiry {
            SetExpiry::Clear => None,
            SetExpiry::Keep => handle.and_then(|handle| keyspace.expiry(handle)),
            SetExpiry::At(at) => Some(at),
        };
        let handle = keyspace.set(hash, key, handle, value, expiry, touch);
        self.recent = Some(Found { shard, hash, handle });
        self.report_growth(shard);
        (shard, found.is_none())
    }

    /// Deletes the key; false where there is no such key. Reads nothing from the SSD.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let Some(found) = self.find(key) else { return false };
        self.remove_found(found);
        self.note_change(found.shard, key, Change::Removed);
        true
    }

    /// Changes when the key expires; false where there is no such key.
    pub fn set_expiry(&mut self, key: &[u8], expiry: Option<UnixMillis>) -> bool {
        let Some(found) = self.find(key) else { return false };
        let keyspace = self.keyspace_mut(found.shard).expect("a key was found in it");
        let handle = keyspace.change_expiry(found.hash, found.handle, expiry);
        self.recent = Some(Found { handle, ..found });
        self.note_change(found.shard, key, Change::Written);
        true
    }

    /// Moves a key of the selected database, value, expiry and access history, to another name or database,
    /// in place of what is there. Reads nothing from the SSD. False where there is no such key.
    pub fn rename(&mut self, from: &[u8], to: &[u8], to_database: usize) -> bool {
        let Some(found) = self.find(from) else { return false };
        let keyspace = self.keyspace_mut(found.shard).expect("a key was found in it");
        let head = keyspace.head(found.handle);
        let expiry = keyspace.expiry(found.handle);
        let from_database = self.database;
        if from_database == to_database && from == to {
            return true;
        }
        self.select(to_database);
        if let Some(replaced) = self.find(to) {
            self.remove_found(replaced);
        }
        self.select(from_database);
        // Removing the target may have moved nothing of the source: another key's entry is another entry.
        let found = self.find(from).expect("the source is still there");
        let removed = self.move_out(found);
        self.select(to_database);
        let (shard, hash) = self.locate(to);
        let slot = &mut self.shards.at_mut(shard).databases[to_database];
        let keyspace = slot.get_or_insert_with(|| self.engine.new_keyspace());
        match removed {
            Removed::Value(value) => {
                let handle = keyspace.set(hash, to, None, value, expiry, &self.touch);
                keyspace.set_access(handle, head.access());
            }
            Removed::Cold(location) => {
                keyspace.insert_cold(hash, to, head, location, expiry);
                let alias = Alias { keyspace: keyspace.id, key: to.into() };
                self.engine.ledger().set_alias(location, alias);
            }
        }
        self.report_growth(shard);
        self.note_change(shard, to, Change::Created);
        self.select(from_database);
        self.note_change(found.shard, from, Change::Removed);
        true
    }

    /// Sets the key's access history as if it was last used `idle_s` seconds ago (under an LRU policy) or
    /// had this LFU counter (under an LFU policy); `None` leaves it.
    pub fn set_access(&mut self, key: &[u8], idle_s: Option<u32>, frequency: Option<u8>) {
        let Some(found) = self.find(key) else { return };
        let clock = &self.touch.clock;
        let access = match (self.engine.is_lfu(), idle_s, frequency) {
            (false, Some(idle_s), _) => clock.idle_for(idle_s),
            (true, _, Some(frequency)) => clock.with_frequency(frequency),
            _ => return,
        };
        self.keyspace_mut(found.shard).expect("a key was found in it").set_access(found.handle, access);
    }

    /// Seconds since the key was last used, as `OBJECT IDLETIME` replies.
    pub fn idle_time_s(&self, info: &KeyInfo) -> u32 {
        self.touch.clock.idle_seconds(info.access)
    }

    /// The key's LFU counter, as `OBJECT FREQ` replies.
    pub fn frequency(&self, info: &KeyInfo) -> u32 {
        self.touch.clock.frequency(info.access)
    }

    // ---- observers

    /// From now on the observer is told when this key changes, whether or not it exists, until
    /// [`Engine::unobserve`]. Several may observe one key.
    pub fn observe(&mut self, key: &[u8]) {
        let (shard, _) = self.locate(key);
        self.engine.note_observed(self.shards.number(shard));
    }

    #[inline]
    fn note_miss(&mut self, key: &[u8]) {
        self.counters.keyspace_misses += 1;
        if self.engine.observes_all() {
            self.missed.push(key.into());
        }
    }

    /// The misses so far are counted, but the observer does not hear of them.
    pub fn conceal_misses(&mut self) {
        self.missed.clear();
    }

    /// Tells of misses once it is sure that the command does not run again: before its first change, or at its end.
    #[inline]
    fn tell_misses(&mut self) {
        if !self.missed.is_empty() && !self.is_cold {
            let database = self.database;
            std::mem::take(&mut self.missed).iter().for_each(|key| self.engine.tell_miss(database, key));
        }
    }

    #[inline]
    fn note_change(&mut self, shard: usize, key: &[u8], change: Change) {
        self.changes += 1;
        self.tell_misses();
        self.tell(shard, key, change);
    }

    #[inline]
    fn tell(&self, shard: usize, key: &[u8], change: Change) {
        if self.engine.observes(self.shards.number(shard)) {
            self.engine.tell_observer(self.database, key, change);
        }
    }

    // ---- several commands on one set of locked shards

    /// One command of several that run on these shards, from its first look to its reply. What all of them need was
    /// fetched before.
    pub fn command(&mut self, database: usize) -> Keys<'_> {
        self.recent = None;
        let Self { engine, shards, now, fetched, .. } = self;
        Keys::new(engine, Shards::Held(shards), database, *now, fetched)
    }

    /// Whether the key's shard is among the locked ones.
    pub fn covers(&self, key: &[u8]) -> bool {
        self.shards.position(self.engine.hasher().locate(key).0).is_some()
    }

    /// Whether all shards are locked.
    pub fn covers_all(&self) -> bool {
        (0..self.engine.shard_count()).all(|number| self.shards.position(number) == Some(number))
    }

    /// Locks the shard of a further key, for a command that has changed something and cannot start again; false where
    /// it is not to be had.
    ///
    /// # Panics
    /// If the shards are held by somebody else.
    pub fn cover_late(&mut self, key: &[u8]) -> bool {
        let number = self.engine.hasher().locate(key).0;
        let Shards::Own(guards) = &mut self.shards else {
            panic!("only who holds shards locks more of them")
        };
        let Err(place) = guards.binary_search_by_key(&number, |(number, _)| *number) else { return true };
        let Some(guard) = self.engine.acquire_late(number) else { return false };
        guards.insert(place, (number, guard));
        // Every shard has another place now.
        self.recent = None;
        true
    }

    /// Locks the shards of all further keys, likewise; false where one is not to be had.
    ///
    /// # Panics
    /// If the shards are held by somebody else.
    pub fn cover_all_late(&mut self) -> bool {
        let Shards::Own(guards) = &mut self.shards else {
            panic!("only who holds shards locks more of them")
        };
        self.recent = None;
        for number in 0..self.engine.shard_count() {
            if guards.get(number).is_none_or(|(other, _)| *other != number) {
                let Some(guard) = self.engine.acquire_late(number) else { return false };
                guards.insert(number, (number, guard));
            }
        }
        true
    }

    /// Whether a command could read the key's value now: it is in DRAM, was fetched, or there is none. Where not, what
    /// is missing is noted.
    pub fn is_readable(&mut self, key: &[u8]) -> bool {
        let Some(found) = self.find(key) else { return true };
        let Place::Ssd(location) = self.place(found) else { return true };
        let keyspace_id = self.keyspace(found.shard).expect("a key was found in it").id;
        let is_fetched = self.fetched.position(keyspace_id, location).is_some();
        if !is_fetched {
            self.missing(found, key);
        }
        is_fetched
    }

    /// What was fetched, and what is to be.
    pub fn fetched_mut(&mut self) -> &mut Fetched {
        self.fetched
    }

    /// Whole databases, on the locked shards.
    ///
    /// # Panics
    /// If not all are locked.
    pub fn databases(&mut self) -> Databases<'_> {
        assert!(self.covers_all(), "who works on whole databases holds all of them");
        self.recent = None;
        Databases::held(self.engine, &mut self.shards)
    }

    // ---- inside

    fn locate(&self, key: &[u8]) -> (usize, TableHash) {
        let (shard, hash) = self.engine.hasher().locate(key);
        let at = self.shards.position(shard).expect("a command touches the keys it was locked for");
        (at, hash)
    }

    /// The key's entry. An expired key is deleted here and not found.
    #[inline]
    fn find(&mut self, key: &[u8]) -> Option<Found> {
        if let Some(recent) = self.recent
            && self.keyspace(recent.shard).is_some_and(|keyspace| keyspace.key(recent.handle) == key)
        {
            return Some(recent);
        }
        let (shard, hash) = self.locate(key);
        let keyspace = self.keyspace(shard)?;
        let handle = keyspace.find(hash, key)?;
        let found = Found { shard, hash, handle };
        if keyspace.is_expired(handle, self.now) {
            self.remove_found(found);
            self.counters.expired += 1;
            self.tell(shard, key, Change::Expired);
            return None;
        }
        self.recent = Some(found);
        Some(found)
    }

    fn place(&self, found: Found) -> Place {
        self.keyspace(found.shard).expect("a key was found in it").head(found.handle).place()
    }

    fn access(&self, found: Found) -> u32 {
        self.keyspace(found.shard).expect("a key was found in it").head(found.handle).access()
    }

    #[inline]
    fn note_access(&mut self, found: Found) {
        if self.touches {
            let (database, touch) = (self.database, &self.touch);
            let keyspace = self.shards.at_mut(found.shard).databases[database].as_mut();
            keyspace.expect("a key was found in it").touch(found.handle, touch);
        }
    }

    fn missing(&mut self, found: Found, key: &[u8]) -> Cold {
        assert_eq!(self.changes, 0, "a command reads what it needs before it changes anything");
        self.is_cold = true;
        let keyspace = self.keyspace(found.shard).expect("a key was found in it");
        let (id, head) = (keyspace.id, keyspace.head(found.handle));
        let Place::Ssd(location) = head.place() else { panic!("only a cold value is missing") };
        let what = (head.value_type(), location);
        self.fetched.want(self.engine.ledger(), (self.database, id), key, what);
        Cold
    }

    fn promote(&mut self, found: Found, fetched_at: usize) -> u32 {
        let value = self.fetched.take(fetched_at);
        let tick = self.touch.tick;
        self.counters.promotions += 1;
        let keyspace = self.keyspace_mut(found.shard).expect("a key was found in it");
        keyspace.promote(found.handle, value, tick);
        let Place::Dram(number) = keyspace.head(found.handle).place() else {
            panic!("a promoted value is in DRAM");
        };
        self.report_growth(found.shard);
        number
    }

    fn move_out(&mut self, found: Found) -> Removed {
        self.recent = None;
        let keyspace = self.keyspace_mut(found.shard).expect("a key was found in it");
        let removed = keyspace.take(found.hash, found.handle);
        self.report_growth(found.shard);
        removed
    }

    fn remove_found(&mut self, found: Found) {
        self.recent = None;
        let keyspace = self.keyspace_mut(found.shard).expect("a key was found in it");
        keyspace.remove(found.hash, found.handle);
        self.report_growth(found.shard);
    }

    #[inline]
    fn keyspace(&self, shard: usize) -> Option<&Keyspace> {
        self.shards.at(shard).databases[self.database].as_deref()
    }

    #[inline]
    fn keyspace_mut(&mut self, shard: usize) -> Option<&mut Keyspace> {
        let database = self.database;
        self.shards.at_mut(shard).databases[database].as_deref_mut()
    }

    #[inline]
    fn report_growth(&mut self, at: usize) {
        let database = self.database;
        let shard = self.shards.at_mut(at);
        if let Some(keyspace) = &mut shard.databases[database] {
            shard.unreported_bytes += keyspace.take_growth_bytes();
            if let Some(values) = keyspace.take_given_up() {
                self.engine.drop_later(values);
            }
        }
        self.engine.budget().report(&mut shard.unreported_bytes);
    }
}

impl Drop for Keys<'_> {
    fn drop(&mut self) {
        self.tell_misses();
        // A command that runs again is counted when it does.
        if !self.is_cold && !self.shards.is_empty() {
            self.shards.at_mut(0).counters.add(&self.counters);
        }
    }
}
