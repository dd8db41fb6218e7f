//! Clients of the engine in this process: futures on a small executor per thread, no sockets.
//!
//! A thread has one reader of the engine and many clients, each with one request in flight, as a server thread has.
//! What the executor does between requests is what the engine asks of a server: hand queued reads to the device,
//! take finished ones, and sleep on an eventfd when everybody waits.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use thermocline_engine::value::{IntegerDigits, StringValue, Value};
use thermocline_engine::{Admission, Engine, Fetched, Reader, SetExpiry, UnixMillis};

use super::connection::Pending;
use super::recorder::{Record, SharedInterval, lock};
use super::requester::{Requester, Versions};
use super::worker::{Limits, Shared};
use super::{DriverConfig, Length, Observation, Outcome, Pace, phase, share};
use crate::target::wire::{Answer, Question, Tier, Wire};
use crate::workload::WorkloadSpec;

/// The only database that is used.
const DATABASE: usize = 0;

/// Requests that a client may have answered from DRAM before it is another's turn.
const REQUESTS_PER_TURN: u32 = 16;

/// Longest sleep: interruptions are noticed this late at most.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Clients of one engine.
pub struct InProcessDriver<'a> {
    engine: &'a Arc<Engine>,
    config: DriverConfig,
    lanes: Vec<Lane>,
}

struct Lane {
    requester: Requester,
    interval: SharedInterval,
    clients: usize,
    last_answer_ns: u64,
}

impl<'a> InProcessDriver<'a> {
    /// Clients that ask `engine`; the configuration's pipeline does not count here.
    ///
    /// # Errors
    ///
    /// If the workload or the configuration is out of range, or the loop is open: a request that waits for its time
    /// would need a schedule of its own here.
    pub fn new(
        engine: &'a Arc<Engine>,
        config: &DriverConfig,
        spec: &WorkloadSpec,
        versions: &Versions,
    ) -> Result<Self> {
        config.check(spec, versions)?;
        if config.pace != Pace::Closed {
            bail!("the engine in this process is driven in a closed loop only");
        }
        let threads = config.threads.clamp(1, config.clients);
        let content = Arc::new(spec.value_content());
        let lanes = (0..threads).map(|lane| Lane {
            requester: Requester::new(
                Wire::Resp,
                spec,
                content.clone(),
                versions.clone(),
                0.0,
                (lane as u64, threads as u64),
            ),
            interval: SharedInterval::default(),
            clients: share(config.clients as u64, lane, threads) as usize,
            last_answer_ns: 0,
        });
        Ok(Self { engine, config: config.clone(), lanes: lanes.collect() })
    }

    /// Requests drawn so far by each thread, over all phases.
    pub fn drawn(&self) -> Vec<u64> {
        self.lanes.iter().map(|lane| lane.requester.drawn).collect()
    }

    /// Runs one phase, as [`Driver::run`](super::Driver::run) does.
    ///
    /// # Errors
    ///
    /// If the device gives no queue, or the user interrupts.
    pub fn run(
        &mut self,
        length: Length,
        tick: Duration,
        observe: &mut dyn FnMut(&Observation<'_>) -> Result<()>,
    ) -> Result<Outcome> {
        let intervals: Vec<_> = self.lanes.iter().map(|lane| lane.interval.clone()).collect();
        let (engine, timeout_ms, lanes) = (self.engine, self.config.timeout_ms, self.lanes.len());
        let run = |number: usize, lane: &mut Lane, shared: &Shared<'_>| {
            run_lane(engine, lane, Limits::new(length, timeout_ms, (number, lanes)), shared)
        };
        phase::run_lanes(&mut self.lanes, &intervals, run, tick, observe)?;
        let mut record = Record::new();
        let mut last_answer_ns = 0;
        for lane in &mut self.lanes {
            record.merge(&std::mem::take(&mut lane.requester.record));
            last_answer_ns = last_answer_ns.max(lane.last_answer_ns);
        }
        Ok(Outcome { elapsed_s: last_answer_ns as f64 / 1e9, record })
    }
}

/// Runs the lane's clients until the limits are reached.
fn run_lane(engine: &Arc<Engine>, lane: &mut Lane, limits: Limits, shared: &Shared<'_>) -> Result<()> {
    let reader = Reader::new(engine.clone())?;
    let event = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
    reader.register_eventfd(event.as_fd())?;
    let state = LaneState {
        engine,
        reader: &reader,
        requester: RefCell::new(&mut lane.requester),
        interval: &lane.interval,
        left: Cell::new(limits.requests),
        last_answer_ns: Cell::new(0),
        limits,
        shared,
        start_unix_ms: unix_ms() - shared.clock.now_ns() / 1_000_000,
    };
    let ready = Arc::new(Ready::new(event.clone(), lane.clients));
    let mut clients: Vec<_> = (0..lane.clients).map(|_| Some(Box::pin(state.client()))).collect();
    let wakers: Vec<Waker> = (0..lane.clients)
        .map(|number| Waker::from(Arc::new(ClientWaker { number, ready: ready.clone() })))
        .collect();
    let mut alive = lane.clients;
    while alive > 0 {
        // Only those that are ready now: one that yields comes again after the device was looked at.
        for _ in 0..ready.len() {
            let Some(number) = ready.pop() else { break };
            let Some(client) = &mut clients[number] else { continue };
            if client.as_mut().poll(&mut Context::from_waker(&wakers[number])).is_ready() {
                clients[number] = None;
                alive -= 1;
            }
        }
        reader.flush();
        if reader.drain() == 0 && ready.len() == 0 && alive > 0 {
            sleep(&event)?;
        }
    }
    lane.last_answer_ns = state.last_answer_ns.get();
    Ok(())
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// Sleeps until a read completes or another thread wakes a client.
fn sleep(event: &OwnedFd) -> Result<()> {
    match poll(&mut [PollFd::new(event, PollFlags::IN)], Some(&TICK)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(e) => return Err(e.into()),
    }
    // Empty already is fine: it was a timeout.
    let _ = rustix::io::read(event, &mut [0u8; 8]);
    Ok(())
}

struct LaneState<'a> {
    engine: &'a Engine,
    reader: &'a Reader,
    requester: RefCell<&'a mut Requester>,
    interval: &'a SharedInterval,
    left: Cell<u64>,
    last_answer_ns: Cell<u64>,
    limits: Limits,
    shared: &'a Shared<'a>,
    start_unix_ms: u64,
}

