//! DRAM per key, by the only measure that counts: how much the process grows.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use thermocline_protocol::Reply;

use super::run::Watcher;
use super::usage::Usage;
use crate::cost::footprint::Footprint;
use crate::driver::{Driver, DriverConfig, Length, Versions};
use crate::interrupt;
use crate::target::control::{Control, ServerIdentity, ServerKind};
use crate::target::counters::TierCounters;
use crate::target::process::{ServerCommand, ServerProcess};
use crate::workload::WorkloadSpec;

/// Keys written between two drains: so few that the values on their way to SSD never matter beside the index.
const KEYS_PER_DRAIN: u64 = 250_000;

/// Resident set size has settled if it moved less than this share for [`SETTLED`].
const SETTLED_SHARE: f64 = 0.001;

/// How long it must not move: allocators give memory back with a delay.
const SETTLED: Duration = Duration::from_secs(2);

/// Longest wait for that.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);

/// What to measure.
#[derive(Clone, Debug)]
pub struct CapacityPlan {
    /// The servers, each started, filled and stopped in turn.
    pub servers: Vec<ServerCommand>,
    /// The data set; it is written once in key order.
    pub workload: WorkloadSpec,
    /// How often resident set size is read on the way.
    pub points: u64,
    /// Folder on the disk to use.
    pub work: PathBuf,
}

/// Resident set size at one number of keys.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CapacityPoint {
    /// Keys in the server.
    pub keys: u64,
    /// Resident set size after everything that can be on SSD is there.
    pub rss_bytes: u64,
    /// Items with their value in DRAM.
    pub items_memory: Option<u64>,
    /// Items with their value on SSD only.
    pub items_ssd: Option<u64>,
}

/// What a key costs one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyCost {
    /// Its name.
    pub name: String,
    /// Who it is.
    pub server: ServerIdentity,
    /// The command that started it.
    pub command_line: String,
    /// The data set.
    pub workload: WorkloadSpec,
    /// Resident set size on the way, the empty server first.
    pub points: Vec<CapacityPoint>,
    /// Growth from the empty to the full server, in bytes per key. The figure to plan with.
    pub growth_bytes_per_key: f64,
    /// Slope of a straight line through the points of a filled server, in bytes per key.
    pub fitted_bytes_per_key: f64,
    /// SSD per item there, in bytes, if the server says.
    pub ssd_bytes_per_item: Option<f64>,
    /// Highest resident set size.
    pub peak_rss_bytes: u64,
    /// Writes that the server refused.
    pub refused: u64,
}

impl KeyCost {
    /// Growth per key without the key's own bytes and, for a server with one tier, without the value's.
    pub fn overhead_bytes(&self) -> f64 {
        let value_bytes = if self.is_tiered() { 0.0 } else { self.workload.value_size.mean_bytes() };
        self.growth_bytes_per_key - self.workload.key_bytes as f64 - value_bytes
    }

    /// Share of the items that were on SSD at the end.
    pub fn ssd_share(&self) -> Option<f64> {
        let last = self.points.last()?;
        let (memory, ssd) = (last.items_memory?, last.items_ssd?);
        (memory + ssd > 0).then(|| ssd as f64 / (memory + ssd) as f64)
    }

    /// What it says about other data sets.
    pub fn footprint(&self) -> Footprint {
        let spec = &self.workload;
        let per_item = self.ssd_bytes_per_item.unwrap_or(0.0);
        let record_overhead = (per_item - spec.key_bytes as f64 - spec.value_size.mean_bytes()).max(0.0);
        Footprint {
            store: self.name.clone(),
            dram_overhead_bytes: self.overhead_bytes().max(0.0),
            ssd_overhead_bytes: self.is_tiered().then_some(record_overhead),
            command_threads: (self.server.kind == ServerKind::Redis).then_some(1),
            basis: format!(
                "measured: {} keys of {} bytes, values of {} bytes",
                spec.keys, spec.key_bytes, spec.value_size
            ),
        }
    }

    fn is_tiered(&self) -> bool {
        self.ssd_share().is_some_and(|share| share > 0.5)
    }
}

/// Fills every server in turn.
///
/// # Errors
///
/// If a server cannot be started or fails.
pub fn measure_capacity(plan: &CapacityPlan, watcher: &dyn Watcher) -> Result<Vec<KeyCost>> {
    plan.servers
        .iter()
        .map(|command| {
            let server = ServerProcess::start(command, &plan.work)?;
            fill(plan, &server, watcher).with_context(|| format!("filling {}", server.name))
        })
        .collect()
}

