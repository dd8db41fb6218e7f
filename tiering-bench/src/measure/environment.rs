//! Where and with what a result was measured: without it a number cannot be compared with another.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The machine, the device and the commit. What cannot be found out is "unknown".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// When the measurement started, as `2026-01-31T12:00:00Z`.
    pub started_at: String,
    /// This tool's version.
    pub tool_version: String,
    /// Commit of the working tree, with `+changes` if it has any.
    pub commit: String,
    /// The command line.
    pub command_line: String,
    /// Kernel release.
    pub kernel: String,
    /// Model of the CPUs.
    pub cpu: String,
    /// How many CPUs this process may use.
    pub cpus: usize,
    /// DRAM of the machine.
    pub memory_bytes: u64,
    /// The block device below the work folder: name and model.
    pub device: String,
}

impl Environment {
    /// Finds out. `work` is the folder whose device the tiers are on.
    pub fn find(work: &Path) -> Self {
        let words: Vec<String> = std::env::args().collect();
        let memory_kb = field_of("/proc/meminfo", "MemTotal")
            .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        Self {
            started_at: format_utc(unix_seconds()),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: commit().unwrap_or_else(unknown),
            command_line: words.join(" "),
            kernel: read_trimmed("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
            cpu: field_of("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: memory_kb.unwrap_or(0) << 10,
            device: device(work).unwrap_or_else(unknown),
        }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn read_trimmed(path: impl AsRef<Path>) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The value of the first line `name : value` of a file.
fn field_of(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let is_clean = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if is_clean { commit } else { format!("{commit}+changes") })
}

/// Name and model of the block device below `folder`.
fn device(folder: &Path) -> Option<String> {
    let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let number = fs::metadata(existing).ok()?.dev();
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let node = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    // A partition's model is its disk's.
    let disk = if node.join("partition").exists() { node.parent()?.to_owned() } else { node };
    let name = disk.file_name()?.to_string_lossy().into_owned();
    let model = read_trimmed(disk.join("device/model")).or_else(|| {
        Some(format!("driver {}", fs::canonicalize(disk.join("device/driver")).ok()?.file_name()?.display()))
    });
    let gigabytes = read_trimmed(disk.join("size"))
        .and_then(|sectors| sectors.parse::<u64>().ok())
        .map(|s| s * 512 / 1_000_000_000);
    let details: Vec<String> = model.into_iter().chain(gigabytes.map(|size| format!("{size} GB"))).collect();
    Some(if details.is_empty() { name } else { format!("{name} ({})", details.join(", ")) })
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Seconds since 1970 as date and time, by the civil-from-days algorithm of
/// <https://howardhinnant.github.io/date_algorithms.html>.
fn format_utc(unix_s: u64) -> String {
    let (days, seconds) = (unix_s / 86_400, unix_s % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_in_utc() {
        assert_eq!(format_utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(format_utc(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(format_utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(format_utc(1_767_225_599), "2025-12-31T23:59:59Z");
    }

    #[test]
    fn the_machine_is_described() {
        let environment = Environment::find(Path::new("."));
        assert!(environment.cpus > 0 && environment.memory_bytes > 0, "{environment:?}");
        assert_ne!(environment.kernel, "unknown");
    }
}
