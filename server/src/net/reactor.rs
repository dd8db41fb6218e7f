//! The one task per thread that moves bytes between the kernel and the connections.
//!
//! A *round* submits what tasks have queued, takes all completions of all sources, and wakes the tasks concerned.
//! Rounds follow each other, with the tasks in between, until one finds nothing; then the reactor may spin for a
//! moment, wait in the ring for a little longer, and at last parks. Owns backpressure: when to stop receiving, who gets input buffers next, how long to let a
//! closed connection's output drain.
//!
//! **Invariant:** parked means: nothing is queued, nothing has completed, the eventfd will tell of anything new. Whoever
//! queues work calls [`Reactor::kick`].

use super::CompletionSource;
use super::buffer_ring::RecvBuffer;
use super::busy_poll::{BusyPoll, Plan, Wait as RingWait};
use super::connection::Connection;
use super::eventfd;
use super::listener::Listener;
use super::listening::ListenerInbox;
use super::outgoing::SendStatus;
use super::ring::{Completion, Ring};
use super::runtime::ThreadOptions;
use super::state::{ConnectionState, End, Wait};
use super::table::ConnectionTable;
use super::thread::{ShutdownSignal, ThreadShared};
use socket2::SockRef;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;

/// A connection whose task leaves more input than this unread is no longer received from. What the kernel had in
/// hand still arrives: at most one more burst of 32 buffers.
const UNREAD_BYTES_MAX: usize = 64 * 1024;

/// How long accepting rests after it failed for lack of descriptors or memory.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// How many [`Reactor::tick`]s a closed connection's output may take to go out.
const LINGER_TICKS: u32 = 5;

/// How long the reactor waits in the ring at once. Timers, and tasks that other threads wake, wait for it meanwhile.
const WAIT_MAX: Duration = Duration::from_micros(500);

/// After so many rounds in which nothing had completed, the thread's other tasks and timers have a turn.
const ROUNDS_MAX: u32 = 16;

/// Looks at the rings per look at the clock while spinning.
const LOOKS_PER_CLOCK: u32 = 16;

static NEXT_CONNECTION_ID: AtomicU64 = AtomicU64::new(1);

/// Where a thread is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// No new connections; the present ones finish.
    Draining,
    /// The grace period is over.
    Stopping,
}

/// What a spin found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spin {
    Nothing,
    RingHasWork,
    SourceDrained,
}

struct Linger {
    slot: u32,
    id: u64,
    ticks_left: u32,
}

/// Starts the connections' tasks, and shows their handler what came for them.
pub(super) trait Tasks {
    fn start(&self, connection: Connection);
    fn preview(&self, inputs: &mut dyn Iterator<Item = &[u8]>);
}

pub(super) struct Reactor {
    ring: Ring,
    sources: Vec<Rc<dyn CompletionSource>>,
    /// The eventfd that the sources signal, which the sockets' ring watches.
    signal: OwnedFd,
    thread: Arc<ThreadShared>,
    shutdown: ShutdownSignal,
    /// By the number that their completions carry, which is never used again. Emptied when the thread stops accepting.
    listeners: RefCell<Vec<Option<Listener>>>,
    listener_inbox: ListenerInbox,
    table: ConnectionTable,
    connections_max: usize,
    shutdown_grace: Duration,
    tasks: Box<dyn Tasks>,
    phase: Cell<Phase>,
    round: Cell<u32>,
    parked: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    busy_poll: RefCell<BusyPoll>,
    /// Connections that had data when the kernel had no buffer, first come first served; one entry per connection.
    starved: RefCell<VecDeque<u32>>,
    /// Dropped connections with output on its way.
    lingering: RefCell<Vec<Linger>>,
    completions: RefCell<Vec<Completion>>,
    refusals: Cell<u64>,
}

impl Reactor {
    pub(super) fn new(
        options: ThreadOptions,
        sources: Vec<Rc<dyn CompletionSource>>,
        tasks: Box<dyn Tasks>,
        shutdown: ShutdownSignal,
    ) -> io::Result<Rc<Self>> {
        let ring = Ring::new(options.recv_buffers, options.recv_buffer_bytes)?;
        Ok(Rc::new(Self {
            ring,
            sources,
            signal: eventfd::create()?,
            thread: ThreadShared::new()?,
            shutdown,
            listeners: RefCell::new(options.listeners.into_iter().map(Some).collect()),
            listener_inbox: options.listener_inbox,
            table: ConnectionTable::default(),
            connections_max: options.connections_max,
            shutdown_grace: Duration::from_millis(options.shutdown_grace_ms),
            tasks,
            phase: Cell::new(Phase::Serving),
            round: Cell::new(0),
            parked: Cell::new(false),
            waker: RefCell::default(),
            busy_poll: RefCell::new(BusyPoll::new(options.busy_poll_us, Instant::now())),
            starved: RefCell::default(),
            lingering: RefCell::default(),
            completions: RefCell::default(),
            refusals: Cell::new(0),
        }))
    }

