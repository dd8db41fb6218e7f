//! The SSD side of the background thread: its queue, the writer, the segments, and what becomes of finished writes.

use std::sync::Arc;
use std::time::Duration;

use super::gc::Collector;
use super::requests::Done;
use super::ssd::record;
use super::ssd::segment::{RESERVED_FOR_GC, Segments, State};
use super::ssd::writer::{MAX_WRITES, NewRecord, Refusal, Writer, Written};
use crate::device::{Completion, DeviceQueue};
use crate::engine::Engine;
use crate::index::Location;
use crate::shard::keyspace::KeyspaceId;

/// Requests of the background thread in flight: its writes, and gc's reads.
const QUEUE_DEPTH: usize = MAX_WRITES + 8;
/// Demotion pauses this long after a write error, twice as long after each further one.
const FIRST_PAUSE_US: u64 = 10_000;
const LONGEST_PAUSE_US: u64 = 5_000_000;

/// What a record was written for.
pub(crate) enum Note {
    /// A value is on its way out of DRAM.
    Demoted {
        shard: usize,
        keyspace: KeyspaceId,
        resident: u32,
        location: Location,
        dram_bytes: usize,
        /// Whether it is written ahead of need and stays in DRAM.
        is_ahead: bool,
        /// Who asked for it, if someone did.
        done: Option<Done>,
    },
    /// Gc copies a record.
    Relocated { from: Location, to: Location, at: usize },
}

/// The background thread's I/O.
pub(crate) struct Work {
    pub(crate) engine: Arc<Engine>,
    pub(crate) queue: Box<dyn DeviceQueue>,
    pub(crate) segments: Segments,
    pub(crate) collector: Collector,
    writer: Writer<Note>,
    completions: Vec<Completion>,
    /// DRAM that writes in flight will give back.
    pub(crate) writing_bytes: usize,
    /// Values that were demoted since the start.
    pub(crate) demoted_values: u64,
    /// DRAM that they gave back.
    pub(crate) demoted_bytes: u64,
    pause_us: u64,
    paused_until_us: u64,
}

impl Work {
    /// # Errors
    /// If the device cannot open another queue.
    pub(crate) fn new(engine: Arc<Engine>) -> std::io::Result<Option<Self>> {
        let Some(device) = engine.device() else { return Ok(None) };
        let queue = device.open_queue(QUEUE_DEPTH)?;
        let layout = engine.layout();
        let tier_id = engine.tier_id();
        Ok(Some(Self {
            queue,
            segments: Segments::new(layout.segment_count),
            collector: Collector::new(Arc::clone(&engine)),
            writer: Writer::new(layout, Arc::clone(engine.ledger()), tier_id),
            completions: Vec::new(),
            writing_bytes: 0,
            demoted_values: 0,
            demoted_bytes: 0,
            pause_us: 0,
            paused_until_us: 0,
            engine,
        }))
    }

    /// Appends a record to the log; see [`Writer::append`].
    pub(crate) fn append(
        &mut self,
        record: &NewRecord<'_>,
        note: impl FnOnce(Location, usize) -> Note,
    ) -> Result<Location, Refusal> {
        self.writer.append(&mut *self.queue, &mut self.segments, record, note)
    }

    /// Whether demotion is waiting out a write error.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused_until_us > 0 && self.engine.clock().monotonic_us() < self.paused_until_us
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.queue.outstanding() == 0 && !self.writer.has_unwritten()
    }

    pub(crate) fn is_writing_segment(&self, segment: u32) -> bool {
        self.writer.is_writing(segment)
    }

    /// Whether the SSD takes more without anything being deleted.
    pub(crate) fn has_room(&self) -> bool {
        !self.collector.is_stuck() && self.segments.free_count() > RESERVED_FOR_GC + 1
    }

    /// Hands all chunks that have records to the device.
    pub(crate) fn write_out(&mut self) {
        self.writer.write_out(&mut *self.queue);
        self.publish();
        // A device short of resources for the moment keeps the requests; the next flush tries again.
        let _ = self.queue.flush();
    }

    /// Waits until something completes, or until `timeout`.
    pub(crate) fn wait(&mut self, timeout: Duration) {
        let _ = self.queue.wait(timeout);
    }

    /// Deals with everything that has completed; returns how much that was.
    pub(crate) fn complete(&mut self) -> usize {
        let mut completions = std::mem::take(&mut self.completions);
        let count = self.queue.poll(&mut completions);
        for completion in completions.drain(..) {
            if Collector::is_token(completion.token) {
                self.collector.read_completed(completion);
                continue;
            }
            let written =
                self.writer.finish(&mut self.segments, completion).expect("a write's token is known");
            self.finish_write(written);
        }
        self.completions = completions;
        if count > 0 {
            self.segments.free_retired(self.engine.ledger());
        }
        count
    }

    fn finish_write(&mut self, mut written: Written<Note>) {
        let succeeded = written.result.is_ok();
        if let Err(error) = &written.result {
            self.engine.tier_metrics().note_write_error();
            self.pause_us = (self.pause_us * 2).clamp(FIRST_PAUSE_US, LONGEST_PAUSE_US);
            self.paused_until_us = self.engine.clock().monotonic_us() + self.pause_us;
            tracing::error!(%error, "writing to the SSD tier failed; the values stay in DRAM");
        } else {
            self.pause_us = 0;
            self.paused_until_us = 0;
        }
        for note in written.notes.drain(..) {
            match note {
                Note::Demoted { shard, keyspace, resident, location, dram_bytes, is_ahead, done } => {
                    let engine = &self.engine;
                    let dropped = if is_ahead {
                        engine.finish_write_ahead(shard, keyspace, resident, location, succeeded)
                    } else {
                        self.writing_bytes = self.writing_bytes.saturating_sub(dram_bytes);
                        let asked_for = done.is_some();
                        engine.finish_demotion(shard, keyspace, resident, location, succeeded, asked_for)
                    };
                    self.demoted_bytes += if dropped { dram_bytes as u64 } else { 0 };
                    self.demoted_values += u64::from(dropped);
                    if let (true, Some(done)) = (dropped, done) {
                        done.add(1);
                    }
                }
                Note::Relocated { from, to, at } => {
                    if succeeded {
                        let record =
                            record::decode(&written.chunk[at..], self.engine.ledger().salt(to.segment()))
                                .expect("the chunk has the records that were encoded into it");
                        self.engine.finish_relocation(&record, from, to);
                    } else {
                        self.engine.ledger().release(to);
                    }
                    self.collector.relocation_over(from.segment());
                }
            }
        }
        self.writer.recycle(written.chunk);
    }

    /// Tells the metrics how the log stands.
    fn publish(&self) {
        self.engine.tier_metrics().set_log(
            self.writer.written_bytes,
            self.writer.written_records,
            self.segments.free_count(),
            self.segments.count(State::Failed),
        );
    }
}
