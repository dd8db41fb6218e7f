//! The command line: options in, a report out.
//!
//! Each subcommand has a file with its options and its `execute`, which returns a [`Report`]; what is done with a
//! report (table, JSON, HTML) is decided here, once.

mod capacity;
mod compare;
mod cost;
mod load;
mod options;
mod progress;
mod run;
mod types;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::interrupt;
use crate::report::{self, Report};

/// Cost, capacity and latency of tiered stores, measured side by side.
#[derive(Debug, Parser)]
#[command(name = "tiering-bench", version, about, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a data set, once or several times over, and optionally check every value.
    Load(load::LoadArgs),
    /// Send a workload to one server and measure it.
    Run(run::RunArgs),
    /// Start several servers, put them through the same load in alternating rounds, and stop them again.
    Compare(compare::CompareArgs),
    /// Compare commands of every data type, and what the types cost in memory, with redis-server.
    Types(types::TypesArgs),
    /// Measure how much DRAM a key costs, and say how many keys fit which node type.
    Capacity(capacity::CapacityArgs),
    /// Say what data costs on which node type.
    Cost(cost::CostArgs),
    /// Show the results in a JSON file again.
    Report {
        /// A file that --json has written.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// Write the results to this file as JSON.
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the results to this file as an HTML page.
    #[arg(long, global = true, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Show no progress.
    #[arg(long, short, global = true)]
    quiet: bool,
}

/// Carries out the command line; true if everything that was checked was right.
///
/// # Errors
///
/// If the command could not be carried out.
pub fn execute(cli: Cli) -> Result<bool> {
    interrupt::listen().context("cannot listen for Ctrl-C")?;
    let watcher = progress::Progress::new(cli.output.quiet);
    let report = match cli.command {
        Command::Load(args) => load::execute(&args, &watcher),
        Command::Run(args) => run::execute(&args, &watcher),
        Command::Compare(args) => compare::execute(&args, &watcher),
        Command::Types(args) => types::execute(&args, &watcher),
        Command::Capacity(args) => capacity::execute(&args, &watcher),
        Command::Cost(args) => cost::execute(&args),
        Command::Report { file } => read_report(&file),
    }?;
    print_and_write(&report, &cli.output)?;
    Ok(report.is_sound())
}

fn read_report(file: &Path) -> Result<Report> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not a result of this tool", file.display()))
}

fn print_and_write(report: &Report, output: &OutputArgs) -> Result<()> {
    let text = report::terminal::render(report);
    std::io::stdout().lock().write_all(text.as_bytes()).context("cannot print the results")?;
    if let Some(path) = &output.json {
        let json = serde_json::to_string_pretty(report)?;
        std::fs::write(path, json + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &output.html {
        std::fs::write(path, report::html::render(report))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_needs_a_flag() {
        for command in ["load", "run", "compare", "types", "capacity", "cost"] {
            assert!(Cli::try_parse_from(["tiering-bench", command]).is_ok(), "{command}");
        }
    }
}
