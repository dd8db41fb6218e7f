//! The sockets' io_uring: submissions, completions, and the memory the kernel may touch meanwhile.
//!
//! Owns the ring, the provided buffers, the output in flight and the knowledge of what each kernel version can do.
//! Knows slots and file descriptors, nothing of tasks or of what the bytes mean.
//!
//! A reply is one SQE with MSG_DONTWAIT and SKIP_SUCCESS: the kernel executes it while the ring is entered and posts
//! a completion only if it failed or took a part. So once the queue was consumed and every completion reaped, the
//! sends that did not report are done. What a full socket buffer refused is sent again without MSG_DONTWAIT: the
//! kernel then waits for room itself.
#![allow(unsafe_code)]

use super::buffer_ring::{BUFFER_GROUP, BufferRing, RecvBuffer};
use super::outgoing::{OutgoingTable, SendStatus};
use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

/// Submission entries: when they are full, the ring is entered at once, so this bounds no connection.
const SQ_ENTRIES: u32 = 2048;

/// Completion entries; beyond them the kernel keeps completions in its own memory until they are asked for.
const CQ_ENTRIES: u32 = 8192;

/// The most bytes one send hands to the kernel, whose results are 32-bit; the rest follows.
const SEND_BYTES_MAX: usize = 1 << 30;

/// How long closing the ring waits for the kernel to let go of our memory before that memory is leaked instead.
const TEARDOWN_MAX: Duration = Duration::from_secs(2);

/// Whether the ring's eventfd signal may be switched off while the reactor is awake. It saves a wake-up of ourselves
/// per round. The kernel orders "work is pending" before its look at the switch with a full barrier only where an
/// atomic read-modify-write is one, which is x86; elsewhere the signal stays on.
const EVENTFD_SWITCH: bool = cfg!(target_arch = "x86_64");

/// IORING_ENTER_GETEVENTS: run the work that completes operations.
const ENTER_GETEVENTS: u32 = 1;

/// From Linux 6.14 on an entry into the kernel runs so much deferred work and leaves the rest, without a flag that says
/// so (<https://github.com/axboe/liburing/issues/1474>): after as many completions the next turn enters in any case.
const DEFERRED_WORK_MAX: usize = 20;

/// What a completion answers, in the upper half of its user data; the slot is the lower half.
const ACCEPT: u64 = 1;
const RECV: u64 = 2;
const SEND: u64 = 3;
const CANCEL: u64 = 4;
const WATCH: u64 = 5;

fn tag(kind: u64, slot: u32) -> u64 {
    kind << 32 | u64::from(slot)
}

/// A completion, in terms of this layer.
#[derive(Debug)]
pub(super) enum Completion {
    /// A listener has a new connection, or could not accept one. Without `more`, accepting has stopped.
    Accepted { listener: u32, result: io::Result<OwnedFd>, more: bool },
    /// A connection has data (never empty), ended (`Ok(None)`), or failed. Without `more`, receiving has stopped.
    Received { slot: u32, result: Result<Option<RecvBuffer>, i32>, more: bool },
    /// An awaited send is over; see [`Ring::send_status`].
    SendEnded { slot: u32 },
    /// The kernel took only part of a batch: [`Ring::send_rest`] is due.
    SendStalled { slot: u32 },
    /// The eventfd given to [`Ring::watch`] was signalled. Without `more`, it is not watched any longer.
    Signalled { more: bool },
}

impl Completion {
    /// The bytes that were received, if this is about some.
    pub(super) fn received(&self) -> Option<&[u8]> {
        match self {
            Self::Received { result: Ok(Some(buffer)), .. } => Some(buffer),
            _ => None,
        }
    }
}

