//! The production device: preallocated files, read and written around the page cache by one io_uring per
//! thread.
//!
//! Ring set-up: SINGLE_ISSUER and DEFER_TASKRUN let the kernel finish completions only when the ring's thread
//! enters it, without interrupting that thread and without locks; TASKRUN_FLAG tells us in shared memory that
//! there is something to finish, so that a poll with nothing to do costs no system call. Files are registered
//! with the ring, which saves a reference count per request.
//!
//! **Invariant:** a buffer that the kernel may access is owned by the queue (`Slot::Busy`), so nothing else
//! can reach it, and it is neither moved out nor freed before its completion was seen.
//!
//! **Invariant:** the submission ring has room for `depth` entries and the completion ring for twice as many,
//! so a push never fails and a completion is never dropped.

// io_uring's contract is about memory that the kernel reads and writes; it cannot be expressed in safe Rust.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use io_uring::types::{Fixed, FsyncFlags, SubmitArgs, Timespec};
use io_uring::{IoUring, opcode, squeue};

use super::file::{OpenTierFile, TierFile};
use super::{
    Completion, Device, DeviceQueue, MAX_QUEUE_DEPTH, Operation, QueueFull, Request, assert_request,
};

/// How often a request that ends with EINTR or EAGAIN is handed to the kernel again before the error is
/// reported.
const TRANSIENT_RETRIES: u8 = 8;

/// The files of the SSD tier behind io_uring.
pub struct UringDevice {
    files: Arc<[OpenTierFile]>,
    block_bytes: usize,
}

impl UringDevice {
    /// Opens, locks and allocates all files. The locks last as long as the device and its queues.
    ///
    /// # Errors
    ///
    /// One line that names the file, the problem and what to do; see [`TierFile`]. Nothing stays behind of
    /// files that this call would have made, except those before the one that failed. `Unsupported` when the
    /// kernel has no io_uring or forbids it.
    ///
    /// # Panics
    ///
    /// When there are no files, or more than 65535.
    pub fn open(files: &[TierFile]) -> io::Result<Self> {
        assert!(!files.is_empty() && files.len() <= usize::from(u16::MAX));
        // Asked first, because it says what is wrong before any disk space is touched.
        drop(make_ring(1)?);
        let files = files.iter().map(OpenTierFile::open).collect::<io::Result<Arc<[_]>>>()?;
        let block_bytes = files.iter().map(|file| file.block_bytes).max().expect("there is a file");
        Ok(Self { files, block_bytes })
    }

    fn file(&self, file: u16) -> &OpenTierFile {
        &self.files[usize::from(file)]
    }
}

impl Device for UringDevice {
    fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    fn file_count(&self) -> u16 {
        u16::try_from(self.files.len()).expect("checked when the device was opened")
    }

    fn capacity_bytes(&self, file: u16) -> u64 {
        self.file(file).capacity_bytes
    }

    fn open_queue(&self, depth: usize) -> io::Result<Box<dyn DeviceQueue>> {
        Ok(Box::new(UringQueue::new(Arc::clone(&self.files), self.block_bytes, depth)?))
    }

    fn sync(&self, file: u16) -> io::Result<()> {
        self.file(file).file.sync_data()
    }
}

/// Makes a ring as the file's head describes; on kernels before 6.1, which know no DEFER_TASKRUN, one that at
/// least does not interrupt its thread.
fn make_ring(entries: u32) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.setup_coop_taskrun().setup_taskrun_flag().setup_submit_all();
    let plain = builder.clone();
    builder.setup_single_issuer().setup_defer_taskrun();
    let ring = match builder.build(entries) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => plain.build(entries),
        other => other,
    };
    ring.map_err(|error| match error.raw_os_error() {
        Some(libc::ENOSYS | libc::EPERM | libc::EACCES | libc::EINVAL) => io::Error::new(
            io::ErrorKind::Unsupported,
            "io_uring is not available: it needs Linux 5.19, `sysctl kernel.io_uring_disabled=0`, and in a \
             container a seccomp profile that allows io_uring_setup, io_uring_enter and io_uring_register",
        ),
        Some(libc::ENOMEM) => io::Error::new(
            io::ErrorKind::OutOfMemory,
            "no memory for an io_uring: raise the limit of locked memory (ulimit -l)",
        ),
        _ => error,
    })
}

/// IORING_ENTER_GETEVENTS: run the work that completes operations.
const ENTER_GETEVENTS: u32 = 1;

/// From Linux 6.14 on an entry into the kernel finishes so many deferred completions and leaves the others, without a
/// flag that says so (<https://github.com/axboe/liburing/issues/1474>): whoever got as many must enter again.
const DEFERRED_WORK_MAX: usize = 20;

