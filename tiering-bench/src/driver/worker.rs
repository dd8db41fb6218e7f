//! One client thread: its connections, watched by one epoll instance, and the two ways to keep them busy.
//!
//! The thread shares the machine with the server, so what it costs distorts what it measures. A request costs one
//! `write`, one `read` and a share of an `epoll_wait`; sockets are registered once, edge-triggered, and never
//! modified.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;

use super::clock::Clock;
use super::connection::{Connection, Pending};
use super::pacer::Pacer;
use super::recorder::{SharedInterval, lock};
use super::requester::Requester;
use super::socket::RECEIVE_BYTES;
use super::{Length, share};
use crate::target::Endpoint;
use crate::target::wire::{Question, Wire};

/// Most events taken from the kernel at a time.
const EVENTS: usize = 256;

/// Longest sleep: deadlines, timeouts and interruptions are noticed this late at most.
const TICK: Duration = Duration::from_millis(50);

/// Most requests of an open loop that wait for a free connection. Past it the client's memory would become the
/// queue of a server that cannot keep up with the rate.
const MAX_BACKLOG: usize = 4_000_000;

/// What ends a phase for one thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Requests to send.
    pub(super) requests: u64,
    /// No request is sent, or due, after this time.
    pub(super) until_ns: u64,
    /// A connection without progress for so long fails the run.
    pub(super) timeout_ns: u64,
}

impl Limits {
    /// Lane `lane`'s part, of `lanes`, of a phase of this length.
    pub(super) fn new(length: Length, timeout_ms: u64, (lane, lanes): (usize, usize)) -> Self {
        let (requests, until_ns) = match length {
            Length::Requests(requests) => (share(requests, lane, lanes), u64::MAX),
            Length::Seconds(seconds) => (u64::MAX, (seconds * 1e9) as u64),
        };
        Self { requests, until_ns, timeout_ns: timeout_ms * 1_000_000 }
    }
}

/// What the threads of a phase have in common.
pub(super) struct Shared<'a> {
    pub(super) clock: Clock,
    /// Set when one thread has failed or the user has interrupted: the others stop sending.
    pub(super) stop: &'a AtomicBool,
}

impl Shared<'_> {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

pub(super) struct Worker {
    wire: Wire,
    epoll: OwnedFd,
    /// Numbers of the connections on which something has happened.
    ready: Vec<usize>,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    pub(super) requester: Requester,
    pub(super) interval: SharedInterval,
    /// When the last answer of the phase arrived.
    pub(super) last_answer_ns: u64,
    next_timeout_check_ns: u64,
}

