//! Options that several subcommands share.

use std::path::PathBuf;

use clap::Args;

use crate::driver::pacer::Arrivals;
use crate::driver::{DriverConfig, Pace};
use crate::target::Endpoint;
use crate::target::contestants::Templates;
use crate::units::parse_count;
use crate::workload::distribution::KeyDistribution;
use crate::workload::value_size::ValueSize;
use crate::workload::{DEFAULT_SEED, WorkloadSpec};

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct TargetArgs {
    /// resp://HOST:PORT or memcached://HOST:PORT.
    #[arg(long, default_value = "resp://127.0.0.1:6379")]
    pub(super) target: Endpoint,
    /// The server's process, for its CPU time and memory; found by its port if it is on this machine.
    #[arg(long)]
    pub(super) pid: Option<u32>,
}

/// The keys and values.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Data set")]
pub(super) struct DataArgs {
    /// Number of keys; k, m and g are understood.
    #[arg(long, default_value = "1m", value_parser = parse_count)]
    pub(super) keys: u64,
    /// Length of every key.
    #[arg(long, default_value_t = 16)]
    pub(super) key_bytes: usize,
    /// Length of the values: 1000, 100-4kb (uniform), or 100:9,4kb:1 (sizes with weights).
    #[arg(long, default_value = "1000", value_name = "SIZES")]
    pub(super) value_bytes: ValueSize,
    /// Share of a value that a compressor can take away.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub(super) compressibility: f64,
    /// Seed of keys, operations and arrivals: the same seed sends the same requests.
    #[arg(long, default_value_t = DEFAULT_SEED)]
    pub(super) seed: u64,
}

impl DataArgs {
    pub(super) fn spec(&self) -> WorkloadSpec {
        WorkloadSpec {
            keys: self.keys,
            key_bytes: self.key_bytes,
            value_size: self.value_bytes.clone(),
            compressibility: self.compressibility,
            seed: self.seed,
            ..WorkloadSpec::default()
        }
    }
}

/// Which keys are asked for, and how.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Requests")]
pub(super) struct RequestArgs {
    /// `uniform`, `zipf[:THETA]`, `hotspot[:KEYS:REQUESTS]` (shares), or `sequential`.
    #[arg(long, short, default_value = "uniform")]
    pub(super) distribution: KeyDistribution,
    /// Share of the requests that read.
    #[arg(long, default_value_t = 1.0, value_name = "SHARE")]
    pub(super) reads: f64,
    /// Share of all requests that walk the whole key space beside the others, accounted apart.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub(super) scan: f64,
}

impl RequestArgs {
    pub(super) fn apply(&self, spec: WorkloadSpec) -> WorkloadSpec {
        WorkloadSpec {
            distribution: self.distribution,
            read_share: self.reads,
            scan_share: self.scan,
            ..spec
        }
    }
}

/// The clients.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Clients")]
pub(super) struct ClientArgs {
    /// Connections.
    #[arg(long, short, default_value_t = 50)]
    pub(super) clients: usize,
    /// Threads that share the connections.
    #[arg(long, default_value_t = 1)]
    pub(super) threads: usize,
    /// Requests in flight per connection.
    #[arg(long, short = 'P', default_value_t = 1)]
    pub(super) pipeline: usize,
    /// Open loop: send so many requests per second whatever the server does; latencies count from the time a
    /// request was due. Without it the loop is closed.
    #[arg(long)]
    pub(super) rate: Option<f64>,
    /// How the requests of an open loop follow each other: poisson or fixed.
    #[arg(long, default_value_t = Arrivals::Poisson)]
    pub(super) arrivals: Arrivals,
    /// Longest time without an answer before the run fails.
    #[arg(long, default_value_t = 10_000)]
    pub(super) timeout_ms: u64,
}

impl ClientArgs {
    pub(super) fn config(&self, probe_share: f64) -> Result<DriverConfig, String> {
        let pace = match self.rate {
            Some(rate) if rate > 0.0 && rate.is_finite() => {
                Pace::Open { rate_per_s: rate, arrivals: self.arrivals }
            }
            Some(rate) => return Err(format!("a rate of {rate} requests per second is not possible")),
            None => Pace::Closed,
        };
        Ok(DriverConfig {
            clients: self.clients,
            threads: self.threads,
            pipeline: self.pipeline,
            pace,
            timeout_ms: self.timeout_ms,
            probe_share,
        })
    }
}

/// Where servers that this tool starts keep their files.
#[derive(Clone, Debug, Args)]
pub(super) struct WorkArgs {
    /// Folder for the files of started servers, on the disk to measure; they are removed afterwards.
    #[arg(long, default_value = "bench-results/work", value_name = "DIR")]
    pub(super) work: PathBuf,
}

/// The servers' commands, where they are not the usual ones.
#[derive(Debug, Args)]
pub(super) struct CommandArgs {
    /// Command of ours; {port}, {dir}, {threads}, {maxmemory}, {tier_capacity} are filled in.
    #[arg(long, value_name = "COMMAND")]
    ours: Option<String>,
    /// Command of redis-server, or of another server that speaks its protocol.
    #[arg(long, value_name = "COMMAND")]
    redis: Option<String>,
}

impl CommandArgs {
    pub(super) fn templates(&self) -> Templates {
        Templates { ours: self.ours.clone(), redis: self.redis.clone(), ..Templates::default() }
    }
}
