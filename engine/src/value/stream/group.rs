//! Consumer groups: how far each has read, who its consumers are, and what was delivered to them and not acknowledged.
//!
//! What is pending has one record, in the group; a consumer has the ids of what is pending with it.

use std::ops::ControlFlow;

use super::id::StreamId;
use super::id_map::IdMap;
use super::log::Log;
use super::node::Entry;
use crate::time::UnixMillis;
use crate::value::allocation_bytes;

/// A consumer's number within its group, while it lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConsumerNumber(u32);

impl ConsumerNumber {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// An entry that was delivered and is not acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pending {
    /// Whom it was delivered to last.
    pub consumer: ConsumerNumber,
    /// When.
    pub delivered_at: UnixMillis,
    /// How often it was delivered.
    pub deliveries: u64,
}

impl Pending {
    /// How long ago it was delivered, in milliseconds.
    pub fn idle_ms(&self, now: UnixMillis) -> u64 {
        now.0.saturating_sub(self.delivered_at.0)
    }
}

/// A consumer of a group.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Box<[u8]>,
    seen_at: UnixMillis,
    active_at: Option<UnixMillis>,
    pending: IdMap<()>,
}

impl Consumer {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// When it last asked for something.
    pub fn seen_at(&self) -> UnixMillis {
        self.seen_at
    }

    /// When it last got something.
    pub fn active_at(&self) -> Option<UnixMillis> {
        self.active_at
    }

    /// How many entries are pending with it.
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    fn heap_bytes(&self) -> usize {
        allocation_bytes(self.name.len()) + self.pending.heap_bytes()
    }
}

/// A consumer group.
#[derive(Clone, Debug)]
pub struct Group {
    name: Box<[u8]>,
    last_delivered: StreamId,
    entries_read: Option<i64>,
    pending: IdMap<Pending>,
    /// By number.
    consumers: Vec<Option<Consumer>>,
    /// The numbers that no consumer has, to be used again.
    free: Vec<ConsumerNumber>,
    /// The numbers of consumers in the order of their names.
    by_name: Vec<ConsumerNumber>,
    /// What consumers have on the heap, but for the vectors above.
    consumer_heap_bytes: usize,
    /// The lengths of all consumers' names.
    consumer_name_bytes: usize,
}