fn fill(plan: &CapacityPlan, server: &ServerProcess, watcher: &dyn Watcher) -> Result<KeyCost> {
    let workload = plan.workload.loading();
    let mut control = Control::connect(&server.endpoint)?;
    let identity = control.identify()?;
    let config = DriverConfig { clients: 8, pipeline: 32, timeout_ms: 120_000, ..DriverConfig::default() };
    let mut driver = Driver::connect(&server.endpoint, &config, &workload, &Versions::Fixed(1))?;
    let mut points = vec![look(server, &mut control, &identity, 0)?];
    let (mut written, mut refused) = (0, 0);
    watcher.phase(&server.name, "filling", Length::Requests(workload.keys));
    for point in 1..=plan.points.max(1) {
        let until = workload.keys * point / plan.points.max(1);
        while written < until {
            let step = KEYS_PER_DRAIN.min(until - written);
            let outcome = driver.run(Length::Requests(step), Duration::from_secs(1), &mut |observation| {
                watcher.observed(observation);
                Ok(())
            })?;
            written += step;
            refused += outcome.record.counts.refused;
            if identity.kind == ServerKind::Thermocline {
                drain(&mut control)?;
            }
        }
        points.push(look(server, &mut control, &identity, written)?);
    }
    watcher.finished();
    let tiers = TierCounters::read(&mut control, identity.kind)?;
    let ssd_bytes: Option<f64> = tiers.raw.get("tier_bytes_ssd").and_then(|text| text.parse().ok());
    let ssd_items = tiers.items_ssd.filter(|&items| items > 0);
    let (first, last) = (points[0], points[points.len() - 1]);
    Ok(KeyCost {
        name: server.name.clone(),
        server: identity,
        command_line: server.command_line.clone(),
        workload,
        growth_bytes_per_key: (last.rss_bytes as f64 - first.rss_bytes as f64) / last.keys as f64,
        fitted_bytes_per_key: slope(&points[1..]),
        ssd_bytes_per_item: ssd_bytes.zip(ssd_items).map(|(bytes, items)| bytes / items as f64),
        peak_rss_bytes: Usage::of(server.pid())?.peak_rss_bytes,
        refused,
        points,
    })
}

fn drain(control: &mut Control) -> Result<()> {
    match control.command(&["TIER", "DRAIN"])? {
        Reply::Error(message) => bail!("TIER DRAIN: {}", String::from_utf8_lossy(&message)),
        _ => Ok(()),
    }
}

/// Reads resident set size once it has settled.
fn look(
    server: &ServerProcess,
    control: &mut Control,
    identity: &ServerIdentity,
    keys: u64,
) -> Result<CapacityPoint> {
    let deadline = Instant::now() + SETTLE_TIMEOUT;
    let mut rss_bytes = Usage::of(server.pid())?.rss_bytes;
    let mut since = Instant::now();
    while since.elapsed() < SETTLED && Instant::now() < deadline {
        if interrupt::is_requested() {
            bail!("interrupted");
        }
        std::thread::sleep(SETTLED / 10);
        let now = Usage::of(server.pid())?.rss_bytes;
        if (now as f64 - rss_bytes as f64).abs() > rss_bytes as f64 * SETTLED_SHARE {
            (rss_bytes, since) = (now, Instant::now());
        }
    }
    let tiers = TierCounters::read(control, identity.kind)?;
    Ok(CapacityPoint { keys, rss_bytes, items_memory: tiers.items_memory, items_ssd: tiers.items_ssd })
}

/// Slope of the least-squares line of resident set size over keys.
fn slope(points: &[CapacityPoint]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&CapacityPoint) -> u64| points.iter().map(|p| of(p) as f64).sum::<f64>() / count;
    let (mean_keys, mean_rss) = (mean(|p| p.keys), mean(|p| p.rss_bytes));
    let (mut covariance, mut variance) = (0.0, 0.0);
    for point in points {
        let keys = point.keys as f64 - mean_keys;
        covariance += keys * (point.rss_bytes as f64 - mean_rss);
        variance += keys * keys;
    }
    if variance == 0.0 { 0.0 } else { covariance / variance }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_line_through_the_points() {
        let point = |keys: u64, noise: i64| CapacityPoint {
            keys,
            rss_bytes: (5_000_000 + keys as i64 * 48 + noise) as u64,
            items_memory: None,
            items_ssd: None,
        };
        let exact = [point(1_000_000, 0), point(2_000_000, 0), point(3_000_000, 0)];
        assert!((slope(&exact) - 48.0).abs() < 1e-9);
        let noisy = [point(1_000_000, 4096), point(2_000_000, -8192), point(3_000_000, 4096)];
        assert!((slope(&noisy) - 48.0).abs() < 0.01);
        assert_eq!(slope(&exact[..1]), 0.0);
    }
}
