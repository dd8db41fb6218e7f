//! A latency histogram as numbers that a report can keep: percentiles and the curve between them.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The percentiles of every table.
const TABLE_PERCENTILES: [f64; 6] = [50.0, 90.0, 99.0, 99.9, 99.99, 99.999];

/// Points of a curve per halving of the distance to 100 %.
const CURVE_STEPS: u32 = 4;

/// A latency distribution, in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencySummary {
    /// Recorded requests.
    pub count: u64,
    /// Arithmetic mean.
    pub mean_us: f64,
    /// The fastest request.
    pub min_us: f64,
    /// Median.
    pub p50_us: f64,
    /// 90th percentile.
    pub p90_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// 99.9th percentile.
    pub p999_us: f64,
    /// 99.99th percentile.
    pub p9999_us: f64,
    /// 99.999th percentile.
    pub p99999_us: f64,
    /// The slowest request.
    pub max_us: f64,
    /// The whole distribution.
    pub curve: Vec<CurvePoint>,
}

/// One point of a percentile curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// In `0..=100`.
    pub percentile: f64,
    /// The latency that so many requests do not exceed.
    pub us: f64,
}

impl LatencySummary {
    /// Summarises a histogram of nanoseconds; `None` if it is empty.
    pub fn of(histogram: &Histogram<u64>) -> Option<Self> {
        if histogram.is_empty() {
            return None;
        }
        let us = |ns: u64| ns as f64 / 1e3;
        let [p50_us, p90_us, p99_us, p999_us, p9999_us, p99999_us] =
            TABLE_PERCENTILES.map(|percentile| us(histogram.value_at_percentile(percentile)));
        let mut curve: Vec<CurvePoint> = histogram
            .iter_quantiles(CURVE_STEPS)
            .map(|step| CurvePoint {
                percentile: step.quantile_iterated_to() * 100.0,
                us: us(step.value_iterated_to()),
            })
            .collect();
        // The iterator repeats the maximum at the end; one point for it is enough.
        curve.dedup_by(|next, kept| next.percentile == kept.percentile);
        Some(Self {
            count: histogram.len(),
            mean_us: histogram.mean() / 1e3,
            min_us: us(histogram.min()),
            p50_us,
            p90_us,
            p99_us,
            p999_us,
            p9999_us,
            p99999_us,
            max_us: us(histogram.max()),
            curve,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::recorder::new_histogram;

    #[test]
    fn percentiles_are_those_of_the_recorded_values() {
        let mut histogram = new_histogram();
        (1..=100_000u64).for_each(|us| histogram.saturating_record(us * 1000));
        let summary = LatencySummary::of(&histogram).expect("values");
        let close = |measured: f64, exact: f64| (measured / exact - 1.0).abs() < 0.002;
        assert!(close(summary.p50_us, 50_000.0) && close(summary.p99_us, 99_000.0), "{summary:?}");
        assert!(close(summary.p999_us, 99_900.0) && close(summary.max_us, 100_000.0), "{summary:?}");
        assert!(close(summary.mean_us, 50_000.5), "{}", summary.mean_us);
    }

    #[test]
    fn the_curve_rises_to_the_maximum() {
        let mut histogram = new_histogram();
        (1..=10_000u64).for_each(|us| histogram.saturating_record(us * 1000));
        let summary = LatencySummary::of(&histogram).expect("values");
        assert!(
            summary
                .curve
                .windows(2)
                .all(|pair| pair[0].us <= pair[1].us && pair[0].percentile < pair[1].percentile)
        );
        assert_eq!(summary.curve.last().map(|point| point.us), Some(summary.max_us));
        assert!(summary.curve.len() < 200, "{} points", summary.curve.len());
    }

    #[test]
    fn nothing_recorded_is_no_summary() {
        assert_eq!(LatencySummary::of(&new_histogram()), None);
    }
}