/// The sockets' ring of one thread.
pub(super) struct Ring {
    uring: RefCell<IoUring>,
    buffers: Rc<BufferRing>,
    outgoing: RefCell<OutgoingTable>,
    /// Sends whose only sign of success is that they do not report.
    silent_sends: RefCell<Vec<u32>>,
    /// Accepts and receives that the kernel holds: each will post one more completion, the last.
    armed: Cell<usize>,
    multishot_recv: Cell<bool>,
    /// Completions taken off the ring and not yet decoded.
    reaped: RefCell<Vec<cqueue::Entry>>,
    /// The error after which the kernel takes no more work; the next turn reports it.
    broken: Cell<Option<i32>>,
    /// The last entry may have left work undone of which no flag tells; the next turn enters.
    must_enter: Cell<bool>,
    /// Whether the kernel can wait for several completions and be content with one after a while (Linux 6.12).
    waits_for_several: bool,
}

impl Ring {
    /// Sets the ring up on the calling thread, which is the only one that may use it.
    ///
    /// # Errors
    /// What the kernel answered; see [`probe`](super::probe()) for what it means.
    pub(super) fn new(buffer_count: u16, buffer_bytes: u32) -> io::Result<Self> {
        let uring = build()?;
        let waits_for_several = uring.params().is_feature_min_timeout();
        let buffers = BufferRing::new(buffer_count, buffer_bytes)?;
        buffers.register(&uring.submitter())?;
        Ok(Self {
            uring: RefCell::new(uring),
            buffers,
            outgoing: RefCell::default(),
            silent_sends: RefCell::default(),
            armed: Cell::new(0),
            multishot_recv: Cell::new(true),
            reaped: RefCell::default(),
            broken: Cell::new(None),
            must_enter: Cell::new(false),
            waits_for_several,
        })
    }

    pub(super) fn register_eventfd(&self, eventfd: RawFd) -> io::Result<()> {
        self.uring.borrow().submitter().register_eventfd(eventfd)
    }

    pub(super) fn buffers(&self) -> &BufferRing {
        &self.buffers
    }

    /// Starts accepting on a listener until a completion without `more`.
    pub(super) fn accept(&self, listener: u32, socket: BorrowedFd<'_>) {
        let entry = opcode::AcceptMulti::new(Fd(socket.as_raw_fd()))
            .flags(libc::SOCK_CLOEXEC)
            .build()
            .user_data(tag(ACCEPT, listener));
        self.armed.set(self.armed.get() + 1);
        self.push(&entry);
    }

    /// Starts receiving on a connection until a completion without `more`.
    pub(super) fn recv(&self, slot: u32, socket: BorrowedFd<'_>) {
        let fd = Fd(socket.as_raw_fd());
        let entry = if self.multishot_recv.get() {
            opcode::RecvMulti::new(fd, BUFFER_GROUP).build()
        } else {
            opcode::Recv::new(fd, std::ptr::null_mut(), 0)
                .buf_group(BUFFER_GROUP)
                .build()
                .flags(squeue::Flags::BUFFER_SELECT)
        };
        self.armed.set(self.armed.get() + 1);
        self.push(&entry.user_data(tag(RECV, slot)));
    }

    /// Reports every signal of an eventfd, which is never read, until a completion without `more`.
    pub(super) fn watch(&self, eventfd: BorrowedFd<'_>) {
        let entry = opcode::PollAdd::new(Fd(eventfd.as_raw_fd()), libc::POLLIN as u32).multi(true).build();
        self.armed.set(self.armed.get() + 1);
        self.push(&entry.user_data(tag(WATCH, 0)));
    }

    pub(super) fn cancel_accept(&self, listener: u32) {
        self.cancel(tag(ACCEPT, listener));
    }

    pub(super) fn cancel_recv(&self, slot: u32) {
        self.cancel(tag(RECV, slot));
    }

    fn cancel(&self, target: u64) {
        let entry = opcode::AsyncCancel::new(target)
            .build()
            .user_data(tag(CANCEL, 0))
            .flags(squeue::Flags::SKIP_SUCCESS);
        self.push(&entry);
    }

