//! Commands of every data type, and what the types cost in memory, of several servers in one run.
//!
//! * [`tests`]: the commands, and how their data is made
//! * [`memory`]: resident set size of many small collections, and of a large one
//!
//! As in [`compare`](super::compare), rounds alternate between the servers and figures are medians over them. The
//! servers of a run are up at the same time; each is asked alone.

pub mod memory;
pub mod tests;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::compare::median;
use super::run::Watcher;
use super::usage::cpu_ns;
use crate::driver::commands::CommandClients;
use crate::target::contestants::{Contestant, Placement, Resources, Templates};
use crate::target::control::Control;
use crate::target::process::ServerProcess;
use memory::{MemoryFigures, MemoryPlan, measure_memory};
use tests::CommandTest;

/// Clients and requests in flight while data is loaded.
pub(super) const LOADING: (usize, usize) = (8, 16);

/// Share of a round's requests that precede it, unmeasured.
const WARM_UP_SHARE: u64 = 20;

/// SSD of each server that has a second tier. Nothing is to go there: memory is larger than the data.
const TIER_CAPACITY_BYTES: u64 = 1 << 30;

/// What to measure.
#[derive(Clone, Debug)]
pub struct TypesPlan {
    /// Who takes part; ratios are those of the first to each other.
    pub contestants: Vec<Contestant>,
    /// How to start them.
    pub templates: Templates,
    /// The commands.
    pub tests: Vec<CommandTest>,
    /// Requests in flight per client.
    pub pipelines: Vec<usize>,
    /// Connections.
    pub clients: usize,
    /// Requests per server, test, pipeline and round.
    pub requests: u64,
    /// How many keys, fields or members random ones are drawn from.
    pub keys: u64,
    /// Rounds per test.
    pub rounds: usize,
    /// What to measure the memory of.
    pub memory: MemoryPlan,
    /// DRAM that each server may take: more than the data.
    pub maxmemory_bytes: u64,
    /// Threads of each.
    pub threads: usize,
    /// CPUs of the servers, as taskset takes them.
    pub server_cpus: Option<String>,
    /// Seed of all requests.
    pub seed: u64,
    /// Folder for the servers' files.
    pub work: PathBuf,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TypesReport {
    /// Rounds per test.
    pub rounds: usize,
    /// Connections.
    pub clients: usize,
    /// Requests per round.
    pub requests: u64,
    /// The servers' names, in the order of all figures.
    pub servers: Vec<String>,
    /// The commands that started them.
    pub command_lines: Vec<String>,
    /// One for each test and pipeline.
    pub commands: Vec<CommandResult>,
    /// One for each kind of value.
    pub memory: Vec<MemoryFigures>,
}

/// One command at one pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandResult {
    /// The test's name.
    pub name: String,
    /// Requests in flight per client.
    pub pipeline: usize,
    /// Each server's.
    pub servers: Vec<CommandFigures>,
}

/// One server at one command: medians over the rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CommandFigures {
    /// Requests answered per second.
    pub requests_per_s: f64,
    /// CPU time of the server per request, in microseconds.
    pub cpu_us: f64,
}

/// Runs all of it.
///
/// # Errors
///
/// If a server cannot be started, fails, or answers a command with an error.
pub fn measure_types(plan: &TypesPlan, watcher: &dyn Watcher) -> Result<TypesReport> {
    let mut report = TypesReport {
        rounds: plan.rounds,
        clients: plan.clients,
        requests: plan.requests,
        servers: plan.contestants.iter().map(|contestant| contestant.name().to_owned()).collect(),
        command_lines: Vec::new(),
        commands: Vec::new(),
        memory: Vec::new(),
    };
    let servers = plan.contestants.iter().map(|&contestant| plan.start(contestant));
    let servers = servers.collect::<Result<Vec<_>>>()?;
    report.command_lines = servers.iter().map(|server| server.command_line.clone()).collect();
    for test in &plan.tests {
        for &pipeline in &plan.pipelines {
            report.commands.push(plan.compare(test, pipeline, &servers, watcher)?);
        }
    }
    drop(servers);
    report.memory = measure_memory(plan, watcher)?;
    Ok(report)
}

impl TypesPlan {
    /// Starts a server with room for everything in DRAM.
    pub(super) fn start(&self, contestant: Contestant) -> Result<ServerProcess> {
        let resources = Resources {
            maxmemory_bytes: self.maxmemory_bytes,
            tier_capacity_bytes: TIER_CAPACITY_BYTES,
            threads: self.threads,
            cpus: self.server_cpus.clone(),
        };
        let command = self.templates.command(contestant, Placement::AllInMemory, &resources);
        ServerProcess::start(&command, &self.work)
    }

    fn compare(
        &self,
        test: &CommandTest,
        pipeline: usize,
        servers: &[ServerProcess],
        watcher: &dyn Watcher,
    ) -> Result<CommandResult> {
        let mut rounds: Vec<Vec<CommandFigures>> = servers.iter().map(|_| Vec::new()).collect();
        for round in 0..self.rounds {
            for (server, figures) in std::iter::zip(servers, &mut rounds) {
                let label = format!("{}, {} at {pipeline}", server.name, test.name);
                let measured = self.round(test, pipeline, server, round as u64, &label, watcher);
                figures.push(measured.with_context(|| label.clone())?);
            }
        }
        let servers = rounds.iter().map(|rounds| {
            let of = |figure: fn(&CommandFigures) -> f64| median(rounds.iter().map(figure)).unwrap_or(0.0);
            CommandFigures {
                requests_per_s: of(|figures| figures.requests_per_s),
                cpu_us: of(|figures| figures.cpu_us),
            }
        });
        Ok(CommandResult { name: test.name.to_owned(), pipeline, servers: servers.collect() })
    }

    fn round(
        &self,
        test: &CommandTest,
        pipeline: usize,
        server: &ServerProcess,
        round: u64,
        label: &str,
        watcher: &dyn Watcher,
    ) -> Result<CommandFigures> {
        Control::connect(&server.endpoint)?.command(&["FLUSHALL"])?;
        let warm_up = self.requests / WARM_UP_SHARE;
        // What a test takes out of its data is there, for the warm-up too.
        test.prepare(self.keys, self.requests + warm_up, |requests, write| {
            let mut loading = CommandClients::connect(&server.endpoint, LOADING.0, LOADING.1)?;
            loading.run(requests, write)?.without_errors()?;
            Ok(())
        })?;
        let mut clients = CommandClients::connect(&server.endpoint, self.clients, pipeline)?;
        let mut draw = test.requests(self.keys, self.seed, round);
        clients.run(warm_up, |_, output| draw(output))?.without_errors()?;
        watcher.phase(label, "measuring", crate::driver::Length::Requests(self.requests));
        let before_ns = cpu_ns(server.pid())?;
        let outcome = clients.run(self.requests, |_, output| draw(output))?.without_errors()?;
        let used_ns = cpu_ns(server.pid())? - before_ns;
        watcher.finished();
        Ok(CommandFigures {
            requests_per_s: outcome.requests as f64
                / outcome.elapsed_s.max(Duration::from_micros(1).as_secs_f64()),
            cpu_us: used_ns as f64 / 1e3 / outcome.requests.max(1) as f64,
        })
    }
}
