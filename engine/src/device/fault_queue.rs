//! The queue of a [`FaultDevice`](super::fault::FaultDevice): carries out what was decided for each request.
//!
//! A faulty request goes to the inner queue in an altered form (shortened, with a bit inverted) or not at
//! all; its completion is altered back, so that the caller gets the buffer it gave, and is held back for the
//! polls of its delay.
//!
//! **Invariant:** every accepted request is in exactly one of `slots` (with the inner queue) and `waiting`
//! (finished, but not delivered), so together they are bounded by the inner queue's depth.

use std::io;
use std::mem;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;
use std::{fs::File, io::Write};

use super::buffer::AlignedBuffer;
use super::crash::WriteNumber;
use super::fault::{Decision, Fault, Shared};
use super::{Completion, DeviceQueue, Operation, QueueFull, Request, assert_request};

pub(super) struct FaultQueue {
    shared: Arc<Shared>,
    inner: Box<dyn DeviceQueue>,
    /// Requests that the inner queue has; its tokens are indices into this.
    slots: Vec<Option<Pending>>,
    waiting: Vec<Waiting>,
    from_inner: Vec<Completion>,
    eventfd: Option<File>,
}

/// What is to be done when the inner completion comes.
struct Pending {
    token: u64,
    operation: Operation,
    len_bytes: usize,
    decision: Decision,
    write_number: Option<WriteNumber>,
    synced: Vec<WriteNumber>,
}

/// A finished request.
struct Waiting {
    completion: Completion,
    /// At how many polls it is still held back.
    polls: u32,
    write_number: Option<WriteNumber>,
}

impl FaultQueue {
    pub(super) fn new(shared: Arc<Shared>, inner: Box<dyn DeviceQueue>) -> Self {
        let slots = (0..inner.depth()).map(|_| None).collect();
        Self { shared, inner, slots, waiting: Vec::new(), from_inner: Vec::new(), eventfd: None }
    }

    fn submit_inner(&mut self, pending: Pending, file: u16, offset_bytes: u64, buffer: AlignedBuffer) {
        let slot = self.slots.iter().position(Option::is_none).expect("no more requests than slots");
        let request =
            Request { token: slot as u64, operation: pending.operation, file, offset_bytes, buffer };
        self.inner.submit(request).expect("the inner queue is as deep as this one");
        self.slots[slot] = Some(pending);
    }

    /// Makes the completion the caller shall see of what the inner device did.
    fn finish(&mut self, pending: Pending, result: io::Result<usize>, mut buffer: AlignedBuffer) {
        let Pending { token, operation, len_bytes, decision, write_number, synced } = pending;
        buffer.set_len(len_bytes);
        let result = match (decision.fault, operation) {
            (Some(Fault::Error(error)), _) => Err(io::Error::from_raw_os_error(error)),
            (Some(Fault::Torn { error: Some(error), .. }), Operation::Write) => {
                Err(io::Error::from_raw_os_error(error))
            }
            (Some(Fault::Torn { error: None, .. }), Operation::Write) => result.map(|_| len_bytes),
            (Some(Fault::BitFlip(bit)), Operation::Read | Operation::Write) => {
                flip(&mut buffer, bit);
                result
            }
            _ => result,
        };
        if operation == Operation::Sync && result.is_ok() {
            self.shared.state.lock().synced(&synced);
        }
        let completion = Completion { token, result, buffer };
        self.waiting.push(Waiting { completion, polls: decision.delay_polls, write_number });
    }

    fn take_from_inner(&mut self) {
        let mut from_inner = mem::take(&mut self.from_inner);
        self.inner.poll(&mut from_inner);
        for Completion { token, result, buffer } in from_inner.drain(..) {
            let slot = usize::try_from(token).expect("the inner token is a slot's index");
            let pending = self.slots[slot].take().expect("the inner queue completes a request once");
            self.finish(pending, result, buffer);
        }
        self.from_inner = from_inner;
    }

