//! A tier file: how it is opened, locked and given all of its disk space before the first byte is written.
//!
//! **Invariant:** an open tier file is locked exclusively, bypasses the page cache (O_DIRECT), and has disk
//! space for its whole capacity, so a write within it cannot fail for lack of room (except on file systems
//! that copy on write).
//!
//! **Invariant:** opening changes nothing on disk when it fails, other than that a missing parent directory
//! may exist.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{FallocateFlags, OFlags};
use rustix::io::Errno;

use super::buffer::AlignedBuffer;
use super::{MAX_BLOCK_BYTES, SECTOR_BYTES};

/// How often the lock is tried, [`LOCK_RETRY_DELAY`] apart: two seconds in all. The kernel takes a server's
/// rings apart after the process has ended, so the lock of a server that was just killed goes away only a
/// moment later.
const LOCK_ATTEMPTS: u32 = 100;

/// See [`LOCK_ATTEMPTS`].
const LOCK_RETRY_DELAY: Duration = Duration::from_millis(20);

/// One file of the SSD tier, as configured.
#[derive(Clone, Debug)]
pub struct TierFile {
    /// Where the file is or shall be made. Missing parent directories are made too.
    pub path: PathBuf,
    /// How much it holds, in bytes; rounded down to a multiple of 4096.
    pub capacity_bytes: u64,
    /// Whether what is in the file matters. If so, a file longer than the capacity is refused; if not, it is
    /// cut.
    pub keep_contents: bool,
}

/// An open, locked and allocated tier file.
#[derive(Debug)]
pub(super) struct OpenTierFile {
    pub(super) file: File,
    pub(super) capacity_bytes: u64,
    /// The smallest unit of direct I/O that the file system accepts for this file, in bytes.
    pub(super) block_bytes: usize,
}

impl OpenTierFile {
    /// Opens, locks and allocates; at most [`LOCK_ATTEMPTS`] tries for the lock.
    ///
    /// # Errors
    ///
    /// Names the path, what is wrong and what to do: `InvalidInput` for a capacity under 4096 or under the
    /// length of a file whose contents are kept, `Unsupported` for a file system without direct I/O or
    /// preallocation, `ResourceBusy` for a file that another server has open, `StorageFull` for too little
    /// room.
    pub(super) fn open(config: &TierFile) -> io::Result<Self> {
        let path = config.path.as_path();
        let capacity_bytes = config.capacity_bytes / MAX_BLOCK_BYTES as u64 * MAX_BLOCK_BYTES as u64;
        if capacity_bytes == 0 {
            let problem = format!("a capacity of {} bytes is less than one block", config.capacity_bytes);
            return Err(explain(path, io::ErrorKind::InvalidInput, &problem));
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent)
                .map_err(|error| describe(path, "cannot make its directory", &error))?;
        }
        let (file, created) = open_direct(path)?;
        let opened = lock(path, &file).and_then(|()| Self::prepare(config, &file, capacity_bytes, created));
        match opened {
            Ok(block_bytes) => Ok(Self { file, capacity_bytes, block_bytes }),
            Err(error) => {
                if created {
                    // The error that made us stop is the one to report; an empty file left behind does no
                    // harm.
                    let _ = fs::remove_file(path);
                }
                Err(error)
            }
        }
    }

    /// Gives the locked file its length and space, and returns the unit of direct I/O.
    fn prepare(config: &TierFile, file: &File, capacity_bytes: u64, created: bool) -> io::Result<usize> {
        let path = config.path.as_path();
        let metadata = file.metadata().map_err(|error| describe(path, "cannot be examined", &error))?;
        if !metadata.is_file() {
            return Err(explain(path, io::ErrorKind::InvalidInput, "is not a regular file"));
        }
        let former_bytes = metadata.len();
        if former_bytes > capacity_bytes {
            if config.keep_contents {
                let problem = format!(
                    "holds {former_bytes} bytes, more than its capacity of {capacity_bytes}: raise \
                     tier-capacity, or delete the file if its data is not needed"
                );
                return Err(explain(path, io::ErrorKind::InvalidInput, &problem));
            }
            file.set_len(capacity_bytes).map_err(|error| describe(path, "cannot be shortened", &error))?;
        }
        allocate(path, file, capacity_bytes).inspect_err(|_| {
            if !created {
                // What was allocated beyond the former end goes back. A failure here changes nothing in the
                // answer.
                let _ = file.set_len(former_bytes.min(capacity_bytes));
            }
        })?;
        probe_block_bytes(path, file)
    }
}

