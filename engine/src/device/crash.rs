//! What survives a power failure: the durable contents of simulated files, and the writes that may still be
//! lost.
//!
//! A write is recorded when it is submitted, because a device may apply any part of it from then on. It
//! becomes surely durable when a sync succeeds that was submitted after its completion was delivered. Until
//! then a crash may keep all of its blocks, none, or some: blocks are atomic, their order is not.
//!
//! **Invariant:** `writes` is in the order of submission, and its data is at most [`MAX_UNSYNCED_BYTES`] plus
//! one write, unless all of it belongs to writes that have not completed.

use std::collections::VecDeque;

use super::fault::Random;
use super::image::DiskImage;

/// How many bytes of completed writes may be at risk. Beyond it the oldest become durable: a disk is free to
/// do so, and an engine that never syncs would otherwise fill memory here.
pub(super) const MAX_UNSYNCED_BYTES: usize = 64 << 20;

/// Names a recorded write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WriteNumber(u64);

#[derive(Debug)]
struct UnsyncedWrite {
    number: WriteNumber,
    file: u16,
    offset_bytes: u64,
    data: Box<[u8]>,
    completed: bool,
}

#[derive(Debug)]
pub(super) struct CrashJournal {
    block_bytes: usize,
    durable: Vec<DiskImage>,
    writes: VecDeque<UnsyncedWrite>,
    unsynced_bytes: usize,
    next_number: u64,
}

impl CrashJournal {
    pub(super) fn new(block_bytes: usize, durable: Vec<DiskImage>) -> Self {
        Self { block_bytes, durable, writes: VecDeque::new(), unsynced_bytes: 0, next_number: 0 }
    }

    pub(super) fn submitted(&mut self, file: u16, offset_bytes: u64, data: &[u8]) -> WriteNumber {
        let number = WriteNumber(self.next_number);
        self.next_number += 1;
        self.unsynced_bytes += data.len();
        self.writes.push_back(UnsyncedWrite {
            number,
            file,
            offset_bytes,
            data: data.into(),
            completed: false,
        });
        number
    }

    pub(super) fn completed(&mut self, number: WriteNumber) {
        // A write that was made durable to bound memory is no longer here, but only completed ones are.
        let index = self.writes.binary_search_by_key(&number, |write| write.number);
        self.writes[index.expect("a write completes once")].completed = true;
        while self.unsynced_bytes > MAX_UNSYNCED_BYTES
            && self.writes.front().is_some_and(|write| write.completed)
        {
            let write = self.writes.pop_front().expect("there is a first one");
            self.make_durable(&write);
        }
    }

    /// The writes that a sync which starts now covers.
    pub(super) fn covered_by_sync(&self, file: u16) -> Vec<WriteNumber> {
        let covered = self.writes.iter().filter(|write| write.file == file && write.completed);
        covered.map(|write| write.number).collect()
    }

    pub(super) fn synced(&mut self, covered: &[WriteNumber]) {
        let writes = std::mem::take(&mut self.writes);
        for write in writes {
            if covered.binary_search(&write.number).is_ok() {
                self.make_durable(&write);
            } else {
                self.writes.push_back(write);
            }
        }
    }

    fn make_durable(&mut self, write: &UnsyncedWrite) {
        self.unsynced_bytes -= write.data.len();
        self.durable[usize::from(write.file)].write(write.offset_bytes, &write.data);
    }

    /// What a power failure at this moment leaves, with the fate of every unsynced block drawn from `random`:
    /// of a write everything, nothing, or each block by itself.
    pub(super) fn crash(&self, random: &mut Random) -> Vec<DiskImage> {
        let mut images = self.durable.clone();
        for write in &self.writes {
            let image = &mut images[usize::from(write.file)];
            match random.below(3) {
                0 => {}
                1 => image.write(write.offset_bytes, &write.data),
                _ => {
                    for (index, block) in write.data.chunks(self.block_bytes).enumerate() {
                        if random.below(2) == 0 {
                            image.write(write.offset_bytes + (index * self.block_bytes) as u64, block);
                        }
                    }
                }
            }
        }
        images
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> CrashJournal {
        CrashJournal::new(512, vec![DiskImage::new(1 << 27)])
    }

    fn byte_at(images: &[DiskImage], offset_bytes: u64) -> u8 {
        let mut byte = [0];
        images[0].read(offset_bytes, &mut byte);
        byte[0]
    }

    #[test]
    fn a_synced_write_survives_every_crash() {
        let mut journal = journal();
        let number = journal.submitted(0, 0, &[1; 4096]);
        journal.completed(number);
        let covered = journal.covered_by_sync(0);
        journal.synced(&covered);
        for seed in 0..50 {
            let images = journal.crash(&mut Random::new(seed));
            assert!((0..4096).all(|offset| byte_at(&images, offset) == 1));
        }
    }

    #[test]
    fn an_unsynced_write_may_be_kept_lost_or_torn_between_blocks() {
        let mut journal = journal();
        let number = journal.submitted(0, 0, &[1; 4096]);
        journal.completed(number);
        let mut kept_blocks = [0; 9];
        for seed in 0..200 {
            let images = journal.crash(&mut Random::new(seed));
            let blocks: Vec<u8> = (0..4096).map(|offset| byte_at(&images, offset)).collect();
            assert!(blocks.chunks(512).all(|block| block.iter().all(|byte| *byte == block[0])));
            kept_blocks[blocks.chunks(512).filter(|block| block[0] == 1).count()] += 1;
        }
        assert!(kept_blocks[0] > 0 && kept_blocks[8] > 0 && kept_blocks[1..8].iter().sum::<i32>() > 0);
    }

    #[test]
    fn a_sync_does_not_cover_what_completes_after_it_began() {
        let mut journal = journal();
        let number = journal.submitted(0, 0, &[1; 512]);
        let covered = journal.covered_by_sync(0);
        journal.completed(number);
        journal.synced(&covered);
        let lost = (0..50).any(|seed| byte_at(&journal.crash(&mut Random::new(seed)), 0) == 0);
        assert!(lost);
    }

    #[test]
    fn memory_is_bounded_without_syncs() {
        let mut journal = journal();
        for round in 0..100 {
            let number = journal.submitted(0, round << 20, &vec![1; 1 << 20]);
            journal.completed(number);
        }
        assert_eq!(journal.unsynced_bytes, MAX_UNSYNCED_BYTES);
        assert_eq!(byte_at(&journal.crash(&mut Random::new(0)), 0), 1);
    }
}
