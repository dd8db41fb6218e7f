//! Output on its way to the kernel: at most one batch of bytes per connection.
//!
//! Owns the bytes of every send from the moment its SQE is queued until the kernel is done with them, and the small
//! pool that their memory returns to. The table is indexed by connection slot.
//!
//! **Invariant:** the bytes of an entry that is `Fast` or `Slow` are neither moved nor freed: the kernel reads them.

/// How many empty output buffers a thread keeps for the next batches.
const POOL_BUFFERS_MAX: usize = 64;

/// A larger output buffer is freed once it was sent, so that one big reply does not stay in memory.
const POOL_BUFFER_BYTES_MAX: usize = 16 * 1024;

/// The memory a fresh output buffer starts with.
const POOL_BUFFER_BYTES_MIN: usize = 1024;

/// Where a connection's output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendStatus {
    /// Nothing is on its way; the next batch may be queued.
    Idle,
    /// Queued with MSG_DONTWAIT; over as soon as the ring was entered, and only a failure posts a completion.
    Fast,
    /// The socket's buffer was full: an ordinary send waits in the kernel for room.
    Slow,
    /// The connection cannot be written any more; holds the errno.
    Failed(i32),
}

struct Entry {
    bytes: Vec<u8>,
    sent: usize,
    status: SendStatus,
    /// Somebody wants to hear when this becomes idle or fails.
    awaited: bool,
}

const IDLE: Entry = Entry { bytes: Vec::new(), sent: 0, status: SendStatus::Idle, awaited: false };

/// The output of all connections of a thread.
#[derive(Default)]
pub(super) struct OutgoingTable {
    entries: Vec<Entry>,
    pool: Vec<Vec<u8>>,
}

impl OutgoingTable {
    /// A new connection has this slot.
    pub(super) fn open(&mut self, slot: u32) {
        let index = slot as usize;
        if index >= self.entries.len() {
            self.entries.resize_with(index + 1, || IDLE);
        }
        assert!(!self.is_busy(slot), "the kernel may still read what the slot's last owner sent");
        self.entries[index] = IDLE;
    }

    pub(super) fn status(&self, slot: u32) -> SendStatus {
        self.entries[slot as usize].status
    }

    /// Whether the kernel may be reading this slot's bytes.
    pub(super) fn is_busy(&self, slot: u32) -> bool {
        matches!(self.status(slot), SendStatus::Fast | SendStatus::Slow)
    }

    /// Whether the kernel may be reading any slot's bytes.
    pub(super) fn any_busy(&self) -> bool {
        (0..self.entries.len() as u32).any(|slot| self.is_busy(slot))
    }

    /// Asks that [`finish`](Self::finish) or [`fail`](Self::fail) of this slot be reported.
    pub(super) fn set_awaited(&mut self, slot: u32) {
        self.entries[slot as usize].awaited = true;
    }

    /// Takes a batch to send; the slot is idle.
    pub(super) fn start(&mut self, slot: u32, bytes: Vec<u8>) {
        let entry = &mut self.entries[slot as usize];
        assert_eq!(entry.status, SendStatus::Idle, "one batch at a time");
        entry.bytes = bytes;
        entry.sent = 0;
        entry.status = SendStatus::Fast;
    }

    /// The kernel took `sent` more bytes; what is left goes the slow way. Returns whether anything is left.
    pub(super) fn advance(&mut self, slot: u32, sent: usize) -> bool {
        let entry = &mut self.entries[slot as usize];
        entry.sent += sent;
        assert!(entry.sent <= entry.bytes.len(), "the kernel sent no more than it was given");
        entry.status = SendStatus::Slow;
        entry.sent < entry.bytes.len()
    }

    /// What is left to send.
    pub(super) fn rest(&self, slot: u32) -> &[u8] {
        let entry = &self.entries[slot as usize];
        &entry.bytes[entry.sent..]
    }

    /// How much is left to send; 0 where nothing is on its way.
    pub(super) fn unsent_bytes(&self, slot: u32) -> usize {
        if self.is_busy(slot) { self.rest(slot).len() } else { 0 }
    }

    /// Everything was sent: the slot is idle and its memory is for the next batch. Returns whether that is awaited.
    pub(super) fn finish(&mut self, slot: u32) -> bool {
        self.end(slot, SendStatus::Idle)
    }

    /// The connection cannot be written any more. Returns whether that is awaited.
    pub(super) fn fail(&mut self, slot: u32, errno: i32) -> bool {
        self.end(slot, SendStatus::Failed(errno))
    }

    fn end(&mut self, slot: u32, status: SendStatus) -> bool {
        let entry = &mut self.entries[slot as usize];
        entry.status = status;
        let mut bytes = std::mem::take(&mut entry.bytes);
        let awaited = std::mem::take(&mut entry.awaited);
        if bytes.capacity() <= POOL_BUFFER_BYTES_MAX && self.pool.len() < POOL_BUFFERS_MAX {
            bytes.clear();
            self.pool.push(bytes);
        }
        awaited
    }

    /// An empty buffer, with memory from an earlier batch if there is one.
    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        self.pool.pop().unwrap_or_else(|| Vec::with_capacity(POOL_BUFFER_BYTES_MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_a_small_batch_is_reused_and_of_a_big_one_freed() {
        let mut table = OutgoingTable::default();
        table.open(0);
        table.start(0, Vec::with_capacity(2000));
        assert!(!table.finish(0));
        assert_eq!(table.take_buffer().capacity(), 2000);
        table.start(0, vec![0; POOL_BUFFER_BYTES_MAX + 1]);
        table.finish(0);
        assert_eq!(table.take_buffer().capacity(), POOL_BUFFER_BYTES_MIN);
    }

    #[test]
    fn a_partial_send_leaves_the_rest_for_the_slow_way() {
        let mut table = OutgoingTable::default();
        table.open(3);
        table.start(3, b"abcdef".to_vec());
        table.set_awaited(3);
        assert!(table.advance(3, 2));
        assert_eq!((table.status(3), table.rest(3)), (SendStatus::Slow, &b"cdef"[..]));
        assert_eq!(table.unsent_bytes(3), 4);
        assert!(!table.advance(3, 4));
        assert!(table.finish(3), "who awaits it hears of it");
        assert_eq!(table.unsent_bytes(3), 0);
        assert!(!table.any_busy());
    }
}
