//! Sends a workload to a server and records what comes back.
//!
//! * [`Driver`]: connects once, then runs any number of phases (warm-up, measurement) over the same connections
//! * [`pacer`]: when requests of an open loop are due
//! * `phase`: threads that run until they are done, watched by the caller's
//! * `worker`: the thread that drives the connections; `connection`, `socket`, `requester`: its parts
//! * [`commands`]: any commands at all, in a closed loop
//! * [`in_process`]: the same for the engine in this process, without sockets
//! * [`recorder`]: what is counted
//!
//! Invariant: between phases nothing is in flight, so a server's counters read there belong to whole phases.

mod clock;
pub mod commands;
mod connection;
pub mod in_process;
pub mod pacer;
mod phase;
pub mod recorder;
mod requester;
mod socket;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use crate::target::Endpoint;
use crate::workload::WorkloadSpec;
use pacer::{Arrivals, Pacer};
use recorder::{Interval, Record};
use requester::Requester;
pub use requester::Versions;
use worker::{Limits, Shared, Worker};

/// Most clients of one run: each needs a socket on both ends.
pub const MAX_CLIENTS: usize = 20_000;

/// Most requests in flight on one connection.
pub const MAX_PIPELINE: usize = 10_000;

/// File descriptors beside the clients' sockets.
const SPARE_DESCRIPTORS: u64 = 64;

/// How the clients behave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriverConfig {
    /// Connections.
    pub clients: usize,
    /// Threads that share them.
    pub threads: usize,
    /// Requests in flight per connection: exactly so many in a closed loop, at most so many in an open one.
    pub pipeline: usize,
    /// When requests are sent.
    pub pace: Pace,
    /// Longest time without progress on a connection, and to connect, in milliseconds.
    pub timeout_ms: u64,
    /// Share of the reads that are preceded by a question where the value is.
    pub probe_share: f64,
}

impl Default for DriverConfig {
    fn default() -> Self {
        Self {
            clients: 50,
            threads: 1,
            pipeline: 1,
            pace: Pace::Closed,
            timeout_ms: 10_000,
            probe_share: 0.0,
        }
    }
}

impl DriverConfig {
    fn check(&self, spec: &WorkloadSpec, versions: &Versions) -> Result<()> {
        spec.validate().map_err(|reason| anyhow!(reason))?;
        if !(1..=MAX_CLIENTS).contains(&self.clients) || !(1..=MAX_PIPELINE).contains(&self.pipeline) {
            bail!("1 to {MAX_CLIENTS} clients and a pipeline of 1 to {MAX_PIPELINE} are possible");
        }
        if matches!(versions, Versions::Verified(_)) && !spec.is_verifiable() {
            bail!("values below {} bytes cannot be verified", crate::workload::value::HEADER_BYTES);
        }
        Ok(())
    }
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "loop")]
pub enum Pace {
    /// As soon as the answers to the connection's last batch are there: as fast as the server can.
    Closed,
    /// At a given rate, whatever the server does.
    Open {
        /// Requests per second, over all clients.
        rate_per_s: f64,
        /// How they follow each other.
        arrivals: Arrivals,
    },
}

/// How long a phase is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Length {
    /// So many requests.
    Requests(u64),
    /// So many seconds.
    Seconds(f64),
}

/// What happened in an interval of a running phase.
#[derive(Debug)]
pub struct Observation<'a> {
    /// Seconds from the start of the phase to the interval's end.
    pub at_s: f64,
    /// The interval's length in seconds.
    pub length_s: f64,
    /// What was answered in it.
    pub interval: &'a Interval,
}

/// What a phase was.
#[derive(Debug)]
pub struct Outcome {
    /// Seconds from the first request to the last answer.
    pub elapsed_s: f64,
    /// What was counted.
    pub record: Record,
}

/// Clients, connected.
pub struct Driver {
    config: DriverConfig,
    seed: u64,
    workers: Vec<Worker>,
}