fn open_direct(path: &Path) -> io::Result<(File, bool)> {
    let open = |create_new: bool| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(create_new)
            .custom_flags(OFlags::DIRECT.bits().cast_signed())
            .open(path)
    };
    // Whether we made the file decides whether a failure later removes it.
    let opened = match open(true) {
        Ok(file) => return Ok((file, true)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open(false),
        Err(error) => Err(error),
    };
    match opened {
        Ok(file) => Ok((file, false)),
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
            // Some kernels make the file before they refuse the flag.
            if fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0) {
                let _ = fs::remove_file(path);
            }
            Err(no_direct_io(path))
        }
        Err(error) => Err(describe(path, "cannot be opened", &error)),
    }
}

fn no_direct_io(path: &Path) -> io::Error {
    let problem = "its file system does not support direct I/O (O_DIRECT): put tier-path on a local ext4 or \
                   XFS file system, not on tmpfs or a network";
    explain(path, io::ErrorKind::Unsupported, problem)
}

fn lock(path: &Path, file: &File) -> io::Result<()> {
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_RETRY_DELAY),
            Err(TryLockError::Error(error)) => return Err(describe(path, "cannot be locked", &error)),
        }
    }
    let problem = "is in use by another server: stop that one, or give this one a tier-path of its own";
    Err(explain(path, io::ErrorKind::ResourceBusy, problem))
}

/// Reserves disk space for all of the file.
fn allocate(path: &Path, file: &File, capacity_bytes: u64) -> io::Result<()> {
    // fallocate fills the disk to the brim before it fails, which other programs on the machine would feel,
    // so the room is compared first. What the file already occupies does not have to be found again.
    let filesystem =
        rustix::fs::fstatvfs(file).map_err(|errno| describe(path, "cannot be examined", &errno.into()))?;
    let occupied =
        rustix::fs::fstat(file).map_err(|errno| describe(path, "cannot be examined", &errno.into()))?;
    let free_bytes = filesystem.f_bavail.saturating_mul(filesystem.f_frsize);
    let occupied_bytes = u64::try_from(occupied.st_blocks).unwrap_or(0).saturating_mul(SECTOR_BYTES as u64);
    if capacity_bytes.saturating_sub(occupied_bytes) > free_bytes {
        return Err(no_room(path, capacity_bytes, free_bytes));
    }
    match retry_interrupted(|| rustix::fs::fallocate(file, FallocateFlags::empty(), 0, capacity_bytes)) {
        Ok(()) => Ok(()),
        Err(Errno::NOSPC | Errno::DQUOT) => Err(no_room(path, capacity_bytes, free_bytes)),
        Err(Errno::OPNOTSUPP) => {
            let problem = "its file system cannot reserve space (fallocate): put tier-path on ext4 or XFS";
            Err(explain(path, io::ErrorKind::Unsupported, problem))
        }
        Err(errno) => Err(describe(path, "cannot be allocated", &errno.into())),
    }
}

fn no_room(path: &Path, capacity_bytes: u64, free_bytes: u64) -> io::Error {
    let problem = format!(
        "needs {capacity_bytes} bytes and its disk has {free_bytes} free: lower tier-capacity or make room"
    );
    explain(path, io::ErrorKind::StorageFull, &problem)
}

