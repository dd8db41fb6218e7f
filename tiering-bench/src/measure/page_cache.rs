//! Keeps a file out of the page cache while a server reads it.
//!
//! memcached's extstore reads its file through the page cache. On a test machine with more memory than the data
//! set, its "SSD reads" would be copies from DRAM, which no node sized for its load has to spare. Dropping the
//! file's clean pages a few times a second makes them what they are in production: reads of the device.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise};

/// How often the pages are dropped. At 50,000 reads per second 2,500 of them gather in between, one per cent of a
/// gigabyte.
const INTERVAL: Duration = Duration::from_millis(50);

/// Drops the pages of one file until this value is dropped.
#[derive(Debug)]
pub struct PageCacheDropper {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl PageCacheDropper {
    /// Writes the file's dirty pages back and starts to drop its clean ones.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened or synced.
    pub fn start(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        file.sync_data().with_context(|| format!("cannot sync {}", path.display()))?;
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !is_stopped.load(Ordering::Relaxed) {
                // Advice: where it is not taken, the reads that reach the device are fewer, and the report's
                // bytes read from the device say so.
                let _ = fadvise(&file, 0, None, Advice::DontNeed);
                std::thread::sleep(INTERVAL);
            }
        });
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for PageCacheDropper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