impl Driver {
    /// Connects all clients.
    ///
    /// # Errors
    ///
    /// If the configuration is out of range, or a client cannot connect within the timeout.
    pub fn connect(
        endpoint: &Endpoint,
        config: &DriverConfig,
        spec: &WorkloadSpec,
        versions: &Versions,
    ) -> Result<Self> {
        config.check(spec, versions)?;
        if config.probe_share > 0.0 && !endpoint.wire.can_locate() {
            bail!("this protocol cannot say where a value is: no probes are possible");
        }
        raise_descriptor_limit(config.clients)?;
        let threads = config.threads.clamp(1, config.clients);
        let content = Arc::new(spec.value_content());
        let workers = (0..threads)
            .map(|lane| {
                let lanes = (lane as u64, threads as u64);
                let versions = versions.clone();
                let requester =
                    Requester::new(endpoint.wire, spec, content.clone(), versions, config.probe_share, lanes);
                let clients = share(config.clients as u64, lane, threads) as usize;
                Worker::connect(endpoint, clients, Duration::from_millis(config.timeout_ms), requester)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { config: config.clone(), seed: spec.seed, workers })
    }

    /// Requests drawn so far by each client thread, over all phases.
    pub fn drawn(&self) -> Vec<u64> {
        self.workers.iter().map(|worker| worker.requester.drawn).collect()
    }

    /// Runs one phase and returns when all its requests are answered. `observe` is called about every `tick`, on
    /// this thread.
    ///
    /// # Errors
    ///
    /// If a connection fails, makes no progress within the timeout, or receives what is no answer; or if the user
    /// interrupts the run.
    pub fn run(
        &mut self,
        length: Length,
        tick: Duration,
        observe: &mut dyn FnMut(&Observation<'_>) -> Result<()>,
    ) -> Result<Outcome> {
        let intervals: Vec<_> = self.workers.iter().map(|worker| worker.interval.clone()).collect();
        let (config, seed, lanes) = (&self.config, self.seed, self.workers.len());
        let run = |lane: usize, worker: &mut Worker, shared: &Shared<'_>| {
            run_lane(worker, config, length, seed, (lane, lanes), shared)
        };
        phase::run_lanes(&mut self.workers, &intervals, run, tick, observe)?;
        let mut record = Record::new();
        let mut last_answer_ns = 0;
        for worker in &mut self.workers {
            record.merge(&std::mem::take(&mut worker.requester.record));
            last_answer_ns = last_answer_ns.max(worker.last_answer_ns);
        }
        Ok(Outcome { elapsed_s: last_answer_ns as f64 / 1e9, record })
    }
}

fn run_lane(
    worker: &mut Worker,
    config: &DriverConfig,
    length: Length,
    seed: u64,
    (lane, lanes): (usize, usize),
    shared: &Shared<'_>,
) -> Result<()> {
    let limits = Limits::new(length, config.timeout_ms, (lane, lanes));
    match config.pace {
        Pace::Closed => worker.run_closed(limits, config.pipeline, shared),
        Pace::Open { rate_per_s, arrivals } => {
            // Sleeps end on time: the default slack of 50 us would be most of a fast server's latency.
            let slack = std::num::NonZeroU64::MIN;
            rustix::thread::set_current_timer_slack(Some(slack)).context("PR_SET_TIMERSLACK")?;
            let pacer = Pacer::new(arrivals, rate_per_s / lanes as f64, seed, lane as u64);
            worker.run_open(limits, config.pipeline, pacer, shared)
        }
    }
}

/// Lane `lane`'s part of `total` when `lanes` share it.
fn share(total: u64, lane: usize, lanes: usize) -> u64 {
    total / lanes as u64 + u64::from((lane as u64) < total % lanes as u64)
}

/// Lets the process have a socket for every client, as far as the system allows.
fn raise_descriptor_limit(clients: usize) -> Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let needed = clients as u64 + SPARE_DESCRIPTORS;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        bail!(
            "{clients} clients need {needed} file descriptors, and the limit is {:?}: see ulimit -n",
            limit.maximum
        );
    }
    limit.current = Some(needed);
    setrlimit(Resource::Nofile, limit).context("RLIMIT_NOFILE")
}
