//! What an exact LRU cache of the same capacity would have made of the very same requests.
//!
//! A request sequence is a function of its workload, so it is drawn again after the run, and the measured run pays
//! nothing for the comparison. The sequence is that of a single client thread exactly; several threads are
//! interleaved evenly, which is close to what they did.

use std::num::NonZeroUsize;

use lru::LruCache;
use serde::{Deserialize, Serialize};

use crate::workload::WorkloadSpec;
use crate::workload::stream::{Operation, RequestStream, Stream};

/// How many requests one client thread drew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneLength {
    /// Before the measurement: they fill the cache and are not counted.
    pub warm_up: u64,
    /// In the measurement.
    pub measured: u64,
}

/// Whether the scan takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanPart {
    /// Its requests go through the cache like all others.
    Included,
    /// They are left out: the yardstick for a cache that does not let a scan disturb it.
    LeftOut,
}

/// Reads and hits of both streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LruOutcome {
    /// Reads of the main stream.
    pub reads: u64,
    /// Those of them that found their key in the cache.
    pub hits: u64,
    /// Reads of the scan.
    pub scan_reads: u64,
    /// Those of them that found their key in the cache.
    pub scan_hits: u64,
}

impl LruOutcome {
    /// Share of the main stream's reads that hit; `None` without a read.
    pub fn hit_ratio(&self) -> Option<f64> {
        (self.reads > 0).then(|| self.hits as f64 / self.reads as f64)
    }

    /// Share of all reads that hit; `None` without a read.
    pub fn overall_hit_ratio(&self) -> Option<f64> {
        let reads = self.reads + self.scan_reads;
        (reads > 0).then(|| (self.hits + self.scan_hits) as f64 / reads as f64)
    }
}

/// Replays the requests of `lanes` on a cache of `capacity_items`, which holds the keys loaded last when it starts.
/// Reads and writes both count as use.
pub fn replay(
    spec: &WorkloadSpec,
    lanes: &[LaneLength],
    capacity_items: usize,
    scan: ScanPart,
) -> LruOutcome {
    let mut outcome = LruOutcome::default();
    let Some(capacity) = NonZeroUsize::new(capacity_items.min(spec.keys as usize)) else {
        return count_only(spec, lanes, scan);
    };
    let mut cache: LruCache<u64, ()> = LruCache::new(capacity);
    for key in spec.keys - capacity.get() as u64..spec.keys {
        cache.push(key, ());
    }
    visit(spec, lanes, scan, |stream, operation, key, is_measured| {
        let is_hit = cache.get(&key).is_some();
        if !is_hit {
            cache.push(key, ());
        }
        if is_measured && operation == Operation::Read {
            count(&mut outcome, stream, is_hit);
        }
    });
    outcome
}

/// A cache without room: every read misses.
fn count_only(spec: &WorkloadSpec, lanes: &[LaneLength], scan: ScanPart) -> LruOutcome {
    let mut outcome = LruOutcome::default();
    visit(spec, lanes, scan, |stream, operation, _, is_measured| {
        if is_measured && operation == Operation::Read {
            count(&mut outcome, stream, false);
        }
    });
    outcome
}

fn count(outcome: &mut LruOutcome, stream: Stream, is_hit: bool) {
    let (reads, hits) = match stream {
        Stream::Main => (&mut outcome.reads, &mut outcome.hits),
        Stream::Scan => (&mut outcome.scan_reads, &mut outcome.scan_hits),
    };
    *reads += 1;
    *hits += u64::from(is_hit);
}

