//! What the server did, counted.
//!
//! Every server thread writes counters of its own with a plain load and store, so counting costs no locked
//! instruction and no shared cache line; readers add them up. A reset notes where the counters stood.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

/// Error codes counted apart; further ones are not counted by code, as in Redis.
const ERROR_CODES_MAX: usize = 128;

/// Buckets per power of two of a [`LatencyHistogram`]: durations are known to 1/16.
const BUCKETS_PER_OCTAVE: usize = 16;
/// Durations from 2^36 ns (69 s) on share one bucket.
const OCTAVES: usize = 36;
const BUCKETS: usize = OCTAVES * BUCKETS_PER_OCTAVE;

/// A counter with one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds; only the thread that the counter belongs to may call it.
    #[inline]
    pub fn add(&self, amount: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    /// The sum so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One thread's counters of one command.
#[derive(Debug, Default)]
pub struct CommandMetrics {
    /// How often it ran.
    pub calls: Counter,
    /// How long it ran in all, in nanoseconds, waits for the SSD not included.
    pub duration_ns: Counter,
    /// How often it replied with an error.
    pub failed: Counter,
    /// How often it was refused before it ran.
    pub rejected: Counter,
    /// How often it waited for the SSD.
    pub waits: Counter,
    /// How long it waited for the SSD in all, in nanoseconds.
    pub wait_ns: Counter,
    /// Made at the first call: most commands are never called.
    histogram: OnceLock<Box<LatencyHistogram>>,
    /// Made at the first wait.
    wait_histogram: OnceLock<Box<LatencyHistogram>>,
}

impl CommandMetrics {
    /// It ran for so long, which the histogram is told if `tracks_latency`.
    #[inline]
    pub(crate) fn note_call(&self, duration_ns: u64, tracks_latency: bool) {
        self.calls.add(1);
        self.duration_ns.add(duration_ns);
        if tracks_latency {
            self.histogram.get_or_init(Box::default).note(duration_ns);
        }
    }

    /// A call of it waited so long for the SSD.
    #[cold]
    pub(crate) fn note_wait(&self, wait_ns: u64, tracks_latency: bool) {
        self.waits.add(1);
        self.wait_ns.add(wait_ns);
        if tracks_latency {
            self.wait_histogram.get_or_init(Box::default).note(wait_ns);
        }
    }
}

/// How often which duration occurred, to a sixteenth.
#[derive(Debug)]
pub struct LatencyHistogram {
    buckets: [AtomicU32; BUCKETS],
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| AtomicU32::new(0)) }
    }
}

impl LatencyHistogram {
    #[inline]
    fn note(&self, duration_ns: u64) {
        let bucket = &self.buckets[bucket_of(duration_ns)];
        bucket.store(bucket.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}

#[inline]
fn bucket_of(duration_ns: u64) -> usize {
    let value = duration_ns.max(BUCKETS_PER_OCTAVE as u64);
    let octave = value.ilog2() as usize;
    let within = (value >> (octave - BUCKETS_PER_OCTAVE.ilog2() as usize)) as usize - BUCKETS_PER_OCTAVE;
    (octave * BUCKETS_PER_OCTAVE + within).min(BUCKETS - 1)
}

/// The longest duration that falls into a bucket, in nanoseconds.
fn bucket_end_ns(bucket: usize) -> u64 {
    let (octave, within) = (bucket / BUCKETS_PER_OCTAVE, (bucket % BUCKETS_PER_OCTAVE) as u64);
    let step_shift = octave.saturating_sub(BUCKETS_PER_OCTAVE.ilog2() as usize);
    ((BUCKETS_PER_OCTAVE as u64 + within + 1) << step_shift) - 1
}

/// A command's counters, added up over all threads since the last reset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandSummary {
    /// How often it ran.
    pub calls: u64,
    /// How long it ran in all, in nanoseconds, waits for the SSD not included.
    pub duration_ns: u64,
    /// How often it replied with an error.
    pub failed: u64,
    /// How often it was refused before it ran.
    pub rejected: u64,
    /// How often it waited for the SSD.
    pub waits: u64,
    /// How long it waited for the SSD in all, in nanoseconds.
    pub wait_ns: u64,
    /// Its calls by duration, but for those while `latency-tracking` was off.
    pub histogram: Durations,
    /// Its waits for the SSD by duration.
    pub wait_histogram: Durations,
}

/// How often which duration occurred, ascending: the longest duration of a bucket in nanoseconds, and how many fell
/// into it. Empty buckets are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations(pub Vec<(u64, u64)>);

impl Durations {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of(buckets: &[u64]) -> Self {
        let filled = buckets.iter().enumerate().filter(|(_, count)| **count > 0);
        Self(filled.map(|(bucket, count)| (bucket_end_ns(bucket), *count)).collect())
    }

    fn subtract(&mut self, before: &Self) {
        for (end_ns, count) in &mut self.0 {
            if let Ok(at) = before.0.binary_search_by_key(end_ns, |(end_ns, _)| *end_ns) {
                *count -= before.0[at].1;
            }
        }
        self.0.retain(|(_, count)| *count > 0);
    }

