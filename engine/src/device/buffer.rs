//! Buffers for direct I/O, and the pool that keeps them from being allocated per request.
//!
//! An [`AlignedBuffer`] owns memory at a 4096-byte boundary, as O_DIRECT wants it on every device. It is
//! always initialised: it starts zeroed, and the kernel only ever writes into it.
//!
//! **Invariant:** `len <= capacity`, and the capacity is a multiple of 4096.
//!
//! **Invariant:** a [`BufferGauge`] equals the sum of the capacities of all live buffers that were made with
//! it, so the memory ceiling can count buffers wherever they are: idle in a pool, with the kernel, or with a
//! reader.

// Aligned memory cannot be had from a Vec: its deallocation would use the element type's alignment.
#![allow(unsafe_code)]

use std::alloc::{self, Layout};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::MAX_BLOCK_BYTES;

/// Address and capacity of every buffer are multiples of this, in bytes.
pub const BUFFER_ALIGN_BYTES: usize = MAX_BLOCK_BYTES;

/// The largest capacity that a pool keeps, in bytes. Bigger buffers are rare (a big value) and go back to the
/// allocator.
pub const MAX_POOLED_BUFFER_BYTES: usize = 1 << 20;

/// How many bytes a pool keeps idle unless it is told otherwise: some 2000 reads of 4 KiB, or eight write
/// buffers.
pub const DEFAULT_IDLE_LIMIT_BYTES: usize = 8 << 20;

/// Capacities are powers of two: 4 KiB, 8 KiB, ..., 1 MiB.
const CLASS_COUNT: usize = (MAX_POOLED_BUFFER_BYTES / BUFFER_ALIGN_BYTES).trailing_zeros() as usize + 1;

/// Counts the bytes of live buffers; shared by all pools of an engine.
#[derive(Debug, Default)]
pub struct BufferGauge {
    live_bytes: AtomicUsize,
}

impl BufferGauge {
    /// The capacities of all live buffers made with this gauge, in bytes.
    pub fn live_bytes(&self) -> usize {
        // Only a number is read; no other memory is ordered by it.
        self.live_bytes.load(Ordering::Relaxed)
    }
}

/// Zero-initialised memory at a 4096-byte boundary, with a length of its own like a `Vec`.
pub struct AlignedBuffer {
    /// Dangling, but aligned, when the capacity is zero.
    pointer: NonNull<u8>,
    len: usize,
    capacity: usize,
    gauge: Option<Arc<BufferGauge>>,
}

// SAFETY: the buffer is the only owner of its memory, which is plain bytes and can be freed by any thread.
unsafe impl Send for AlignedBuffer {}
// SAFETY: a shared reference only gives out `&[u8]`.
unsafe impl Sync for AlignedBuffer {}

impl AlignedBuffer {
    /// A buffer without memory, for a request that has no data.
    pub const fn empty() -> Self {
        let aligned = NonNull::new(std::ptr::without_provenance_mut(BUFFER_ALIGN_BYTES));
        Self { pointer: aligned.expect("the alignment is not zero"), len: 0, capacity: 0, gauge: None }
    }

    /// A buffer of `len_bytes` zeros; its capacity is that rounded up to 4096. Not counted by any gauge.
    ///
    /// # Panics
    ///
    /// When the length exceeds `isize::MAX` minus the alignment. Aborts when there is no memory, as every
    /// allocation.
    pub fn zeroed(len_bytes: usize) -> Self {
        Self::allocate(len_bytes, len_bytes.next_multiple_of(BUFFER_ALIGN_BYTES), None)
    }

    fn allocate(len: usize, capacity: usize, gauge: Option<Arc<BufferGauge>>) -> Self {
        assert!(len <= capacity && capacity.is_multiple_of(BUFFER_ALIGN_BYTES));
        if capacity == 0 {
            return Self::empty();
        }
        let layout = Self::layout(capacity);
        // SAFETY: the layout's size is not zero, by the check above.
        let memory = unsafe { alloc::alloc_zeroed(layout) };
        let Some(pointer) = NonNull::new(memory) else { alloc::handle_alloc_error(layout) };
        if let Some(gauge) = &gauge {
            gauge.live_bytes.fetch_add(capacity, Ordering::Relaxed);
        }
        Self { pointer, len, capacity, gauge }
    }