/// Finds the smallest power of two from 512 to 4096 with which a direct read works: the documented ways to
/// ask (statx with STATX_DIOALIGN) are missing before Linux 6.1 and on several file systems.
fn probe_block_bytes(path: &Path, file: &File) -> io::Result<usize> {
    let mut block_bytes = SECTOR_BYTES;
    while block_bytes <= MAX_BLOCK_BYTES {
        let mut buffer = AlignedBuffer::zeroed(block_bytes);
        // Only an offset that is no multiple of a larger block tells the sizes apart.
        let offset_bytes = if block_bytes < MAX_BLOCK_BYTES { block_bytes as u64 } else { 0 };
        match file.read_at(&mut buffer, offset_bytes) {
            Ok(_) => return Ok(block_bytes),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => block_bytes *= 2,
            Err(error) => return Err(describe(path, "cannot be read", &error)),
        }
    }
    Err(no_direct_io(path))
}

fn retry_interrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

fn describe(path: &Path, problem: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("tier file {}: {problem}: {error}", path.display()))
}

fn explain(path: &Path, kind: io::ErrorKind, problem: &str) -> io::Error {
    io::Error::new(kind, format!("tier file {}: {problem}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(path: &Path, capacity_bytes: u64) -> TierFile {
        TierFile { path: path.to_owned(), capacity_bytes, keep_contents: true }
    }

    #[test]
    fn a_new_file_has_all_of_its_space() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("deep").join("tier.0");
        let open = OpenTierFile::open(&config(&path, 1_000_000)).expect("a tier file");
        assert_eq!(open.capacity_bytes, 999_424);
        let status = rustix::fs::fstat(&open.file).expect("its status");
        assert_eq!(status.st_size, 999_424);
        assert!(status.st_blocks * 512 >= 999_424);
        assert!(open.block_bytes.is_power_of_two() && (512..=4096).contains(&open.block_bytes));
    }

    #[test]
    fn two_servers_cannot_share_a_file() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("tier.0");
        let first = OpenTierFile::open(&config(&path, 8192)).expect("a tier file");
        let error = OpenTierFile::open(&config(&path, 8192)).expect_err("the file is locked");
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        assert!(error.to_string().contains("in use by another server"), "{error}");
        drop(first);
        OpenTierFile::open(&config(&path, 8192)).expect("the lock went with its owner");
    }

    #[test]
    fn too_little_room_leaves_nothing_behind() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("tier.0");
        let error = OpenTierFile::open(&config(&path, 1 << 60)).expect_err("no disk is that big");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().contains("lower tier-capacity"), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn too_little_room_to_grow_keeps_the_file_as_it_was() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("tier.0");
        fs::write(&path, vec![7; 8192]).expect("a file");
        OpenTierFile::open(&config(&path, 1 << 60)).expect_err("no disk is that big");
        assert_eq!(fs::read(&path).expect("the file"), vec![7; 8192]);
    }

    #[test]
    fn contents_survive_opening_and_growing() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("tier.0");
        fs::write(&path, vec![7; 4096]).expect("a file");
        drop(OpenTierFile::open(&config(&path, 12288)).expect("a tier file"));
        let contents = fs::read(&path).expect("the file");
        assert_eq!(contents.len(), 12288);
        assert!(contents[..4096].iter().all(|&byte| byte == 7));
    }

    #[test]
    fn a_longer_file_is_refused_if_its_contents_matter_and_cut_if_not() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("tier.0");
        fs::write(&path, vec![7; 12288]).expect("a file");
        let error = OpenTierFile::open(&config(&path, 8192)).expect_err("data would be lost");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let scratch = TierFile { keep_contents: false, ..config(&path, 8192) };
        drop(OpenTierFile::open(&scratch).expect("a scratch file"));
        assert_eq!(fs::metadata(&path).expect("the file").len(), 8192);
    }

    #[test]
    fn a_directory_or_an_empty_capacity_is_refused() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        OpenTierFile::open(&config(directory.path(), 8192)).expect_err("it is a directory");
        let error = OpenTierFile::open(&config(&directory.path().join("x"), 4095)).expect_err("no block");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
