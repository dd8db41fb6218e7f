//! A device in memory, for tests and simulation: it keeps the contract of [`Device`] and nothing ever fails.
//!
//! A request takes effect when it is delivered by `poll`. Completions come in the order of submission unless
//! the test says otherwise through [`MemoryDevice::set_order`]. There is no clock: `wait` never blocks.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::image::DiskImage;
use super::{
    Completion, Device, DeviceQueue, MAX_BLOCK_BYTES, MAX_QUEUE_DEPTH, Operation, QueueFull, Request,
    SECTOR_BYTES, assert_request,
};

/// In which order a queue of a [`MemoryDevice`] delivers what was flushed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompletionOrder {
    /// As submitted.
    #[default]
    Submission,
    /// What was submitted last comes first.
    Reverse,
    /// Only what was released, in the order of submission.
    Held,
}

/// Files in memory. A clone is the same device.
#[derive(Clone)]
pub struct MemoryDevice {
    shared: Arc<Shared>,
}

struct Shared {
    block_bytes: usize,
    capacities_bytes: Vec<u64>,
    state: Mutex<State>,
}

struct State {
    images: Vec<DiskImage>,
    order: CompletionOrder,
    released: BTreeSet<u64>,
}

impl MemoryDevice {
    /// `file_count` files of `capacity_bytes` zeros each, with blocks of 512 bytes.
    ///
    /// # Panics
    ///
    /// When the capacity is zero or no multiple of 4096, or there are no files.
    pub fn new(file_count: u16, capacity_bytes: u64) -> Self {
        let images = (0..file_count).map(|_| DiskImage::new(capacity_bytes)).collect();
        Self::from_images(images, SECTOR_BYTES)
    }

    /// A device with the given contents, such as what a crash left.
    ///
    /// # Panics
    ///
    /// When there are no images or more than 65535, or `block_bytes` is not one that [`Device::block_bytes`]
    /// allows.
    pub fn from_images(images: Vec<DiskImage>, block_bytes: usize) -> Self {
        assert!((1..=usize::from(u16::MAX)).contains(&images.len()), "{} files", images.len());
        assert!(block_bytes.is_power_of_two() && (SECTOR_BYTES..=MAX_BLOCK_BYTES).contains(&block_bytes));
        let capacities_bytes = images.iter().map(DiskImage::capacity_bytes).collect();
        let state = State { images, order: CompletionOrder::default(), released: BTreeSet::new() };
        Self { shared: Arc::new(Shared { block_bytes, capacities_bytes, state: Mutex::new(state) }) }
    }

    /// A copy of the contents of all files. Requests that were not delivered have not happened.
    pub fn images(&self) -> Vec<DiskImage> {
        self.shared.state.lock().images.clone()
    }

    /// Lets a test change the contents of a file behind the engine's back.
    ///
    /// # Panics
    ///
    /// When there is no such file.
    pub fn alter(&self, file: u16, change: impl FnOnce(&mut DiskImage)) {
        change(&mut self.shared.state.lock().images[usize::from(file)]);
    }

    /// Sets the order of completions from now on, for all queues.
    pub fn set_order(&self, order: CompletionOrder) {
        self.shared.state.lock().order = order;
    }

    /// In [`CompletionOrder::Held`], lets the request with this token be delivered at its queue's next poll;
    /// or, if it is yet to come, as soon as it has been flushed.
    pub fn release(&self, token: u64) {
        self.shared.state.lock().released.insert(token);
    }
}

impl Device for MemoryDevice {
    fn block_bytes(&self) -> usize {
        self.shared.block_bytes
    }

    fn file_count(&self) -> u16 {
        u16::try_from(self.shared.capacities_bytes.len()).expect("checked when the device was made")
    }

    fn capacity_bytes(&self, file: u16) -> u64 {
        self.shared.capacities_bytes[usize::from(file)]
    }

    fn open_queue(&self, depth: usize) -> io::Result<Box<dyn DeviceQueue>> {
        assert!((1..=MAX_QUEUE_DEPTH).contains(&depth), "a queue of depth {depth}");
        Ok(Box::new(MemoryQueue {
            shared: Arc::clone(&self.shared),
            depth,
            queued: Vec::new(),
            flushed: VecDeque::new(),
            eventfd: None,
        }))
    }

    fn sync(&self, file: u16) -> io::Result<()> {
        assert!(file < self.file_count(), "a sync of file {file}");
        Ok(())
    }
}

struct MemoryQueue {
    shared: Arc<Shared>,
    depth: usize,
    queued: Vec<Request>,
    flushed: VecDeque<Request>,
    eventfd: Option<File>,
}