    fn layout(capacity: usize) -> Layout {
        Layout::from_size_align(capacity, BUFFER_ALIGN_BYTES)
            .expect("a buffer is smaller than the address space")
    }

    /// How long the buffer can be made, in bytes: zero or a multiple of 4096.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Sets the length. Bytes that come into view keep what was last in them.
    ///
    /// # Panics
    ///
    /// When `len_bytes` exceeds the capacity.
    pub fn set_len(&mut self, len_bytes: usize) {
        assert!(len_bytes <= self.capacity, "{len_bytes} bytes in a buffer of {}", self.capacity);
        self.len = len_bytes;
    }

    /// Where the kernel reads from or writes to. Valid for `capacity` bytes as long as the buffer lives, also
    /// while the buffer itself is moved.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut u8 {
        self.pointer.as_ptr()
    }
}

impl Default for AlignedBuffer {
    fn default() -> Self {
        Self::empty()
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the pointer is valid for `capacity` initialised bytes (or dangling and aligned with len 0),
        // len is at most the capacity, and `&self` keeps everybody from writing.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr(), self.len) }
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `&mut self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.len) }
    }
}

impl Drop for AlignedBuffer {
    fn drop(&mut self) {
        if self.capacity == 0 {
            return;
        }
        if let Some(gauge) = &self.gauge {
            gauge.live_bytes.fetch_sub(self.capacity, Ordering::Relaxed);
        }
        // SAFETY: the memory came from `alloc_zeroed` with this very layout and is freed only here.
        unsafe { alloc::dealloc(self.pointer.as_ptr(), Self::layout(self.capacity)) }
    }
}

impl fmt::Debug for AlignedBuffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The contents are users' data and long: they stay out of logs.
        formatter
            .debug_struct("AlignedBuffer")
            .field("len", &self.len)
            .field("capacity", &self.capacity)
            .finish()
    }
}

/// Idle buffers of one thread, by size class. Taking one that is there costs a pop; only a miss calls the
/// allocator.
#[derive(Debug)]
pub struct BufferPool {
    /// `classes[n]` holds buffers of `4096 << n` bytes.
    classes: [Vec<AlignedBuffer>; CLASS_COUNT],
    pooled_bytes: usize,
    idle_limit_bytes: usize,
    gauge: Arc<BufferGauge>,
}

impl BufferPool {
    /// A pool that keeps at most `idle_limit_bytes` of buffers that nobody uses.
    pub fn new(idle_limit_bytes: usize, gauge: Arc<BufferGauge>) -> Self {
        Self { classes: Default::default(), pooled_bytes: 0, idle_limit_bytes, gauge }
    }

    /// A buffer of `len_bytes`, with arbitrary contents from former uses. The pool does not bound how many
    /// are taken: the depths of the queues do.
    pub fn take(&mut self, len_bytes: usize) -> AlignedBuffer {
        let Some(class) = class_for(len_bytes) else {
            let capacity = len_bytes.next_multiple_of(BUFFER_ALIGN_BYTES);
            return AlignedBuffer::allocate(len_bytes, capacity, Some(Arc::clone(&self.gauge)));
        };
        match self.classes[class].pop() {
            Some(mut buffer) => {
                self.pooled_bytes -= buffer.capacity();
                buffer.set_len(len_bytes);
                buffer
            }
            None => {
                let capacity = BUFFER_ALIGN_BYTES << class;
                AlignedBuffer::allocate(len_bytes, capacity, Some(Arc::clone(&self.gauge)))
            }
        }
    }

    /// Takes a buffer back for the next use, or frees it when the pool is full or does not keep its size. A
    /// buffer of another thread's pool is welcome.
    pub fn give_back(&mut self, buffer: AlignedBuffer) {
        let capacity = buffer.capacity();
        let kept = class_for(capacity)
            .filter(|class| BUFFER_ALIGN_BYTES << class == capacity)
            .filter(|_| self.pooled_bytes + capacity <= self.idle_limit_bytes);
        if let Some(class) = kept {
            self.pooled_bytes += capacity;
            self.classes[class].push(buffer);
        }
    }

    /// Frees all idle buffers, such as when memory is short.
    pub fn release_idle(&mut self) {
        self.classes.iter_mut().for_each(Vec::clear);
        self.pooled_bytes = 0;
    }

    /// How many bytes of buffers lie idle here.
    pub fn pooled_bytes(&self) -> usize {
        self.pooled_bytes
    }
}

/// The class of the smallest buffers that hold `len_bytes`; none when the pool keeps no such size.
fn class_for(len_bytes: usize) -> Option<usize> {
    if len_bytes > MAX_POOLED_BUFFER_BYTES {
        return None;
    }
    let capacity = len_bytes.next_power_of_two().max(BUFFER_ALIGN_BYTES);
    Some((capacity / BUFFER_ALIGN_BYTES).trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(idle_limit_bytes: usize) -> (BufferPool, Arc<BufferGauge>) {
        let gauge = Arc::new(BufferGauge::default());
        (BufferPool::new(idle_limit_bytes, Arc::clone(&gauge)), gauge)
    }

    #[test]
    fn memory_is_aligned_and_zeroed() {
        for len in [1, 512, 4096, 4097, 1 << 20] {
            let buffer = AlignedBuffer::zeroed(len);
            assert_eq!(buffer.as_ptr().addr() % BUFFER_ALIGN_BYTES, 0);
            assert_eq!(buffer.len(), len);
            assert!(buffer.iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn an_empty_buffer_has_no_memory() {
        assert_eq!(&AlignedBuffer::empty()[..], b"");
        assert_eq!(AlignedBuffer::zeroed(0).capacity(), 0);
    }

    #[test]
    #[should_panic(expected = "4097 bytes in a buffer of 4096")]
    fn a_length_beyond_the_capacity_panics() {
        AlignedBuffer::zeroed(10).set_len(4097);
    }

    #[test]
    fn a_returned_buffer_is_used_again() {
        let (mut pool, gauge) = pool(DEFAULT_IDLE_LIMIT_BYTES);
        let buffer = pool.take(5000);
        assert_eq!((buffer.len(), buffer.capacity()), (5000, 8192));
        let address = buffer.as_ptr().addr();
        pool.give_back(buffer);
        assert_eq!(pool.pooled_bytes(), 8192);
        let again = pool.take(8192);
        assert_eq!(again.as_ptr().addr(), address);
        assert_eq!((pool.pooled_bytes(), gauge.live_bytes()), (0, 8192));
    }

    #[test]
    fn idle_memory_is_bounded() {
        let (mut pool, gauge) = pool(3 * 4096);
        let taken: Vec<_> = (0..10).map(|_| pool.take(4096)).collect();
        assert_eq!(gauge.live_bytes(), 10 * 4096);
        taken.into_iter().for_each(|buffer| pool.give_back(buffer));
        assert_eq!((pool.pooled_bytes(), gauge.live_bytes()), (3 * 4096, 3 * 4096));
        pool.release_idle();
        assert_eq!((pool.pooled_bytes(), gauge.live_bytes()), (0, 0));
    }

    #[test]
    fn a_big_buffer_is_not_kept() {
        let (mut pool, gauge) = pool(usize::MAX);
        let buffer = pool.take(MAX_POOLED_BUFFER_BYTES + 1);
        assert_eq!(gauge.live_bytes(), MAX_POOLED_BUFFER_BYTES + BUFFER_ALIGN_BYTES);
        pool.give_back(buffer);
        assert_eq!((pool.pooled_bytes(), gauge.live_bytes()), (0, 0));
    }

    #[test]
    fn a_buffer_that_is_dropped_elsewhere_is_uncounted() {
        let (mut pool, gauge) = pool(DEFAULT_IDLE_LIMIT_BYTES);
        drop(pool.take(1));
        assert_eq!(gauge.live_bytes(), 0);
    }
}
