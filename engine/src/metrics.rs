//! What the engine tells of itself.
//!
//! Latencies go into HDR histograms (<https://hdrhistogram.github.io/HdrHistogram/>) with three significant digits up
//! to a minute. Reads of the SSD are recorded each; reads from DRAM are sampled by the server, which hands them
//! in in bulk.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use crate::databases::Databases;
use crate::engine::Engine;
use crate::shard::ShardCounters;

/// The longest latency told apart, in the histogram's unit: a minute of microseconds.
const LONGEST_US: u64 = 60_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// Percentiles of a latency, in microseconds.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub struct LatencySummary {
    /// How many were recorded.
    pub count: u64,
    /// Their mean.
    pub mean_us: f64,
    /// Half are at most this.
    pub p50_us: f64,
    /// 99 % are.
    pub p99_us: f64,
    /// 99.9 % are.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
}

struct Latency {
    histogram: Mutex<Histogram<u64>>,
    /// How many of the histogram's units are a microsecond.
    units_per_us: f64,
}

impl Latency {
    fn new(units_per_us: f64) -> Self {
        let longest = (LONGEST_US as f64 * units_per_us) as u64;
        let histogram =
            Histogram::new_with_bounds(1, longest, SIGNIFICANT_DIGITS).expect("the bounds are valid");
        Self { histogram: Mutex::new(histogram), units_per_us }
    }

    fn record(&self, units: u64) {
        self.histogram.lock().saturating_record(units);
    }

    fn reset(&self) {
        self.histogram.lock().reset();
    }

    fn summary(&self) -> LatencySummary {
        let histogram = self.histogram.lock();
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / self.units_per_us;
        LatencySummary {
            count: histogram.len(),
            mean_us: histogram.mean() / self.units_per_us,
            p50_us: at(0.5),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: histogram.max() as f64 / self.units_per_us,
        }
    }
}

/// Counters of the SSD tier, since the start or the last reset.
pub(crate) struct TierMetrics {
    records_read: AtomicU64,
    bytes_read: AtomicU64,
    read_errors: AtomicU64,
    write_errors: AtomicU64,
    checksum_errors: AtomicU64,
    gc_segments: AtomicU64,
    gc_bytes_read: AtomicU64,
    gc_bytes_relocated: AtomicU64,
    gc_records_relocated: AtomicU64,
    reads_in_flight: AtomicI64,
    /// What the log has written since the start; the baselines are what it had at the last reset.
    log_bytes_written: AtomicU64,
    log_records_written: AtomicU64,
    baseline_bytes_written: AtomicU64,
    baseline_records_written: AtomicU64,
    free_segments: AtomicU64,
    failed_segments: AtomicU64,
    dram_read: Latency,
    ssd_read: Latency,
    added: Latency,
}

impl TierMetrics {
    pub(crate) fn new() -> Self {
        Self {
            records_read: AtomicU64::new(0),
            bytes_read: AtomicU64::new(0),
            read_errors: AtomicU64::new(0),
            write_errors: AtomicU64::new(0),
            checksum_errors: AtomicU64::new(0),
            gc_segments: AtomicU64::new(0),
            gc_bytes_read: AtomicU64::new(0),
            gc_bytes_relocated: AtomicU64::new(0),
            gc_records_relocated: AtomicU64::new(0),
            reads_in_flight: AtomicI64::new(0),
            log_bytes_written: AtomicU64::new(0),
            log_records_written: AtomicU64::new(0),
            baseline_bytes_written: AtomicU64::new(0),
            baseline_records_written: AtomicU64::new(0),
            free_segments: AtomicU64::new(0),
            failed_segments: AtomicU64::new(0),
            dram_read: Latency::new(1000.0),
            ssd_read: Latency::new(1.0),
            added: Latency::new(1.0),
        }
    }

    /// One I/O of so many bytes read so many records.
    pub(crate) fn note_ssd_read(&self, latency_us: u64, records: usize, bytes: usize) {
        self.records_read.fetch_add(records as u64, Ordering::Relaxed);
        self.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
        self.ssd_read.record(latency_us.max(1));
    }

