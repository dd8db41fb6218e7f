//! This process, as the engine sees it: what time it is, and what memory is taken.

// jemalloc's control interface has no safe form for commands without a value.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use thermocline_engine::{Clock, MemoryGauge, MemoryUsage, UnixMillis};
use tikv_jemalloc_ctl::{epoch, stats};

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        // A clock before 1970 is not set; nothing expires until it is.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(since_epoch.as_millis() as u64)
    }

    fn monotonic_us(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }
}

/// The process' memory, by the kernel's account and by the allocator's.
#[derive(Debug)]
pub struct ProcessMemory {
    statm: Option<File>,
    page_bytes: u64,
}

impl ProcessMemory {
    /// The memory of this process.
    pub fn new() -> Self {
        Self { statm: File::open("/proc/self/statm").ok(), page_bytes: rustix::param::page_size() as u64 }
    }

    /// The second number of `/proc/self/statm`: resident pages.
    fn resident_bytes(&self) -> Option<u64> {
        let mut line = [0; 128];
        let length = self.statm.as_ref()?.read_at(&mut line, 0).ok()?;
        let pages = std::str::from_utf8(&line[..length]).ok()?.split(' ').nth(1)?;
        Some(pages.parse::<u64>().ok()? * self.page_bytes)
    }
}

impl Default for ProcessMemory {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryGauge for ProcessMemory {
    fn usage(&self) -> Option<MemoryUsage> {
        let resident_bytes = self.resident_bytes()?;
        let Allocator { reusable_bytes, allocated_bytes } = allocator().unwrap_or_default();
        Some(MemoryUsage { resident_bytes, reusable_bytes, allocated_bytes })
    }

    fn give_back_unused(&self) {
        // 4096 is MALLCTL_ARENAS_ALL.
        const PURGE_ALL: &CStr = c"arena.4096.purge";
        let null = std::ptr::null_mut();
        // SAFETY: the name ends with a zero byte, and this control neither reads nor writes a value.
        let status = unsafe { tikv_jemalloc_sys::mallctl(PURGE_ALL.as_ptr(), null, null.cast(), null, 0) };
        if status != 0 {
            tracing::debug!(status, "jemalloc gave nothing back");
        }
    }
}

/// The allocator's account.
#[derive(Clone, Copy, Default)]
struct Allocator {
    /// What it holds and nobody uses, in whole pages. Unused slots of pages in use do not count: they may be of sizes that
    /// are not asked for again.
    reusable_bytes: u64,
    /// What it has handed out.
    allocated_bytes: u64,
}

fn allocator() -> Result<Allocator, tikv_jemalloc_ctl::Error> {
    // The figures are a snapshot of the moment at which the epoch advanced.
    epoch::advance()?;
    let held_bytes = stats::resident::read()?.saturating_sub(stats::metadata::read()?);
    Ok(Allocator {
        reusable_bytes: held_bytes.saturating_sub(stats::active::read()?) as u64,
        allocated_bytes: stats::allocated::read()? as u64,
    })
}
