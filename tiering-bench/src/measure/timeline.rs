//! A run over time: what the clients saw and what the server counted, interval by interval.

use serde::{Deserialize, Serialize};

use super::usage::Usage;
use crate::driver::Observation;
use crate::target::counters::TierCounters;

/// One interval of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelinePoint {
    /// Seconds from the start to the interval's end.
    pub at_s: f64,
    /// Requests answered per second in it.
    pub requests_per_s: f64,
    /// Errors per second in it.
    pub errors_per_s: f64,
    /// Median latency of the main stream.
    pub p50_us: Option<f64>,
    /// 99th percentile.
    pub p99_us: Option<f64>,
    /// The slowest request.
    pub max_us: Option<f64>,
    /// Share of the hits that DRAM answered, by the server's counters.
    pub memory_hit_ratio: Option<f64>,
    /// Items with their value in DRAM.
    pub items_memory: Option<u64>,
    /// CPUs that the server kept busy.
    pub server_cores: Option<f64>,
    /// The server's resident set size.
    pub rss_bytes: Option<u64>,
}

/// Collects the points.
#[derive(Debug)]
pub struct Timeline {
    points: Vec<TimelinePoint>,
    tiers: TierCounters,
    usage: Option<Usage>,
    first_items_memory: Option<u64>,
}

impl Timeline {
    /// Starts with what was counted before the first request.
    pub fn start(tiers: TierCounters, usage: Option<Usage>) -> Self {
        let first_items_memory = tiers.items_memory;
        Self { points: Vec::new(), tiers, usage, first_items_memory }
    }

    /// Adds an interval, at whose end the server had counted `tiers` and used `usage`.
    pub fn add(&mut self, observation: &Observation<'_>, tiers: TierCounters, usage: Option<Usage>) {
        let Observation { at_s, length_s, interval } = *observation;
        if length_s <= 0.0 {
            return;
        }
        let latency = &interval.latency;
        let us = |ns: u64| (!latency.is_empty()).then(|| ns as f64 / 1e3);
        let cpu_s = |usage: Usage| usage.user_s + usage.system_s;
        self.points.push(TimelinePoint {
            at_s,
            requests_per_s: interval.answered as f64 / length_s,
            errors_per_s: interval.refused as f64 / length_s,
            p50_us: us(latency.value_at_percentile(50.0)),
            p99_us: us(latency.value_at_percentile(99.0)),
            max_us: us(latency.max()),
            memory_hit_ratio: tiers.since(&self.tiers).memory_hit_ratio(),
            items_memory: tiers.items_memory,
            server_cores: self.usage.zip(usage).map(|(before, now)| (cpu_s(now) - cpu_s(before)) / length_s),
            rss_bytes: usage.map(|usage| usage.rss_bytes),
        });
        self.tiers = tiers;
        self.usage = usage;
    }

    /// Items in DRAM on average, over the start and the end of every interval; `None` if the server does not count
    /// them.
    pub fn mean_items_memory(&self) -> Option<u64> {
        let levels: Vec<u64> = self
            .first_items_memory
            .into_iter()
            .chain(self.points.iter().filter_map(|p| p.items_memory))
            .collect();
        (!levels.is_empty()).then(|| levels.iter().sum::<u64>() / levels.len() as u64)
    }

    /// The points, oldest first.
    pub fn into_points(self) -> Vec<TimelinePoint> {
        self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::recorder::Interval;

    fn tiers(hits_memory: u64, hits_ssd: u64, items: u64) -> TierCounters {
        TierCounters { hits_memory, hits_ssd, items_memory: Some(items), ..TierCounters::default() }
    }

    #[test]
    fn each_point_is_what_happened_since_the_last() {
        let mut timeline = Timeline::start(tiers(100, 100, 10), None);
        let mut interval = Interval::new();
        interval.answered = 500;
        interval.latency.saturating_record(1_000_000);
        timeline.add(
            &Observation { at_s: 0.5, length_s: 0.5, interval: &interval },
            tiers(190, 110, 20),
            None,
        );
        timeline.add(
            &Observation { at_s: 1.0, length_s: 0.5, interval: &Interval::new() },
            tiers(190, 110, 30),
            None,
        );
        assert_eq!(timeline.mean_items_memory(), Some(20));
        let points = timeline.into_points();
        assert_eq!((points[0].requests_per_s, points[0].memory_hit_ratio), (1000.0, Some(0.9)));
        assert!(points[0].p99_us.is_some_and(|us| (us - 1000.0).abs() < 2.0));
        assert_eq!(
            (points[1].requests_per_s, points[1].memory_hit_ratio, points[1].p50_us),
            (0.0, None, None)
        );
    }
}