    pub(super) fn ring(&self) -> &Ring {
        &self.ring
    }

    pub(super) fn thread(&self) -> &Arc<ThreadShared> {
        &self.thread
    }

    // ---- the loop ----

    /// Tells all sources where to signal, and starts accepting.
    pub(super) fn start(&self) -> io::Result<()> {
        use std::os::fd::AsRawFd;
        let eventfd = self.thread.eventfd().as_raw_fd();
        self.ring.register_eventfd(eventfd)?;
        for source in &self.sources {
            source.register_eventfd(self.signal.as_fd())?;
            source.quiet();
        }
        self.ring.watch(self.signal.as_fd());
        self.ring.quiet();
        for index in 0..self.listeners.borrow().len() {
            self.accept(index as u32);
        }
        Ok(())
    }

    /// Runs rounds until there is nothing to do. Ready when the thread has stopped.
    ///
    /// # Errors
    /// The sockets' ring broke.
    pub(super) fn poll(
        self: &Rc<Self>,
        signals: &[AsyncFd<BorrowedFd<'_>>],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.parked.replace(false) {
            self.quiet();
        }
        let mut drained_in_spin = false;
        for _ in 0..ROUNDS_MAX {
            if self.run_round()? || drained_in_spin {
                // The tasks that were woken go first; they queue their output for the next round.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.phase.get() {
                Phase::Draining if self.table.len() == 0 => return Poll::Ready(Ok(())),
                Phase::Stopping => return Poll::Ready(Ok(())),
                _ => {}
            }
            let plan = self.plan();
            match plan.spin.map_or(Spin::Nothing, |bound| self.spin(bound)) {
                Spin::Nothing => {}
                Spin::RingHasWork => continue,
                Spin::SourceDrained => {
                    // The tasks it woke may queue work for that source: there must be a round after them.
                    drained_in_spin = true;
                    continue;
                }
            }
            if let Some(wait) = plan.wait {
                if self.wait(wait)? {
                    continue;
                }
                if self.outstanding() > 0 {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            let has_completed = self.listen();
            self.ring.finish_deferred()?;
            if has_completed || self.ring.has_results() || self.thread.is_signalled() {
                self.quiet();
                continue;
            }
            let mut was_signalled = false;
            for signal in signals {
                if let Poll::Ready(guard) = signal.poll_read_ready(cx) {
                    // What the signal told of is looked at after it was cleared, so nothing is missed.
                    guard?.clear_ready();
                    was_signalled = true;
                }
            }
            if was_signalled {
                self.quiet();
                continue;
            }
            let mut kept = self.waker.borrow_mut();
            if !kept.as_ref().is_some_and(|kept| kept.will_wake(cx.waker())) {
                *kept = Some(cx.waker().clone());
            }
            self.parked.set(true);
            return Poll::Pending;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Switches all signals on. Returns whether a source may have completed something before.
    fn listen(&self) -> bool {
        self.ring.listen();
        self.listen_to_sources()
    }

    fn listen_to_sources(&self) -> bool {
        self.sources.iter().fold(false, |any, source| any | source.listen())
    }

    /// Switches them off: while the reactor is awake, it looks anyway.
    fn quiet(&self) {
        self.ring.quiet();
        self.sources.iter().for_each(|source| source.quiet());
    }

    /// The eventfds that tell a parked reactor of work: of the sockets' ring and other threads, and of the sources.
    pub(super) fn signals(&self) -> [BorrowedFd<'_>; 2] {
        [self.thread.eventfd(), self.signal.as_fd()]
    }

    /// Makes a parked reactor run a round, because something was queued for it.
    pub(super) fn kick(&self) {
        if self.parked.get()
            && let Some(waker) = self.waker.borrow().as_ref()
        {
            waker.wake_by_ref();
        }
    }

    /// One round; returns whether anything had completed.
    fn run_round(self: &Rc<Self>) -> io::Result<bool> {
        self.round.set(self.round.get().wrapping_add(1));
        let mut progress = self.thread.take_signal() && self.take_messages();
        self.feed_starved();
        let mut completions = self.completions.take();
        self.ring.turn(&mut completions)?;
        progress |= completions.iter().any(|completion| !matches!(completion, Completion::Signalled { .. }));
        if completions.len() > 1 {
            self.tasks.preview(&mut completions.iter().filter_map(Completion::received));
        }
        let mut ran_out = false;
        for completion in completions.drain(..) {
            match completion {
                Completion::Received { slot, result, more } => {
                    ran_out |= matches!(result, Err(libc::ENOBUFS));
                    self.received(slot, result, more);
                }
                Completion::SendEnded { slot } => self.send_ended(slot),
                Completion::SendStalled { slot } => {
                    let state = self.table.get(slot).expect("a slot is kept until its send is over");
                    self.ring.send_rest(slot, state.fd());
                }
                Completion::Accepted { listener, result, more } => self.accepted(listener, result, more),
                // What it tells of is drained below, in any case.
                Completion::Signalled { more: true } => {}
                Completion::Signalled { more: false } => self.ring.watch(self.signal.as_fd()),
            }
        }
        self.completions.replace(completions);
        if ran_out {
            self.ring.buffers().grow();
        }
        self.sources.iter().for_each(|source| source.flush());
        progress |= self.drain_sources() > 0;
        Ok(progress)
    }

    fn has_work(&self) -> bool {
        self.ring.has_work() || self.thread.is_signalled()
    }

    /// Operations of the sources that are under way.
    fn outstanding(&self) -> usize {
        self.sources.iter().map(|source| source.outstanding()).sum()
    }

    /// Nothing is to do: what to do about that.
    fn plan(&self) -> Plan {
        self.busy_poll.borrow_mut().plan(Instant::now(), self.outstanding())
    }

    /// Looks at the rings for a moment.
    fn spin(&self, bound: Duration) -> Spin {
        let start = Instant::now();
        let has_outstanding = self.outstanding() > 0;
        let mut outcome = Spin::Nothing;
        while outcome == Spin::Nothing && start.elapsed() < bound {
            for _ in 0..LOOKS_PER_CLOCK {
                std::hint::spin_loop();
                if self.has_work() {
                    outcome = Spin::RingHasWork;
                    break;
                }
                if has_outstanding && self.drain_sources() > 0 {
                    outcome = Spin::SourceDrained;
                    break;
                }
            }
        }
        self.busy_poll.borrow_mut().spun(outcome != Spin::Nothing);
        outcome
    }

    /// Waits in the sockets' ring, which the sources signal too; returns whether a round is due.
    fn wait(&self, wait: RingWait) -> io::Result<bool> {
        let listens = self.outstanding() > 0;
        let has_completed = listens && self.listen_to_sources();
        // Work that the kernel has deferred is none of `has_results`, but the wait begins with it.
        let is_due = has_completed
            || self.ring.has_results()
            || self.thread.is_signalled()
            || self.ring.wait(wait.events, wait.window, WAIT_MAX)?;
        if listens {
            self.sources.iter().for_each(|source| source.quiet());
        }
        Ok(is_due)
    }

    /// Takes what has completed in all sources; returns how much that was.
    fn drain_sources(&self) -> usize {
        let drained = self.sources.iter().map(|source| source.drain()).sum();
        if drained > 0 {
            self.busy_poll.borrow_mut().note_events(drained as u32);
        }
        drained
    }

    /// Once a second: what need not be done sooner.
    pub(super) fn tick(&self) {
        self.ring.buffers().shrink();
        let expired: Vec<Linger> = {
            let mut lingering = self.lingering.borrow_mut();
            lingering.iter_mut().for_each(|linger| linger.ticks_left -= 1);
            lingering.extract_if(.., |linger| linger.ticks_left == 0).collect()
        };
        for linger in expired {
            self.shut_down_socket(linger.slot, linger.id);
        }
        self.kick();
    }

    // ---- accepting ----

    fn accept(&self, index: u32) {
        if let Some(Some(listener)) = self.listeners.borrow().get(index as usize) {
            self.ring.accept(index, listener.socket.as_fd());
            self.kick();
        }
    }

    /// Accepts from these listeners only.
    fn replace_listeners(&self, wanted: Vec<Listener>) {
        let mut listeners = self.listeners.borrow_mut();
        for (index, kept) in listeners.iter_mut().enumerate() {
            if kept.as_ref().is_some_and(|old| !wanted.iter().any(|new| new.is_same(old))) {
                self.ring.cancel_accept(index as u32);
                *kept = None;
            }
        }
        let first_new = listeners.len();
        let is_new = |new: &Listener| !listeners.iter().flatten().any(|old| old.is_same(new));
        let new: Vec<Listener> = wanted.into_iter().filter(is_new).collect();
        listeners.extend(new.into_iter().map(Some));
        let end = listeners.len();
        drop(listeners);
        (first_new..end).for_each(|index| self.accept(index as u32));
    }

    fn accepted(self: &Rc<Self>, listener: u32, result: io::Result<OwnedFd>, more: bool) {
        match result {
            Ok(socket) => {
                self.adopt(socket);
                if !more {
                    self.accept(listener);
                }
            }
            Err(error) => {
                let raw = error.raw_os_error();
                // EINVAL: it does not listen any more, since another address is listened on instead.
                if more
                    || matches!(raw, Some(libc::ECANCELED | libc::EINVAL))
                    || self.phase.get() != Phase::Serving
                {
                    return;
                }
                if matches!(raw, Some(libc::ECONNABORTED | libc::EINTR | libc::EAGAIN)) {
                    return self.accept(listener);
                }
                tracing::warn!(%error, rest = ?ACCEPT_REST, "cannot accept connections for the moment");
                let reactor = Rc::clone(self);
                tokio::task::spawn_local(async move {
                    tokio::time::sleep(ACCEPT_REST).await;
                    reactor.accept(listener);
                });
            }
        }
    }

    fn adopt(self: &Rc<Self>, socket: OwnedFd) {
        if self.phase.get() != Phase::Serving {
            return;
        }
        if self.table.len() >= self.connections_max {
            let refusals = self.refusals.get() + 1;
            self.refusals.set(refusals);
            // The first and then ever fewer: a flood of connections must not become a flood of lines.
            if refusals.is_power_of_two() {
                tracing::warn!(refusals, limit = self.connections_max, "connection refused: too many");
            }
            return;
        }
        // `None` of a unix socket.
        let peer = SockRef::from(&socket).peer_addr().ok().and_then(|peer| peer.as_socket());
        let id = NEXT_CONNECTION_ID.fetch_add(1, Ordering::Relaxed);
        let state = self.table.insert_with(|slot| ConnectionState::new(id, slot, socket, peer));
        self.ring.open(state.slot);
        self.arm(&state);
        self.tasks.start(Connection::new(Rc::clone(self), state));
    }

    // ---- input ----

    /// Receives from a connection unless that is under way, over, or waits for a buffer.
    pub(super) fn arm(&self, state: &ConnectionState) {
        if !state.armed.get() && !state.starved.get() && state.end.get().is_none() {
            state.armed.set(true);
            self.ring.recv(state.slot, state.fd());
            self.kick();
        } else if !self.starved.borrow().is_empty() {
            self.kick();
        }
    }

    /// A task took input: receives again where that had been stopped.
    pub(super) fn input_taken(&self, state: &ConnectionState) {
        if !state.armed.get() && state.unread_bytes.get() <= UNREAD_BYTES_MAX / 2 {
            self.arm(state);
        }
    }

    fn received(&self, slot: u32, result: Result<Option<RecvBuffer>, i32>, more: bool) {
        let Some(state) = self.table.get(slot) else { return };
        if !more {
            state.armed.set(false);
            state.cancelling.set(false);
        }
        if state.dropped.get() {
            return self.remove_if_over(&state);
        }
        match result {
            Ok(Some(buffer)) if state.end.get().is_none() => self.deliver(&state, buffer),
            Ok(Some(_)) => {}
            Ok(None) => state.end(End::Eof),
            Err(libc::ENOBUFS) => {
                if !state.starved.replace(true) {
                    self.starved.borrow_mut().push_back(slot);
                }
            }
            Err(libc::ECANCELED | libc::EINTR | libc::EAGAIN) => self.input_taken(&state),
            Err(errno) => state.end(End::Failed(errno)),
        }
    }

    fn deliver(&self, state: &ConnectionState, buffer: RecvBuffer) {
        let round = self.round.get();
        state.push_input(buffer, round);
        let seen = self.busy_poll.borrow_mut().note_active(state.active_interval.get());
        state.active_interval.set(seen);
        state.wake(Wait::Input);
        let unread = state.unread_bytes.get();
        if !state.armed.get() {
            self.input_taken(state);
        } else if unread > UNREAD_BYTES_MAX && state.inbox_round.get() != round && !state.cancelling.get() {
            // The task had a turn since the input came and left it: it is busy, so let the peer wait.
            state.cancelling.set(true);
            self.ring.cancel_recv(state.slot);
        }
    }

    /// Receives again from connections that found no buffer, as many as there are buffers now.
    fn feed_starved(&self) {
        if self.starved.borrow().is_empty() {
            return;
        }
        self.ring.buffers().top_up();
        if self.ring.buffers().published() == 0 {
            self.reclaim_buffers();
        }
        for _ in 0..self.ring.buffers().published() {
            let Some(slot) = self.starved.borrow_mut().pop_front() else { break };
            // The slot may have a new owner by now, which is not starved unless it queued itself.
            if let Some(state) = self.table.get(slot)
                && state.starved.replace(false)
                && !state.dropped.get()
            {
                self.arm(&state);
            }
        }
    }

    /// Copies unread input out of the kernel's buffers, so that nobody who does not read can keep the others from
    /// receiving. All tasks had a turn since the last round: what they read is not copied.
    fn reclaim_buffers(&self) {
        self.table.for_each(|state| {
            if state.unread_bytes.get() > 0 {
                state.copy_out_input();
            }
        });
    }

    // ---- output ----

    /// Sends a batch on a connection whose output is idle.
    pub(super) fn send(&self, state: &ConnectionState, bytes: Vec<u8>) {
        self.ring.send(state.slot, state.fd(), bytes);
        self.kick();
    }

    fn send_ended(&self, slot: u32) {
        if let Some(state) = self.table.get(slot) {
            state.wake(Wait::Output);
            self.remove_if_over(&state);
        }
    }

    // ---- closing ----

    /// The task gave its handle up.
    pub(super) fn dropped(&self, state: &Rc<ConnectionState>) {
        state.dropped.set(true);
        state.clear_input();
        state.forget_waiter();
        if state.armed.get() && !state.cancelling.replace(true) {
            self.ring.cancel_recv(state.slot);
        }
        if matches!(self.ring.send_status(state.slot), SendStatus::Fast | SendStatus::Slow) {
            self.ring.await_send(state.slot);
            self.lingering.borrow_mut().push(Linger {
                slot: state.slot,
                id: state.id,
                ticks_left: LINGER_TICKS,
            });
        }
        self.kick();
        self.remove_if_over(state);
    }

    /// Forgets a dropped connection, and thereby closes its socket, once the kernel holds nothing of it.
    fn remove_if_over(&self, state: &Rc<ConnectionState>) {
        let sending = matches!(self.ring.send_status(state.slot), SendStatus::Fast | SendStatus::Slow);
        if state.dropped.get() && !state.armed.get() && !sending {
            self.table.remove(state.slot);
            self.kick();
        }
    }

    /// Ends both directions of a connection's socket, which ends whatever the kernel still waits for on it.
    fn shut_down_socket(&self, slot: u32, id: u64) {
        if let Some(state) = self.table.get(slot)
            && state.id == id
        {
            state.clear_input();
            state.end(End::Closed);
            // The only error is a socket that is down already.
            let _ = SockRef::from(&state.socket).shutdown(Shutdown::Both);
        }
    }

    // ---- messages from other threads ----

    fn take_messages(self: &Rc<Self>) -> bool {
        let requests = self.thread.take_requests();
        for closing in requests.closings {
            self.shut_down_socket(closing.slot, closing.id);
        }
        for notice in requests.notices {
            if let Some(state) = self.table.get(notice.slot).filter(|state| state.id == notice.id) {
                state.notice();
            }
        }
        if let Some(listeners) = self.listener_inbox.take()
            && self.phase.get() == Phase::Serving
        {
            self.replace_listeners(listeners);
        }
        if self.shutdown.is_requested() && self.phase.get() == Phase::Serving {
            self.drain();
        }
        true
    }

    /// Stops accepting, tells every task that there is no more input, and sets the time limit for that.
    fn drain(self: &Rc<Self>) {
        self.phase.set(Phase::Draining);
        for index in 0..self.listeners.borrow().len() {
            self.ring.cancel_accept(index as u32);
        }
        self.listeners.borrow_mut().clear();
        self.table.for_each(|state| {
            state.clear_input();
            state.end(End::Closed);
        });
        let reactor = Rc::clone(self);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(reactor.shutdown_grace).await;
            tracing::warn!(
                connections = reactor.table.len(),
                "connections cut off: the grace period is over"
            );
            reactor.phase.set(Phase::Stopping);
            reactor.kick();
        });
    }
}
