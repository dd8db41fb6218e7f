//! A wrapper over any device that makes things go wrong: at random from a seed, and as a test's script says.
//!
//! What goes wrong is drawn when a request is submitted, so a run with the same requests in the same order
//! and the same seed has the same faults. A device shared by several threads has only the determinism of
//! their schedule.
//!
//! With [`FaultPlan::tracks_crashes`] the wrapper also knows what a power failure would leave at any moment:
//! see [`FaultDevice::crash`]. Pulling the plug never hurts the running device, so one run can be crashed
//! many times.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::buffer::AlignedBuffer;
use super::crash::{CrashJournal, WriteNumber};
use super::fault_queue::FaultQueue;
use super::image::DiskImage;
use super::memory::MemoryDevice;
use super::{Device, DeviceQueue, Operation};

/// The unit of the rates in a [`FaultPlan`].
pub const RATE_UNIT: u32 = 1_000_000;

/// How many bytes are read at once when the contents of the inner device are copied.
const COPY_BYTES: usize = 1 << 20;

/// Longer than any read takes; a timeout is no error, only another look.
const COPY_WAIT: Duration = Duration::from_secs(1);

/// One thing that goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request is not executed and ends with this error number, such as `libc::EIO` or `libc::ENOSPC`.
    Error(i32),
    /// Only this many bytes are transferred, rounded down to blocks, and the device says so.
    Short(usize),
    /// Only this many bytes of a write reach the disk, rounded down to blocks. The device reports the error,
    /// or with `None` success for all of it; a lost write is one with zero bytes and no error. Changes
    /// nothing about reads.
    Torn {
        /// How much of the write is executed.
        written_bytes: usize,
        /// The error number that is reported.
        error: Option<i32>,
    },
    /// This bit of the data, counted modulo its length, is inverted in what is read, or in what reaches the
    /// disk.
    BitFlip(u64),
    /// The completion comes this many polls later than it could.
    Delay(u32),
}

/// A fault for particular requests.
#[derive(Clone, Debug)]
pub struct ScriptedFault {
    /// Which kind of request.
    pub operation: Operation,
    /// In which file; `None` for all.
    pub file: Option<u16>,
    /// The request has to touch a byte of this range of offsets; `None` for all. Ignored for syncs.
    pub range: Option<Range<u64>>,
    /// How many such requests pass unharmed first.
    pub skip: u64,
    /// How many requests it then hits, one after the other.
    pub times: u64,
    /// What happens to them.
    pub fault: Fault,
}

/// Random faults: the seed, and how many of [`RATE_UNIT`] requests suffer each. At most one fault hits a
/// request, other than a delay, which may come on top.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    /// Where all random decisions come from.
    pub seed: u64,
    /// Reads that fail with EIO.
    pub read_errors: u32,
    /// Writes that fail with EIO without having touched the disk.
    pub write_errors: u32,
    /// Syncs that fail with EIO.
    pub sync_errors: u32,
    /// Reads that end early.
    pub short_reads: u32,
    /// Writes that end early.
    pub short_writes: u32,
    /// Writes of which a part reaches the disk and EIO is reported.
    pub torn_writes: u32,
    /// Writes of which a part reaches the disk, or nothing, and success is reported.
    pub lost_writes: u32,
    /// Reads in which one bit is wrong, though the disk has it right.
    pub read_bit_flips: u32,
    /// Writes in which one bit is wrong on disk.
    pub write_bit_flips: u32,
    /// Requests whose completion is delayed.
    pub delays: u32,
    /// The longest delay, in polls.
    pub max_delay_polls: u32,
    /// Whether completions of one poll come in random order.
    pub reorders: bool,
    /// Whether [`FaultDevice::crash`] is possible. Costs memory for all contents.
    pub tracks_crashes: bool,
}

/// A device with faults. A clone is the same device.
#[derive(Clone)]
pub struct FaultDevice {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) inner: Arc<dyn Device>,
    pub(super) state: Mutex<State>,
}

/// Everything that changes; one lock for all of it, so that the random numbers are drawn in the order of the
/// requests.
pub(super) struct State {
    plan: FaultPlan,
    random: Random,
    script: Vec<ScriptedFault>,
    disk_full: bool,
    injected: u64,
    pub(super) journal: Option<CrashJournal>,
}