/// Whether the signal can be switched off. The kernel orders "work is pending" before its look at the switch with a
/// full barrier only where an atomic read-modify-write is one, which is x86; elsewhere the signal stays on.
const SIGNAL_SWITCH: bool = cfg!(target_arch = "x86_64");

/// A place for a request; its index is the `user_data` of the ring's entries.
#[derive(Debug)]
enum Slot {
    /// Empty; the next empty slot after it.
    Free {
        next: Option<u32>,
    },
    Busy {
        request: Request,
        retries: u8,
    },
}

/// One thread's ring.
struct UringQueue {
    ring: IoUring,
    slots: Vec<Slot>,
    first_free: Option<u32>,
    outstanding: usize,
    has_eventfd: bool,
    /// The kernel may have finished requests of which neither ring nor flag tells; see [`DEFERRED_WORK_MAX`].
    must_enter: bool,
    block_bytes: usize,
    /// Keeps the files open and their capacities at hand.
    files: Arc<[OpenTierFile]>,
}

impl UringQueue {
    fn new(files: Arc<[OpenTierFile]>, block_bytes: usize, depth: usize) -> io::Result<Self> {
        assert!((1..=MAX_QUEUE_DEPTH).contains(&depth), "a queue of depth {depth}");
        let depth = u32::try_from(depth).expect("bounded by MAX_QUEUE_DEPTH");
        let ring = make_ring(depth.next_power_of_two())?;
        let descriptors: Vec<RawFd> = files.iter().map(|file| file.file.as_raw_fd()).collect();
        ring.submitter().register_files(&descriptors)?;
        let slots = (1..=depth).map(|next| Slot::Free { next: (next < depth).then_some(next) }).collect();
        Ok(Self {
            ring,
            slots,
            first_free: Some(0),
            outstanding: 0,
            has_eventfd: false,
            must_enter: false,
            block_bytes,
            files,
        })
    }

    /// Puts the request of a busy slot into the submission ring.
    fn push(&mut self, index: u32) {
        let Slot::Busy { request, .. } = &mut self.slots[index as usize] else {
            unreachable!("a free slot is pushed")
        };
        let file = Fixed(u32::from(request.file));
        let len = u32::try_from(request.buffer.len()).expect("bounded by MAX_REQUEST_BYTES");
        let entry: squeue::Entry = match request.operation {
            Operation::Read => {
                let read = opcode::Read::new(file, request.buffer.as_mut_ptr(), len);
                read.offset(request.offset_bytes).build()
            }
            Operation::Write => {
                let write = opcode::Write::new(file, request.buffer.as_mut_ptr(), len);
                write.offset(request.offset_bytes).build()
            }
            Operation::Sync => opcode::Fsync::new(file).flags(FsyncFlags::DATASYNC).build(),
        };
        // SAFETY: the entry's pointer is valid for `len` bytes: it belongs to the buffer in the busy slot,
        // whose length is within its capacity and whose memory stays where it is when the buffer moves. The
        // slot gives the buffer out only in `finish`, after the kernel posted this entry's completion; `Drop`
        // waits for every completion, or leaks the slots. While the slot is busy no reference to the memory
        // exists: the buffer is dereferenced by nobody.
        let pushed = unsafe { self.ring.submission().push(&entry.user_data(u64::from(index))) };
        // Each slot has at most one entry in the ring, and the ring has at least as many places as there are
        // slots.
        pushed.expect("the submission ring has a place for every slot");
    }

    /// The slot and the result of the next entry in the completion ring.
    fn next_finished(&mut self) -> Option<(u32, i32)> {
        let entry = self.ring.completion().next()?;
        let index = u32::try_from(entry.user_data()).expect("user_data is a slot's index");
        Some((index, entry.result()))
    }

    /// Ends the request of a slot, or starts it again: then there is no completion yet.
    fn finish(&mut self, index: u32, result: i32) -> Option<Completion> {
        let slot = &mut self.slots[index as usize];
        let Slot::Busy { retries, .. } = slot else { unreachable!("a completion for the free slot {index}") };
        if matches!(-result, libc::EINTR | libc::EAGAIN) && *retries < TRANSIENT_RETRIES {
            *retries += 1;
            self.push(index);
            return None;
        }
        let Slot::Busy { request, .. } = mem::replace(slot, Slot::Free { next: self.first_free }) else {
            unreachable!()
        };
        self.first_free = Some(index);
        self.outstanding -= 1;
        let result = match usize::try_from(result) {
            Ok(bytes) => Ok(bytes),
            Err(_) => Err(io::Error::from_raw_os_error(-result)),
        };
        Some(Completion { token: request.token, result, buffer: request.buffer })
    }

