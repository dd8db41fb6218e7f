//! `TIER DRAIN`: everything leaves DRAM.
//!
//! A drain goes over all keyspaces, shard by shard, looks at as many values as there were when a keyspace's turn came, and
//! waits for the writes. What is still in DRAM then (its write failed, or it was used or changed while it was under way)
//! is the next pass's. A pass that finds nothing to move is the last.

use super::demotion::{Demoter, Reach};
use super::requests::Done;
use super::ssd::writer::Refusal;
use super::work::Work;
use crate::time::UnixMillis;

/// A drain ends after so many passes, whatever is left: clients that write all the time, or a device that fails all the
/// time, must not keep it going for ever.
const PASSES_MAX: usize = 8;
/// Keyspaces that one step looks at, empty ones included.
const KEYSPACES_PER_STEP: usize = 64;
/// Bytes demoted from one keyspace before the lock is given back, and in one step.
const BYTES_PER_BATCH: usize = 64 << 10;
const BYTES_PER_STEP: usize = 1 << 20;

/// A drain under way.
pub(crate) struct Drain {
    /// Who waits for it, and how many values had left DRAM when they asked.
    waiting: Vec<(Done, u64)>,
    pass: usize,
    /// The keyspace that is emptied: its shard and database.
    shard: usize,
    database: usize,
    /// How many of its values this pass has yet to look at, once that is known.
    looks_left: Option<usize>,
    /// Whether another pass may find more: this one has moved something, or began while writes were under way.
    has_moved: bool,
}

/// What a step has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// There is more to do at once.
    More,
    /// Writes must complete first.
    Waiting,
    /// No free segment.
    NoSpace,
    /// The drain is over.
    Over,
}

impl Drain {
    /// A drain that `done` waits for.
    pub(crate) fn new(done: Done, work: &Work) -> Self {
        let waiting = vec![(done, work.demoted_values)];
        Self { waiting, pass: 0, shard: 0, database: 0, looks_left: None, has_moved: true }
    }

    /// Someone else asks for the same: all is looked at again for them.
    pub(crate) fn join(&mut self, done: Done, work: &Work) {
        let joined = Self::new(done, work);
        self.waiting.extend(joined.waiting);
        (self.pass, self.has_moved) = (0, true);
    }

    /// Demotes some more.
    pub(crate) fn step(&mut self, demoter: &mut Demoter, work: &mut Work, now: UnixMillis) -> Progress {
        let (shard_count, database_count) = (work.engine.shard_count(), work.engine.database_count());
        let mut moved_bytes = 0;
        for _ in 0..KEYSPACES_PER_STEP {
            if moved_bytes >= BYTES_PER_STEP {
                break;
            }
            if self.shard == shard_count {
                return self.end_pass(work);
            }
            let reach = Reach::Database(self.database);
            let batch = demoter.demote_from_shard(work, self.shard, BYTES_PER_BATCH, reach, now);
            moved_bytes += batch.freed_bytes + batch.writing_bytes;
            self.has_moved |= moved_bytes > 0;
            match batch.refusal {
                Some(Refusal::Busy) => return Progress::Waiting,
                Some(Refusal::NoSpace) => return Progress::NoSpace,
                Some(Refusal::TooLong) | None => {}
            }
            let left = self.looks_left.unwrap_or(batch.residents).saturating_sub(batch.looks);
            self.looks_left = Some(left);
            if left == 0 || batch.looks == 0 {
                self.looks_left = None;
                self.database += 1;
            }
            if self.database == database_count {
                (self.shard, self.database) = (self.shard + 1, 0);
            }
        }
        Progress::More
    }

    fn end_pass(&mut self, work: &Work) -> Progress {
        if !work.is_idle() {
            return Progress::Waiting;
        }
        self.pass += 1;
        self.shard = 0;
        let is_last = self.pass == PASSES_MAX || !self.has_moved;
        self.has_moved = false;
        if is_last { Progress::Over } else { Progress::More }
    }

    /// Tells who waits how many values have left DRAM meanwhile.
    pub(crate) fn end(self, work: &Work) {
        for (done, demoted_before) in self.waiting {
            done.add(work.demoted_values - demoted_before);
        }
    }
}
