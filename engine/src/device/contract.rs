//! The contract of [`Device`] and [`DeviceQueue`](super::DeviceQueue) as tests that every device passes.
//!
//! `device_contract!(make)` makes one test of each behaviour; `make` is called once per test and gives a
//! device of two files of 1 MiB that read as zeros.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::buffer::AlignedBuffer;
use super::{Completion, Device, DeviceQueue};

/// Far more than any request takes; a device that needs it is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// More polls than any simulated delay asks for.
const MAX_POLLS: usize = 10_000;

macro_rules! device_contract {
    ($make:expr) => {
        $crate::device::contract::device_contract!(
            $make;
            unwritten_bytes_read_as_zeros,
            what_was_written_is_read,
            files_are_separate,
            contents_outlive_a_queue,
            the_depth_bounds_what_is_in_flight,
            every_request_completes_once,
            a_sync_completes_with_an_empty_buffer,
            dropping_a_queue_finishes_its_writes,
            an_idle_queue_does_not_wait,
            the_eventfd_tells_of_completions,
            a_bad_request_panics,
            threads_have_queues_of_their_own,
            the_last_block_is_usable
        );
    };
    ($make:expr; $($behaviour:ident),*) => {
        mod contract {
            use super::*;

            $(#[test]
            fn $behaviour() {
                let make = $make;
                crate::device::contract::$behaviour(&*make());
            })*
        }
    };
}
pub(crate) use device_contract;

fn filled(len_bytes: usize, seed: u8) -> AlignedBuffer {
    let mut buffer = AlignedBuffer::zeroed(len_bytes);
    for (byte, value) in buffer.iter_mut().zip((seed..=u8::MAX).cycle()) {
        *byte = value;
    }
    buffer
}

/// Everything that is in flight.
fn drain(queue: &mut dyn DeviceQueue) -> Vec<Completion> {
    let mut completions = Vec::new();
    for _ in 0..MAX_POLLS {
        if queue.outstanding() == 0 {
            return completions;
        }
        queue.wait(PATIENCE).expect("a wait");
        queue.poll(&mut completions);
    }
    panic!("{} requests do not complete", queue.outstanding());
}

fn only(queue: &mut dyn DeviceQueue) -> AlignedBuffer {
    let mut completions = drain(queue);
    let completion = completions.pop().expect("a completion");
    assert!(completions.is_empty());
    completion.into_complete().expect("complete I/O")
}

fn write(queue: &mut dyn DeviceQueue, file: u16, offset_bytes: u64, buffer: AlignedBuffer) {
    queue.submit_write(0, file, offset_bytes, buffer).expect("room");
    only(queue);
}

fn read(queue: &mut dyn DeviceQueue, file: u16, offset_bytes: u64, len_bytes: usize) -> AlignedBuffer {
    queue.submit_read(0, file, offset_bytes, filled(len_bytes, 99)).expect("room");
    only(queue)
}

pub(crate) fn unwritten_bytes_read_as_zeros(device: &dyn Device) {
    let mut queue = device.open_queue(1).expect("a queue");
    let bytes = read(&mut *queue, 0, 4096, 8192);
    assert!(bytes.iter().all(|&byte| byte == 0));
}

pub(crate) fn what_was_written_is_read(device: &dyn Device) {
    let mut queue = device.open_queue(4).expect("a queue");
    let block = device.block_bytes();
    write(&mut *queue, 0, 3 * block as u64, filled(5 * block, 1));
    assert_eq!(read(&mut *queue, 0, 3 * block as u64, 5 * block)[..], filled(5 * block, 1)[..]);
    assert_eq!(read(&mut *queue, 0, 4 * block as u64, block)[..], filled(5 * block, 1)[block..2 * block]);
}

pub(crate) fn files_are_separate(device: &dyn Device) {
    assert_eq!(device.file_count(), 2);
    let mut queue = device.open_queue(4).expect("a queue");
    write(&mut *queue, 0, 0, filled(4096, 1));
    write(&mut *queue, 1, 0, filled(4096, 2));
    assert_eq!(read(&mut *queue, 0, 0, 4096)[..], filled(4096, 1)[..]);
    assert_eq!(read(&mut *queue, 1, 0, 4096)[..], filled(4096, 2)[..]);
}

pub(crate) fn contents_outlive_a_queue(device: &dyn Device) {
    write(&mut *device.open_queue(1).expect("a queue"), 1, 4096, filled(4096, 3));
    let mut queue = device.open_queue(1).expect("a queue");
    assert_eq!(read(&mut *queue, 1, 4096, 4096)[..], filled(4096, 3)[..]);
}

pub(crate) fn the_depth_bounds_what_is_in_flight(device: &dyn Device) {
    let mut queue = device.open_queue(3).expect("a queue");
    assert_eq!(queue.depth(), 3);
    for token in 0..3 {
        queue.submit_read(token, 0, 0, AlignedBuffer::zeroed(4096)).expect("room");
        assert_eq!(queue.outstanding(), token as usize + 1);
    }
    let refused = queue.submit_write(3, 0, 0, filled(8192, 7)).expect_err("the queue is full");
    assert_eq!(refused.buffer[..], filled(8192, 7)[..]);
    assert_eq!(drain(&mut *queue).len(), 3);
    queue.submit_write(3, 0, 0, refused.buffer).expect("room again");
    only(&mut *queue);
}