    /// A duration in nanoseconds that this share of all (0 to 1) did not exceed, to a sixteenth.
    pub fn percentile_ns(&self, share: f64) -> u64 {
        let wanted = (self.count() as f64 * share).ceil() as u64;
        let mut seen = 0;
        for &(end_ns, count) in &self.0 {
            seen += count;
            if seen >= wanted {
                return end_ns;
            }
        }
        0
    }
}

/// One thread's counters.
#[derive(Debug)]
pub struct ThreadMetrics {
    commands: Box<[CommandMetrics]>,
    /// Connections taken in.
    pub connections: Counter,
    /// Connections refused because there were `maxclients`.
    pub refused_connections: Counter,
    /// Bytes received.
    pub input_bytes: Counter,
    /// Bytes sent.
    pub output_bytes: Counter,
    /// Requests for which a value was read from the SSD.
    pub cold_requests: Counter,
    /// Connections closed for `client-query-buffer-limit`.
    pub query_limit_closings: Counter,
    /// Connections closed for `client-output-buffer-limit`.
    pub output_limit_closings: Counter,
}

impl ThreadMetrics {
    fn new(command_count: usize) -> Self {
        Self {
            commands: (0..command_count).map(|_| CommandMetrics::default()).collect(),
            connections: Counter::default(),
            refused_connections: Counter::default(),
            input_bytes: Counter::default(),
            output_bytes: Counter::default(),
            cold_requests: Counter::default(),
            query_limit_closings: Counter::default(),
            output_limit_closings: Counter::default(),
        }
    }

    /// A command's counters, by its number.
    #[inline]
    pub(crate) fn command(&self, id: usize) -> &CommandMetrics {
        &self.commands[id]
    }
}

/// Sums over all threads since the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Connections taken in.
    pub connections: u64,
    /// Connections refused.
    pub refused_connections: u64,
    /// Commands run.
    pub commands: u64,
    /// Bytes received.
    pub input_bytes: u64,
    /// Bytes sent.
    pub output_bytes: u64,
    /// Error replies.
    pub errors: u64,
    /// Requests for which a value was read from the SSD.
    pub cold_requests: u64,
    /// Connections closed for `client-query-buffer-limit`.
    pub query_limit_closings: u64,
    /// Connections closed for `client-output-buffer-limit`.
    pub output_limit_closings: u64,
}

/// The counters of all threads.
#[derive(Debug)]
pub struct Metrics {
    command_count: usize,
    threads: Mutex<Vec<Arc<ThreadMetrics>>>,
    errors: Mutex<Errors>,
    baseline: Mutex<Baseline>,
}

#[derive(Debug, Default)]
struct Errors {
    total: u64,
    by_code: BTreeMap<String, u64>,
}

/// Where the counters stood at the last reset.
#[derive(Debug, Default)]
struct Baseline {
    totals: Totals,
    commands: Vec<CommandSummary>,
}

impl Metrics {
    pub(crate) fn new(command_count: usize) -> Self {
        Self {
            command_count,
            threads: Mutex::default(),
            errors: Mutex::default(),
            baseline: Mutex::default(),
        }
    }

    /// Counters for one more thread.
    pub(crate) fn add_thread(&self) -> Arc<ThreadMetrics> {
        let metrics = Arc::new(ThreadMetrics::new(self.command_count));
        self.threads.lock().push(Arc::clone(&metrics));
        metrics
    }

    /// An error reply of this text was sent.
    pub(crate) fn note_error(&self, text: &[u8]) {
        let code = text.split(|&byte| byte == b' ').next().unwrap_or_default();
        let code = &*String::from_utf8_lossy(code);
        let mut errors = self.errors.lock();
        errors.total += 1;
        if let Some(count) = errors.by_code.get_mut(code) {
            *count += 1;
        } else if errors.by_code.len() < ERROR_CODES_MAX {
            errors.by_code.insert(code.to_owned(), 1);
        }
    }

    /// Error replies by their codes.
    pub fn errors(&self) -> Vec<(String, u64)> {
        self.errors.lock().by_code.iter().map(|(code, count)| (code.clone(), *count)).collect()
    }

    /// All sums.
    pub fn totals(&self) -> Totals {
        let (now, before) = (self.absolute_totals(), self.baseline.lock().totals);
        Totals {
            connections: now.connections - before.connections,
            refused_connections: now.refused_connections - before.refused_connections,
            commands: now.commands - before.commands,
            input_bytes: now.input_bytes - before.input_bytes,
            output_bytes: now.output_bytes - before.output_bytes,
            errors: now.errors,
            cold_requests: now.cold_requests - before.cold_requests,
            query_limit_closings: now.query_limit_closings - before.query_limit_closings,
            output_limit_closings: now.output_limit_closings - before.output_limit_closings,
        }
    }