    /// Gives the output table a place for a new connection.
    pub(super) fn open(&self, slot: u32) {
        self.outgoing.borrow_mut().open(slot);
    }

    /// Queues a batch for a connection whose [`send_status`](Self::send_status) is idle.
    pub(super) fn send(&self, slot: u32, socket: BorrowedFd<'_>, bytes: Vec<u8>) {
        let mut outgoing = self.outgoing.borrow_mut();
        let silent = bytes.len() <= SEND_BYTES_MAX;
        outgoing.start(slot, bytes);
        let entry = if silent {
            self.silent_sends.borrow_mut().push(slot);
            let flags = libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
            send_entry(slot, socket, outgoing.rest(slot), flags).flags(squeue::Flags::SKIP_SUCCESS)
        } else {
            outgoing.advance(slot, 0);
            waiting_send_entry(slot, socket, outgoing.rest(slot))
        };
        drop(outgoing);
        self.push(&entry);
    }

    /// Sends what is left of a stalled batch as soon as the peer makes room.
    pub(super) fn send_rest(&self, slot: u32, socket: BorrowedFd<'_>) {
        let entry = waiting_send_entry(slot, socket, self.outgoing.borrow().rest(slot));
        self.push(&entry);
    }

    pub(super) fn send_status(&self, slot: u32) -> SendStatus {
        self.outgoing.borrow().status(slot)
    }

    pub(super) fn unsent_bytes(&self, slot: u32) -> usize {
        self.outgoing.borrow().unsent_bytes(slot)
    }

    /// Asks for a [`Completion::SendEnded`] when the slot's present send is over.
    pub(super) fn await_send(&self, slot: u32) {
        self.outgoing.borrow_mut().set_awaited(slot);
    }

    /// An empty output buffer from the pool.
    pub(super) fn take_buffer(&self) -> Vec<u8> {
        self.outgoing.borrow_mut().take_buffer()
    }

    fn push(&self, entry: &squeue::Entry) {
        let mut uring = self.uring.borrow_mut();
        // SAFETY: an entry refers to no memory at all or, if it is a send, to bytes in `outgoing`, which neither
        // moves nor frees them until the send is known to be over, even if this ring is dropped (see `drop`).
        while unsafe { uring.submission().push(entry) }.is_err() {
            match uring.submit() {
                Ok(_) => {}
                Err(error) if is_transient(&error) => self.reaped.borrow_mut().extend(uring.completion()),
                Err(error) => {
                    self.broken.set(error.raw_os_error());
                    return;
                }
            }
        }
    }

    /// Whether entering the ring or reaping it is likely to do anything now. No system call.
    ///
    /// The kernel's flag for deferred work can stay behind when the work is done: whoever found nothing although this
    /// was true goes by [`has_results`](Self::has_results).
    pub(super) fn has_work(&self) -> bool {
        self.uring.borrow_mut().submission().taskrun() || self.has_results()
    }

    /// Whether something is queued, or has completed and was not reaped. No system call.
    pub(super) fn has_results(&self) -> bool {
        let mut uring = self.uring.borrow_mut();
        let submission = uring.submission();
        if !submission.is_empty() || submission.cq_overflow() {
            return true;
        }
        drop(submission);
        !uring.completion().is_empty()
    }

    /// Enters the kernel if there is something to submit or to fetch, and appends what completed to `out`.
    ///
    /// # Errors
    /// The ring does not work any more.
    pub(super) fn turn(&self, out: &mut Vec<Completion>) -> io::Result<()> {
        if let Some(errno) = self.broken.get() {
            return Err(io::Error::from_raw_os_error(errno));
        }
        let mut reaped = self.reaped.take();
        let all_submitted = self.enter(&mut reaped)?;
        for entry in reaped.drain(..) {
            self.decode(&entry, out);
        }
        if all_submitted {
            self.settle_silent_sends(out);
        }
        // `push` puts something here only where the kernel is short of memory; do not lose it.
        let mut late = self.reaped.borrow_mut();
        reaped.append(&mut late);
        *late = reaped;
        Ok(())
    }

