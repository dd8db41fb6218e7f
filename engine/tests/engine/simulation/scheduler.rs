//! What happens next: one event after the other, each drawn from the seed and noted in the trace.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use thermocline_engine::Clock;
use thermocline_engine::device::fault::FaultDevice;
use thermocline_engine::device::memory::MemoryDevice;

use super::clients::{Model, Shared, audit, client};
use super::plan::{Faults, Plan, Random};
use crate::world::World;

/// Events after which clients that wait will wait for ever.
const PATIENCE_EVENTS: usize = 200_000;
/// One event in so many notes everything the engine counts.
const EVENTS_PER_SNAPSHOT: usize = 256;

/// A running hash of everything that happened, after each event.
#[derive(Default)]
pub(super) struct Trace {
    hashes: Vec<u64>,
}

impl Trace {
    pub(super) fn note(&mut self, what: &[u64]) {
        let mut hash = self.hashes.last().copied().unwrap_or(0);
        for &word in what {
            hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
        self.hashes.push(hash);
    }

    fn note_bytes(&mut self, bytes: &[u8]) {
        self.note(&[u64::from(crc32c::crc32c(bytes))]);
    }
}

/// How much of what a simulation is for has happened.
#[derive(Clone, Default, Debug)]
pub(super) struct Summary {
    pub(super) cold_reads: u64,
    pub(super) demotions: u64,
    pub(super) segments_collected: u64,
    pub(super) injected_faults: u64,
    pub(super) failed_reads: u64,
    pub(super) refused_writes: u64,
    pub(super) evicted_keys: u64,
}

impl Summary {
    pub(super) fn add(&mut self, other: &Self) {
        self.cold_reads += other.cold_reads;
        self.demotions += other.demotions;
        self.segments_collected += other.segments_collected;
        self.injected_faults += other.injected_faults;
        self.failed_reads += other.failed_reads;
        self.refused_writes += other.refused_writes;
        self.evicted_keys += other.evicted_keys;
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Task {
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    is_woken: Arc<Flag>,
}

impl Task {
    fn new(future: impl Future<Output = ()> + 'static) -> Self {
        Self { future: Some(Box::pin(future)), is_woken: Arc::new(Flag(AtomicBool::new(true))) }
    }

    fn is_runnable(&self) -> bool {
        self.future.is_some() && self.is_woken.0.load(Ordering::Relaxed)
    }

    fn run(&mut self) {
        self.is_woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&self.is_woken));
        if let Some(future) = &mut self.future
            && future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
        {
            self.future = None;
        }
    }
}

struct Simulation {
    shared: Rc<Shared>,
    background: thermocline_engine::Background,
    device: FaultDevice,
    tasks: Vec<Task>,
    is_disk_full: bool,
}

/// Runs a plan to its end; the hashes after each event, and what has happened.
pub(super) fn run(plan: Plan, commands: usize) -> (Vec<u64>, Summary) {
    let memory = MemoryDevice::new(plan.file_count, plan.segments_per_file * plan.config.segment_bytes);
    let device = FaultDevice::new(Arc::new(memory.clone()), plan.device.clone()).expect("a device");
    let World { engine, reader, background, clock } =
        World::configured(Arc::new(device.clone()), plan.config.clone());
    let clients = plan.clients;
    let shared = Rc::new(Shared {
        random: RefCell::new(Random::new(plan.seed ^ 1 << 63)),
        plan,
        engine,
        reader,
        clock,
        model: RefCell::new(Model::default()),
        trace: RefCell::new(Trace::default()),
        timers: RefCell::new(Vec::new()),
        failed_reads: Cell::new(0),
        refused_writes: Cell::new(0),
        is_healed: Cell::new(false),
    });
    let task = |_| Task::new(client(Rc::clone(&shared), commands.div_ceil(clients)));
    let tasks = (0..clients).map(task).collect();
    let mut simulation =
        Simulation { shared: Rc::clone(&shared), background, device, tasks, is_disk_full: false };
    simulation.run_tasks();
    simulation.heal();
    simulation.tasks = vec![Task::new(audit(Rc::clone(&shared)))];
    simulation.run_tasks();
    simulation.end(&memory)
}

impl Simulation {
    fn run_tasks(&mut self) {
        let mut idle_events = 0;
        while self.tasks.iter().any(|task| task.future.is_some()) {
            idle_events = if self.tasks.iter().any(Task::is_runnable) { 0 } else { idle_events + 1 };
            assert!(idle_events < PATIENCE_EVENTS, "nothing wakes the clients that wait");
            self.event();
        }
    }