    /// Tells a parked reactor to poll again, for what is held back here and of which the inner queue does not
    /// know.
    fn signal(&mut self) -> io::Result<()> {
        match &mut self.eventfd {
            // The eventfd is only ever full (and the write would block) when it is signalled already.
            Some(eventfd) if !self.waiting.is_empty() => match eventfd.write(&1_u64.to_ne_bytes()) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

impl DeviceQueue for FaultQueue {
    fn submit(&mut self, request: Request) -> Result<(), QueueFull> {
        let Request { token, operation, file, offset_bytes, mut buffer } = request;
        let inner = &self.shared.inner;
        let block_bytes = inner.block_bytes();
        let len_bytes = buffer.len();
        if operation != Operation::Sync {
            assert_request(block_bytes, inner.capacity_bytes(file), offset_bytes, len_bytes);
        }
        if self.outstanding() == self.depth() {
            return Err(QueueFull { buffer });
        }
        let mut state = self.shared.state.lock();
        let decision = state.decide(operation, file, offset_bytes, len_bytes);
        // What of the data the inner device gets to see.
        let whole_blocks = |bytes: usize| (bytes / block_bytes * block_bytes).min(len_bytes);
        let executed_bytes = match (decision.fault, operation) {
            (Some(Fault::Error(_)), _) => None,
            (Some(Fault::Short(bytes)), Operation::Read | Operation::Write) => Some(whole_blocks(bytes)),
            (Some(Fault::Torn { written_bytes, .. }), Operation::Write) => Some(whole_blocks(written_bytes)),
            _ => Some(len_bytes),
        };
        if let (Some(Fault::BitFlip(bit)), Operation::Write) = (decision.fault, operation) {
            flip(&mut buffer, bit);
        }
        let mut write_number = None;
        if let (Some(journal), Some(bytes @ 1..), Operation::Write) =
            (&mut state.journal, executed_bytes, operation)
        {
            write_number = Some(journal.submitted(file, offset_bytes, &buffer[..bytes]));
        }
        let synced = if operation == Operation::Sync { state.covered_by_sync(file) } else { Vec::new() };
        drop(state);

        let pending = Pending { token, operation, len_bytes, decision, write_number, synced };
        match executed_bytes {
            Some(bytes) if bytes > 0 || operation == Operation::Sync => {
                buffer.set_len(bytes);
                self.submit_inner(pending, file, offset_bytes, buffer);
            }
            // Nothing for the inner device to do: an error, or a transfer of zero bytes.
            _ => self.finish(pending, Ok(0), buffer),
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()?;
        self.signal()
    }

    fn poll(&mut self, completions: &mut Vec<Completion>) -> usize {
        self.take_from_inner();
        let before = completions.len();
        let mut state = self.shared.state.lock();
        for mut waiting in mem::take(&mut self.waiting) {
            if waiting.polls > 0 {
                waiting.polls -= 1;
                self.waiting.push(waiting);
                continue;
            }
            if let (Some(journal), Some(number)) = (&mut state.journal, waiting.write_number) {
                journal.completed(number);
            }
            completions.push(waiting.completion);
        }
        state.reorder(&mut completions[before..]);
        drop(state);
        // A simulated delay cannot fail: a lost signal would show as a reactor that hangs, and the eventfd is
        // ours.
        self.signal().expect("the eventfd can be written to");
        completions.len() - before
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        // What is held back gets free by polls, not by time.
        if self.waiting.is_empty() { self.inner.wait(timeout) } else { self.flush() }
    }

    fn register_eventfd(&mut self, eventfd: BorrowedFd<'_>) -> io::Result<()> {
        self.inner.register_eventfd(eventfd)?;
        self.eventfd = Some(File::from(eventfd.try_clone_to_owned()?));
        self.signal()
    }

    fn outstanding(&self) -> usize {
        self.inner.outstanding() + self.waiting.len()
    }

    fn depth(&self) -> usize {
        self.slots.len()
    }
}

fn flip(data: &mut [u8], bit: u64) {
    let bit = bit % (data.len() as u64 * 8);
    data[(bit / 8) as usize] ^= 1 << (bit % 8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;
    use crate::device::fault::{FaultDevice, FaultPlan, ScriptedFault};
    use crate::device::memory::MemoryDevice;

    crate::device::contract::device_contract!(|| {
        Box::new(device(FaultPlan { tracks_crashes: true, ..FaultPlan::default() })) as Box<dyn Device>
    });

    mod delayed {
        use super::*;

        crate::device::contract::device_contract!(|| {
            let plan = FaultPlan {
                seed: 7,
                delays: 500_000,
                max_delay_polls: 5,
                reorders: true,
                ..FaultPlan::default()
            };
            Box::new(device(plan)) as Box<dyn Device>
        });
    }

    fn device(plan: FaultPlan) -> FaultDevice {
        FaultDevice::new(Arc::new(MemoryDevice::new(2, 1 << 20)), plan).expect("a device")
    }

    fn script(operation: Operation, fault: Fault) -> ScriptedFault {
        ScriptedFault { operation, file: None, range: None, skip: 0, times: 1, fault }
    }

    fn filled(len_bytes: usize, byte: u8) -> AlignedBuffer {
        let mut buffer = AlignedBuffer::zeroed(len_bytes);
        buffer.fill(byte);
        buffer
    }

    fn finish(queue: &mut dyn DeviceQueue) -> Completion {
        let mut completions = Vec::new();
        queue.flush().expect("a flush");
        while completions.is_empty() {
            queue.poll(&mut completions);
        }
        completions.pop().expect("a completion")
    }

    fn write(queue: &mut dyn DeviceQueue, buffer: AlignedBuffer) -> Completion {
        queue.submit_write(1, 0, 0, buffer).expect("room");
        finish(queue)
    }

    fn read(queue: &mut dyn DeviceQueue) -> Completion {
        queue.submit_read(2, 0, 0, filled(4096, 99)).expect("room");
        finish(queue)
    }

    #[test]
    fn a_scripted_error_hits_the_request_it_was_meant_for() {
        let device = device(FaultPlan::default());
        device.script(ScriptedFault {
            file: Some(0),
            range: Some(8192..8193),
            skip: 1,
            times: 1,
            ..script(Operation::Write, Fault::Error(libc::EIO))
        });
        let mut queue = device.open_queue(4).expect("a queue");
        let mut write_at = |file, offset_bytes| {
            queue.submit_write(0, file, offset_bytes, filled(4096, 1)).expect("room");
            finish(&mut *queue).result.is_ok()
        };
        assert!(write_at(1, 8192), "another file");
        assert!(write_at(0, 4096), "another range");
        assert!(write_at(0, 8192), "skipped");
        assert!(!write_at(0, 8192), "hit");
        assert!(write_at(0, 8192), "once only");
        assert_eq!(device.injected_faults(), 1);
    }

    #[test]
    fn a_failed_write_leaves_the_disk_alone_and_returns_the_buffer() {
        let device = device(FaultPlan::default());
        let mut queue = device.open_queue(1).expect("a queue");
        write(&mut *queue, filled(4096, 1));
        device.script(script(Operation::Write, Fault::Error(libc::EIO)));
        let completion = write(&mut *queue, filled(4096, 2));
        assert_eq!(completion.result.expect_err("an error").raw_os_error(), Some(libc::EIO));
        assert_eq!(completion.buffer[..], [2; 4096]);
        assert_eq!(read(&mut *queue).buffer[..], [1; 4096]);
    }

    #[test]
    fn short_transfers_are_reported_and_end_at_a_block() {
        let device = device(FaultPlan::default());
        let mut queue = device.open_queue(1).expect("a queue");
        device.script(script(Operation::Write, Fault::Short(1500)));
        let completion = write(&mut *queue, filled(4096, 1));
        assert_eq!((completion.result.expect("bytes"), completion.buffer.len()), (1024, 4096));
        device.script(script(Operation::Read, Fault::Short(100)));
        let completion = read(&mut *queue);
        assert_eq!((completion.result.expect("bytes"), completion.buffer.len()), (0, 4096));
        let whole = read(&mut *queue).buffer;
        assert_eq!((&whole[..1024], &whole[1024..]), (&[1; 1024][..], &[0; 3072][..]));
    }

    #[test]
    fn a_torn_write_keeps_its_first_blocks_whatever_is_reported() {
        for error in [None, Some(libc::EIO)] {
            let device = device(FaultPlan::default());
            let mut queue = device.open_queue(1).expect("a queue");
            device.script(script(Operation::Write, Fault::Torn { written_bytes: 2048, error }));
            let completion = write(&mut *queue, filled(4096, 1));
            match error {
                None => assert_eq!(completion.result.expect("it seems to work"), 4096),
                Some(error) => assert_eq!(completion.result.expect_err("EIO").raw_os_error(), Some(error)),
            }
            let whole = read(&mut *queue).buffer;
            assert_eq!((&whole[..2048], &whole[2048..]), (&[1; 2048][..], &[0; 2048][..]));
        }
    }

    #[test]
    fn a_bit_flip_in_a_read_goes_away_and_one_in_a_write_stays() {
        let device = device(FaultPlan::default());
        let mut queue = device.open_queue(1).expect("a queue");
        device.script(script(Operation::Read, Fault::BitFlip(8)));
        assert_eq!(read(&mut *queue).buffer[..2], [0, 1]);
        assert_eq!(read(&mut *queue).buffer[..2], [0, 0]);
        device.script(script(Operation::Write, Fault::BitFlip(0)));
        assert_eq!(write(&mut *queue, filled(4096, 2)).buffer[..], [2; 4096]);
        assert_eq!(read(&mut *queue).buffer[..2], [3, 2]);
    }

    #[test]
    fn a_full_disk_refuses_writes_until_it_has_room() {
        let device = device(FaultPlan::default());
        let mut queue = device.open_queue(1).expect("a queue");
        device.set_disk_full(true);
        let error = write(&mut *queue, filled(4096, 1)).result.expect_err("full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        read(&mut *queue).result.expect("reads work");
        device.set_disk_full(false);
        write(&mut *queue, filled(4096, 1)).result.expect("room again");
    }

    #[test]
    fn a_delayed_completion_comes_after_so_many_polls() {
        let device = device(FaultPlan::default());
        device.script(script(Operation::Read, Fault::Delay(3)));
        let mut queue = device.open_queue(1).expect("a queue");
        queue.submit_read(5, 0, 0, filled(512, 0)).expect("room");
        queue.flush().expect("a flush");
        let mut completions = Vec::new();
        for _ in 0..3 {
            assert_eq!(queue.poll(&mut completions), 0);
            assert_eq!(queue.outstanding(), 1);
        }
        assert_eq!(queue.poll(&mut completions), 1);
    }

    /// What a run with every kind of fault looks like from outside.
    fn trace(seed: u64) -> Vec<(u64, Option<i32>, usize, u8)> {
        let device = device(FaultPlan {
            seed,
            read_errors: 50_000,
            write_errors: 50_000,
            short_reads: 50_000,
            short_writes: 50_000,
            torn_writes: 50_000,
            lost_writes: 50_000,
            read_bit_flips: 50_000,
            write_bit_flips: 50_000,
            delays: 200_000,
            max_delay_polls: 4,
            reorders: true,
            ..FaultPlan::default()
        });
        let mut queue = device.open_queue(8).expect("a queue");
        let mut completions = Vec::new();
        for token in 0..500 {
            while queue.outstanding() == queue.depth() {
                queue.poll(&mut completions);
            }
            let offset_bytes = token % 16 * 4096;
            let submitted = match token % 2 {
                0 => queue.submit_write(token, 0, offset_bytes, filled(4096, token.to_le_bytes()[0])),
                _ => queue.submit_read(token, 0, offset_bytes, filled(4096, 0)),
            };
            submitted.expect("room");
            queue.flush().expect("a flush");
        }
        while queue.outstanding() > 0 {
            queue.poll(&mut completions);
        }
        assert!(device.injected_faults() > 50);
        let seen = |completion: Completion| {
            let Completion { token, result, buffer } = completion;
            let sum = buffer.iter().fold(0_u8, |sum, byte| sum.rotate_left(1) ^ byte);
            let error = result.as_ref().err().and_then(io::Error::raw_os_error);
            (token, error, result.unwrap_or(0), sum)
        };
        completions.into_iter().map(seen).collect()
    }

    #[test]
    fn a_seed_decides_everything() {
        assert_eq!(trace(1), trace(1));
        assert_ne!(trace(1), trace(2));
    }

    #[test]
    fn a_crash_keeps_what_was_synced_and_may_lose_the_rest() {
        let device = device(FaultPlan { tracks_crashes: true, ..FaultPlan::default() });
        let mut queue = device.open_queue(4).expect("a queue");
        write(&mut *queue, filled(4096, 1)).result.expect("a write");
        queue.submit_sync(9, 0).expect("room");
        finish(&mut *queue).result.expect("a sync");
        queue.submit_write(1, 0, 4096, filled(4096, 2)).expect("room");
        let mut survivors = [false; 2];
        for seed in 0..50 {
            let after = device.crash(seed);
            let mut bytes = [0; 8192];
            after.alter(0, |image| image.read(0, &mut bytes));
            assert_eq!(bytes[..4096], [1; 4096]);
            survivors[usize::from(bytes[4096..] == [2; 4096])] = true;
        }
        assert_eq!(survivors, [true; 2], "an unsynced write is sometimes kept and sometimes not");
    }

    #[test]
    fn a_failed_sync_makes_nothing_durable() {
        let device = device(FaultPlan { tracks_crashes: true, ..FaultPlan::default() });
        let mut queue = device.open_queue(4).expect("a queue");
        write(&mut *queue, filled(4096, 1)).result.expect("a write");
        device.script(script(Operation::Sync, Fault::Error(libc::EIO)));
        device.sync(0).expect_err("the scripted error");
        let is_lost = |seed| {
            let mut bytes = [0; 4096];
            device.crash(seed).alter(0, |image| image.read(0, &mut bytes));
            bytes == [0; 4096]
        };
        assert!((0..50).any(is_lost));
    }
}
