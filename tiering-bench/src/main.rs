//! The command line of tiering-bench.

use std::process::ExitCode;

use clap::Parser;
use tiering_bench::cli::{Cli, execute};

fn main() -> ExitCode {
    match execute(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tiering-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
