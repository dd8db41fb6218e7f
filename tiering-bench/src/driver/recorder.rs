//! What one client thread counts: latencies by class, answers, and the slice of them that a progress line shows.
//!
//! Recording a latency is two array increments; no thread shares a cache line with another on that path. The
//! interval's part stands behind a mutex that the reporting thread takes once per interval.

use std::sync::{Arc, Mutex, PoisonError};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::target::wire::Tier;
use crate::workload::stream::Stream;

/// Longest latency that is told apart from longer ones. Anything above is recorded as this, so it still shows.
pub const LONGEST_LATENCY_NS: u64 = 3_600_000_000_000;

/// Shortest step of the histograms: a round trip over loopback takes hundreds of them.
const LATENCY_STEP_NS: u64 = 64;

/// Significant decimal digits of a recorded latency.
const PRECISION_DIGITS: u8 = 3;

/// How many different messages of refusals are kept.
const KEPT_MESSAGES: usize = 5;

/// What a latency is accounted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Reads of the main stream.
    Read,
    /// Writes of the main stream.
    Write,
    /// Reads of the scan beside it.
    ScanRead,
    /// Those of [`Class::Read`] whose value was seen in DRAM just before.
    ReadMemory,
    /// Those of [`Class::Read`] whose value was seen on SSD only just before.
    ReadSsd,
}

impl Class {
    /// All classes, in the order of reports.
    pub const ALL: [Self; 5] = [Self::Read, Self::ReadMemory, Self::ReadSsd, Self::Write, Self::ScanRead];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadMemory => "read from memory",
            Self::ReadSsd => "read from ssd",
            Self::Write => "write",
            Self::ScanRead => "scan read",
        }
    }
}

/// An empty latency histogram, in nanoseconds.
pub fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(LATENCY_STEP_NS, LONGEST_LATENCY_NS, PRECISION_DIGITS).expect("valid bounds")
}

/// Answers, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests answered, of both streams and of any outcome.
    pub answered: u64,
    /// Reads of the main stream that returned a value.
    pub hits: u64,
    /// Reads of the main stream without a value.
    pub misses: u64,
    /// Reads of the scan that returned a value.
    pub scan_hits: u64,
    /// Reads of the scan without a value.
    pub scan_misses: u64,
    /// Writes accepted.
    pub stored: u64,
    /// Requests answered with an error.
    pub refused: u64,
    /// Reads of the main stream that were preceded by the question where the key is, by the answer.
    pub probed_memory: u64,
    /// As above: on SSD only.
    pub probed_ssd: u64,
    /// As above for the scan: in DRAM.
    pub scan_probed_memory: u64,
    /// As above for the scan: on SSD only.
    pub scan_probed_ssd: u64,
    /// Values that cannot be what was written under their key.
    pub corrupt: u64,
    /// Values older than an acknowledged write, or missing after one.
    pub lost: u64,
    /// Bytes of values read.
    pub value_bytes_read: u64,
    /// Bytes of values written.
    pub value_bytes_written: u64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        let Self {
            answered,
            hits,
            misses,
            scan_hits,
            scan_misses,
            stored,
            refused,
            probed_memory,
            probed_ssd,
            scan_probed_memory,
            scan_probed_ssd,
            corrupt,
            lost,
            value_bytes_read,
            value_bytes_written,
        } = other;
        self.answered += answered;
        self.hits += hits;
        self.misses += misses;
        self.scan_hits += scan_hits;
        self.scan_misses += scan_misses;
        self.stored += stored;
        self.refused += refused;
        self.probed_memory += probed_memory;
        self.probed_ssd += probed_ssd;
        self.scan_probed_memory += scan_probed_memory;
        self.scan_probed_ssd += scan_probed_ssd;
        self.corrupt += corrupt;
        self.lost += lost;
        self.value_bytes_read += value_bytes_read;
        self.value_bytes_written += value_bytes_written;
    }
}

/// The part of the record that the reporting thread takes away at the end of each interval.
#[derive(Debug)]
pub struct Interval {
    /// Answers in the interval.
    pub answered: u64,
    /// Errors in the interval.
    pub refused: u64,
    /// Latencies of the main stream's answers in the interval.
    pub latency: Histogram<u64>,
}

impl Interval {
    /// Nothing recorded.
    pub fn new() -> Self {
        Self { answered: 0, refused: 0, latency: new_histogram() }
    }

    /// Moves everything in `other` here and leaves `other` empty.
    pub fn take(&mut self, other: &mut Self) {
        self.answered += std::mem::take(&mut other.answered);
        self.refused += std::mem::take(&mut other.refused);
        self.latency.add(&other.latency).expect("equal bounds");
        other.latency.reset();
    }
}

impl Default for Interval {
    fn default() -> Self {
        Self::new()
    }
}

/// An [`Interval`] that a client thread fills and the reporting thread empties.
pub(super) type SharedInterval = Arc<Mutex<Interval>>;

/// Locks an interval. A client thread that panicked with the lock held leaves counts behind, nothing that could be
/// half done.
pub(super) fn lock(interval: &SharedInterval) -> std::sync::MutexGuard<'_, Interval> {
    interval.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything recorded in one phase of a run.
#[derive(Clone, Debug)]
pub struct Record {
    /// Answers.
    pub counts: Counts,
    /// How late requests were sent after the time they were meant for (open loop only).
    pub send_lag: Histogram<u64>,
    /// Messages of refusals and failed checks, each with how often it was seen.
    pub messages: Vec<(String, u64)>,
    latency: [Histogram<u64>; Class::ALL.len()],
}

