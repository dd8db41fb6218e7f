//! The log: where it goes, and how much goes there.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::sync::{Arc, OnceLock};

use tracing_subscriber::Registry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::reload;

use crate::config::{Config, LogLevel};

/// The level in force, once the process logs.
static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();

/// Starts to log as the configuration says. A second server in one process, as in tests, goes on with the first one's
/// log.
///
/// # Errors
/// The log file cannot be opened; the text names it.
pub(crate) fn start(config: &Config) -> io::Result<()> {
    let (level, handle) = reload::Layer::new(filter(config.log_level()));
    let log = tracing_subscriber::fmt::layer().with_target(false);
    let registry = tracing_subscriber::registry().with(level);
    let is_first = match config.log_file() {
        None => registry.with(log.with_ansi(io::stdout().is_terminal())).try_init().is_ok(),
        Some(path) => {
            let file = File::options().append(true).create(true).open(&path).map_err(|error| {
                io::Error::new(error.kind(), format!("cannot open the log file {}: {error}", path.display()))
            })?;
            registry.with(log.with_ansi(false).with_writer(Arc::new(file))).try_init().is_ok()
        }
    };
    if is_first {
        let _ = LEVEL.set(handle);
    }
    Ok(())
}

/// Logs from now on as much as this level says.
pub(crate) fn set_level(level: LogLevel) {
    if let Some(handle) = LEVEL.get() {
        // The log lives as long as the process, so that the handle reaches it.
        let _ = handle.reload(filter(level));
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::TRACE,
        LogLevel::Verbose => LevelFilter::DEBUG,
        LogLevel::Notice => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Nothing => LevelFilter::OFF,
    }
}
