//! One measured run of the engine in this process: load, warm up, measure.
//!
//! The data set lives as long as the engine, so it is loaded by the run itself. Every read is attributed to the tier
//! that answered it, exactly. CPU time is not told apart: clients and engine are one process.

use std::time::Duration;

use anyhow::Result;

use super::exact_lru::LaneLength;
use super::run::{Described, Look, LruCapacity, RunResult, Versioning, Watcher, assemble, hit_ratio, tick};
use super::timeline::Timeline;
use super::usage::Usage;
use crate::driver::in_process::InProcessDriver;
use crate::driver::{DriverConfig, Length};
use crate::target::control::{ServerIdentity, ServerKind};
use crate::target::engine::{EngineOptions, EngineTarget};
use crate::units::format_bytes;
use crate::workload::WorkloadSpec;

/// The version that the load writes.
const LOADED_VERSION: u32 = 1;

/// What to measure.
#[derive(Clone, Debug)]
pub struct InProcessPlan {
    /// The name in reports.
    pub label: String,
    /// The engine.
    pub engine: EngineOptions,
    /// The requests.
    pub workload: WorkloadSpec,
    /// The clients.
    pub driver: DriverConfig,
    /// Sent before, and not measured.
    pub warm_up: Option<Length>,
    /// What is measured.
    pub length: Length,
    /// Whether every value that is read is checked.
    pub verify: bool,
    /// Whether and with which capacity an exact LRU replays the requests.
    pub lru: LruCapacity,
}

/// Runs `plan`; returns the load and the measurement.
///
/// # Errors
///
/// If the engine cannot be started, or a setting is out of range.
pub fn run_in_process(plan: &InProcessPlan, watcher: &dyn Watcher) -> Result<Vec<RunResult>> {
    let target = EngineTarget::start(&plan.engine)?;
    let loading = plan.workload.loading();
    let load = measure(
        plan,
        &target,
        ("load", &loading, Length::Requests(loading.keys), None),
        Versioning::Fixed(LOADED_VERSION),
        LruCapacity::Off,
        watcher,
    )?;
    let versioning = if plan.verify { Versioning::Verified(LOADED_VERSION) } else { Versioning::Rising };
    let run = measure(
        plan,
        &target,
        (&plan.label, &plan.workload, plan.length, plan.warm_up),
        versioning,
        plan.lru,
        watcher,
    )?;
    Ok(vec![load, run])
}

fn measure(
    plan: &InProcessPlan,
    target: &EngineTarget,
    (label, workload, length, warm_up): (&str, &WorkloadSpec, Length, Option<Length>),
    versioning: Versioning,
    lru: LruCapacity,
    watcher: &dyn Watcher,
) -> Result<RunResult> {
    let versions = versioning.versions(workload.keys);
    let mut driver = InProcessDriver::new(target.engine(), &plan.driver, workload, &versions)?;
    if let Some(length) = warm_up {
        watcher.phase(label, "warm-up", length);
        driver.run(length, Duration::from_secs(1), &mut |observation| {
            watcher.observed(observation);
            Ok(())
        })?;
        watcher.finished();
    }
    let warm_up_drawn = driver.drawn();
    target.engine().reset_latencies();
    watcher.phase(label, "measuring", length);
    let look = || -> Result<Look> {
        Ok(Look { tiers: target.counters(), server: None, client: Usage::of_this_process()? })
    };
    let before = look()?;
    let mut timeline = Timeline::start(before.tiers.clone(), None);
    let outcome = driver.run(length, tick(length), &mut |observation| {
        watcher.observed(observation);
        timeline.add(observation, target.counters(), None);
        Ok(())
    })?;
    let after = look()?;
    watcher.finished();
    let lanes: Vec<LaneLength> = std::iter::zip(&warm_up_drawn, driver.drawn())
        .map(|(&warm_up, all)| LaneLength { warm_up, measured: all - warm_up })
        .collect();
    let items = match lru {
        LruCapacity::Off => None,
        LruCapacity::Items(items) => Some(items),
        LruCapacity::ServerItems => timeline.mean_items_memory(),
    };
    let hit_ratio = hit_ratio(workload, &lanes, items, &outcome.record, &after.tiers.since(&before.tiers));
    let described =
        Described { label, workload, driver: plan.driver.clone(), server: identity(&plan.engine) };
    Ok(assemble(described, outcome, (before, after), hit_ratio, timeline.into_points()))
}

fn identity(options: &EngineOptions) -> ServerIdentity {
    let setting = |name: &str, bytes: u64| (name.to_owned(), format_bytes(bytes as f64));
    ServerIdentity {
        kind: ServerKind::Thermocline,
        name: "engine in process".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: None,
        config: [
            setting("maxmemory", options.maxmemory_bytes),
            setting("tier-capacity", options.tier_capacity_bytes),
        ]
        .into(),
    }
}