/// Draws the requests of all lanes again, in turn, and visits those that take part.
fn visit(
    spec: &WorkloadSpec,
    lanes: &[LaneLength],
    scan: ScanPart,
    mut visitor: impl FnMut(Stream, Operation, u64, bool),
) {
    let mut streams: Vec<_> =
        (0..lanes.len()).map(|lane| RequestStream::new(spec, lane as u64, lanes.len() as u64)).collect();
    let longest = lanes.iter().map(|lane| lane.warm_up + lane.measured).max().unwrap_or(0);
    for turn in 0..longest {
        for (stream, lane) in streams.iter_mut().zip(lanes) {
            if turn >= lane.warm_up + lane.measured {
                continue;
            }
            let request = stream.draw();
            if request.stream == Stream::Main || scan == ScanPart::Included {
                visitor(request.stream, request.operation, request.key, turn >= lane.warm_up);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(distribution: &str) -> WorkloadSpec {
        WorkloadSpec {
            keys: 1000,
            distribution: distribution.parse().expect("valid"),
            ..WorkloadSpec::default()
        }
    }

    const LANE: [LaneLength; 1] = [LaneLength { warm_up: 20_000, measured: 100_000 }];

    #[test]
    fn uniform_reads_hit_as_often_as_the_cache_is_large() {
        let outcome = replay(&spec("uniform"), &LANE, 250, ScanPart::Included);
        assert_eq!(outcome.reads, 100_000);
        assert!((outcome.hit_ratio().expect("reads") - 0.25).abs() < 0.01, "{outcome:?}");
    }

    #[test]
    fn a_cyclic_walk_never_hits_a_cache_smaller_than_the_cycle() {
        assert_eq!(replay(&spec("sequential"), &LANE, 999, ScanPart::Included).hits, 0);
        assert_eq!(replay(&spec("sequential"), &LANE, 1000, ScanPart::Included).hits, 100_000);
    }

    /// The steady state of LRU is known in closed form to a close approximation (Che, Tung and Wang, 2002).
    #[test]
    fn zipf_reads_hit_as_ches_approximation_says() {
        let outcome = replay(&spec("zipf:0.99"), &LANE, 100, ScanPart::Included);
        let total: f64 = (1..=1000u32).map(|k| f64::from(k).powf(-0.99)).sum();
        let probabilities: Vec<f64> = (1..=1000u32).map(|k| f64::from(k).powf(-0.99) / total).collect();
        let filled = |time: f64| probabilities.iter().map(|p| 1.0 - (-p * time).exp()).sum::<f64>();
        let (mut low, mut high) = (0.0, 1e6);
        for _ in 0..100 {
            let middle = (low + high) / 2.0;
            if filled(middle) < 100.0 { low = middle } else { high = middle }
        }
        let expected: f64 = probabilities.iter().map(|p| p * (1.0 - (-p * low).exp())).sum();
        let measured = outcome.hit_ratio().expect("reads");
        assert!((measured - expected).abs() < 0.01, "{measured}, expected {expected}");
    }

    #[test]
    fn a_scan_lowers_the_hit_ratio_of_lru_unless_it_is_left_out() {
        let spec = WorkloadSpec { scan_share: 0.5, ..spec("zipf:0.99") };
        let with = replay(&spec, &LANE, 100, ScanPart::Included);
        let without = replay(&spec, &LANE, 100, ScanPart::LeftOut);
        assert_eq!((with.reads, without.scan_reads), (without.reads, 0));
        assert!(with.hit_ratio() < without.hit_ratio().map(|ratio| ratio - 0.05), "{with:?} {without:?}");
    }

    #[test]
    fn writes_count_as_use_and_not_as_reads() {
        let spec = WorkloadSpec { read_share: 0.5, ..spec("uniform") };
        let outcome = replay(&spec, &LANE, 1000, ScanPart::Included);
        assert!(outcome.reads.abs_diff(50_000) < 1_000);
        assert_eq!(outcome.hits, outcome.reads);
    }

    #[test]
    fn a_cache_without_room_never_hits() {
        let outcome = replay(&spec("uniform"), &LANE, 0, ScanPart::Included);
        assert_eq!((outcome.reads, outcome.hits), (100_000, 0));
    }
}
