//! Input buffers that the kernel fills: a provided-buffer ring.
//!
//! Owns the memory that received bytes land in. A buffer is in one of three places: *published* (the kernel may pick
//! it for the next socket that has data), *lent* (a [`RecvBuffer`] reads it; dropping that brings it back), or
//! *spare*. Only a window of the buffers is published; the window doubles when the kernel runs out and halves when
//! load is gone, so a quiet server touches a few pages that stay in cache, and a busy one has enough for a round.
//!
//! **Invariant:** published, lent and spare add up to [`BufferRing::count`], so this memory is bounded by
//! `count * buffer_bytes`. **Invariant:** a buffer is published only while no [`RecvBuffer`] refers to it.
#![allow(unsafe_code)]

use io_uring::Submitter;
use io_uring::types::BufRingEntry;
use std::cell::{Cell, RefCell};
use std::io;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};

/// The only buffer group of a sockets' ring.
pub(super) const BUFFER_GROUP: u16 = 0;

/// How many buffers are published at first, and at least.
const WINDOW_MIN: u16 = 64;

/// The most entries the kernel accepts in one buffer ring.
const COUNT_MAX: u16 = 1 << 15;

/// An anonymous, page-aligned, zeroed memory mapping, touched lazily.
struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

impl Mapping {
    fn new(bytes: usize) -> io::Result<Self> {
        // SAFETY: an anonymous private mapping at an address of the kernel's choice touches no existing memory.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(start.cast::<u8>())
            .map(|start| Self { start, bytes })
            .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
    }

    /// Gives the pages of a range back to the system; they read as zeroes afterwards.
    fn release(&self, offset: usize, bytes: usize) {
        assert!(offset + bytes <= self.bytes, "range inside the mapping");
        // SAFETY: the range lies inside this mapping (asserted); MADV_DONTNEED on private anonymous memory only
        // drops its contents, and the caller passes a range nobody reads.
        unsafe {
            libc::madvise(self.start.as_ptr().add(offset).cast(), bytes, libc::MADV_DONTNEED);
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: start and length are those of the mapping made in `new`, unmapped only here.
        unsafe {
            libc::munmap(self.start.as_ptr().cast(), self.bytes);
        }
    }
}

/// The provided buffers of one sockets' ring.
pub(super) struct BufferRing {
    entries: Mapping,
    buffers: Mapping,
    count: u16,
    buffer_bytes: u32,
    /// Our copy of the ring's tail: how many buffers were ever published, modulo 2^16.
    tail: Cell<u16>,
    published: Cell<u16>,
    window: Cell<u16>,
    /// The largest number of buffers that one stretch between two calls of `shrink` had out at once.
    lent_peak: Cell<u16>,
    spare: RefCell<Vec<u16>>,
}

impl BufferRing {
    /// Makes `count` buffers of `buffer_bytes` each; `count` is a power of two.
    pub(super) fn new(count: u16, buffer_bytes: u32) -> io::Result<Rc<Self>> {
        assert!(count.is_power_of_two() && count <= COUNT_MAX, "the kernel wants a power of two up to 2^15");
        assert!(buffer_bytes > 0, "a buffer holds something");
        let entries = Mapping::new(usize::from(count) * size_of::<BufRingEntry>())?;
        let buffers = Mapping::new(usize::from(count) * buffer_bytes as usize)?;
        Ok(Rc::new(Self {
            entries,
            buffers,
            count,
            buffer_bytes,
            tail: Cell::new(0),
            published: Cell::new(0),
            window: Cell::new(WINDOW_MIN.min(count)),
            lent_peak: Cell::new(0),
            // The last is taken first: start at buffer 0, so that low addresses are the warm ones.
            spare: RefCell::new((0..count).rev().collect()),
        }))
    }

    /// Registers the ring with the kernel and publishes the first window.
    pub(super) fn register(&self, submitter: &Submitter<'_>) -> io::Result<()> {
        // SAFETY: `entries` is page-aligned, `count` entries long and lives until this ring is dropped; the owner
        // (`Ring`) keeps it alive until the io_uring is gone or leaks it.
        unsafe {
            submitter.register_buf_ring_with_flags(
                self.entries.start.as_ptr() as u64,
                self.count,
                BUFFER_GROUP,
                0,
            )?;
        }
        self.top_up();
        Ok(())
    }

    /// The kernel put `len` bytes into buffer `id`: lends it to the returned guard.
    pub(super) fn lend(self: &Rc<Self>, id: u16, len: u32) -> RecvBuffer {
        assert!(id < self.count, "a buffer id of this ring");
        assert!(len <= self.buffer_bytes, "no more than the buffer holds");
        assert!(self.published.get() > 0, "the kernel picks only published buffers");
        self.published.set(self.published.get() - 1);
        let lent = self.lent();
        if lent > self.lent_peak.get() {
            self.lent_peak.set(lent);
        }
        RecvBuffer(Repr::Provided { ring: Rc::clone(self), id, len })
    }

    /// How many buffers the kernel can fill right now.
    pub(super) fn published(&self) -> u16 {
        self.published.get()
    }

    fn lent(&self) -> u16 {
        self.count - self.published.get() - self.spare.borrow().len() as u16
    }

