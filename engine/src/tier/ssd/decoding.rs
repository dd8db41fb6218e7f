//! From a record's bytes to its value; for long collections on a thread of its own.
//!
//! To build a collection of a hundred thousand members takes tens of milliseconds, which a server thread does not have: its
//! other clients would wait. Where there is a [`Decoder`], readers send it such records, and are signalled like by
//! the device when the value is there. Without one, or where it has too much to do, they are decoded on the spot.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock, Weak};

use crossbeam::channel::{Receiver, Sender, bounded};
use crossbeam::queue::SegQueue;
use smallvec::SmallVec;

use super::compression::Decompressor;
use super::reader::FetchError;
use super::record::{self, Stored};
use crate::device::buffer::AlignedBuffer;
use crate::engine::Engine;
use crate::fetch::{INLINE_KEY_BYTES, Wanted};
use crate::index::Location;
use crate::shard::keyspace::KeyspaceId;
use crate::value::{self, Value, ValueType};

/// Records that wait for the decoder; further ones are decoded by who read them.
const JOBS_MAX: usize = 16;
/// A collection's record that is longer than this, in bytes, is decoded apart: shorter ones take tens of microseconds.
const LONG_COLLECTION_BYTES: u64 = 8 << 10;
/// A string's record: it is only copied.
const LONG_STRING_BYTES: u64 = 512 << 10;

/// `None` where the record was no longer the key's when it had been read: the index must be asked again.
pub(super) type Decoded = Result<Option<Value>, FetchError>;

/// A record, and the key that it should be of.
#[derive(Clone, Copy)]
pub(super) struct RecordOf<'a> {
    pub(super) keyspace: KeyspaceId,
    pub(super) key: &'a [u8],
    pub(super) location: Location,
    pub(super) bytes: &'a [u8],
}

/// A record's value, if the record is right.
pub(super) fn decode(engine: &Engine, decompressor: &mut Decompressor, of: RecordOf<'_>) -> Decoded {
    let RecordOf { keyspace, key, location, bytes } = of;
    let damaged = |error: &dyn std::fmt::Display| FetchError::Damaged(error.to_string());
    let salt = engine.ledger().salt(location.segment());
    let record = record::decode(bytes, salt).map_err(|error| damaged(&error))?;
    if record.head.keyspace != keyspace || record.key != key {
        // Under another name: right if the key was renamed while its value was on the SSD.
        let alias = engine.ledger().alias(location);
        if alias.is_none_or(|alias| alias.keyspace != keyspace || *alias.key != *key) {
            // Renamed again or deleted while it was read. A script that holds the shard may be waiting for this very read,
            // so nobody may wait for the shard here: where it is locked, the index is asked again, too.
            return match engine.is_value_at_now(keyspace, key, location) {
                Some(true) => Err(damaged(&"it is another key's")),
                Some(false) | None => Ok(None),
            };
        }
    }
    let mut decoded = Vec::new();
    let payload = match record.head.stored {
        Stored::Plain => record.payload,
        Stored::Zstd { decoded_bytes } => {
            decompressor
                .decompress(record.payload, decoded_bytes as usize, &mut decoded)
                .map_err(|error| damaged(&error))?;
            &decoded
        }
    };
    value::decode(record.head.value_type, record.head.encoding, payload)
        .map(Some)
        .map_err(|error| damaged(&error))
}

/// Whether decoding such a record takes long.
pub(super) fn takes_long(value_type: ValueType, location: Location) -> bool {
    let limit = if value_type == ValueType::String { LONG_STRING_BYTES } else { LONG_COLLECTION_BYTES };
    location.length_bytes() > limit
}

/// What a reader's records have been decoded to elsewhere.
#[derive(Default)]
pub(super) struct Outbox {
    decoded: SegQueue<Finished>,
    eventfd: OnceLock<OwnedFd>,
}

/// A read whose record has been decoded.
pub(super) struct Finished {
    pub(super) token: u32,
    pub(super) buffer: AlignedBuffer,
    pub(super) result: Decoded,
}

impl Outbox {
    /// Has this eventfd signalled when there is something.
    ///
    /// # Errors
    /// If there is no other descriptor to be had for it.
    pub(super) fn register_eventfd(&self, eventfd: BorrowedFd<'_>) -> io::Result<()> {
        let _ = self.eventfd.set(eventfd.try_clone_to_owned()?);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.decoded.is_empty()
    }

    pub(super) fn take(&self) -> Option<Finished> {
        self.decoded.pop()
    }

    fn put(&self, finished: Finished) {
        self.decoded.push(finished);
        if let Some(eventfd) = self.eventfd.get() {
            // It can fail only where the eventfd has been signalled 2^64 times, unseen.
            let _ = rustix::io::write(eventfd, &1u64.to_ne_bytes());
        }
    }
}

/// A record to be decoded. Whatever becomes of it, its reader is told.
pub(crate) struct Job {
    keyspace: KeyspaceId,
    key: SmallVec<[u8; INLINE_KEY_BYTES]>,
    location: Location,
    /// Where in the buffer the record begins.
    start: usize,
    token: u32,
    buffer: AlignedBuffer,
    outbox: Arc<Outbox>,
    is_finished: bool,
}

impl Job {
    pub(super) fn new(
        wanted: &Wanted,
        token: u32,
        (buffer, start): (AlignedBuffer, usize),
        outbox: &Arc<Outbox>,
    ) -> Self {
        Self {
            keyspace: wanted.keyspace,
            key: wanted.key.clone(),
            location: wanted.location,
            start,
            token,
            buffer,
            outbox: Arc::clone(outbox),
            is_finished: false,
        }
    }

    /// Takes the buffer back: the job is not to be done.
    pub(super) fn cancel(mut self) -> AlignedBuffer {
        self.is_finished = true;
        std::mem::take(&mut self.buffer)
    }

    fn run(mut self, engine: &Engine, decompressor: &mut Decompressor) {
        let end = self.start + self.location.length_bytes() as usize;
        let bytes = &self.buffer[self.start..end];
        let of = RecordOf { keyspace: self.keyspace, key: &self.key, location: self.location, bytes };
        let result = decode(engine, decompressor, of);
        self.finish(result);
    }

    fn finish(&mut self, result: Decoded) {
        self.is_finished = true;
        let buffer = std::mem::take(&mut self.buffer);
        self.outbox.put(Finished { token: self.token, buffer, result });
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.is_finished {
            self.finish(Err(FetchError::Damaged("it could not be decoded".to_owned())));
        }
    }
}

/// Decodes long records, on the thread that runs it.
pub struct Decoder {
    engine: Weak<Engine>,
    jobs: Receiver<Job>,
    decompressor: Decompressor,
}

impl Decoder {
    /// The decoder of an engine, which has one at most: `None` where it has one already.
    ///
    /// # Errors
    /// If there is no memory for decompression.
    pub fn new(engine: &Arc<Engine>) -> io::Result<Option<Self>> {
        let (sender, jobs) = bounded(JOBS_MAX);
        let decompressor = Decompressor::new()?;
        let is_first = engine.decoder().set(sender).is_ok();
        Ok(is_first.then(|| Self { engine: Arc::downgrade(engine), jobs, decompressor }))
    }

    /// Decodes what readers send, until the engine is gone.
    pub fn run(mut self) {
        while let Ok(job) = self.jobs.recv() {
            let Some(engine) = self.engine.upgrade() else { return };
            job.run(&engine, &mut self.decompressor);
        }
    }
}

/// Where readers send what is to be decoded.
pub(crate) type JobSender = Sender<Job>;