    /// Enters the kernel to take what is queued and to finish deferred completions, whether or not it says that there
    /// are any.
    fn enter_for_events(&mut self) -> io::Result<()> {
        let queued = self.ring.submission().len() as u32;
        // SAFETY: with no argument and nothing to wait for, entering has no preconditions beyond those of the queued
        // entries, which `push` upholds.
        let enter =
            || unsafe { self.ring.submitter().enter::<libc::sigset_t>(queued, 0, ENTER_GETEVENTS, None) };
        retry_interrupted(enter)
    }

    /// Enters the kernel to finish deferred completions and to take what is queued.
    fn enter(&self) -> io::Result<()> {
        retry_interrupted(|| self.ring.submit())
    }
}

impl DeviceQueue for UringQueue {
    fn submit(&mut self, request: Request) -> Result<(), QueueFull> {
        if request.operation == Operation::Sync {
            assert!(usize::from(request.file) < self.files.len(), "a sync of file {}", request.file);
        } else {
            let capacity_bytes = self.files[usize::from(request.file)].capacity_bytes;
            assert_request(self.block_bytes, capacity_bytes, request.offset_bytes, request.buffer.len());
        }
        let Some(index) = self.first_free else { return Err(QueueFull { buffer: request.buffer }) };
        let slot = &mut self.slots[index as usize];
        let Slot::Free { next } = *slot else { unreachable!("a busy slot in the free list") };
        self.first_free = next;
        *slot = Slot::Busy { request, retries: 0 };
        self.outstanding += 1;
        self.push(index);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.ring.submission().is_empty() {
            return Ok(());
        }
        self.enter()
    }

    fn poll(&mut self, completions: &mut Vec<Completion>) -> usize {
        let before = completions.len();
        let submission = self.ring.submission();
        let must_enter = submission.taskrun() || submission.cq_overflow();
        drop(submission);
        if must_enter || std::mem::take(&mut self.must_enter) {
            // An error cannot be reported here and need not be: it leaves the work where it was, so the flag
            // stays set and the next `flush` or `wait` meets the same error.
            let _ = self.enter_for_events();
        }
        let mut retried = false;
        let mut reaped = 0;
        while let Some((index, result)) = self.next_finished() {
            reaped += 1;
            match self.finish(index, result) {
                Some(completion) => completions.push(completion),
                None => retried = true,
            }
        }
        self.must_enter = reaped >= DEFERRED_WORK_MAX;
        if retried {
            // As above. Without this nobody would hand the request over when the caller has nothing of its
            // own to flush.
            let _ = self.enter();
        }
        completions.len() - before
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        if self.outstanding == 0 {
            return Ok(());
        }
        let timespec = Timespec::from(timeout);
        let arguments = SubmitArgs::new().timespec(&timespec);
        let want = usize::from(self.ring.completion().is_empty());
        match self.ring.submitter().submit_with_args(want, &arguments) {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // The timeout has passed, or a signal came: the caller polls and decides.
                Some(libc::ETIME | libc::EINTR) => Ok(()),
                _ => Err(transient_as_would_block(error)),
            },
        }
    }

    fn register_eventfd(&mut self, eventfd: BorrowedFd<'_>) -> io::Result<()> {
        let submitter = self.ring.submitter();
        if self.has_eventfd {
            submitter.unregister_eventfd()?;
            self.has_eventfd = false;
        }
        // The kernel takes a reference of its own to the eventfd.
        submitter.register_eventfd(eventfd.as_raw_fd())?;
        self.has_eventfd = true;
        Ok(())
    }

    fn set_signal(&mut self, is_on: bool) -> bool {
        if !SIGNAL_SWITCH {
            return false;
        }
        // The caller has waited, or is about to: have the next poll look past the flag.
        self.must_enter = true;
        if !is_on {
            self.ring.completion().disable_eventfd();
            return false;
        }
        self.ring.completion().enable_eventfd();
        // Pairs with the kernel's barrier between marking work as pending and looking at the switch.
        fence(Ordering::SeqCst);
        let submission = self.ring.submission();
        let must_enter = submission.taskrun() || submission.cq_overflow();
        drop(submission);
        if must_enter {
            // The flag can stay behind when the work is done: only completions count. An error leaves the work where it
            // was, and the next poll meets it.
            let _ = self.enter_for_events();
        }
        !self.ring.completion().is_empty()
    }

    fn outstanding(&self) -> usize {
        self.outstanding
    }

    fn depth(&self) -> usize {
        self.slots.len()
    }
}