    fn event(&mut self) {
        let shared = Rc::clone(&self.shared);
        let draw = |bound| shared.random.borrow_mut().below(bound);
        let kind = draw(100);
        let outcome = match kind {
            0..40 => self.run_some_task(),
            40..65 => u64::from(self.background.step()),
            65..80 => {
                shared.reader.flush();
                shared.reader.drain() as u64
            }
            80..99 => {
                // Mostly the time of a request or two; rarely so long that values expire.
                let us = match draw(200) {
                    0 => draw(30_000_000),
                    1..10 => draw(200_000),
                    _ => draw(300),
                };
                self.pass_time(us);
                us
            }
            _ => self.change_device(),
        };
        let mut trace = shared.trace.borrow_mut();
        trace.note(&[100 + kind, outcome, shared.clock.monotonic_us()]);
        if trace.hashes.len().is_multiple_of(EVENTS_PER_SNAPSHOT) {
            trace.note_bytes(format!("{:?}", shared.engine.metrics()).as_bytes());
        }
    }

    fn run_some_task(&mut self) -> u64 {
        let runnable: Vec<usize> = (0..self.tasks.len()).filter(|&at| self.tasks[at].is_runnable()).collect();
        if runnable.is_empty() {
            return u64::MAX;
        }
        let at = self.shared.random.borrow_mut().pick(&runnable);
        self.tasks[at].run();
        at as u64
    }

    fn pass_time(&mut self, us: u64) {
        self.shared.clock.advance_us(us);
        let now_us = self.shared.clock.monotonic_us();
        self.shared.timers.borrow_mut().retain(|(due_us, waker)| {
            if *due_us <= now_us {
                waker.wake_by_ref();
            }
            *due_us > now_us
        });
    }

    /// Sometimes the disk is full, and sometimes it is so no more.
    fn change_device(&mut self) -> u64 {
        let mut random = self.shared.random.borrow_mut();
        if self.shared.plan.faults != Faults::None && !self.shared.is_healed.get() {
            let is_full = if self.is_disk_full { !random.one_in(2) } else { random.one_in(20) };
            self.is_disk_full = is_full;
            self.device.set_disk_full(is_full);
        }
        u64::from(self.is_disk_full)
    }

    /// From now on the device works, once what is under way is over.
    fn heal(&mut self) {
        self.device.heal();
        self.is_disk_full = false;
        for _ in 0..100 {
            self.background.step();
            self.shared.reader.drain();
        }
        self.shared.is_healed.set(true);
    }

    fn end(self, memory: &MemoryDevice) -> (Vec<u64>, Summary) {
        let metrics = self.shared.engine.metrics();
        let mut trace = self.shared.trace.borrow_mut();
        trace.note_bytes(format!("{metrics:?}").as_bytes());
        for image in memory.images() {
            let mut bytes = vec![0; image.capacity_bytes() as usize];
            image.read(0, &mut bytes);
            trace.note_bytes(&bytes);
        }
        let evicted = self.shared.model.borrow().evicted;
        assert!(evicted <= metrics.evicted_keys, "{evicted} keys are gone, {} evicted", metrics.evicted_keys);
        let summary = Summary {
            cold_reads: metrics.hits_ssd,
            demotions: metrics.demotions + metrics.clean_demotions,
            segments_collected: metrics.gc_segments_collected,
            injected_faults: self.device.injected_faults(),
            failed_reads: self.shared.failed_reads.get(),
            refused_writes: self.shared.refused_writes.get(),
            evicted_keys: metrics.evicted_keys,
        };
        (std::mem::take(&mut trace.hashes), summary)
    }
}