impl Group {
    pub(super) fn new(name: &[u8], last_delivered: StreamId, entries_read: Option<i64>) -> Self {
        Self {
            name: name.into(),
            last_delivered,
            entries_read,
            pending: IdMap::default(),
            consumers: Vec::new(),
            free: Vec::new(),
            by_name: Vec::new(),
            consumer_heap_bytes: 0,
            consumer_name_bytes: 0,
        }
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The id of the entry that was delivered last.
    pub fn last_delivered(&self) -> StreamId {
        self.last_delivered
    }

    /// How many entries of the stream it has read, where that is known.
    pub fn entries_read(&self) -> Option<i64> {
        self.entries_read
    }

    /// Sets how far it has read.
    pub fn set_position(&mut self, last_delivered: StreamId, entries_read: Option<i64>) {
        self.last_delivered = last_delivered;
        self.entries_read = entries_read;
    }

    /// How far behind the stream it is, in entries, where that is known.
    pub fn lag(&self, log: &Log) -> Option<i64> {
        log.lag(self.last_delivered, self.entries_read)
    }

    // ---- consumers

    /// How many consumers there are.
    pub fn consumer_count(&self) -> usize {
        self.by_name.len()
    }

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> impl Iterator<Item = (ConsumerNumber, &Consumer)> {
        self.by_name.iter().map(|number| (*number, self.consumer(*number)))
    }

    /// The number of the consumer of this name.
    pub fn find_consumer(&self, name: &[u8]) -> Option<ConsumerNumber> {
        self.place_of(name).ok().map(|at| self.by_name[at])
    }

    /// A consumer.
    ///
    /// # Panics
    /// If it was removed.
    pub fn consumer(&self, number: ConsumerNumber) -> &Consumer {
        self.consumers[number.index()].as_ref().expect("a number is given back with its consumer")
    }

    /// Adds a consumer; `None` where there is one of this name.
    pub fn create_consumer(&mut self, name: &[u8], now: UnixMillis) -> Option<ConsumerNumber> {
        let Err(place) = self.place_of(name) else { return None };
        let consumer =
            Consumer { name: name.into(), seen_at: now, active_at: None, pending: IdMap::default() };
        self.consumer_heap_bytes += consumer.heap_bytes();
        self.consumer_name_bytes += name.len();
        let number = self.free.pop().unwrap_or_else(|| {
            let number = u32::try_from(self.consumers.len()).expect("there are far fewer consumers");
            self.consumers.push(None);
            ConsumerNumber(number)
        });
        self.consumers[number.index()] = Some(consumer);
        self.by_name.insert(place, number);
        Some(number)
    }

    /// Removes a consumer and all that is pending with it; how many entries these were.
    pub fn remove_consumer(&mut self, number: ConsumerNumber) -> usize {
        let place = self.place_of(&self.consumer(number).name).expect("every consumer is there by its name");
        self.by_name.remove(place);
        let consumer = self.consumers[number.index()].take().expect("it was just there");
        self.consumer_heap_bytes -= consumer.heap_bytes();
        self.consumer_name_bytes -= consumer.name.len();
        self.free.push(number);
        for (id, ()) in consumer.pending.iter() {
            self.pending.remove(id);
        }
        consumer.pending.len()
    }

    /// Notes that a consumer asked for something.
    pub fn note_seen(&mut self, number: ConsumerNumber, now: UnixMillis) {
        self.consumer_mut(number).seen_at = now;
    }

    /// Notes that a consumer got something.
    pub fn note_active(&mut self, number: ConsumerNumber, now: UnixMillis) {
        self.consumer_mut(number).active_at = Some(now);
    }

    /// Sets when a consumer last asked for something, and when it last got something.
    pub fn set_times(&mut self, number: ConsumerNumber, seen_at: UnixMillis, active_at: Option<UnixMillis>) {
        let consumer = self.consumer_mut(number);
        (consumer.seen_at, consumer.active_at) = (seen_at, active_at);
    }

    // ---- what is pending

    /// How many entries are pending.
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// What is pending under this id.
    pub fn pending(&self, id: StreamId) -> Option<Pending> {
        self.pending.get(id).copied()
    }

    /// What is pending, from an id on.
    pub fn pending_from(&self, id: StreamId) -> impl Iterator<Item = (StreamId, Pending)> {
        self.pending.iter_from(id).map(|(id, pending)| (id, *pending))
    }

    /// What is pending with one consumer, from an id on.
    pub fn pending_with(
        &self,
        consumer: ConsumerNumber,
        id: StreamId,
    ) -> impl Iterator<Item = (StreamId, Pending)> {
        let ids = self.consumer(consumer).pending.iter_from(id);
        ids.map(|(id, ())| (id, self.pending(id).expect("a consumer's ids are pending in its group")))
    }

    /// The id of the last entry that is pending.
    pub fn last_pending_id(&self) -> Option<StreamId> {
        self.pending.last().map(|slot| slot.0)
    }

    /// Makes an entry pending, or changes whom it is pending with.
    pub fn set_pending(&mut self, id: StreamId, pending: Pending) {
        let before = self.pending.insert(id, pending);
        match before {
            Some(before) if before.consumer == pending.consumer => return,
            Some(before) => self.change_ids(before.consumer, |ids| ids.remove(id)),
            None => {}
        }
        self.change_ids(pending.consumer, |ids| ids.insert(id, ()));
    }

    /// Takes an entry from what is pending; false where it was not.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(pending) = self.pending.remove(id) else { return false };
        self.change_ids(pending.consumer, |ids| ids.remove(id));
        true
    }

    // ---- reading