/// What was decided for one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) fault: Option<Fault>,
    pub(super) delay_polls: u32,
}

impl FaultDevice {
    /// Wraps a device. With `plan.tracks_crashes` its contents are read here and taken as durable.
    ///
    /// # Errors
    ///
    /// Those of the inner device while its contents are read.
    pub fn new(inner: Arc<dyn Device>, plan: FaultPlan) -> io::Result<Self> {
        let journal = if plan.tracks_crashes {
            let images = (0..inner.file_count()).map(|file| copy_contents(&*inner, file));
            Some(CrashJournal::new(inner.block_bytes(), images.collect::<io::Result<_>>()?))
        } else {
            None
        };
        let random = Random::new(plan.seed);
        let state = State { plan, random, script: Vec::new(), disk_full: false, injected: 0, journal };
        Ok(Self { shared: Arc::new(Shared { inner, state: Mutex::new(state) }) })
    }

    /// Adds a fault to the script. Of several that match a request the first added hits; the script goes
    /// before chance.
    pub fn script(&self, fault: ScriptedFault) {
        self.shared.state.lock().script.push(fault);
    }

    /// Forgets the script and all random faults: from now on everything works.
    pub fn heal(&self) {
        let mut state = self.shared.state.lock();
        state.script.clear();
        state.disk_full = false;
        let FaultPlan { seed, tracks_crashes, .. } = state.plan;
        state.plan = FaultPlan { seed, tracks_crashes, ..FaultPlan::default() };
    }

    /// While the disk is full every write fails with ENOSPC.
    pub fn set_disk_full(&self, is_full: bool) {
        self.shared.state.lock().disk_full = is_full;
    }

    /// How many requests were hit so far, delays not counted.
    pub fn injected_faults(&self) -> u64 {
        self.shared.state.lock().injected
    }

    /// A device with what a power failure at this moment leaves: every synced write, and of each other write
    /// all, nothing or some blocks, as drawn from `seed`. Writes in flight count as not synced.
    ///
    /// # Panics
    ///
    /// When the plan does not track crashes.
    pub fn crash(&self, seed: u64) -> MemoryDevice {
        let state = self.shared.state.lock();
        let journal = state.journal.as_ref().expect("the plan tracks crashes");
        MemoryDevice::from_images(journal.crash(&mut Random::new(seed)), self.shared.inner.block_bytes())
    }
}

impl Device for FaultDevice {
    fn block_bytes(&self) -> usize {
        self.shared.inner.block_bytes()
    }

    fn file_count(&self) -> u16 {
        self.shared.inner.file_count()
    }

    fn capacity_bytes(&self, file: u16) -> u64 {
        self.shared.inner.capacity_bytes(file)
    }

    fn open_queue(&self, depth: usize) -> io::Result<Box<dyn DeviceQueue>> {
        let inner = self.shared.inner.open_queue(depth)?;
        Ok(Box::new(FaultQueue::new(Arc::clone(&self.shared), inner)))
    }

    fn sync(&self, file: u16) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        let decision = state.decide(Operation::Sync, file, 0, 0);
        let covered = state.covered_by_sync(file);
        drop(state);
        if let Some(Fault::Error(error)) = decision.fault {
            return Err(io::Error::from_raw_os_error(error));
        }
        self.shared.inner.sync(file)?;
        self.shared.state.lock().synced(&covered);
        Ok(())
    }
}

impl State {
    /// Decides what happens to a request.
    pub(super) fn decide(
        &mut self,
        operation: Operation,
        file: u16,
        offset_bytes: u64,
        len_bytes: usize,
    ) -> Decision {
        let fault = if self.disk_full && operation == Operation::Write {
            Some(Fault::Error(libc::ENOSPC))
        } else {
            self.scripted(operation, file, offset_bytes, len_bytes)
                .or_else(|| self.by_chance(operation, len_bytes))
        };
        let by_chance = if self.happens(self.plan.delays) {
            1 + u32::try_from(self.random.below(u64::from(self.plan.max_delay_polls.max(1))))
                .expect("below a u32")
        } else {
            0
        };
        match fault {
            Some(Fault::Delay(polls)) => Decision { fault: None, delay_polls: polls },
            fault => {
                self.injected += u64::from(fault.is_some());
                Decision { fault, delay_polls: by_chance }
            }
        }
    }

