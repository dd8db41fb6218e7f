//! What the reactor and a connection's handle share about one connection.
//!
//! Owns the socket, the input not yet read, who waits for what, and why the connection ended. Small on purpose:
//! ten thousand idle connections hold ten thousand of these and nothing else.

use super::buffer_ring::RecvBuffer;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::Waker;

/// Why a connection gives no more input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The peer has finished sending.
    Eof,
    /// The socket failed; holds the errno.
    Failed(i32),
    /// This server closes it: a [`Remote`](super::Remote) or a shutdown.
    Closed,
}

/// What a task waits for on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// More input, or its end.
    Input,
    /// The end of the send under way.
    Output,
}

pub(super) struct ConnectionState {
    pub(super) id: u64,
    pub(super) slot: u32,
    pub(super) socket: OwnedFd,
    pub(super) peer: Option<SocketAddr>,
    /// The kernel holds a receive of this connection.
    pub(super) armed: Cell<bool>,
    /// That receive has been asked to stop.
    pub(super) cancelling: Cell<bool>,
    /// Waits in the reactor's queue for input buffers.
    pub(super) starved: Cell<bool>,
    /// The handle was dropped: what is left to do is to let the kernel finish.
    pub(super) dropped: Cell<bool>,
    pub(super) end: Cell<Option<End>>,
    /// Somebody called [`Remote::notify`](super::Remote::notify), and the task has not looked yet.
    noticed: Cell<bool>,
    /// The [`BusyPoll`](super::busy_poll::BusyPoll) interval this connection was last counted in.
    pub(super) active_interval: Cell<u32>,
    /// The reactor's round in which the inbox last became non-empty.
    pub(super) inbox_round: Cell<u32>,
    pub(super) unread_bytes: Cell<usize>,
    /// The oldest unread input, kept apart so that the usual inbox of one needs no memory.
    oldest: Cell<Option<RecvBuffer>>,
    newer: RefCell<VecDeque<RecvBuffer>>,
    /// The task that has the handle; kept over many waits.
    waker: Cell<Option<Waker>>,
    input_awaited: Cell<bool>,
    output_awaited: Cell<bool>,
}

impl ConnectionState {
    pub(super) fn new(id: u64, slot: u32, socket: OwnedFd, peer: Option<SocketAddr>) -> Rc<Self> {
        Rc::new(Self {
            id,
            slot,
            socket,
            peer,
            armed: Cell::new(false),
            cancelling: Cell::new(false),
            starved: Cell::new(false),
            dropped: Cell::new(false),
            end: Cell::new(None),
            noticed: Cell::new(false),
            active_interval: Cell::new(0),
            inbox_round: Cell::new(0),
            unread_bytes: Cell::new(0),
            oldest: Cell::new(None),
            newer: RefCell::default(),
            waker: Cell::new(None),
            input_awaited: Cell::new(false),
            output_awaited: Cell::new(false),
        })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Input that came in `round`.
    pub(super) fn push_input(&self, buffer: RecvBuffer, round: u32) {
        let unread_bytes = self.unread_bytes.get();
        self.unread_bytes.set(unread_bytes + buffer.len());
        // Buffers are never empty, so no unread bytes means no buffers.
        if unread_bytes == 0 {
            self.inbox_round.set(round);
            self.oldest.set(Some(buffer));
        } else {
            self.newer.borrow_mut().push_back(buffer);
        }
    }

    pub(super) fn pop_input(&self) -> Option<RecvBuffer> {
        let buffer = self.oldest.take()?;
        let unread_bytes = self.unread_bytes.get() - buffer.len();
        self.unread_bytes.set(unread_bytes);
        if unread_bytes > 0 {
            let mut newer = self.newer.borrow_mut();
            self.oldest.set(newer.pop_front());
            if newer.is_empty() {
                *newer = VecDeque::new();
            }
        }
        Some(buffer)
    }

    pub(super) fn clear_input(&self) {
        self.oldest.take();
        self.newer.take();
        self.unread_bytes.set(0);
    }

    /// Moves unread input out of the kernel's buffers into memory of its own.
    pub(super) fn copy_out_input(&self) {
        self.oldest.set(self.oldest.take().map(RecvBuffer::into_owned));
        for buffer in self.newer.borrow_mut().iter_mut() {
            let kept = std::mem::replace(buffer, RecvBuffer::owned(Vec::new()));
            *buffer = kept.into_owned();
        }
    }

    /// The task whose waker this is waits for `what`.
    pub(super) fn wait(&self, what: Wait, waker: &Waker) {
        let kept = self.waker.take().filter(|kept| kept.will_wake(waker));
        self.waker.set(Some(kept.unwrap_or_else(|| waker.clone())));
        self.awaited(what).set(true);
    }

    /// Wakes the task if it waits for `what`.
    pub(super) fn wake(&self, what: Wait) {
        if self.awaited(what).replace(false)
            && let Some(waker) = self.waker.take()
        {
            waker.wake_by_ref();
            self.waker.set(Some(waker));
        }
    }

    /// Forgets the waker, which holds a reference to the task.
    pub(super) fn forget_waiter(&self) {
        self.input_awaited.set(false);
        self.output_awaited.set(false);
        self.waker.take();
    }

    fn awaited(&self, what: Wait) -> &Cell<bool> {
        match what {
            Wait::Input => &self.input_awaited,
            Wait::Output => &self.output_awaited,
        }
    }

    /// Something other than input came for the connection's task.
    pub(super) fn notice(&self) {
        self.noticed.set(true);
        self.wake(Wait::Input);
    }

    pub(super) fn take_notice(&self) -> bool {
        self.noticed.replace(false)
    }

    /// Notes the first reason why there is no more input, and wakes who waits for input.
    pub(super) fn end(&self, end: End) {
        if self.end.get().is_none() {
            self.end.set(Some(end));
        }
        self.wake(Wait::Input);
    }
}

// Together with the task around it, which has some 150 bytes of its own plus the caller's future, a connection must
// stay far below 1 KiB.
const _: () = assert!(size_of::<ConnectionState>() <= 192);