    /// Delivers to a consumer what no consumer of the group has seen, at most `limit` entries; how many. Unless they
    /// are not to be acknowledged, they are pending with it then.
    pub fn deliver<'l>(
        &mut self,
        log: &'l Log,
        consumer: ConsumerNumber,
        limit: usize,
        now: UnixMillis,
        needs_acknowledgement: bool,
        mut visit: impl FnMut(Entry<'l>),
    ) -> usize {
        let Some(start) = self.last_delivered.next() else { return 0 };
        let mut count = 0;
        for entry in log.range(start, StreamId::MAX).take(limit) {
            self.entries_read = log.read_up_to(entry.id, self.entries_read);
            self.last_delivered = entry.id;
            if needs_acknowledgement {
                self.set_pending(entry.id, Pending { consumer, delivered_at: now, deliveries: 1 });
                self.note_active(consumer, now);
            }
            visit(entry);
            count += 1;
        }
        count
    }

    /// Delivers once more what is pending with a consumer, from an id on, at most `limit` entries; how many. An entry
    /// that the stream has no more is visited as `None`.
    pub fn deliver_again<'l>(
        &mut self,
        log: &'l Log,
        consumer: ConsumerNumber,
        start: StreamId,
        limit: usize,
        now: UnixMillis,
        mut visit: impl FnMut(StreamId, Option<Entry<'l>>),
    ) -> usize {
        let Self { consumers, pending: records, .. } = self;
        let consumer =
            consumers[consumer.index()].as_ref().expect("a number is given back with its consumer");
        let mut count = 0;
        for (id, ()) in consumer.pending.iter_from(start).take(limit) {
            let entry = log.get(id);
            if entry.is_some() {
                let pending = records.get_mut(id).expect("a consumer's ids are pending in its group");
                pending.delivered_at = now;
                pending.deliveries = pending.deliveries.wrapping_add(1);
            }
            visit(id, entry);
            count += 1;
        }
        count
    }

    /// Shows `visit` what is pending, from an id on, until it wants no more; what it returns of an entry is what becomes
    /// of it. The id of the first entry that it did not see.
    pub fn review(
        &mut self,
        start: StreamId,
        mut visit: impl FnMut(StreamId, Pending) -> ControlFlow<(), Review>,
    ) -> Option<StreamId> {
        let mut next = Some(start);
        while let Some(from) = next {
            let (id, pending) = self.pending_from(from).next()?;
            match visit(id, pending) {
                ControlFlow::Break(()) => return Some(id),
                ControlFlow::Continue(Review::Keep) => {}
                ControlFlow::Continue(Review::Change(pending)) => self.set_pending(id, pending),
                ControlFlow::Continue(Review::Drop) => drop(self.acknowledge(id)),
            }
            next = id.next();
        }
        None
    }

    // ---- inside

    /// What the group has on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let numbers = self.by_name.capacity() + self.free.capacity();
        allocation_bytes(self.name.len())
            + self.pending.heap_bytes()
            + allocation_bytes(self.consumers.capacity() * size_of::<Option<Consumer>>())
            + allocation_bytes(numbers * size_of::<ConsumerNumber>())
            + self.consumer_heap_bytes
    }

    /// Above the numbers of all consumers.
    pub(super) fn number_bound(&self) -> usize {
        self.consumers.len()
    }

    pub(super) fn consumer_name_bytes(&self) -> usize {
        self.consumer_name_bytes
    }

    fn place_of(&self, name: &[u8]) -> Result<usize, usize> {
        self.by_name.binary_search_by(|number| (*self.consumer(*number).name).cmp(name))
    }

    fn consumer_mut(&mut self, number: ConsumerNumber) -> &mut Consumer {
        self.consumers[number.index()].as_mut().expect("a number is given back with its consumer")
    }

    fn change_ids<T>(&mut self, number: ConsumerNumber, change: impl FnOnce(&mut IdMap<()>) -> T) {
        let ids = &mut self.consumer_mut(number).pending;
        let before_bytes = ids.heap_bytes();
        change(ids);
        let after_bytes = ids.heap_bytes();
        self.consumer_heap_bytes = self.consumer_heap_bytes + after_bytes - before_bytes;
    }
}

/// What becomes of a pending entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Review {
    /// It stays as it is.
    Keep,
    /// It is pending like this from now on.
    Change(Pending),
    /// It is not pending any more.
    Drop,
}
