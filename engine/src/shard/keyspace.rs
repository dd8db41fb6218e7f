//! One database's part of one shard: index, residents and LRU order of the keys that hash here.
//!
//! **Invariant:** an entry's place is `Dram(n)` exactly if resident `n` exists and names that entry.
//!
//! **Invariant:** the ledger counts a record's bytes as live exactly while an entry's place is that record, or a
//! resident's copy is it or is being written to it.
//!
//! A keyspace knows nothing of locks, databases or budgets: it reports how its values' memory changes in
//! [`Keyspace::take_growth_bytes`], and whoever holds the shard's lock passes that on.

mod expiry;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::access::Touch;
use crate::hash::KeyHasher;
use crate::index::Location;
use crate::index::entry::{Entries, Handle, Head, Place};
use crate::index::table::{BUCKETS_PER_SEGMENT, Bucket, Table, TableHash};
use crate::tier::ledger::Ledger;
use crate::tier::lru::{Resident, Residents, SsdCopy};
use crate::time::UnixMillis;
use crate::value::{Encoding, Value, ValueType};

/// Identifies a database's contents across SWAPDB and FLUSHDB: records name it, database numbers they do not.
pub(crate) type KeyspaceId = u32;

/// What the index knows of a key without reading its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyInfo {
    /// The value's type.
    pub value_type: ValueType,
    /// The value's representation.
    pub encoding: Encoding,
    /// Bytes of a string, members of a collection.
    pub length: u32,
    /// When the key expires.
    pub expiry: Option<UnixMillis>,
    /// Where the value is.
    pub tier: Tier,
    /// The value's heap memory in bytes, zero where it is not in DRAM.
    pub value_dram_bytes: usize,
    /// The entry's access history; see `AccessClock`.
    pub access: u32,
}

/// Which tiers have a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tier {
    /// DRAM only.
    Dram,
    /// The SSD only.
    Ssd,
    /// DRAM, with a valid copy on the SSD.
    Both,
}

/// One database's part of one shard.
pub(crate) struct Keyspace {
    pub(crate) id: KeyspaceId,
    table: Table,
    entries: Entries,
    residents: Residents,
    /// Heap memory of the residents' values.
    value_bytes: usize,
    /// The part of `value_bytes` of which the SSD has a valid copy.
    clean_bytes: usize,
    /// Change of `value_bytes` and residents not yet passed on.
    growth_bytes: isize,
    keys_with_expiry: usize,
    /// Whether there ever was a hash some of whose fields expire.
    had_expiring_fields: bool,
    /// Values that were given up and are too large to be dropped under the shard's lock.
    given_up: Vec<Value>,
    hasher: KeyHasher,
    ledger: Arc<Ledger>,
}

/// What removing an entry from a keyspace leaves over.
pub(crate) enum Removed {
    /// The value was in DRAM.
    Value(Value),
    /// The value was on the SSD only.
    Cold(Location),
}

impl Keyspace {
    pub(crate) fn new(id: KeyspaceId, hasher: KeyHasher, ledger: Arc<Ledger>) -> Self {
        Self {
            id,
            table: Table::default(),
            entries: Entries::default(),
            residents: Residents::default(),
            value_bytes: 0,
            clean_bytes: 0,
            growth_bytes: 0,
            keys_with_expiry: 0,
            had_expiring_fields: false,
            given_up: Vec::new(),
            hasher,
            ledger,
        }
    }

    // ---- what there is

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn keys_with_expiry(&self) -> usize {
        self.keys_with_expiry
    }

    pub(crate) fn resident_count(&self) -> usize {
        self.residents.len()
    }

    pub(crate) fn cold_count(&self) -> usize {
        self.table.len() - self.residents.len()
    }

    pub(crate) fn value_bytes(&self) -> usize {
        self.value_bytes
    }

    /// DRAM of keys, entries and table, in bytes: what no demotion frees.
    pub(crate) fn index_bytes(&self) -> usize {
        self.table.allocated_bytes() + self.entries.allocated_bytes()
    }

