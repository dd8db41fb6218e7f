//! The engine in this process: what a store costs without sockets and protocol.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use thermocline_engine::device::uring::UringDevice;
use thermocline_engine::device::{Device, TierFile};
use thermocline_engine::{
    Background, Clock, Components, Engine, EngineConfig, LatencySummary, NoMemoryGauge, Settings, UnixMillis,
};

use super::counters::{ServerLatency, TierCounters};

/// The seed of the engine's own random numbers: two runs decide alike.
const ENGINE_SEED: [u64; 4] = [1, 2, 3, 4];

/// Engines that this process has started: each has a file of its own.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// How to set the engine up.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineOptions {
    /// Folder for the tier's file, on the disk to measure.
    pub dir: PathBuf,
    /// DRAM. The engine counts its values and index only: the clients share its process, so resident set size would
    /// count them, too.
    pub maxmemory_bytes: u64,
    /// SSD; 0 for none.
    pub tier_capacity_bytes: u64,
}

/// An engine with its background thread and its file; both are gone when this value is dropped.
pub struct EngineTarget {
    engine: Arc<Engine>,
    file: PathBuf,
    stop: Arc<AtomicBool>,
    background: Option<JoinHandle<()>>,
}

impl EngineTarget {
    /// Starts an empty engine.
    ///
    /// # Errors
    ///
    /// If the file cannot be made, or io_uring is not to be had.
    pub fn start(options: &EngineOptions) -> Result<Self> {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let file = options.dir.join(format!("engine-{}-{number}", std::process::id()));
        let device = if options.tier_capacity_bytes > 0 {
            let tier = TierFile {
                path: file.clone(),
                capacity_bytes: options.tier_capacity_bytes,
                keep_contents: false,
            };
            let device: Arc<dyn Device> =
                Arc::new(UringDevice::open(&[tier]).context("the engine's SSD tier")?);
            Some(device)
        } else {
            None
        };
        let components = Components {
            device,
            clock: Arc::new(ProcessClock { start: Instant::now() }),
            memory: Arc::new(NoMemoryGauge),
            seed: ENGINE_SEED,
        };
        let settings = Settings { max_memory_bytes: options.maxmemory_bytes, ..Settings::default() };
        let config = EngineConfig { settings, ..EngineConfig::default() };
        let engine = Arc::new(Engine::new(config, components)?);
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, is_stopped) = (engine.clone(), stop.clone());
        let background = std::thread::Builder::new().name("background".to_owned()).spawn(move || {
            Background::new(shared).expect("the device opens another queue").run(&is_stopped);
        })?;
        Ok(Self { engine, file, stop, background: Some(background) })
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// What it has counted.
    pub fn counters(&self) -> TierCounters {
        let metrics = self.engine.metrics();
        let latency = |summary: LatencySummary| ServerLatency {
            mean_us: summary.mean_us,
            p50_us: summary.p50_us,
            p99_us: summary.p99_us,
            p999_us: summary.p999_us,
        };
        TierCounters {
            hits_memory: metrics.hits_memory,
            hits_ssd: metrics.hits_ssd,
            misses: metrics.misses,
            items_memory: Some(metrics.items_memory),
            items_ssd: Some(metrics.items_ssd),
            evictions: Some(metrics.evicted_keys),
            ssd_bytes_read: Some(metrics.bytes_read_from_disk),
            ssd_bytes_written: Some(metrics.bytes_written_to_disk),
            write_amplification: Some(metrics.write_amplification),
            ssd_latency: Some(latency(metrics.ssd_latency)),
            added_latency: Some(latency(metrics.added_latency)),
            raw: Default::default(),
        }
    }
}

impl Drop for EngineTarget {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(background) = self.background.take() {
            // A panic was reported where it happened.
            let _ = background.join();
        }
        let _ = std::fs::remove_file(&self.file);
    }
}

struct ProcessClock {
    start: Instant,
}

impl Clock for ProcessClock {
    fn now(&self) -> UnixMillis {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(since_epoch.as_millis() as u64)
    }

    fn monotonic_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }
}
