//! The reader: cold values for commands, one per server thread.
//!
//! [`Reader::fetch`] submits a read for every wanted record at once and resolves when all are done. Several
//! requests for one record share one read, and records that lie close together on the SSD are read by one I/O: values
//! that went cold together often come back together. A record is believed only if its checksum is right and it is
//! the record of the key that was asked for.
//!
//! A cold read is one I/O of the blocks that the record, or the records, touch; then for each, one checksum pass, and one copy (or
//! decompression) into the value.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use smallvec::{SmallVec, smallvec};

use super::compression::Decompressor;
use super::decoding::{self, Decoded, Finished, Job, Outbox, RecordOf};
use crate::device::buffer::{AlignedBuffer, BufferPool};
use crate::device::{Completion, DeviceQueue};
use crate::engine::Engine;
use crate::fetch::{Fetched, Wanted};
use crate::index::Location;
use crate::shard::keyspace::KeyspaceId;

/// Reads in flight at once in one thread; more wait in order.
const MAX_READS: usize = 512;
/// Up to so many reads in flight, each is handed to the device as soon as it is known.
const EAGER_FLUSH_READS: usize = 32;

/// Records with so many bytes between them, or fewer, are read together: what a device takes for these bytes is about what
/// it takes for another request.
const BRIDGED_GAP_BYTES: u64 = 8 << 10;
/// How much such a read may be long, in bytes, unless a single record is longer.
const JOINT_READ_BYTES_MAX: u64 = 32 << 10;

/// Why a value could not be read. The key keeps it: a later attempt may succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The device failed, or gave fewer bytes than asked for.
    #[error("reading from the SSD tier failed: {0}")]
    Device(String),
    /// The bytes are not the record they should be.
    #[error("the record on the SSD tier is damaged: {0}")]
    Damaged(String),
}

/// Reads cold values; belongs to the thread that made it.
pub struct Reader {
    engine: Arc<Engine>,
    state: RefCell<State>,
    in_flight: Cell<usize>,
    /// What came back of records that were decoded elsewhere.
    decoded: Arc<Outbox>,
}

struct State {
    /// `None` where there is no SSD tier: nothing is ever cold then.
    queue: Option<Box<dyn DeviceQueue>>,
    pool: BufferPool,
    decompressor: Decompressor,
    reads: Slots,
    /// Reads that found no room in the queue, in order.
    waiting: std::collections::VecDeque<u32>,
    /// For each record being read, the read's slot and the record's place in it.
    joined: HashMap<Location, (u32, usize), ahash::RandomState>,
    completions: Vec<Completion>,
}

/// One read in progress.
struct Read {
    segment: u32,
    file: u16,
    /// Where in the file it begins and ends: at boundaries of blocks.
    start_bytes: u64,
    end_bytes: u64,
    records: SmallVec<[Record; 1]>,
    submitted_us: u64,
}

/// One record of a read, and everyone who waits for it.
struct Record {
    wanted: Wanted,
    waiters: SmallVec<[Rc<Waiter>; 1]>,
}

impl Read {
    /// Makes the read long enough for a record behind its last one; gives the record back where that is too far away.
    fn extend(&mut self, engine: &Engine, record: Record) -> Result<(), Record> {
        let location = record.wanted.location;
        let (extent, length, _) = engine.layout().blocks(location);
        let end_bytes = extent.offset_bytes + length as u64;
        let is_near = location.segment() == self.segment
            && extent.offset_bytes <= self.end_bytes + BRIDGED_GAP_BYTES
            && end_bytes <= self.start_bytes + JOINT_READ_BYTES_MAX;
        if !is_near {
            return Err(record);
        }
        self.end_bytes = self.end_bytes.max(end_bytes);
        self.records.push(record);
        Ok(())
    }
}

/// One [`Reader::fetch`] call.
struct Waiter {
    outstanding: Cell<usize>,
    waker: RefCell<Option<Waker>>,
    results: RefCell<SmallVec<[FetchResult; 1]>>,
}

impl Waiter {
    fn hand_over(&self, result: FetchResult) {
        self.results.borrow_mut().push(result);
        self.outstanding.set(self.outstanding.get() - 1);
        if self.outstanding.get() == 0
            && let Some(waker) = self.waker.borrow_mut().take()
        {
            waker.wake();
        }
    }
}