pub(crate) fn every_request_completes_once(device: &dyn Device) {
    let mut queue = device.open_queue(16).expect("a queue");
    let mut completions = Vec::new();
    let mut lengths = BTreeMap::new();
    for token in 0..200_u64 {
        while queue.outstanding() == queue.depth() {
            queue.wait(PATIENCE).expect("a wait");
            queue.poll(&mut completions);
        }
        let len_bytes = 4096 * (1 + token as usize % 3);
        lengths.insert(token, len_bytes);
        let buffer = filled(len_bytes, 5);
        let offset_bytes = token % 50 * 12288;
        let submitted = match token % 2 {
            0 => queue.submit_read(token, 0, offset_bytes, buffer),
            _ => queue.submit_write(token, 0, offset_bytes, buffer),
        };
        submitted.expect("room");
        queue.flush().expect("a flush");
        queue.poll(&mut completions);
    }
    completions.append(&mut drain(&mut *queue));
    for completion in completions {
        let len_bytes = lengths.remove(&completion.token).expect("one completion for a token");
        assert_eq!(completion.buffer.len(), len_bytes);
        assert_eq!(completion.result.expect("success"), len_bytes);
    }
    assert!(lengths.is_empty());
}

pub(crate) fn a_sync_completes_with_an_empty_buffer(device: &dyn Device) {
    let mut queue = device.open_queue(2).expect("a queue");
    write(&mut *queue, 1, 0, filled(4096, 1));
    queue.submit_sync(77, 1).expect("room");
    let completions = drain(&mut *queue);
    assert_eq!(completions.len(), 1);
    assert_eq!(completions[0].token, 77);
    assert_eq!(*completions[0].result.as_ref().expect("success"), 0);
    assert!(completions[0].buffer.is_empty());
    device.sync(1).expect("a blocking sync");
}

pub(crate) fn dropping_a_queue_finishes_its_writes(device: &dyn Device) {
    let mut queue = device.open_queue(8).expect("a queue");
    for token in 0..8 {
        queue.submit_write(token, 0, token * 65536, filled(65536, 9)).expect("room");
    }
    queue.flush().expect("a flush");
    drop(queue);
    let mut queue = device.open_queue(1).expect("a queue");
    for token in 0..8 {
        assert_eq!(read(&mut *queue, 0, token * 65536, 65536)[..], filled(65536, 9)[..]);
    }
}

pub(crate) fn an_idle_queue_does_not_wait(device: &dyn Device) {
    let mut queue = device.open_queue(1).expect("a queue");
    queue.flush().expect("nothing to flush");
    // A wait that blocked for this long would be noticed.
    queue.wait(Duration::from_secs(3600)).expect("nothing to wait for");
    assert_eq!(queue.poll(&mut Vec::new()), 0);
}

pub(crate) fn the_eventfd_tells_of_completions(device: &dyn Device) {
    use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
    use std::os::fd::AsFd;

    let unused = eventfd(0, EventfdFlags::NONBLOCK).expect("an eventfd");
    let eventfd = eventfd(0, EventfdFlags::NONBLOCK).expect("an eventfd");
    let mut queue = device.open_queue(4).expect("a queue");
    queue.register_eventfd(unused.as_fd()).expect("a first eventfd");
    queue.register_eventfd(eventfd.as_fd()).expect("one in its place");
    drop(unused);
    for token in 0..4 {
        queue.submit_read(token, 0, token * 4096, AlignedBuffer::zeroed(4096)).expect("room");
    }
    queue.flush().expect("a flush");
    let mut completions = Vec::new();
    while queue.outstanding() > 0 {
        queue.poll(&mut completions);
        if queue.outstanding() == 0 {
            break;
        }
        let mut descriptors = [PollFd::new(&eventfd, PollFlags::IN)];
        let timeout = Timespec::try_from(PATIENCE).expect("a timeout");
        assert_eq!(poll(&mut descriptors, Some(&timeout)).expect("a poll"), 1, "nobody was told");
        let mut count = [0; 8];
        rustix::io::read(&eventfd, &mut count).expect("the count");
    }
    assert_eq!(completions.len(), 4);
}

pub(crate) fn a_bad_request_panics(device: &dyn Device) {
    let capacity_bytes = device.capacity_bytes(0);
    let block_bytes = device.block_bytes() as u64;
    let attempts: [(u16, u64, usize); 6] = [
        (2, 0, 4096),
        (0, block_bytes / 2, 4096),
        (0, 0, 4096 - 1),
        (0, 0, 0),
        (0, capacity_bytes, 4096),
        (0, u64::MAX - block_bytes + 1, 4096),
    ];
    for (file, offset_bytes, len_bytes) in attempts {
        let mut queue = device.open_queue(1).expect("a queue");
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            let _ = queue.submit_write(0, file, offset_bytes, AlignedBuffer::zeroed(len_bytes));
        }));
        assert!(attempt.is_err(), "{len_bytes} bytes at {offset_bytes} of file {file}");
        assert_eq!(queue.outstanding(), 0);
    }
}

pub(crate) fn threads_have_queues_of_their_own(device: &dyn Device) {
    std::thread::scope(|scope| {
        for file in 0..2 {
            scope.spawn(move || {
                let mut queue = device.open_queue(2).expect("a queue");
                for round in 0..20 {
                    write(&mut *queue, file, round * 4096, filled(4096, file as u8));
                    assert_eq!(read(&mut *queue, file, round * 4096, 4096)[..], filled(4096, file as u8)[..]);
                }
            });
        }
    });
}

pub(crate) fn the_last_block_is_usable(device: &dyn Device) {
    let mut queue = device.open_queue(1).expect("a queue");
    let block_bytes = device.block_bytes();
    let offset_bytes = device.capacity_bytes(1) - block_bytes as u64;
    write(&mut *queue, 1, offset_bytes, filled(block_bytes, 4));
    assert_eq!(read(&mut *queue, 1, offset_bytes, block_bytes)[..], filled(block_bytes, 4)[..]);
}