    /// Enters the kernel if need be and takes all completions; returns whether the kernel took all submissions.
    fn enter(&self, reaped: &mut Vec<cqueue::Entry>) -> io::Result<bool> {
        let mut uring = self.uring.borrow_mut();
        loop {
            let submission = uring.submission();
            let pending = !submission.is_empty() || submission.taskrun() || submission.cq_overflow();
            drop(submission);
            if (self.must_enter.replace(false) || pending)
                && let Err(error) = submit_and_fetch(&mut uring)
                && !is_transient(&error)
            {
                return Err(error);
            }
            let before = reaped.len();
            reaped.extend(uring.completion());
            self.must_enter.set(reaped.len() - before >= DEFERRED_WORK_MAX);
            // Completions the queue had no room for wait in the kernel; a silent send is only known to be done
            // when they were looked at as well.
            let submission = uring.submission();
            if !submission.cq_overflow() {
                return Ok(submission.is_empty());
            }
        }
    }

    fn decode(&self, entry: &cqueue::Entry, out: &mut Vec<Completion>) {
        let slot = entry.user_data() as u32;
        let more = cqueue::more(entry.flags());
        let result = entry.result();
        match entry.user_data() >> 32 {
            ACCEPT => {
                self.disarm_unless(more);
                let result = if result >= 0 {
                    // SAFETY: a successful accept completion hands us a new descriptor that nobody else owns.
                    Ok(unsafe { OwnedFd::from_raw_fd(result) })
                } else {
                    Err(io::Error::from_raw_os_error(-result))
                };
                out.push(Completion::Accepted { listener: slot, result, more });
            }
            RECV => {
                self.disarm_unless(more);
                let buffer = cqueue::buffer_select(entry.flags())
                    .map(|id| self.buffers.lend(id, result.max(0) as u32));
                let result = if result == -libc::EINVAL && self.multishot_recv.get() {
                    // Linux 5.19 has no multishot receive; it sets every such request back to one at a time.
                    self.multishot_recv.set(false);
                    Err(libc::EAGAIN)
                } else if result < 0 {
                    Err(-result)
                } else {
                    Ok(buffer.filter(|bytes| !bytes.is_empty()))
                };
                out.push(Completion::Received { slot, result, more });
            }
            SEND => self.decode_send(slot, result, out),
            WATCH => {
                self.disarm_unless(more);
                out.push(Completion::Signalled { more });
            }
            // A cancellation reports only that its target was gone already.
            _ => {}
        }
    }

    fn decode_send(&self, slot: u32, result: i32, out: &mut Vec<Completion>) {
        let mut outgoing = self.outgoing.borrow_mut();
        let was_fast = outgoing.status(slot) == SendStatus::Fast;
        let unsent = match result {
            1.. => outgoing.advance(slot, result as usize),
            _ if -result == libc::EINTR || (was_fast && -result == libc::EAGAIN) => outgoing.advance(slot, 0),
            _ => false,
        };
        if unsent {
            out.push(Completion::SendStalled { slot });
            return;
        }
        let awaited = match result {
            1.. => outgoing.finish(slot),
            0 => outgoing.fail(slot, libc::EPIPE),
            ..0 => outgoing.fail(slot, -result),
        };
        if awaited {
            out.push(Completion::SendEnded { slot });
        }
    }

    fn settle_silent_sends(&self, out: &mut Vec<Completion>) {
        let mut outgoing = self.outgoing.borrow_mut();
        for slot in self.silent_sends.borrow_mut().drain(..) {
            // One that reported is on the slow way by now, or failed.
            if outgoing.status(slot) == SendStatus::Fast && outgoing.finish(slot) {
                out.push(Completion::SendEnded { slot });
            }
        }
    }