type FetchResult = (KeyspaceId, Location, Decoded);

#[derive(Default)]
struct Slots {
    reads: Vec<Option<Read>>,
    free: Vec<u32>,
}

impl Slots {
    fn insert(&mut self, read: Read) -> u32 {
        match self.free.pop() {
            Some(slot) => {
                self.reads[slot as usize] = Some(read);
                slot
            }
            None => {
                self.reads.push(Some(read));
                (self.reads.len() - 1) as u32
            }
        }
    }

    /// Adds a record to the read of this slot, if it lies close behind what that reads, or to a new one. Returns the slot
    /// and the record's place in the read.
    fn add(&mut self, engine: &Engine, last: Option<u32>, record: Record, now_us: u64) -> (u32, usize) {
        let record = match last {
            Some(slot) => {
                let read = self.get_mut(slot);
                match read.extend(engine, record) {
                    Ok(()) => return (slot, read.records.len() - 1),
                    Err(record) => record,
                }
            }
            None => record,
        };
        let location = record.wanted.location;
        let (extent, length, _) = engine.layout().blocks(location);
        let slot = self.insert(Read {
            segment: location.segment(),
            file: extent.file,
            start_bytes: extent.offset_bytes,
            end_bytes: extent.offset_bytes + length as u64,
            records: smallvec![record],
            submitted_us: now_us,
        });
        (slot, 0)
    }

    fn get_mut(&mut self, slot: u32) -> &mut Read {
        self.reads[slot as usize].as_mut().expect("the slot is in use")
    }

    fn take(&mut self, slot: u32) -> Read {
        self.free.push(slot);
        self.reads[slot as usize].take().expect("the slot is in use")
    }
}

impl Reader {
    /// A reader for the calling thread.
    ///
    /// # Errors
    /// If the device cannot open another queue.
    pub fn new(engine: Arc<Engine>) -> io::Result<Self> {
        let queue = match engine.device() {
            Some(device) => Some(device.open_queue(MAX_READS)?),
            None => None,
        };
        let pool = BufferPool::new(crate::device::buffer::DEFAULT_IDLE_LIMIT_BYTES, engine.buffer_gauge());
        let state = State {
            queue,
            pool,
            decompressor: Decompressor::new()?,
            reads: Slots::default(),
            waiting: std::collections::VecDeque::new(),
            joined: HashMap::with_hasher(ahash::RandomState::with_seed(engine.seed() as usize)),
            completions: Vec::new(),
        };
        Ok(Self { engine, state: RefCell::new(state), in_flight: Cell::new(0), decoded: Arc::default() })
    }