    /// DRAM of the residents' own records and LRU links, in bytes.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.residents.allocated_bytes()
    }

    /// DRAM that demotion can free, as [`Self::take_growth_bytes`] counts it.
    pub(crate) fn demotable_bytes(&self) -> usize {
        self.value_bytes + self.residents.len() * size_of::<Resident>()
    }

    /// Heap memory of the values that the SSD has too, in bytes.
    pub(crate) fn clean_bytes(&self) -> usize {
        self.clean_bytes
    }

    /// By how much the DRAM that demotion can free has changed since the last call, in bytes.
    pub(crate) fn take_growth_bytes(&mut self) -> isize {
        std::mem::take(&mut self.growth_bytes)
    }

    /// Large values that were given up since the last call, if any: to be dropped where nobody waits for it.
    #[inline]
    pub(crate) fn take_given_up(&mut self) -> Option<Vec<Value>> {
        (!self.given_up.is_empty()).then(|| std::mem::take(&mut self.given_up))
    }

    // ---- look-ups

    #[inline]
    pub(crate) fn find(&self, hash: TableHash, key: &[u8]) -> Option<Handle> {
        self.table.find(hash, |handle| self.entries.key(handle) == key)
    }

    /// The bucket that a look-up begins with.
    #[inline]
    pub(crate) fn home_bucket(&self, hash: TableHash) -> Option<&Bucket> {
        self.table.home_bucket(hash)
    }

    /// An entry that is likely, but not certain, to be the one with this hash.
    #[inline]
    pub(crate) fn candidate(&self, hash: TableHash) -> Option<Handle> {
        self.table.candidate(hash)
    }

    /// Where an entry begins.
    #[inline]
    pub(crate) fn entry_start(&self, handle: Handle) -> &u64 {
        self.entries.start(handle)
    }

    /// The resident of this number, if there is one.
    #[inline]
    pub(crate) fn resident_slot(&self, number: u32) -> Option<&Resident> {
        self.residents.slot(number)
    }

    #[inline]
    pub(crate) fn head(&self, handle: Handle) -> Head {
        self.entries.head(handle)
    }

    pub(crate) fn key(&self, handle: Handle) -> &[u8] {
        self.entries.key(handle)
    }

    #[inline]
    pub(crate) fn expiry(&self, handle: Handle) -> Option<UnixMillis> {
        self.entries.expiry_ms(handle).map(UnixMillis)
    }

    #[inline]
    pub(crate) fn is_expired(&self, handle: Handle, now: UnixMillis) -> bool {
        self.entries.expiry_ms(handle).is_some_and(|expiry_ms| expiry_ms <= now.0)
    }

    #[inline]
    pub(crate) fn resident(&self, number: u32) -> &Resident {
        self.residents.get(number)
    }

    /// What the SSD has of this resident.
    #[inline]
    pub(crate) fn resident_copy(&self, number: u32) -> SsdCopy {
        self.residents.copy(number)
    }

    /// What dropping this resident gives back, in bytes.
    pub(crate) fn resident_cost_bytes(&self, number: u32) -> usize {
        self.residents.get(number).value.heap_bytes() + size_of::<Resident>()
    }

    /// Puts a resident at the recent end of the LRU list although nobody used it.
    pub(crate) fn move_to_warm_end(&mut self, number: u32) {
        self.residents.move_to_warm_end(number);
    }

    /// Treats a resident that cannot leave DRAM now as if it had been used.
    pub(crate) fn pass_over(&mut self, number: u32, tick: u32) {
        self.residents.touch(number, tick, 0);
    }

    pub(crate) fn oldest_resident(&self) -> Option<u32> {
        self.residents.oldest()
    }

    /// The resident that was used next after this one.
    pub(crate) fn next_newer_resident(&self, number: u32) -> Option<u32> {
        self.residents.next_newer(number)
    }

    pub(crate) fn info(&self, handle: Handle) -> KeyInfo {
        let head = self.entries.head(handle);
        let (tier, value_dram_bytes) = match head.place() {
            Place::Ssd(_) => (Tier::Ssd, 0),
            Place::Dram(number) => {
                let resident = self.residents.get(number);
                let tier = if matches!(self.residents.copy(number), SsdCopy::Clean(_)) {
                    Tier::Both
                } else {
                    Tier::Dram
                };
                (tier, resident.value.heap_bytes())
            }
        };
        KeyInfo {
            value_type: head.value_type(),
            encoding: head.encoding(),
            length: head.value_length(),
            expiry: self.expiry(handle),
            tier,
            value_dram_bytes,
            access: head.access(),
        }
    }

    /// Notes that a client used the key.
    #[inline]
    pub(crate) fn touch(&mut self, handle: Handle, touch: &Touch) {
        let mut head = self.entries.head(handle);
        let access = touch.clock.touched(head.access());
        if access != head.access() {
            head.set_access(access);
            self.entries.set_head(handle, head);
        }
        if let Place::Dram(number) = head.place() {
            self.residents.touch(number, touch.tick, touch.bump_after_ticks);
        }
    }

    /// Replaces the key's access history, as RESTORE with IDLETIME or FREQ does.
    pub(crate) fn set_access(&mut self, handle: Handle, access: u32) {
        let mut head = self.entries.head(handle);
        head.set_access(access);
        self.entries.set_head(handle, head);
    }

    // ---- changes

    /// Adds a key that is not there, or gives one that is there another value. The value is dirty: the SSD
    /// has no copy of it.
    pub(crate) fn set(
        &mut self,
        hash: TableHash,
        key: &[u8],
        found: Option<Handle>,
        value: Value,
        expiry: Option<UnixMillis>,
        touch: &Touch,
    ) -> Handle {
        let handle = match found {
            Some(handle) => self.change_expiry(hash, handle, expiry),
            None => {
                let handle = self.entries.insert(key, expiry.map(|at| at.0));
                let (entries, hasher) = (&self.entries, &self.hasher);
                self.table.insert(hash, handle, |other| hasher.table_hash(entries.key(other)));
                if let Some(at) = expiry {
                    self.keys_with_expiry += 1;
                    self.table.note_expiry(hash, at.0);
                }
                handle
            }
        };
        let mut head = self.entries.head(handle);
        head.describe(value.value_type(), value.encoding(), clamp_length(value.length()));
        head.set_access(match found {
            Some(_) => touch.clock.touched(head.access()),
            None => touch.clock.new_key(),
        });
        self.entries.set_head(handle, head);
        match (found, head.place()) {
            (Some(_), Place::Dram(number)) => self.replace_value(handle, number, value, touch),
            (Some(_), Place::Ssd(location)) => {
                self.ledger.release(location);
                self.install(handle, value, SsdCopy::None, touch.tick);
            }
            (None, _) => self.install(handle, value, SsdCopy::None, touch.tick),
        }
        handle
    }

    /// Brings a cold value into DRAM; the SSD copy stays valid.
    pub(crate) fn promote(&mut self, handle: Handle, value: Value, tick: u32) {
        let Place::Ssd(location) = self.entries.head(handle).place() else {
            panic!("only a cold value is promoted");
        };
        self.install(handle, value, SsdCopy::Clean(location), tick);
    }

    /// Runs `change` on a resident value, which also tells whether it changed anything. If so, whatever the SSD had of the
    /// value is outdated afterwards.
    pub(crate) fn modify_if<T>(
        &mut self,
        handle: Handle,
        change: impl FnOnce(&mut Value) -> (T, bool),
    ) -> (T, bool) {
        let Place::Dram(number) = self.entries.head(handle).place() else {
            panic!("only a resident value is changed");
        };
        let resident = self.residents.get_mut(number);
        let before = resident.value.heap_bytes();
        let (result, is_changed) = change(&mut resident.value);
        let after = resident.value.heap_bytes();
        if !is_changed {
            assert_eq!(before, after, "a value that was not changed is as long as before");
            return (result, false);
        }
        self.discard_ssd_copy_of(number, before);
        let resident = self.residents.get(number);
        let mut head = self.entries.head(handle);
        let value = &resident.value;
        head.describe(value.value_type(), value.encoding(), clamp_length(value.length()));
        self.entries.set_head(handle, head);
        self.value_bytes = self.value_bytes - before + after;
        self.growth_bytes += after as isize - before as isize;
        self.note_expiring_fields(handle, number);
        (result, true)
    }

    /// Changes when the key expires. The entry may move: the returned handle is its new one.
    pub(crate) fn change_expiry(
        &mut self,
        hash: TableHash,
        handle: Handle,
        expiry: Option<UnixMillis>,
    ) -> Handle {
        let had = self.entries.head(handle).has_expiry();
        let moved = self.entries.set_expiry(handle, expiry.map(|at| at.0));
        if moved != handle {
            self.table.replace(hash, handle, moved);
            if let Place::Dram(number) = self.entries.head(moved).place() {
                self.residents.get_mut(number).set_entry(moved);
            }
        }
        self.keys_with_expiry += usize::from(expiry.is_some());
        self.keys_with_expiry -= usize::from(had);
        if let Some(at) = expiry {
            self.table.note_expiry(hash, at.0);
        }
        moved
    }

    /// Takes a key out, and its value with it.
    pub(crate) fn remove(&mut self, hash: TableHash, handle: Handle) {
        self.drop_value(handle);
        self.remove_entry(hash, handle);
    }

    /// Takes a key out without giving up what its value is: the caller puts it under another key.
    pub(crate) fn take(&mut self, hash: TableHash, handle: Handle) -> Removed {
        let removed = match self.entries.head(handle).place() {
            Place::Ssd(location) => Removed::Cold(location),
            Place::Dram(number) => {
                self.discard_ssd_copy(number);
                let resident = self.residents.remove(number);
                self.account_removed(&resident.value);
                Removed::Value(resident.value)
            }
        };
        self.remove_entry(hash, handle);
        removed
    }

    /// Adds a key that is not there for a record that is on the SSD already.
    pub(crate) fn insert_cold(
        &mut self,
        hash: TableHash,
        key: &[u8],
        described: Head,
        location: Location,
        expiry: Option<UnixMillis>,
    ) {
        let handle = self.entries.insert(key, expiry.map(|at| at.0));
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.table.insert(hash, handle, |other| hasher.table_hash(entries.key(other)));
        if let Some(at) = expiry {
            self.keys_with_expiry += 1;
            self.table.note_expiry(hash, at.0);
        }
        let mut head = self.entries.head(handle);
        head.describe(described.value_type(), described.encoding(), described.value_length());
        head.set_access(described.access());
        head.set_place(Place::Ssd(location));
        self.entries.set_head(handle, head);
    }

    // ---- movements between the tiers

    /// Notes that this dirty resident was copied to be written, under a ticket.
    pub(crate) fn start_preparing(&mut self, number: u32, ticket: u64) {
        let copy = self.set_copy(number, SsdCopy::Preparing(ticket));
        assert_eq!(copy, SsdCopy::None, "only a dirty value is written");
    }

    /// Whether the copy that is made under `ticket` is still one of the value.
    pub(crate) fn is_preparing(&self, number: u32, ticket: u64) -> bool {
        self.residents.copy(number) == SsdCopy::Preparing(ticket)
    }

    /// The copy made under `ticket` has been given a location, whose bytes the ledger counts already, or none.
    /// False if the value has changed since: then the location is not the value's.
    pub(crate) fn finish_preparing(&mut self, number: u32, ticket: u64, location: Option<Location>) -> bool {
        let is_current = self.is_preparing(number, ticket);
        if is_current {
            let copy = location.map_or(SsdCopy::None, SsdCopy::Writing);
            self.set_copy(number, copy);
        }
        is_current
    }

    /// The write to `location` is over. If the resident still waits for it, it is clean now, or dirty again
    /// where the write failed. Tells whether that was so.
    pub(crate) fn finish_writing(&mut self, number: u32, location: Location, succeeded: bool) -> bool {
        if self.residents.copy(number) != SsdCopy::Writing(location) {
            return false;
        }
        if succeeded {
            self.set_copy(number, SsdCopy::Clean(location));
        } else {
            self.discard_ssd_copy(number);
        }
        true
    }

    /// Drops the DRAM copy of a clean value.
    pub(crate) fn demote_clean(&mut self, number: u32) {
        let SsdCopy::Clean(location) = self.set_copy(number, SsdCopy::None) else {
            panic!("only a clean value is dropped from DRAM");
        };
        let resident = self.residents.remove(number);
        self.account_removed(&resident.value);
        let handle = resident.entry();
        self.give_up(resident.value);
        let mut head = self.entries.head(handle);
        head.set_place(Place::Ssd(location));
        self.entries.set_head(handle, head);
    }

    /// Whether the record at `location` is the key's value, in DRAM or not.
    pub(crate) fn is_at(&self, handle: Handle, location: Location) -> bool {
        match self.entries.head(handle).place() {
            Place::Ssd(place) => place == location,
            Place::Dram(number) => self.residents.copy(number) == SsdCopy::Clean(location),
        }
    }

    /// Gc has copied the key's record from `from` to `to`, whose bytes the ledger counts already.
    pub(crate) fn relocate(&mut self, handle: Handle, from: Location, to: Location) {
        assert!(self.is_at(handle, from), "a record is relocated while it is the value");
        let mut head = self.entries.head(handle);
        match head.place() {
            Place::Ssd(_) => {
                head.set_place(Place::Ssd(to));
                self.entries.set_head(handle, head);
            }
            Place::Dram(number) => {
                self.set_copy(number, SsdCopy::Clean(to));
            }
        }
        self.ledger.release(from);
    }

    // ---- walks

    /// All handles.
    pub(crate) fn handles(&self) -> impl Iterator<Item = Handle> + '_ {
        self.table.handles()
    }

    /// Visits the keys of one home bucket; see [`Table::visit_bucket`]. Returns the next position, `None`
    /// where this keyspace ends.
    pub(crate) fn scan(&self, prefix: u64, bucket: usize, visit: impl FnMut(Handle)) -> Option<(u64, usize)> {
        let hash_of = |handle| self.hasher.table_hash(self.entries.key(handle));
        let range = self.table.visit_bucket(prefix, bucket, hash_of, visit)?;
        if bucket + 1 < BUCKETS_PER_SEGMENT {
            return Some((prefix, bucket + 1));
        }
        range.next_prefix.map(|prefix| (prefix, 0))
    }

    /// Visits the keys of one index segment, those before `prefix` in hash order left out. Returns the prefix of the
    /// next segment, `None` where this keyspace ends.
    pub(crate) fn visit_segment(&self, prefix: u64, visit: impl FnMut(Handle)) -> Option<u64> {
        let hash_of = |handle| self.hasher.table_hash(self.entries.key(handle));
        self.table.visit_segment(prefix, hash_of, visit)?.next_prefix
    }

    /// Gives up every record of this keyspace; for one that is being dropped as a whole.
    pub(crate) fn release_all_records(&self) {
        for handle in self.table.handles() {
            match self.entries.head(handle).place() {
                Place::Ssd(location) => self.ledger.release(location),
                Place::Dram(number) => match self.residents.copy(number) {
                    SsdCopy::Clean(location) | SsdCopy::Writing(location) => self.ledger.release(location),
                    SsdCopy::None | SsdCopy::Preparing(_) => {}
                },
            }
        }
    }

    /// Checks the invariants above; returns how many bytes of records the keyspace claims.
    pub(crate) fn verify(&self) -> u64 {
        let (mut residents, mut value_bytes, mut with_expiry, mut claimed) = (0, 0, 0, 0);
        for handle in self.table.handles() {
            let head = self.entries.head(handle);
            with_expiry += usize::from(head.has_expiry());
            match head.place() {
                Place::Ssd(location) => claimed += location.length_bytes(),
                Place::Dram(number) => {
                    let resident = self.residents.get(number);
                    assert_eq!(resident.entry(), handle);
                    assert_eq!(resident.value.value_type(), head.value_type());
                    assert_eq!(resident.value.encoding(), head.encoding());
                    assert_eq!(clamp_length(resident.value.length()), head.value_length());
                    residents += 1;
                    value_bytes += resident.value.heap_bytes();
                    if let SsdCopy::Clean(location) | SsdCopy::Writing(location) = self.residents.copy(number)
                    {
                        claimed += location.length_bytes();
                    }
                }
            }
            let key = self.entries.key(handle);
            assert_eq!(self.find(self.hasher.table_hash(key), key), Some(handle));
        }
        assert_eq!(residents, self.residents.len());
        assert_eq!(value_bytes, self.value_bytes);
        let is_clean = |&number: &u32| matches!(self.residents.copy(number), SsdCopy::Clean(_));
        let clean = self.residents.numbers().filter(is_clean);
        let clean_bytes: usize = clean.map(|number| self.residents.get(number).value.heap_bytes()).sum();
        assert_eq!(clean_bytes, self.clean_bytes);
        assert_eq!(with_expiry, self.keys_with_expiry);
        claimed
    }

    fn install(&mut self, handle: Handle, value: Value, copy: SsdCopy, tick: u32) {
        let heap_bytes = value.heap_bytes();
        let number = self.residents.insert(value, handle, tick);
        self.set_copy(number, copy);
        let mut head = self.entries.head(handle);
        head.set_place(Place::Dram(number));
        self.entries.set_head(handle, head);
        self.value_bytes += heap_bytes;
        self.growth_bytes += (heap_bytes + size_of::<Resident>()) as isize;
        self.note_expiring_fields(handle, number);
    }

    fn replace_value(&mut self, handle: Handle, number: u32, value: Value, touch: &Touch) {
        self.discard_ssd_copy(number);
        let resident = self.residents.get_mut(number);
        let before = resident.value.heap_bytes();
        let after = value.heap_bytes();
        let replaced = std::mem::replace(&mut resident.value, value);
        self.give_up(replaced);
        self.residents.touch(number, touch.tick, touch.bump_after_ticks);
        self.value_bytes = self.value_bytes - before + after;
        self.growth_bytes += after as isize - before as isize;
        self.note_expiring_fields(handle, number);
    }

    /// Drops an entry's value, wherever it is; the entry itself must go next.
    fn drop_value(&mut self, handle: Handle) {
        match self.entries.head(handle).place() {
            Place::Ssd(location) => self.ledger.release(location),
            Place::Dram(number) => {
                self.discard_ssd_copy(number);
                let resident = self.residents.remove(number);
                self.account_removed(&resident.value);
                self.give_up(resident.value);
            }
        }
    }

    #[inline]
    fn give_up(&mut self, value: Value) {
        if value.is_slow_to_drop() {
            self.given_up.push(value);
        }
    }

    fn discard_ssd_copy(&mut self, number: u32) {
        let heap_bytes = self.residents.get(number).value.heap_bytes();
        self.discard_ssd_copy_of(number, heap_bytes);
    }

    /// The same where the value had this length when the SSD's copy was made.
    fn discard_ssd_copy_of(&mut self, number: u32, heap_bytes: usize) {
        let copy = self.set_copy_of(number, SsdCopy::None, heap_bytes);
        if let SsdCopy::Writing(location) | SsdCopy::Clean(location) = copy {
            self.ledger.release(location);
        }
    }

    /// Notes what the SSD has of a resident; returns what it had before. `heap_bytes` is the value's
    /// length as it has been counted so far.
    fn set_copy(&mut self, number: u32, copy: SsdCopy) -> SsdCopy {
        let heap_bytes = self.residents.get(number).value.heap_bytes();
        self.set_copy_of(number, copy, heap_bytes)
    }

    fn set_copy_of(&mut self, number: u32, copy: SsdCopy, heap_bytes: usize) -> SsdCopy {
        let before = self.residents.set_copy(number, copy);
        match (matches!(before, SsdCopy::Clean(_)), matches!(copy, SsdCopy::Clean(_))) {
            (false, true) => self.clean_bytes += heap_bytes,
            (true, false) => self.clean_bytes -= heap_bytes,
            _ => {}
        }
        before
    }

    fn account_removed(&mut self, value: &Value) {
        let heap_bytes = value.heap_bytes();
        self.value_bytes -= heap_bytes;
        self.growth_bytes -= (heap_bytes + size_of::<Resident>()) as isize;
    }

    fn remove_entry(&mut self, hash: TableHash, handle: Handle) {
        self.keys_with_expiry -= usize::from(self.entries.head(handle).has_expiry());
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.table.remove(hash, handle, |other| hasher.table_hash(entries.key(other)));
        self.entries.remove(handle);
    }
}

/// Lengths beyond 32 bits cannot come from a client: no argument is that long.
fn clamp_length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