    /// The kernel ran out: publish twice as many from now on, as far as there are buffers.
    pub(super) fn grow(&self) {
        self.window.set(self.window.get().saturating_mul(2).min(self.count));
        self.top_up();
    }

    /// Publishes spare buffers until the window is full again.
    pub(super) fn top_up(&self) {
        while self.published.get() < self.window.get() {
            let Some(id) = self.spare.borrow_mut().pop() else { break };
            self.publish(id);
        }
    }

    /// Halves the window if less than a quarter of it was in use since the last call, and gives the memory of
    /// spare buffers back. Called about once a second.
    pub(super) fn shrink(&self) {
        let window = self.window.get();
        let peak = self.lent_peak.replace(0);
        if window > WINDOW_MIN && peak < window / 4 {
            self.window.set((window / 2).max(WINDOW_MIN));
            for &id in self.spare.borrow().iter() {
                self.buffers.release(self.offset(id), self.buffer_bytes as usize);
            }
        }
    }

    fn give_back(&self, id: u16) {
        if self.published.get() < self.window.get() {
            self.publish(id);
        } else {
            self.spare.borrow_mut().push(id);
        }
    }

    fn offset(&self, id: u16) -> usize {
        usize::from(id) * self.buffer_bytes as usize
    }

    fn publish(&self, id: u16) {
        let tail = self.tail.get();
        let base = self.entries.start.as_ptr().cast::<BufRingEntry>();
        let index = usize::from(tail & (self.count - 1));
        // SAFETY: the index is below `count`, the mapping holds `count` entries, and the kernel reads an entry only
        // after the tail has passed it, so writing the one at the tail is ours alone. The three fields are set one by
        // one because the tail of the ring shares the first entry's fourth field.
        unsafe {
            let entry = &mut *base.add(index);
            entry.set_addr(self.buffers.start.as_ptr().add(self.offset(id)) as u64);
            entry.set_len(self.buffer_bytes);
            entry.set_bid(id);
        }
        self.tail.set(tail.wrapping_add(1));
        self.published.set(self.published.get() + 1);
        // SAFETY: `tail` gives the address of the ring's tail inside the mapping, 2-byte aligned; the kernel only
        // reads it, with acquire order, which the release store pairs with.
        unsafe {
            let shared = BufRingEntry::tail(base).cast_mut();
            AtomicU16::from_ptr(shared).store(self.tail.get(), Ordering::Release);
        }
    }

    fn bytes(&self, id: u16, len: u32) -> &[u8] {
        // SAFETY: only `RecvBuffer` calls this, whose existence means that buffer `id` is lent: neither published
        // (the kernel does not write it) nor spare (nobody releases it); `len` was checked against the size.
        unsafe { std::slice::from_raw_parts(self.buffers.start.as_ptr().add(self.offset(id)), len as usize) }
    }
}

/// Bytes received from a connection; dropping it gives the buffer back to the kernel.
///
/// There is a bounded number of these buffers per thread, so hold one only while parsing: drop it (or copy what is
/// left of it) before awaiting something that another client decides, such as [`send`](super::Connection::send) to a
/// slow reader.
pub struct RecvBuffer(Repr);

enum Repr {
    Provided { ring: Rc<BufferRing>, id: u16, len: u32 },
    Owned(Vec<u8>),
}

impl RecvBuffer {
    pub(crate) fn owned(bytes: Vec<u8>) -> Self {
        Self(Repr::Owned(bytes))
    }

    /// The same bytes in memory of their own, so that the kernel's buffer is free again.
    pub(super) fn into_owned(self) -> Self {
        if matches!(self.0, Repr::Owned(_)) { self } else { Self::owned(self.to_vec()) }
    }
}

impl Deref for RecvBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Provided { ring, id, len } => ring.bytes(*id, *len),
            Repr::Owned(bytes) => bytes,
        }
    }
}

impl Drop for RecvBuffer {
    fn drop(&mut self) {
        if let Repr::Provided { ring, id, .. } = &self.0 {
            ring.give_back(*id);
        }
    }
}

impl std::fmt::Debug for RecvBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecvBuffer").field("len", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_published_lent_or_spare_and_the_window_follows_the_load() {
        let ring = BufferRing::new(256, 4096).expect("memory");
        ring.top_up();
        assert_eq!((ring.published(), ring.lent()), (64, 0));
        let lent: Vec<RecvBuffer> = (0..64).map(|id| ring.lend(id, 10)).collect();
        assert_eq!((ring.published(), ring.lent()), (0, 64));
        ring.grow();
        assert_eq!((ring.published(), ring.lent()), (128, 64));
        drop(lent);
        assert_eq!((ring.published(), ring.lent()), (128, 0));
        ring.shrink();
        assert_eq!(ring.window.get(), 128, "half of the window was just in use");
        ring.shrink();
        assert_eq!(ring.window.get(), 64);
    }

    #[test]
    fn never_more_buffers_than_there_are() {
        let ring = BufferRing::new(2, 16).expect("memory");
        ring.grow();
        ring.grow();
        assert_eq!(ring.published(), 2);
        let buffer = ring.lend(1, 16);
        assert_eq!(&*buffer, &[0; 16]);
        ring.grow();
        assert_eq!(ring.published(), 1);
    }
}