    pub(crate) fn note_added_latency(&self, waited_us: u64) {
        self.added.record(waited_us.max(1));
    }

    pub(crate) fn note_dram_read(&self, latency_ns: u64) {
        self.dram_read.record(latency_ns.max(1));
    }

    pub(crate) fn note_read_error(&self) {
        self.read_errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_write_error(&self) {
        self.write_errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_checksum_error(&self) {
        self.checksum_errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_collected(&self) {
        self.gc_segments.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_gc_read(&self, bytes: usize) {
        self.gc_bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn note_relocated(&self, bytes: u64) {
        self.gc_bytes_relocated.fetch_add(bytes, Ordering::Relaxed);
        self.gc_records_relocated.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn reads_in_flight_changed(&self, by: i64) {
        self.reads_in_flight.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn set_log(&self, bytes: u64, records: u64, free_segments: usize, failed_segments: usize) {
        self.log_bytes_written.store(bytes, Ordering::Relaxed);
        self.log_records_written.store(records, Ordering::Relaxed);
        self.free_segments.store(free_segments as u64, Ordering::Relaxed);
        self.failed_segments.store(failed_segments as u64, Ordering::Relaxed);
    }

    pub(crate) fn reset_latencies(&self) {
        for latency in [&self.dram_read, &self.ssd_read, &self.added] {
            latency.reset();
        }
    }

    fn reset(&self) {
        for counter in [
            &self.records_read,
            &self.bytes_read,
            &self.read_errors,
            &self.write_errors,
            &self.checksum_errors,
            &self.gc_segments,
            &self.gc_bytes_read,
            &self.gc_bytes_relocated,
            &self.gc_records_relocated,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
        self.baseline_bytes_written.store(self.log_bytes_written.load(Ordering::Relaxed), Ordering::Relaxed);
        self.baseline_records_written
            .store(self.log_records_written.load(Ordering::Relaxed), Ordering::Relaxed);
        self.reset_latencies();
    }
}

/// A snapshot of everything the engine counts. Bytes are bytes, latencies microseconds.
#[derive(Clone, Debug, Default)]
#[allow(
    missing_docs,
    reason = "the names are those of INFO tiering, documented in docs/reference/metrics.md"
)]
pub struct EngineMetrics {
    pub keyspace_hits: u64,
    pub keyspace_misses: u64,
    pub expired_keys: u64,
    pub evicted_keys: u64,

    pub has_tier: bool,
    pub items_memory: u64,
    pub items_ssd: u64,
    pub bytes_memory: u64,
    pub bytes_ssd: u64,
    pub capacity_bytes: u64,
    pub hits_memory: u64,
    pub hits_ssd: u64,
    pub misses: u64,
    pub memory_hit_ratio: f64,
    pub items_read_from_disk: u64,
    pub items_written_to_disk: u64,
    pub bytes_read_from_disk: u64,
    pub bytes_written_to_disk: u64,
    pub demotions: u64,
    pub clean_demotions: u64,
    pub promotions: u64,
    pub write_amplification: f64,
    pub gc_segments_collected: u64,
    pub gc_bytes_relocated: u64,
    pub gc_bytes_read: u64,
    pub segments_free: u64,
    pub segments_failed: u64,
    pub dram_latency: LatencySummary,
    pub ssd_latency: LatencySummary,
    pub added_latency: LatencySummary,
    pub inflight_reads: u64,
    pub throttled_clients: u64,
    pub refused_writes: u64,
    pub read_errors: u64,
    pub write_errors: u64,
    pub checksum_errors: u64,
    pub dram_index_bytes: u64,
    pub dram_values_bytes: u64,
    pub dram_clean_bytes: u64,
    pub dram_buffers_bytes: u64,
    pub dram_values_limit_bytes: u64,
    pub resident_set_bytes: u64,
    pub resident_set_peak_bytes: u64,
}

impl Databases<'_> {
    /// Everything the engine counts.
    pub fn metrics(&mut self) -> EngineMetrics {
        let engine = self.engine();
        let tier = engine.tier_metrics();
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut sum = ShardCounters::default();
        let mut metrics = EngineMetrics::default();
        self.for_each_shard(|shard| {
            sum.add(&shard.counters);
            for keyspace in shard.keyspaces() {
                metrics.items_memory += keyspace.resident_count() as u64;
                metrics.items_ssd += keyspace.cold_count() as u64;
                metrics.dram_index_bytes += keyspace.index_bytes() as u64;
                metrics.dram_values_bytes += (keyspace.value_bytes() + keyspace.resident_bytes()) as u64;
                metrics.dram_clean_bytes += keyspace.clean_bytes() as u64;
            }
        });
        let bytes_written = get(&tier.log_bytes_written) - get(&tier.baseline_bytes_written);
        let records_written = get(&tier.log_records_written) - get(&tier.baseline_records_written);
        let relocated = get(&tier.gc_bytes_relocated);
        let first_written = bytes_written.saturating_sub(relocated);
        let reads = sum.hits_memory + sum.hits_ssd;
        EngineMetrics {
            keyspace_hits: sum.keyspace_hits,
            keyspace_misses: sum.keyspace_misses,
            expired_keys: sum.expired,
            evicted_keys: sum.evicted,
            has_tier: engine.device().is_some(),
            bytes_memory: metrics.dram_values_bytes,
            bytes_ssd: engine.ledger().live_bytes(),
            capacity_bytes: u64::from(engine.layout().segment_count) * engine.layout().segment_bytes,
            hits_memory: sum.hits_memory,
            hits_ssd: sum.hits_ssd,
            misses: sum.keyspace_misses,
            memory_hit_ratio: if reads == 0 { 0.0 } else { sum.hits_memory as f64 / reads as f64 },
            items_read_from_disk: get(&tier.records_read),
            items_written_to_disk: records_written,
            bytes_read_from_disk: get(&tier.bytes_read),
            bytes_written_to_disk: bytes_written,
            demotions: sum.demotions,
            clean_demotions: sum.clean_demotions,
            promotions: sum.promotions,
            write_amplification: if first_written == 0 {
                1.0
            } else {
                bytes_written as f64 / first_written as f64
            },
            gc_segments_collected: get(&tier.gc_segments),
            gc_bytes_relocated: relocated,
            gc_bytes_read: get(&tier.gc_bytes_read),
            segments_free: get(&tier.free_segments),
            segments_failed: get(&tier.failed_segments),
            dram_latency: tier.dram_read.summary(),
            ssd_latency: tier.ssd_read.summary(),
            added_latency: tier.added.summary(),
            inflight_reads: tier.reads_in_flight.load(Ordering::Relaxed).max(0) as u64,
            throttled_clients: engine.waiters().count() as u64,
            refused_writes: engine.waiters().refused(),
            read_errors: get(&tier.read_errors),
            write_errors: get(&tier.write_errors),
            checksum_errors: get(&tier.checksum_errors),
            dram_buffers_bytes: engine.buffer_gauge().live_bytes() as u64,
            dram_values_limit_bytes: match engine.budget().limit_bytes() {
                usize::MAX => 0,
                limit_bytes => limit_bytes as u64,
            },
            resident_set_bytes: engine.ceiling().resident_bytes(),
            resident_set_peak_bytes: engine.ceiling().peak_resident_bytes(),
            ..metrics
        }
    }

    /// Starts all counters and latencies anew, as `CONFIG RESETSTAT` asks.
    pub fn reset_metrics(&mut self) {
        self.for_each_shard(|shard| shard.counters = ShardCounters::default());
        self.engine().tier_metrics().reset();
    }
}

impl Engine {
    /// Everything the engine counts. Locks every shard for a moment, one after the other.
    pub fn metrics(&self) -> EngineMetrics {
        self.databases().metrics()
    }

    /// Starts the latency histograms anew, as `TIER LATENCY RESET` asks.
    pub fn reset_latencies(&self) {
        self.tier_metrics().reset_latencies();
    }

    /// Records how long a command that found its values in DRAM took, in nanoseconds. Locks a histogram: a server
    /// samples.
    pub fn note_dram_read(&self, latency_ns: u64) {
        self.tier_metrics().note_dram_read(latency_ns);
    }
}