    fn disarm_unless(&self, more: bool) {
        if !more {
            self.armed.set(self.armed.get() - 1);
        }
    }

    /// Has the kernel complete what it has put off, whether or not it says that there is something: the last thing
    /// before parking, when the signal is on. One system call; [`has_results`](Self::has_results) tells what came of it,
    /// and of what comes later, the signal.
    ///
    /// # Errors
    /// The ring does not work any more.
    pub(super) fn finish_deferred(&self) -> io::Result<()> {
        match submit_and_fetch(&mut self.uring.borrow_mut()) {
            Err(error) if !is_transient(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits in the ring until it has `events` completions; after `window` one is enough; after `at_most` none is
    /// needed. Returns whether there may be any. Nothing may be queued. One system call.
    ///
    /// # Errors
    /// The ring does not work any more.
    pub(super) fn wait(&self, events: usize, window: Duration, at_most: Duration) -> io::Result<bool> {
        let uring = self.uring.borrow();
        let timespec = Timespec::from(at_most);
        let mut arguments = SubmitArgs::new().timespec(&timespec);
        let mut wanted = 1;
        if events > 1 && self.waits_for_several {
            wanted = events;
            arguments = arguments.min_wait_usec(window.as_micros() as u32);
        }
        match uring.submitter().submit_with_args(wanted, &arguments) {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ETIME) => Ok(false),
            Err(error) if is_transient(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Switches the eventfd signal off while the reactor is awake and looks at the ring anyway.
    pub(super) fn quiet(&self) {
        if EVENTFD_SWITCH {
            self.uring.borrow_mut().completion().disable_eventfd();
        }
    }

    /// Switches the signal on again. Call [`finish_deferred`](Self::finish_deferred) *after* this and before parking.
    pub(super) fn listen(&self) {
        if EVENTFD_SWITCH {
            self.uring.borrow_mut().completion().enable_eventfd();
            // Pairs with the kernel's barrier between marking work as pending and looking at the switch.
            fence(Ordering::SeqCst);
        }
    }

    /// Makes the kernel let go of all our memory: cancels everything and waits, bounded.
    fn close(&self) -> bool {
        let deadline = Instant::now() + TEARDOWN_MAX;
        let mut completions = Vec::new();
        loop {
            let everything = CancelBuilder::any().all();
            self.push(&opcode::AsyncCancel2::new(everything).build().user_data(tag(CANCEL, 0)));
            if self.turn(&mut completions).is_err() {
                return false;
            }
            for completion in &completions {
                if let Completion::SendStalled { slot } = completion {
                    self.outgoing.borrow_mut().fail(*slot, libc::ECANCELED);
                }
            }
            completions.clear();
            if self.armed.get() == 0 && !self.outgoing.borrow().any_busy() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Closing the ring's descriptor alone does not wait for the kernel: it might still read output or fill
        // input buffers. So everything is cancelled first; if that fails, leaking the memory is what is sound.
        if !self.close() {
            tracing::warn!("the kernel did not give the sockets' buffers back; their memory is leaked");
            std::mem::forget(std::mem::take(&mut *self.outgoing.borrow_mut()));
            std::mem::forget(Rc::clone(&self.buffers));
        }
        let _ = self.uring.borrow().submitter().unregister_buf_ring(BUFFER_GROUP);
    }
}

/// Submits what is queued, then takes what has completed by then, in one system call. `IoUring::submit` asks for the
/// second only if something had completed before the call, and misses what came while the sends were executed.
fn submit_and_fetch(uring: &mut IoUring) -> io::Result<usize> {
    let queued = uring.submission().len() as u32;
    // SAFETY: with no argument and nothing to wait for, entering has no preconditions beyond those of the entries
    // that are queued, which `push` upholds.
    unsafe { uring.submitter().enter::<libc::sigset_t>(queued, 0, ENTER_GETEVENTS, None) }
}

fn send_entry(slot: u32, socket: BorrowedFd<'_>, bytes: &[u8], flags: i32) -> squeue::Entry {
    let len = bytes.len().min(SEND_BYTES_MAX) as u32;
    opcode::Send::new(Fd(socket.as_raw_fd()), bytes.as_ptr(), len)
        .flags(flags)
        .build()
        .user_data(tag(SEND, slot))
}

/// A send that the kernel keeps until the peer has made room for all of it.
fn waiting_send_entry(slot: u32, socket: BorrowedFd<'_>, bytes: &[u8]) -> squeue::Entry {
    send_entry(slot, socket, bytes, libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
}

/// Errors of entering the ring after which the same call may succeed.
fn is_transient(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::EBUSY))
}

/// Builds the ring with the best set of flags the kernel knows.
fn build() -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.dontfork().setup_cqsize(CQ_ENTRIES).setup_submit_all().setup_coop_taskrun().setup_taskrun_flag();
    let mut newer = builder.clone();
    newer.setup_single_issuer().setup_defer_taskrun();
    match newer.build(SQ_ENTRIES) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => builder.build(SQ_ENTRIES),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    fn turn_until_something_completes(ring: &Ring) -> Vec<Completion> {
        let mut completions = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(10);
        while completions.is_empty() && Instant::now() < deadline {
            ring.turn(&mut completions).expect("turn");
        }
        completions
    }

    fn received(ring: &Ring) -> (Vec<u8>, bool) {
        match turn_until_something_completes(ring).as_slice() {
            [Completion::Received { slot: 5, result: Ok(Some(bytes)), more }] => (bytes.to_vec(), *more),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn receives_one_at_a_time_where_the_kernel_has_no_multishot() {
        let ring = Ring::new(2, 64).expect("ring");
        let (mut here, there) = UnixStream::pair().expect("pair");
        ring.multishot_recv.set(false);
        for _ in 0..5 {
            ring.recv(5, there.as_fd());
            here.write_all(b"data").expect("write");
            assert_eq!(received(&ring), (b"data".to_vec(), false));
        }
    }

    #[test]
    fn one_multishot_receive_gives_many_pieces() {
        let ring = Ring::new(2, 64).expect("ring");
        let (mut here, there) = UnixStream::pair().expect("pair");
        ring.recv(5, there.as_fd());
        for _ in 0..5 {
            here.write_all(b"data").expect("write");
            assert_eq!(received(&ring), (b"data".to_vec(), true));
        }
    }

    #[test]
    fn more_completions_than_the_queue_holds_are_all_seen() {
        // Nothing is reaped while submissions go in, so the completion queue runs over.
        let ring = Ring::new(2, 64).expect("ring");
        let (here, there) = UnixStream::pair().expect("pair");
        drop(here);
        let total = CQ_ENTRIES + 2 * SQ_ENTRIES;
        for _ in 0..total {
            ring.recv(5, there.as_fd());
        }
        let mut completions = Vec::new();
        ring.turn(&mut completions).expect("turn");
        assert_eq!(completions.len(), total as usize);
        assert_eq!(ring.armed.get(), 0);
    }

    #[test]
    fn a_failed_silent_send_is_reported_and_the_others_are_done() {
        let ring = Ring::new(2, 64).expect("ring");
        let (_good_peer, good) = UnixStream::pair().expect("pair");
        let (bad_peer, bad) = UnixStream::pair().expect("pair");
        drop(bad_peer);
        for (slot, socket) in [(0, &good), (1, &bad)] {
            ring.open(slot);
            ring.send(slot, socket.as_fd(), b"reply".to_vec());
        }
        ring.turn(&mut Vec::new()).expect("turn");
        assert_eq!(ring.send_status(0), SendStatus::Idle);
        assert_eq!(ring.send_status(1), SendStatus::Failed(libc::EPIPE));
    }
}