    /// A command's sums, by its number.
    pub fn command(&self, id: usize) -> CommandSummary {
        let mut sum = self.absolute_command(id);
        if let Some(before) = self.baseline.lock().commands.get(id) {
            sum.calls -= before.calls;
            sum.duration_ns -= before.duration_ns;
            sum.failed -= before.failed;
            sum.rejected -= before.rejected;
            sum.waits -= before.waits;
            sum.wait_ns -= before.wait_ns;
            sum.histogram.subtract(&before.histogram);
            sum.wait_histogram.subtract(&before.wait_histogram);
        }
        sum
    }

    /// Starts counting anew, as `CONFIG RESETSTAT` asks.
    pub fn reset(&self) {
        let baseline = Baseline {
            totals: self.absolute_totals(),
            commands: (0..self.command_count).map(|id| self.absolute_command(id)).collect(),
        };
        *self.baseline.lock() = baseline;
        *self.errors.lock() = Errors::default();
    }

    fn absolute_totals(&self) -> Totals {
        let mut totals = Totals { errors: self.errors.lock().total, ..Totals::default() };
        for thread in self.threads.lock().iter() {
            totals.connections += thread.connections.get();
            totals.refused_connections += thread.refused_connections.get();
            totals.commands += thread.commands.iter().map(|command| command.calls.get()).sum::<u64>();
            totals.input_bytes += thread.input_bytes.get();
            totals.output_bytes += thread.output_bytes.get();
            totals.cold_requests += thread.cold_requests.get();
            totals.query_limit_closings += thread.query_limit_closings.get();
            totals.output_limit_closings += thread.output_limit_closings.get();
        }
        totals
    }

    fn absolute_command(&self, id: usize) -> CommandSummary {
        let mut sum = CommandSummary::default();
        let (mut buckets, mut wait_buckets) = ([0u64; BUCKETS], [0u64; BUCKETS]);
        for thread in self.threads.lock().iter() {
            let command = thread.command(id);
            sum.calls += command.calls.get();
            sum.duration_ns += command.duration_ns.get();
            sum.failed += command.failed.get();
            sum.rejected += command.rejected.get();
            sum.waits += command.waits.get();
            sum.wait_ns += command.wait_ns.get();
            for (sums, histogram) in
                [(&mut buckets, &command.histogram), (&mut wait_buckets, &command.wait_histogram)]
            {
                let counted = histogram.get().into_iter().flat_map(|histogram| &histogram.buckets);
                sums.iter_mut()
                    .zip(counted)
                    .for_each(|(sum, n)| *sum += u64::from(n.load(Ordering::Relaxed)));
            }
        }
        sum.histogram = Durations::of(&buckets);
        sum.wait_histogram = Durations::of(&wait_buckets);
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_a_bucket_that_ends_within_a_sixteenth_of_it() {
        for duration_ns in [16, 17, 31, 32, 1000, 1023, 1024, 1_000_000, 59_999_999_999] {
            let end_ns = bucket_end_ns(bucket_of(duration_ns));
            assert!(end_ns >= duration_ns, "{duration_ns}: {end_ns}");
            assert!(end_ns - duration_ns <= duration_ns / 16, "{duration_ns}: {end_ns}");
        }
        assert_eq!(bucket_of(0), bucket_of(16));
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn sums_go_over_all_threads_and_start_anew_after_a_reset() {
        let metrics = Metrics::new(2);
        let threads = [metrics.add_thread(), metrics.add_thread()];
        threads[0].command(1).note_call(1000, true);
        threads[1].command(1).note_call(3000, true);
        metrics.note_error(b"WRONGTYPE Operation");
        assert_eq!((metrics.command(1).calls, metrics.command(1).duration_ns), (2, 4000));
        assert_eq!(metrics.command(0), CommandSummary::default());
        assert_eq!(metrics.totals().commands, 2);
        assert_eq!(metrics.errors(), [("WRONGTYPE".to_owned(), 1)]);
        metrics.reset();
        assert_eq!((metrics.command(1), metrics.totals()), (CommandSummary::default(), Totals::default()));
        threads[0].command(1).note_call(500, true);
        assert_eq!(metrics.command(1).histogram.0.len(), 1);
        threads[0].command(1).note_call(5000, false);
        assert_eq!((metrics.command(1).calls, metrics.command(1).histogram.count()), (2, 1));
        assert!((500..=531).contains(&metrics.command(1).histogram.percentile_ns(0.99)));
    }

    #[test]
    fn waits_are_counted_apart() {
        let metrics = Metrics::new(1);
        let thread = metrics.add_thread();
        thread.command(0).note_call(1000, true);
        thread.command(0).note_wait(90_000, true);
        thread.command(0).note_call(1000, true);
        let summary = metrics.command(0);
        assert_eq!(
            (summary.calls, summary.duration_ns, summary.waits, summary.wait_ns),
            (2, 2000, 1, 90_000)
        );
        assert_eq!((summary.histogram.count(), summary.wait_histogram.count()), (2, 1));
        metrics.reset();
        assert_eq!(metrics.command(0), CommandSummary::default());
    }
}
