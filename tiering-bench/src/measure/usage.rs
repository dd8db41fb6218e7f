//! What a process has used, from /proc: CPU time, memory, bytes read from block devices.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// A process, looked at once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU time in user space since the process started, all threads, in seconds. Its resolution is a scheduler
    /// tick, usually 10 ms: differences need phases of a second or more.
    pub user_s: f64,
    /// CPU time in the kernel.
    pub system_s: f64,
    /// Resident set size now.
    pub rss_bytes: u64,
    /// The highest it has been.
    pub peak_rss_bytes: u64,
    /// Bytes that the process made block devices read; what came from the page cache is not in it. `None` where
    /// the process belongs to someone else.
    pub device_bytes_read: Option<u64>,
}

/// CPU time of a process in a phase, per request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuPerRequest {
    /// In user space, in microseconds.
    pub user_us: f64,
    /// In the kernel, in microseconds.
    pub system_us: f64,
    /// CPUs busy on average.
    pub cores: f64,
}

impl CpuPerRequest {
    /// User space and kernel together, in microseconds.
    pub fn total_us(&self) -> f64 {
        self.user_us + self.system_us
    }

    /// What was used between two looks at a process, while it answered `requests`. `None` without a request.
    pub fn between(before: &Usage, after: &Usage, requests: u64, elapsed_s: f64) -> Option<Self> {
        if requests == 0 || elapsed_s <= 0.0 {
            return None;
        }
        let (user_s, system_s) = (after.user_s - before.user_s, after.system_s - before.system_s);
        let per_request = 1e6 / requests as f64;
        Some(Self {
            user_us: user_s * per_request,
            system_us: system_s * per_request,
            cores: (user_s + system_s) / elapsed_s,
        })
    }
}

impl Usage {
    /// Looks at process `pid`.
    ///
    /// # Errors
    ///
    /// If there is no such process on this machine.
    pub fn of(pid: u32) -> Result<Self> {
        let read = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
        };
        let (user_s, system_s) = parse_cpu_s(&read("stat")?).context("/proc/PID/stat has another form")?;
        let status = read("status")?;
        Ok(Self {
            user_s,
            system_s,
            rss_bytes: parse_kb(&status, "VmRSS:").unwrap_or(0),
            peak_rss_bytes: parse_kb(&status, "VmHWM:").unwrap_or(0),
            device_bytes_read: read("io").ok().and_then(|io| {
                io.lines().find_map(|line| line.strip_prefix("read_bytes:")?.trim().parse().ok())
            }),
        })
    }

    /// Looks at this process.
    ///
    /// # Errors
    ///
    /// If /proc is not mounted.
    pub fn of_this_process() -> Result<Self> {
        Self::of(std::process::id())
    }
}

/// CPU time that all threads of process `pid` have used so far, in nanoseconds, by the scheduler's own clock: fine
/// enough for a phase of milliseconds. That of threads that have ended is not in it.
///
/// # Errors
///
/// If there is no such process on this machine, or the kernel keeps no such figures.
pub fn cpu_ns(pid: u32) -> Result<u64> {
    let tasks = format!("/proc/{pid}/task");
    let mut total = 0;
    for task in fs::read_dir(&tasks).with_context(|| format!("cannot read {tasks}"))?.flatten() {
        let path = task.path().join("schedstat");
        // A thread may end between being listed and being read.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let used: Option<u64> = text.split_whitespace().next().and_then(|field| field.parse().ok());
        total += used.with_context(|| format!("{} has another form", path.display()))?;
    }
    Ok(total)
}

/// User and system CPU time in seconds. The process's name, in parentheses, may hold anything.
fn parse_cpu_s(stat: &str) -> Option<(f64, f64)> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks_per_s = rustix::param::clock_ticks_per_second() as f64;
    let seconds = |at: usize| Some(fields.get(at)?.parse::<f64>().ok()? / ticks_per_s);
    Some((seconds(11)?, seconds(12)?))
}

fn parse_kb(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

/// The process on this machine that listens at `address`; `None` if it is elsewhere or hidden.
pub fn listening_process(address: &SocketAddr) -> Option<u32> {
    if !address.ip().is_loopback() {
        return None;
    }
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| listening_inodes(&table, address.port()))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let mut descriptors = fs::read_dir(entry.path().join("fd")).ok()?.flatten();
        let owns = descriptors.any(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|target| {
                target.to_str().is_some_and(|target| inodes.iter().any(|inode| inode == target))
            })
        });
        owns.then_some(pid)
    })
}

/// Inodes of the sockets that listen on `port`, from a table in the form of /proc/net/tcp.
fn listening_inodes(table: &str, port: u16) -> Vec<u64> {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let is_it = fields.get(1)?.ends_with(&suffix) && *fields.get(3)? == LISTEN;
            if is_it { fields.get(9)?.parse().ok() } else { None }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_a_name_with_spaces_and_parentheses() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 5 1000 10";
        let ticks_per_s = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(parse_cpu_s(stat), Some((250.0 / ticks_per_s, 50.0 / ticks_per_s)));
    }

    #[test]
    fn cpu_time_in_nanoseconds_grows_with_work() {
        let before = cpu_ns(std::process::id()).expect("/proc");
        let spent =
            std::hint::black_box((0..5_000_000_u64).fold(0, |sum, at| sum ^ std::hint::black_box(at)));
        let after = cpu_ns(std::process::id()).expect("/proc");
        assert!(after > before, "{spent}");
    }

    #[test]
    fn this_process_has_memory_and_a_peak_above_it() {
        let usage = Usage::of_this_process().expect("/proc");
        assert!(usage.rss_bytes > 0 && usage.peak_rss_bytes >= usage.rss_bytes, "{usage:?}");
    }

    #[test]
    fn cpu_per_request_is_a_difference_over_requests() {
        let before = Usage { user_s: 1.0, system_s: 2.0, ..Usage::default() };
        let after = Usage { user_s: 1.5, system_s: 3.5, ..Usage::default() };
        let cpu = CpuPerRequest::between(&before, &after, 1_000_000, 4.0).expect("requests");
        assert_eq!((cpu.user_us, cpu.system_us, cpu.cores), (0.5, 1.5, 0.5));
        assert_eq!(CpuPerRequest::between(&before, &after, 0, 4.0), None);
    }

    #[test]
    fn the_process_that_listens_is_found_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        assert_eq!(listening_process(&address), Some(std::process::id()));
    }

    #[test]
    fn only_listening_sockets_of_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1\n\
             1: 0100007F:18EB 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 222 1\n\
             2: 0100007F:18EC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1\n";
        assert_eq!(listening_inodes(table, 0x18EB), [111]);
    }
}