    /// Has `eventfd` signalled when a read completes.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn register_eventfd(&self, eventfd: BorrowedFd<'_>) -> io::Result<()> {
        match &mut self.state.borrow_mut().queue {
            Some(queue) => {
                queue.register_eventfd(eventfd).and_then(|()| self.decoded.register_eventfd(eventfd))
            }
            None => Ok(()),
        }
    }

    /// Switches the signal on or off; after switching it on, tells whether something may have completed unnoticed.
    pub fn set_signal(&self, is_on: bool) -> bool {
        let has_read = self.state.borrow_mut().queue.as_mut().is_some_and(|queue| queue.set_signal(is_on));
        has_read || (is_on && !self.decoded.is_empty())
    }

    /// Reads that were asked for and are not done.
    pub fn outstanding(&self) -> usize {
        self.in_flight.get()
    }

    /// Hands queued reads to the device: at most one system call.
    pub fn flush(&self) {
        if let Some(queue) = &mut self.state.borrow_mut().queue {
            // A device short of resources for the moment keeps the requests; the next flush tries again.
            let _ = queue.flush();
        }
    }

    /// Takes finished reads and wakes who waits for them; returns how many there were.
    pub fn drain(&self) -> usize {
        if self.in_flight.get() == 0 {
            return 0;
        }
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let Some(queue) = &mut state.queue else { return 0 };
        let mut completions = std::mem::take(&mut state.completions);
        let mut count = queue.poll(&mut completions);
        let now_us = if count > 0 { self.engine.clock().monotonic_us() } else { 0 };
        self.warm_up(state, &completions);
        for completion in completions.drain(..) {
            self.complete(state, completion, now_us);
        }
        state.completions = completions;
        while let Some(Finished { token, buffer, result }) = self.decoded.take() {
            count += 1;
            state.pool.give_back(buffer);
            self.hand_over(state, token, std::iter::once(result));
        }
        while let Some(&slot) = state.waiting.front() {
            if !submit(state, slot) {
                break;
            }
            state.waiting.pop_front();
        }
        count
    }

    /// Submits a read for everything that `fetched` wants, at once and without waiting; the returned future
    /// resolves when all of it was read and puts the values into `fetched`.
    ///
    /// # Errors
    /// The first record that could not be read; the others' values are there nevertheless.
    pub fn fetch<'a>(&'a self, fetched: &'a mut Fetched) -> Fetch<'a> {
        let started_us = self.engine.clock().monotonic_us();
        let mut state = self.state.borrow_mut();
        let waiter = Rc::new(Waiter {
            outstanding: Cell::new(0),
            waker: RefCell::new(None),
            results: RefCell::default(),
        });
        let mut all_wanted = fetched.take_wanted();
        all_wanted.sort_unstable_by_key(|wanted| wanted.location);
        let mut own: SmallVec<[u32; 1]> = SmallVec::new();
        for wanted in all_wanted {
            if let Some(&(slot, at)) = state.joined.get(&wanted.location)
                && let record = &mut state.reads.get_mut(slot).records[at]
                && record.wanted.keyspace == wanted.keyspace
            {
                if record.waiters.last().is_none_or(|last| !Rc::ptr_eq(last, &waiter)) {
                    record.waiters.push(Rc::clone(&waiter));
                    waiter.outstanding.set(waiter.outstanding.get() + 1);
                }
                continue;
            }
            waiter.outstanding.set(waiter.outstanding.get() + 1);
            let location = wanted.location;
            let record = Record { wanted, waiters: smallvec![Rc::clone(&waiter)] };
            let place = state.reads.add(&self.engine, own.last().copied(), record, started_us);
            if own.last() != Some(&place.0) {
                own.push(place.0);
            }
            state.joined.insert(location, place);
        }
        self.in_flight.set(self.in_flight.get() + own.len());
        self.engine.reads_in_flight_changed(own.len() as i64);
        for slot in own {
            if !state.waiting.is_empty() || !submit(&mut state, slot) {
                state.waiting.push_back(slot);
            }
        }
        // With few reads under way, handing this one over at once saves it the wait for the reactor's round; with
        // many, one system call for a round's reads is cheaper, and completions see to it that a round comes.
        if self.in_flight.get() <= EAGER_FLUSH_READS
            && let Some(queue) = &mut state.queue
        {
            let _ = queue.flush();
        }
        drop(state);
        Fetch { fetched, waiter, started_us, engine: &self.engine }
    }

    fn complete(&self, state: &mut State, completion: Completion, now_us: u64) {
        let token = completion.token as u32;
        let read = state.reads.get_mut(token);
        let metrics = self.engine.tier_metrics();
        let latency_us = now_us.saturating_sub(read.submitted_us);
        metrics.note_ssd_read(latency_us, read.records.len(), completion.buffer.len());
        let mut results: SmallVec<[Decoded; 1]> = SmallVec::with_capacity(read.records.len());
        let buffer = match completion.into_complete() {
            Ok(buffer) => {
                let layout = self.engine.layout();
                let start = |location| {
                    let (extent, _, within) = layout.blocks(location);
                    (extent.offset_bytes - read.start_bytes) as usize + within
                };
                let Some(buffer) = self.decode_elsewhere(read, token, buffer, start) else { return };
                results.extend(read.records.iter().map(|Record { wanted, .. }| {
                    let Wanted { keyspace, ref key, location, .. } = *wanted;
                    let bytes = &buffer[start(location)..][..location.length_bytes() as usize];
                    let of = RecordOf { keyspace, key, location, bytes };
                    decoding::decode(&self.engine, &mut state.decompressor, of)
                }));
                buffer
            }
            Err((error, buffer)) => {
                metrics.note_read_error();
                let error = FetchError::Device(error.to_string());
                results.extend(read.records.iter().map(|_| Err(error.clone())));
                buffer
            }
        };
        state.pool.give_back(buffer);
        self.hand_over(state, token, results.into_iter());
    }

    /// Sends a record that takes long to the decoder, if there is one with room. Gives the buffer back where it did not.
    fn decode_elsewhere(
        &self,
        read: &Read,
        token: u32,
        buffer: AlignedBuffer,
        start: impl Fn(Location) -> usize,
    ) -> Option<AlignedBuffer> {
        let [Record { wanted, .. }] = &*read.records else { return Some(buffer) };
        match self.engine.decoder().get() {
            Some(decoder) if decoding::takes_long(wanted.value_type, wanted.location) => {
                let start = start(wanted.location);
                let job = Job::new(wanted, token, (buffer, start), &self.decoded);
                decoder.try_send(job).err().map(|error| error.into_inner().cancel())
            }
            _ => Some(buffer),
        }
    }

    /// Gives everyone who waits for a read's records what became of them.
    fn hand_over(&self, state: &mut State, token: u32, results: impl Iterator<Item = Decoded>) {
        let read = state.reads.take(token);
        self.in_flight.set(self.in_flight.get() - 1);
        self.engine.reads_in_flight_changed(-1);
        for (Record { wanted, mut waiters }, result) in read.records.into_iter().zip(results) {
            state.joined.remove(&wanted.location);
            if let Err(error) = &result {
                if matches!(error, FetchError::Damaged(_)) {
                    self.engine.tier_metrics().note_checksum_error();
                }
                tracing::warn!(location = ?wanted.location, %error, "a cold value could not be read");
            }
            let last = waiters.pop().expect("a record is waited for");
            for waiter in waiters {
                waiter.hand_over((wanted.keyspace, wanted.location, result.clone()));
            }
            last.hand_over((wanted.keyspace, wanted.location, result));
        }
    }

    /// Commands will look up the keys that were read, one after the other: asks for their entries' memory together.
    fn warm_up(&self, state: &mut State, completions: &[Completion]) {
        if completions.len() < 2 {
            return;
        }
        let mut warming = self.engine.warming();
        for completion in completions {
            for record in &state.reads.get_mut(completion.token as u32).records {
                if warming.is_full() {
                    std::mem::replace(&mut warming, self.engine.warming()).finish();
                }
                warming.add(record.wanted.database, &record.wanted.key, None);
            }
        }
        warming.finish();
    }
}