impl Drop for UringQueue {
    /// Waits for everything in flight, because closing the ring does not: the kernel cancels in the
    /// background, and the disk could write into a buffer's memory after the allocator gave it to somebody
    /// else.
    fn drop(&mut self) {
        while self.outstanding > 0 {
            let waited = retry_interrupted(|| self.ring.submit_and_wait(1));
            if waited.is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock) {
                // The kernel does not let us see the completions (such as on another thread than the ring's,
                // which the missing `Send` rules out). Memory that it may still write to is never freed
                // instead.
                mem::forget(mem::take(&mut self.slots));
                return;
            }
            while let Some((index, result)) = self.next_finished() {
                drop(self.finish(index, result));
            }
        }
        // The ring is taken apart some time after its descriptor is closed, and until then it would hold the
        // files and with them their locks: let go of the files now. An error leaves only that delay.
        let _ = self.ring.submitter().unregister_files();
    }
}

fn retry_interrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<()> {
    loop {
        match call() {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(transient_as_would_block(error)),
        }
    }
}

/// EBUSY and ENOMEM from io_uring_enter mean, as EAGAIN does, that the kernel cannot take more right now.
fn transient_as_would_block(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::EBUSY | libc::ENOMEM) => io::Error::new(io::ErrorKind::WouldBlock, error),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::buffer::AlignedBuffer;

    fn open_in(directory: &tempfile::TempDir) -> io::Result<UringDevice> {
        let file = |name: &str| TierFile {
            path: directory.path().join(name),
            capacity_bytes: 1 << 20,
            keep_contents: true,
        };
        UringDevice::open(&[file("tier.0"), file("tier.1")])
    }

    /// Two files of 1 MiB without a name: they go away with the device.
    fn temporary() -> UringDevice {
        open_in(&tempfile::tempdir().expect("a temporary directory")).expect("a device")
    }

    crate::device::contract::device_contract!(|| Box::new(temporary()) as Box<dyn Device>);

    #[test]
    fn the_locks_go_with_the_last_queue() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for _ in 0..20 {
            let device = open_in(&directory).expect("the files are not locked");
            let mut queue = device.open_queue(8).expect("a queue");
            for token in 0..8 {
                queue.submit_read(token, 0, 0, AlignedBuffer::zeroed(65536)).expect("room");
            }
            queue.flush().expect("a flush");
        }
    }

    #[test]
    fn more_completions_than_the_kernel_gives_out_at_once_are_all_polled() {
        let device = temporary();
        let mut queue = device.open_queue(256).expect("a queue");
        for token in 0..200 {
            queue.submit_read(token, 0, token * 4096, AlignedBuffer::zeroed(4096)).expect("room");
        }
        queue.flush().expect("a flush");
        // However many have completed by the first poll, none may be left behind; most have, which is the hard case.
        std::thread::sleep(Duration::from_millis(50));
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        let mut completions = Vec::new();
        while completions.len() < 200 {
            queue.poll(&mut completions);
            assert!(std::time::Instant::now() < deadline, "{} of 200 completions", completions.len());
        }
    }

    #[test]
    fn a_read_past_the_end_of_a_shortened_file_is_short() {
        let device = temporary();
        let file = &device.files[0].file;
        file.set_len(4096).expect("a shorter file");
        let mut queue = device.open_queue(1).expect("a queue");
        queue.submit_read(1, 0, 0, AlignedBuffer::zeroed(8192)).expect("room");
        let mut completions = Vec::new();
        while queue.outstanding() > 0 {
            queue.wait(Duration::from_secs(10)).expect("a wait");
            queue.poll(&mut completions);
        }
        let completion = completions.pop().expect("a completion");
        assert_eq!(*completion.result.as_ref().expect("bytes"), 4096);
        let (error, buffer) = completion.into_complete().expect_err("it is short");
        assert_eq!((error.kind(), buffer.len()), (io::ErrorKind::UnexpectedEof, 8192));
    }

    #[test]
    fn an_error_of_the_kernel_is_reported_with_the_buffer() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("tier.0");
        std::fs::write(&path, vec![0; 4096]).expect("a file");
        // Writing through a descriptor that is open for reading only fails in the kernel.
        let file = std::fs::File::open(&path).expect("the file");
        let files: Arc<[OpenTierFile]> =
            Arc::new([OpenTierFile { file, capacity_bytes: 4096, block_bytes: 512 }]);
        let mut queue = UringQueue::new(files, 512, 1).expect("a queue");
        queue.submit_write(1, 0, 0, AlignedBuffer::zeroed(4096)).expect("room");
        let mut completions = Vec::new();
        while queue.outstanding() > 0 {
            queue.wait(Duration::from_secs(10)).expect("a wait");
            queue.poll(&mut completions);
        }
        let completion = completions.pop().expect("a completion");
        assert_eq!(completion.result.expect_err("an error").raw_os_error(), Some(libc::EBADF));
        assert_eq!(completion.buffer.len(), 4096);
    }
}