impl LaneState<'_> {
    /// One client: a request after the other.
    async fn client(&self) {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let mut fetched = Fetched::new();
        let mut turns = 0;
        loop {
            let now_ns = self.shared.clock.now_ns();
            let is_over = self.left.get() == 0 || now_ns >= self.limits.until_ns;
            if is_over || self.shared.stop.load(Ordering::Relaxed) {
                return;
            }
            self.left.set(self.left.get() - 1);
            let pending = {
                let mut requester = self.requester.borrow_mut();
                let pending = requester.prepare(now_ns);
                // Other clients draw while this one waits: it needs its own copy.
                key.clear();
                key.extend_from_slice(requester.key());
                value.clear();
                value.extend_from_slice(requester.value());
                pending
            };
            match pending.question {
                Question::Write => self.write(pending, &key, &value, &mut fetched).await,
                _ => self.read(pending, &key, &mut fetched).await,
            }
            fetched.clear();
            turns += 1;
            if turns % REQUESTS_PER_TURN == 0 {
                yield_now().await;
            }
        }
    }

    async fn read(&self, mut pending: Pending, key: &[u8], fetched: &mut Fetched) {
        pending.tier = Some(Tier::Memory);
        loop {
            {
                let mut keys = self.engine.lock_key(DATABASE, key, self.now(), fetched);
                match keys.get(key) {
                    Ok(None) => return self.judge(Pending { tier: None, ..pending }, Answer::Missing),
                    Ok(Some(value)) => {
                        let mut digits = IntegerDigits::new();
                        let bytes =
                            value.as_string().map(|string| string.bytes(&mut digits)).unwrap_or_default();
                        return self.judge(pending, Answer::Value(bytes));
                    }
                    Err(_) => pending.tier = Some(Tier::Ssd),
                }
            }
            if let Err(error) = self.reader.fetch(fetched).await {
                return self.judge(pending, Answer::Refused(error.to_string().as_bytes()));
            }
        }
    }

    async fn write(&self, pending: Pending, key: &[u8], value: &[u8], fetched: &mut Fetched) {
        loop {
            match self.engine.admit_write() {
                Admission::Go => break,
                Admission::Refuse => return self.judge(pending, Answer::Refused(b"no room in either tier")),
                Admission::Wait => {}
            }
            if self.shared.clock.now_ns().saturating_sub(pending.since_ns) > self.limits.timeout_ns {
                return self.judge(pending, Answer::Refused(b"no room within the timeout"));
            }
            pin!(self.engine.room()).await;
        }
        let value = Value::String(StringValue::plain(value));
        self.engine.lock_key(DATABASE, key, self.now(), fetched).set(key, value, SetExpiry::Clear);
        self.judge(pending, Answer::Stored);
    }

    /// The time of day, for expiry and access order.
    fn now(&self) -> UnixMillis {
        UnixMillis(self.start_unix_ms + self.shared.clock.now_ns() / 1_000_000)
    }

    fn judge(&self, pending: Pending, answer: Answer<'_>) {
        let now_ns = self.shared.clock.now_ns();
        self.last_answer_ns.set(now_ns);
        let mut interval = lock(self.interval);
        self.requester.borrow_mut().judge(pending, answer, now_ns, &mut interval, &mut Vec::new());
    }
}

/// Lets the others go first.
fn yield_now() -> impl Future<Output = ()> {
    struct Yield(bool);
    impl Future for Yield {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }
    }
    Yield(false)
}

/// Clients that can go on, in the order in which they were woken.
struct Ready {
    queue: Mutex<VecDeque<usize>>,
    event: Arc<OwnedFd>,
    owner: std::thread::ThreadId,
}

impl Ready {
    /// All clients are ready to start.
    fn new(event: Arc<OwnedFd>, clients: usize) -> Self {
        Self { queue: Mutex::new((0..clients).collect()), event, owner: std::thread::current().id() }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<usize>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn len(&self) -> usize {
        self.queue().len()
    }

    fn pop(&self) -> Option<usize> {
        self.queue().pop_front()
    }
}

struct ClientWaker {
    number: usize,
    ready: Arc<Ready>,
}

impl Wake for ClientWaker {
    fn wake(self: Arc<Self>) {
        self.ready.queue().push_back(self.number);
        if std::thread::current().id() != self.ready.owner {
            // A full counter is a signal, too.
            let _ = rustix::io::write(&*self.ready.event, &1u64.to_ne_bytes());
        }
    }
}
