//! Storage as the engine sees it: a few preallocated files, read and written in blocks through per-thread
//! queues.
//!
//! [`Device`] is shared by all threads; each thread opens a [`DeviceQueue`] of its own and moves buffers
//! through it by ownership, so nobody can touch a buffer while the kernel does. Implementations: `uring`
//! (production: O_DIRECT and io_uring), `memory` (tests and simulation), `fault` (a wrapper over any device
//! that makes things go wrong).
//!
//! **Invariant:** every request that was accepted ends in exactly one [`Completion`], which carries its
//! buffer back.
//!
//! **Invariant:** at most `depth` requests are in flight in one queue.
//!
//! What is assumed of the storage underneath: a write of one block ([`Device::block_bytes`]) is atomic over a
//! power failure, a longer one may be torn between any two blocks, and writes may become durable in any order
//! until a sync that was started after their completions has completed. What a device says about bytes is not
//! believed by the layers above: they verify checksums on every read. Retrying, counting and deciding what an
//! error means is theirs too.

pub mod buffer;
#[cfg(test)]
mod contract;
mod crash;
pub mod fault;
mod fault_queue;
mod file;
pub mod image;
pub mod memory;
pub mod uring;

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

pub use file::TierFile;

use buffer::AlignedBuffer;

/// The smallest block any device has, and the unit in which the engine counts what a record occupies, in
/// bytes.
pub const SECTOR_BYTES: usize = 512;

/// The largest block a device may have, in bytes. Buffers are aligned to it, so that they fit every device.
pub const MAX_BLOCK_BYTES: usize = 4096;

/// The largest depth a queue can have. io_uring allows 32768 entries; a deeper disk queue only adds latency.
pub const MAX_QUEUE_DEPTH: usize = 4096;

/// The longest single request, in bytes. The kernel cuts a request at `MAX_RW_COUNT` (2 GiB minus a page).
pub const MAX_REQUEST_BYTES: usize = 1 << 30;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reads as many bytes as the buffer is long.
    Read,
    /// Writes the buffer.
    Write,
    /// Makes what was written durable; has no buffer.
    Sync,
}

/// What a [`DeviceQueue`] is asked to do.
#[derive(Debug)]
pub struct Request {
    /// Comes back with the completion.
    pub token: u64,
    /// What to do.
    pub operation: Operation,
    /// The file it is about.
    pub file: u16,
    /// Where in the file; 0 for a sync.
    pub offset_bytes: u64,
    /// The memory to read into or to write from; empty for a sync.
    pub buffer: AlignedBuffer,
}

/// Block storage made of one or more files of fixed capacity.
///
/// Offsets and lengths of every request are multiples of [`Device::block_bytes`]. Contents that were never
/// written read as zeros or as what a former run left there.
pub trait Device: Send + Sync {
    /// The unit of every offset and length, in bytes: a power of two from [`SECTOR_BYTES`] to
    /// [`MAX_BLOCK_BYTES`].
    fn block_bytes(&self) -> usize;

    /// How many files there are, at least one. Requests name them `0..file_count`.
    fn file_count(&self) -> u16;

    /// How many bytes file `file` can hold: a multiple of [`MAX_BLOCK_BYTES`], fixed for the device's life.
    ///
    /// # Panics
    ///
    /// When there is no such file.
    fn capacity_bytes(&self, file: u16) -> u64;

    /// Opens a queue that holds up to `depth` requests. Call it on the thread that will use the queue: a
    /// queue is not `Send`, because the kernel accepts work for its ring from one thread only.
    ///
    /// # Errors
    ///
    /// What the kernel says when it makes no ring (too little lockable memory, too many open files, no
    /// io_uring).
    ///
    /// # Panics
    ///
    /// When `depth` is zero or above [`MAX_QUEUE_DEPTH`].
    fn open_queue(&self, depth: usize) -> io::Result<Box<dyn DeviceQueue>>;

    /// Makes every write to `file` durable whose completion was delivered before the call. Blocks until it is
    /// done.
    ///
    /// # Errors
    ///
    /// After an error nothing may be assumed of the writes since the last successful sync: a second attempt
    /// can report success although pages were lost
    /// (<https://www.usenix.org/conference/atc20/presentation/rebello>).
    fn sync(&self, file: u16) -> io::Result<()>;
}

/// A submission and completion queue of one thread.
///
/// Requests are queued by `submit_*`, handed over by [`flush`](DeviceQueue::flush) and come back from
/// [`poll`](DeviceQueue::poll) in any order. Dropping a queue waits for the work in flight and discards its
/// results.
///
/// # Panics
///
/// The `submit_*` calls panic on a request that can only be a mistake in the program: a file that does not
/// exist, an offset or a length that is no multiple of the block, an empty buffer, more than
/// [`MAX_REQUEST_BYTES`], or a range beyond the file's capacity.
pub trait DeviceQueue {
    /// Queues a request. No system call, no allocation.
    ///
    /// Two requests in flight that touch the same bytes are executed in any order.
    ///
    /// # Errors
    ///
    /// [`QueueFull`], with the buffer, when as many requests as the queue is deep are in flight: poll, then
    /// try again.
    fn submit(&mut self, request: Request) -> Result<(), QueueFull>;