    fn scripted(
        &mut self,
        operation: Operation,
        file: u16,
        offset_bytes: u64,
        len_bytes: usize,
    ) -> Option<Fault> {
        let matches = |fault: &&mut ScriptedFault| {
            fault.operation == operation
                && fault.times > 0
                && fault.file.is_none_or(|wanted| wanted == file)
                && (operation == Operation::Sync
                    || fault.range.as_ref().is_none_or(|range| {
                        range.start < offset_bytes + len_bytes as u64 && offset_bytes < range.end
                    }))
        };
        let scripted = self.script.iter_mut().find(matches)?;
        if scripted.skip > 0 {
            scripted.skip -= 1;
            return None;
        }
        scripted.times -= 1;
        Some(scripted.fault)
    }

    fn by_chance(&mut self, operation: Operation, len_bytes: usize) -> Option<Fault> {
        let eio = libc::EIO;
        let part_bytes = |random: &mut Random| random.below(len_bytes.max(1) as u64) as usize;
        match operation {
            Operation::Read if self.happens(self.plan.read_errors) => Some(Fault::Error(eio)),
            Operation::Read if self.happens(self.plan.short_reads) => {
                Some(Fault::Short(part_bytes(&mut self.random)))
            }
            Operation::Read if self.happens(self.plan.read_bit_flips) => {
                Some(Fault::BitFlip(self.random.next()))
            }
            Operation::Write if self.happens(self.plan.write_errors) => Some(Fault::Error(eio)),
            Operation::Write if self.happens(self.plan.short_writes) => {
                Some(Fault::Short(part_bytes(&mut self.random)))
            }
            Operation::Write if self.happens(self.plan.torn_writes) => {
                Some(Fault::Torn { written_bytes: part_bytes(&mut self.random), error: Some(eio) })
            }
            Operation::Write if self.happens(self.plan.lost_writes) => {
                Some(Fault::Torn { written_bytes: part_bytes(&mut self.random), error: None })
            }
            Operation::Write if self.happens(self.plan.write_bit_flips) => {
                Some(Fault::BitFlip(self.random.next()))
            }
            Operation::Sync if self.happens(self.plan.sync_errors) => Some(Fault::Error(eio)),
            _ => None,
        }
    }

    fn happens(&mut self, rate: u32) -> bool {
        rate > 0 && self.random.below(u64::from(RATE_UNIT)) < u64::from(rate)
    }

    /// Brings what one poll found into another order, if the plan wants that.
    pub(super) fn reorder<T>(&mut self, items: &mut [T]) {
        if self.plan.reorders {
            for index in (1..items.len()).rev() {
                items.swap(index, self.random.below(index as u64 + 1) as usize);
            }
        }
    }

    pub(super) fn covered_by_sync(&self, file: u16) -> Vec<WriteNumber> {
        self.journal.as_ref().map(|journal| journal.covered_by_sync(file)).unwrap_or_default()
    }

    pub(super) fn synced(&mut self, covered: &[WriteNumber]) {
        if let Some(journal) = &mut self.journal {
            journal.synced(covered);
        }
    }
}

/// Random numbers that stay the same in every version of every library (SplitMix64), because a seed is a
/// test's name.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number under `bound`, which is not zero. The bias of the remainder is of no matter for faults.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

fn copy_contents(device: &dyn Device, file: u16) -> io::Result<DiskImage> {
    let capacity_bytes = device.capacity_bytes(file);
    let mut image = DiskImage::new(capacity_bytes);
    let mut queue = device.open_queue(1)?;
    let mut offset_bytes = 0;
    let mut completions = Vec::new();
    while offset_bytes < capacity_bytes {
        let len_bytes = (capacity_bytes - offset_bytes).min(COPY_BYTES as u64) as usize;
        queue
            .submit_read(0, file, offset_bytes, AlignedBuffer::zeroed(len_bytes))
            .map_err(io::Error::other)?;
        while queue.outstanding() > 0 {
            queue.wait(COPY_WAIT)?;
            queue.poll(&mut completions);
        }
        let completion = completions.pop().expect("what was outstanding is delivered");
        let buffer = completion.into_complete().map_err(|(error, _)| error)?;
        if buffer.iter().any(|&byte| byte != 0) {
            image.write(offset_bytes, &buffer);
        }
        offset_bytes += len_bytes as u64;
    }
    Ok(image)
}