impl Record {
    /// Nothing recorded.
    pub fn new() -> Self {
        Self {
            counts: Counts::default(),
            send_lag: new_histogram(),
            messages: Vec::new(),
            latency: std::array::from_fn(|_| new_histogram()),
        }
    }

    /// The latencies of a class.
    pub fn latency(&self, class: Class) -> &Histogram<u64> {
        &self.latency[class as usize]
    }

    #[inline]
    pub(super) fn record_latency(&mut self, class: Class, latency_ns: u64) {
        self.latency[class as usize].saturating_record(latency_ns);
    }

    /// A read was answered: `value_bytes` is `None` for a miss, `tier` is known if it was probed.
    #[inline]
    pub(super) fn record_read(
        &mut self,
        stream: Stream,
        value_bytes: Option<usize>,
        tier: Option<Tier>,
        latency_ns: u64,
    ) {
        let counts = &mut self.counts;
        counts.value_bytes_read += value_bytes.unwrap_or(0) as u64;
        match (stream, value_bytes.is_some()) {
            (Stream::Main, true) => counts.hits += 1,
            (Stream::Main, false) => counts.misses += 1,
            (Stream::Scan, true) => counts.scan_hits += 1,
            (Stream::Scan, false) => counts.scan_misses += 1,
        }
        match (stream, tier) {
            (_, None) => {}
            (Stream::Main, Some(Tier::Memory)) => counts.probed_memory += 1,
            (Stream::Main, Some(Tier::Ssd)) => counts.probed_ssd += 1,
            (Stream::Scan, Some(Tier::Memory)) => counts.scan_probed_memory += 1,
            (Stream::Scan, Some(Tier::Ssd)) => counts.scan_probed_ssd += 1,
        }
        match (stream, tier) {
            (Stream::Scan, _) => return self.record_latency(Class::ScanRead, latency_ns),
            (Stream::Main, None) => {}
            (Stream::Main, Some(Tier::Memory)) => self.record_latency(Class::ReadMemory, latency_ns),
            (Stream::Main, Some(Tier::Ssd)) => self.record_latency(Class::ReadSsd, latency_ns),
        }
        self.record_latency(Class::Read, latency_ns);
    }

    /// Keeps a message, once per text and for the first few texts.
    pub(super) fn note(&mut self, message: &str) {
        self.note_times(message, 1);
    }

    fn note_times(&mut self, message: &str, times: u64) {
        if let Some((_, count)) = self.messages.iter_mut().find(|(known, _)| known == message) {
            *count += times;
        } else if self.messages.len() < KEPT_MESSAGES {
            self.messages.push((message.to_owned(), times));
        }
    }

    /// Adds another thread's record to this one.
    pub fn merge(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.send_lag.add(&other.send_lag).expect("equal bounds");
        for (mine, theirs) in self.latency.iter_mut().zip(&other.latency) {
            mine.add(theirs).expect("equal bounds");
        }
        for (message, times) in &other.messages {
            self.note_times(message, *times);
        }
    }
}

impl Default for Record {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probed_read_is_accounted_to_its_tier_and_to_all_reads() {
        let mut record = Record::new();
        record.record_read(Stream::Main, Some(10), Some(Tier::Ssd), 100_000);
        record.record_read(Stream::Main, Some(10), Some(Tier::Memory), 50_000);
        record.record_read(Stream::Main, None, None, 40_000);
        record.record_read(Stream::Scan, Some(10), Some(Tier::Ssd), 90_000);
        let lengths = Class::ALL.map(|class| record.latency(class).len());
        assert_eq!(lengths, [3, 1, 1, 0, 1]);
        let counts = &record.counts;
        assert_eq!((counts.hits, counts.misses, counts.scan_hits), (2, 1, 1));
        assert_eq!((counts.probed_memory, counts.probed_ssd, counts.scan_probed_ssd), (1, 1, 1));
        assert_eq!(counts.value_bytes_read, 30);
    }

    #[test]
    fn merging_adds_counts_latencies_and_messages() {
        let (mut all, mut one) = (Record::new(), Record::new());
        one.record_read(Stream::Main, Some(10), None, 1000);
        one.note("OOM");
        all.merge(&one);
        all.merge(&one);
        assert_eq!(all.counts.hits, 2);
        assert_eq!(all.latency(Class::Read).len(), 2);
        assert_eq!(all.messages, [("OOM".to_owned(), 2)]);
    }

    #[test]
    fn only_the_first_few_messages_are_kept() {
        let mut record = Record::new();
        (0..100).for_each(|i| record.note(&i.to_string()));
        assert_eq!(record.messages.len(), KEPT_MESSAGES);
    }

    #[test]
    fn a_latency_beyond_the_range_still_shows() {
        let mut record = Record::new();
        record.record_latency(Class::Read, u64::MAX);
        assert!(record.latency(Class::Read).max() >= LONGEST_LATENCY_NS);
    }

    #[test]
    fn taking_an_interval_leaves_it_empty() {
        let (mut all, mut one) = (Interval::new(), Interval::new());
        one.answered = 3;
        one.latency.saturating_record(1000);
        all.take(&mut one);
        assert_eq!((all.answered, all.latency.len()), (3, 1));
        assert_eq!((one.answered, one.latency.len()), (0, 0));
    }
}