    /// Queues a read of `buffer.len()` bytes at `offset_bytes` of `file` into `buffer`.
    ///
    /// # Errors
    ///
    /// As [`submit`](DeviceQueue::submit).
    fn submit_read(
        &mut self,
        token: u64,
        file: u16,
        offset_bytes: u64,
        buffer: AlignedBuffer,
    ) -> Result<(), QueueFull> {
        self.submit(Request { token, operation: Operation::Read, file, offset_bytes, buffer })
    }

    /// Queues a write of all of `buffer` to `offset_bytes` of `file`.
    ///
    /// # Errors
    ///
    /// As [`submit`](DeviceQueue::submit).
    fn submit_write(
        &mut self,
        token: u64,
        file: u16,
        offset_bytes: u64,
        buffer: AlignedBuffer,
    ) -> Result<(), QueueFull> {
        self.submit(Request { token, operation: Operation::Write, file, offset_bytes, buffer })
    }

    /// Queues a sync of `file`: makes every write durable whose completion was delivered before this call. It
    /// completes with zero bytes and an empty buffer; what an error means is said at [`Device::sync`].
    ///
    /// # Errors
    ///
    /// As [`submit`](DeviceQueue::submit), with an empty buffer.
    fn submit_sync(&mut self, token: u64, file: u16) -> Result<(), QueueFull> {
        let buffer = AlignedBuffer::empty();
        self.submit(Request { token, operation: Operation::Sync, file, offset_bytes: 0, buffer })
    }

    /// Hands all queued requests to the kernel: at most one system call, none when nothing is queued.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when the kernel is out of resources for the moment: the requests stay queued, and the
    /// next `flush` or `wait` tries again. Other errors are permanent.
    fn flush(&mut self) -> io::Result<()>;

    /// Appends the finished requests to `completions` and returns how many there were. Never blocks. It is
    /// this call that lets the kernel finish completions on this thread, so an event on the eventfd must be
    /// followed by it.
    fn poll(&mut self, completions: &mut Vec<Completion>) -> usize;

    /// Flushes, then blocks until a completion can be polled or `timeout` has passed, whichever is first;
    /// returns at once when nothing is in flight. May return early: only `poll` says what there is.
    ///
    /// # Errors
    ///
    /// As [`flush`](DeviceQueue::flush).
    fn wait(&mut self, timeout: Duration) -> io::Result<()>;

    /// Has `eventfd` signalled whenever there is something to poll, so that a reactor can park on it. The
    /// queue keeps a reference of its own where it needs one; a second call replaces the first.
    ///
    /// # Errors
    ///
    /// What the kernel says, such as for a descriptor that is no eventfd.
    fn register_eventfd(&mut self, eventfd: BorrowedFd<'_>) -> io::Result<()>;

    /// Switches the signal on, as it is at first, or off, for a caller that polls anyway. After switching it on, tells
    /// whether there may be something to poll that was not signalled. A queue may go on signalling.
    fn set_signal(&mut self, _is_on: bool) -> bool {
        false
    }

    /// How many requests were accepted and not yet delivered by `poll`.
    fn outstanding(&self) -> usize;

    /// How many requests can be in flight at once.
    fn depth(&self) -> usize;
}

/// The end of one request.
#[derive(Debug)]
pub struct Completion {
    /// What the caller gave when it submitted the request.
    pub token: u64,
    /// How many bytes were read or written, which may be fewer than asked for (a short read or write is not
    /// retried here), or what went wrong.
    pub result: io::Result<usize>,
    /// The request's buffer, its length unchanged. After a failed or short read the rest of it has arbitrary
    /// contents.
    pub buffer: AlignedBuffer,
}

impl Completion {
    /// The buffer when all of it was read or written, otherwise the error and the buffer.
    ///
    /// # Errors
    ///
    /// The device's error; `UnexpectedEof` for a short read or write.
    pub fn into_complete(self) -> Result<AlignedBuffer, (io::Error, AlignedBuffer)> {
        match self.result {
            Ok(bytes) if bytes == self.buffer.len() => Ok(self.buffer),
            Ok(bytes) => {
                let message = format!("{bytes} of {} bytes were transferred", self.buffer.len());
                Err((io::Error::new(io::ErrorKind::UnexpectedEof, message), self.buffer))
            }
            Err(error) => Err((error, self.buffer)),
        }
    }
}

/// A request was not accepted because the queue holds as many as it is deep; nothing happened.
pub struct QueueFull {
    /// The request's buffer, untouched.
    pub buffer: AlignedBuffer,
}

impl fmt::Debug for QueueFull {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("QueueFull")
    }
}

impl fmt::Display for QueueFull {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the device queue is full")
    }
}

impl std::error::Error for QueueFull {}

/// Asserts what [`DeviceQueue`] demands of a request.
pub(crate) fn assert_request(block_bytes: usize, capacity_bytes: u64, offset_bytes: u64, len_bytes: usize) {
    assert!(len_bytes > 0, "a device request of no bytes");
    assert!(len_bytes <= MAX_REQUEST_BYTES, "a device request of {len_bytes} bytes");
    assert!(len_bytes.is_multiple_of(block_bytes), "{len_bytes} bytes are no multiple of {block_bytes}");
    assert!(offset_bytes.is_multiple_of(block_bytes as u64), "offset {offset_bytes} is not at a block");
    let end_bytes = offset_bytes.checked_add(len_bytes as u64);
    assert!(
        end_bytes.is_some_and(|end| end <= capacity_bytes),
        "{len_bytes} bytes at {offset_bytes} end beyond the capacity of {capacity_bytes}"
    );
}