impl MemoryQueue {
    /// Tells a parked reactor that there may be something to poll.
    fn signal(&mut self) -> io::Result<()> {
        match &mut self.eventfd {
            // The eventfd is only ever full (and the write would block) when it is signalled already.
            Some(eventfd) => match eventfd.write(&1_u64.to_ne_bytes()) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }
}

impl DeviceQueue for MemoryQueue {
    fn submit(&mut self, request: Request) -> Result<(), QueueFull> {
        let capacity_bytes = self.shared.capacities_bytes[usize::from(request.file)];
        if !matches!(request.operation, Operation::Sync) {
            assert_request(
                self.shared.block_bytes,
                capacity_bytes,
                request.offset_bytes,
                request.buffer.len(),
            );
        }
        if self.outstanding() == self.depth {
            return Err(QueueFull { buffer: request.buffer });
        }
        self.queued.push(request);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.queued.is_empty() {
            return Ok(());
        }
        self.flushed.extend(self.queued.drain(..));
        self.signal()
    }

    fn poll(&mut self, completions: &mut Vec<Completion>) -> usize {
        let before = completions.len();
        let mut state = self.shared.state.lock();
        let state = &mut *state;
        match state.order {
            CompletionOrder::Submission => {
                completions.extend(self.flushed.drain(..).map(|request| execute(&mut state.images, request)));
            }
            CompletionOrder::Reverse => {
                completions
                    .extend(self.flushed.drain(..).rev().map(|request| execute(&mut state.images, request)));
            }
            CompletionOrder::Held => {
                for _ in 0..self.flushed.len() {
                    let Some(request) = self.flushed.pop_front() else { break };
                    if state.released.remove(&request.token) {
                        completions.push(execute(&mut state.images, request));
                    } else {
                        self.flushed.push_back(request);
                    }
                }
            }
        }
        completions.len() - before
    }

    fn wait(&mut self, _timeout: Duration) -> io::Result<()> {
        self.flush()
    }

    fn register_eventfd(&mut self, eventfd: BorrowedFd<'_>) -> io::Result<()> {
        self.eventfd = Some(File::from(eventfd.try_clone_to_owned()?));
        if self.flushed.is_empty() { Ok(()) } else { self.signal() }
    }

    fn outstanding(&self) -> usize {
        self.queued.len() + self.flushed.len()
    }

    fn depth(&self) -> usize {
        self.depth
    }
}

impl Drop for MemoryQueue {
    /// What is in flight still happens, as on a real device.
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        for request in self.flushed.drain(..).chain(self.queued.drain(..)) {
            drop(execute(&mut state.images, request));
        }
    }
}

fn execute(images: &mut [DiskImage], request: Request) -> Completion {
    let Request { token, operation, file, offset_bytes, mut buffer } = request;
    let image = &mut images[usize::from(file)];
    match operation {
        Operation::Read => image.read(offset_bytes, &mut buffer),
        Operation::Write => image.write(offset_bytes, &buffer),
        Operation::Sync => {}
    }
    Completion { token, result: Ok(buffer.len()), buffer }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::buffer::AlignedBuffer;

    crate::device::contract::device_contract!(|| Box::new(MemoryDevice::new(2, 1 << 20)) as Box<dyn Device>);

    fn tokens(queue: &mut dyn DeviceQueue) -> Vec<u64> {
        let mut completions = Vec::new();
        queue.poll(&mut completions);
        completions.iter().map(|completion| completion.token).collect()
    }

    fn with_three_reads(device: &MemoryDevice) -> Box<dyn DeviceQueue> {
        let mut queue = device.open_queue(3).expect("a queue");
        for token in 0..3 {
            queue.submit_read(token, 0, 0, AlignedBuffer::zeroed(512)).expect("room");
        }
        queue.flush().expect("a flush");
        queue
    }

    #[test]
    fn completions_can_come_in_reverse() {
        let device = MemoryDevice::new(1, 4096);
        device.set_order(CompletionOrder::Reverse);
        let mut queue = with_three_reads(&device);
        assert_eq!(tokens(&mut *queue), [2, 1, 0]);
    }

    #[test]
    fn held_completions_come_when_released() {
        let device = MemoryDevice::new(1, 4096);
        device.set_order(CompletionOrder::Held);
        let mut queue = with_three_reads(&device);
        assert_eq!(tokens(&mut *queue), []);
        device.release(1);
        assert_eq!(tokens(&mut *queue), [1]);
        assert_eq!(queue.outstanding(), 2);
        device.set_order(CompletionOrder::Submission);
        assert_eq!(tokens(&mut *queue), [0, 2]);
    }

    #[test]
    fn a_write_happens_when_it_is_delivered() {
        let device = MemoryDevice::new(1, 4096);
        let before = device.images();
        let mut queue = device.open_queue(1).expect("a queue");
        let mut buffer = AlignedBuffer::zeroed(512);
        buffer.fill(7);
        queue.submit_write(0, 0, 512, buffer).expect("room");
        queue.flush().expect("a flush");
        assert!(device.images() == before);
        assert_eq!(tokens(&mut *queue), [0]);
        let mut bytes = [0; 512];
        device.alter(0, |image| image.read(512, &mut bytes));
        assert_eq!(bytes, [7; 512]);
    }
}