impl Worker {
    /// Connects `clients` clients, each within `timeout`.
    pub(super) fn connect(
        endpoint: &Endpoint,
        clients: usize,
        timeout: Duration,
        requester: Requester,
    ) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll_create1")?;
        let mut connections = Vec::with_capacity(clients);
        for number in 0..clients {
            let connection = Connection::open(endpoint, timeout)
                .with_context(|| format!("client {} of {clients}", number + 1))?;
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
            epoll::add(&epoll, connection.socket.stream(), EventData::new_u64(number as u64), flags)
                .context("EPOLL_CTL_ADD")?;
            connections.push(connection);
        }
        Ok(Self {
            wire: endpoint.wire,
            epoll,
            ready: Vec::with_capacity(EVENTS),
            connections,
            buffer: vec![0; RECEIVE_BYTES],
            requester,
            interval: SharedInterval::default(),
            last_answer_ns: 0,
            next_timeout_check_ns: 0,
        })
    }

    /// Keeps `pipeline` requests in flight on every connection until the limits are reached and all is answered.
    pub(super) fn run_closed(&mut self, limits: Limits, pipeline: usize, shared: &Shared<'_>) -> Result<()> {
        self.start_phase(shared);
        let mut left = limits.requests;
        let mut busy = 0;
        for number in 0..self.connections.len() {
            busy += usize::from(self.refill(number, &mut left, limits, pipeline, shared)?);
        }
        while busy > 0 {
            self.wait(TICK)?;
            for at in 0..self.ready.len() {
                let number = self.ready[at];
                if self.exchange(number, shared)? && self.connections[number].outstanding.is_empty() {
                    busy -= usize::from(!self.refill(number, &mut left, limits, pipeline, shared)?);
                }
            }
            self.check_timeouts(limits, shared)?;
        }
        Ok(())
    }

    /// Sends a batch on an idle connection; false if there is nothing left to send.
    #[inline]
    fn refill(
        &mut self,
        number: usize,
        left: &mut u64,
        limits: Limits,
        pipeline: usize,
        shared: &Shared<'_>,
    ) -> Result<bool> {
        let connection = &mut self.connections[number];
        while let Some(mut pending) = connection.carried.pop() {
            self.requester.ask_read(&mut pending, &mut connection.socket.output);
            connection.outstanding.push_back(pending);
        }
        // The time of the last answer is good enough for the deadline; the latency starts after encoding.
        let is_open = connection.progress_ns < limits.until_ns && !shared.is_stopped();
        while is_open && *left > 0 && connection.outstanding.len() < pipeline {
            *left -= 1;
            let pending = self.requester.ask_next(0, &mut connection.socket.output);
            connection.outstanding.push_back(pending);
        }
        if connection.outstanding.is_empty() {
            return Ok(false);
        }
        let now_ns = shared.clock.now_ns();
        for pending in &mut connection.outstanding {
            pending.since_ns = now_ns;
        }
        connection.progress_ns = now_ns;
        connection.socket.flush()?;
        Ok(true)
    }

    /// Sends every request when it is due, on whichever connection has room, until the limits are reached and all
    /// is answered. Latencies count from the due times.
    pub(super) fn run_open(
        &mut self,
        limits: Limits,
        pipeline: usize,
        mut pacer: Pacer,
        shared: &Shared<'_>,
    ) -> Result<()> {
        self.start_phase(shared);
        let mut left = limits.requests;
        let mut backlog: VecDeque<u64> = VecDeque::new();
        // Connections with room, the one that has rested longest first.
        let mut free: VecDeque<usize> = (0..self.connections.len()).collect();
        let mut touched: Vec<usize> = Vec::new();
        loop {
            let now_ns = shared.clock.now_ns();
            while left > 0 && pacer.due_ns() <= now_ns && pacer.due_ns() < limits.until_ns {
                backlog.push_back(pacer.due_ns());
                pacer.advance();
                left -= 1;
            }
            if backlog.len() > MAX_BACKLOG {
                bail!("{MAX_BACKLOG} requests are due and not sent: the server cannot keep up with the rate");
            }
            let is_over = left == 0 || pacer.due_ns() >= limits.until_ns || shared.is_stopped();
            if shared.is_stopped() {
                backlog.clear();
            }
            while !backlog.is_empty() {
                let Some(number) = free.pop_front() else { break };
                let due_ns = backlog.pop_front().expect("not empty");
                self.send_due(number, due_ns, now_ns);
                touched.push(number);
                if self.connections[number].outstanding.len() < pipeline {
                    free.push_back(number);
                }
            }
            for number in touched.drain(..) {
                self.connections[number].socket.flush()?;
            }
            if is_over && backlog.is_empty() && self.connections.iter().all(|c| c.outstanding.is_empty()) {
                return Ok(());
            }
            let sleep = if is_over {
                TICK
            } else {
                TICK.min(Duration::from_nanos(pacer.due_ns().saturating_sub(shared.clock.now_ns())))
            };
            self.wait(sleep)?;
            for at in 0..self.ready.len() {
                let number = self.ready[at];
                let was_full = self.connections[number].outstanding.len() >= pipeline;
                self.exchange(number, shared)?;
                let connection = &mut self.connections[number];
                // A read whose tier is now known goes at once, and keeps its place in the connection.
                while let Some(mut pending) = connection.carried.pop() {
                    self.requester.ask_read(&mut pending, &mut connection.socket.output);
                    connection.outstanding.push_back(pending);
                }
                connection.socket.flush()?;
                if was_full && connection.outstanding.len() < pipeline {
                    free.push_back(number);
                }
            }
            self.check_timeouts(limits, shared)?;
        }
    }

    fn send_due(&mut self, number: usize, due_ns: u64, now_ns: u64) {
        let connection = &mut self.connections[number];
        if connection.outstanding.is_empty() {
            connection.progress_ns = now_ns;
        }
        let pending = self.requester.ask_next(due_ns, &mut connection.socket.output);
        self.requester.record.send_lag.saturating_record(now_ns - due_ns);
        connection.outstanding.push_back(pending);
    }

    /// Sends what is left to send, receives what has arrived; true if anything had.
    #[inline]
    fn exchange(&mut self, number: usize, shared: &Shared<'_>) -> Result<bool> {
        let connection = &mut self.connections[number];
        if !connection.socket.output.is_empty() {
            connection.socket.flush()?;
        }
        if connection.outstanding.is_empty() {
            // Nothing was asked, so only bad news can arrive; the next phase's first read will find it.
            return Ok(false);
        }
        let requester = &mut self.requester;
        let mut interval = lock(&self.interval);
        let mut answered = false;
        let last_answer_ns = &mut self.last_answer_ns;
        connection.receive(
            self.wire,
            &shared.clock,
            &mut self.buffer,
            |pending, answer, now_ns, carried| {
                answered = true;
                *last_answer_ns = now_ns;
                requester.judge(pending, answer, now_ns, &mut interval, carried);
            },
        )?;
        Ok(answered)
    }

    fn start_phase(&mut self, shared: &Shared<'_>) {
        debug_assert!(self.connections.iter().all(|c| c.outstanding.is_empty() && c.carried.is_empty()));
        let now_ns = shared.clock.now_ns();
        self.last_answer_ns = now_ns;
        self.next_timeout_check_ns = now_ns;
        for connection in &mut self.connections {
            connection.progress_ns = now_ns;
        }
    }

    #[inline]
    fn wait(&mut self, longest: Duration) -> Result<()> {
        self.ready.clear();
        let mut events = [const { MaybeUninit::uninit() }; EVENTS];
        let timeout =
            Timespec { tv_sec: longest.as_secs() as i64, tv_nsec: i64::from(longest.subsec_nanos()) };
        match epoll::wait(&self.epoll, &mut events, Some(&timeout)) {
            Ok((events, _)) => self.ready.extend(events.iter().map(|event| event.data.u64() as usize)),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e).context("epoll_pwait2"),
        }
        Ok(())
    }

    /// Looks at all connections once per [`TICK`].
    #[inline]
    fn check_timeouts(&mut self, limits: Limits, shared: &Shared<'_>) -> Result<()> {
        let now_ns = shared.clock.now_ns();
        if now_ns < self.next_timeout_check_ns {
            return Ok(());
        }
        self.next_timeout_check_ns = now_ns + TICK.as_nanos() as u64;
        for (number, connection) in self.connections.iter().enumerate() {
            if let Some(pending) = connection.overdue(now_ns, limits.timeout_ns) {
                bail!(describe_overdue(number, pending, limits.timeout_ns));
            }
        }
        Ok(())
    }
}

fn describe_overdue(number: usize, pending: &Pending, timeout_ns: u64) -> String {
    let question = match pending.question {
        Question::Read => "a read",
        Question::Write => "a write",
        Question::Where => "a question where",
    };
    let seconds = timeout_ns as f64 / 1e9;
    format!(
        "client {} had no answer to {question} of key {} for {seconds} s",
        number + 1,
        pending.request.key
    )
}