/// Queues one read; false where the queue is full.
fn submit(state: &mut State, slot: u32) -> bool {
    let Some(queue) = &mut state.queue else { panic!("a value is cold only where there is an SSD tier") };
    if queue.outstanding() >= queue.depth() {
        return false;
    }
    let read = state.reads.get_mut(slot);
    let buffer = state.pool.take((read.end_bytes - read.start_bytes) as usize);
    queue
        .submit_read(u64::from(slot), read.file, read.start_bytes, buffer)
        .expect("the queue has room: it was asked");
    true
}

/// The future of [`Reader::fetch`].
pub struct Fetch<'a> {
    fetched: &'a mut Fetched,
    waiter: Rc<Waiter>,
    started_us: u64,
    engine: &'a Arc<Engine>,
}

impl Future for Fetch<'_> {
    type Output = Result<(), FetchError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.waiter.outstanding.get() > 0 {
            *this.waiter.waker.borrow_mut() = Some(context.waker().clone());
            return Poll::Pending;
        }
        let waited_us = this.engine.clock().monotonic_us().saturating_sub(this.started_us);
        this.engine.tier_metrics().note_added_latency(waited_us);
        let mut outcome = Ok(());
        for (keyspace, location, result) in this.waiter.results.borrow_mut().drain(..) {
            match result {
                Ok(Some(value)) => this.fetched.add_read(this.engine, keyspace, location, value),
                Ok(None) => {}
                Err(error) => outcome = Err(error),
            }
        }
        Poll::Ready(outcome)
    }
}
