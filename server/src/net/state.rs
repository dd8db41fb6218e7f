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
    /// This server closes it: a [`Closer`](super::Closer) or a shutdown.
    Closed,
}

/// A waker that is kept over many waits, and whether anybody waits right now.
#[derive(Default)]
pub(super) struct WaitCell {
    waker: RefCell<Option<Waker>>,
    waiting: Cell<bool>,
}

impl WaitCell {
    pub(super) fn wait(&self, waker: &Waker) {
        let mut kept = self.waker.borrow_mut();
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            *kept = Some(waker.clone());
        }
        self.waiting.set(true);
    }

    pub(super) fn wake(&self) {
        if self.waiting.replace(false)
            && let Some(waker) = self.waker.borrow().as_ref()
        {
            waker.wake_by_ref();
        }
    }

    /// Forgets the waker, which holds a reference to the task.
    pub(super) fn clear(&self) {
        self.waiting.set(false);
        self.waker.take();
    }
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
    /// The [`BusyPoll`](super::busy_poll::BusyPoll) interval this connection was last counted in.
    pub(super) active_interval: Cell<u32>,
    /// The reactor's round in which the inbox last became non-empty.
    pub(super) inbox_round: Cell<u32>,
    pub(super) unread_bytes: Cell<usize>,
    inbox: RefCell<VecDeque<RecvBuffer>>,
    /// Waits for input or for the end.
    pub(super) input: WaitCell,
    /// Waits for the output to be sent.
    pub(super) output: WaitCell,
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
            active_interval: Cell::new(0),
            inbox_round: Cell::new(0),
            unread_bytes: Cell::new(0),
            inbox: RefCell::default(),
            input: WaitCell::default(),
            output: WaitCell::default(),
        })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Input that came in `round`.
    pub(super) fn push_input(&self, buffer: RecvBuffer, round: u32) {
        let mut inbox = self.inbox.borrow_mut();
        if inbox.is_empty() {
            self.inbox_round.set(round);
        }
        self.unread_bytes.set(self.unread_bytes.get() + buffer.len());
        inbox.push_back(buffer);
    }

    pub(super) fn pop_input(&self) -> Option<RecvBuffer> {
        let buffer = self.inbox.borrow_mut().pop_front()?;
        self.unread_bytes.set(self.unread_bytes.get() - buffer.len());
        Some(buffer)
    }

    pub(super) fn clear_input(&self) {
        self.inbox.take();
        self.unread_bytes.set(0);
    }

    /// Moves unread input out of the kernel's buffers into memory of its own.
    pub(super) fn copy_out_input(&self) {
        for buffer in self.inbox.borrow_mut().iter_mut() {
            if !buffer.is_owned() {
                *buffer = RecvBuffer::owned(buffer.to_vec());
            }
        }
    }

    /// Notes the first reason why there is no more input, and wakes who waits for input.
    pub(super) fn end(&self, end: End) {
        if self.end.get().is_none() {
            self.end.set(Some(end));
        }
        self.input.wake();
    }
}

// Together with the task around it, which has some 150 bytes of its own plus the caller's future, a connection must
// stay far below 1 KiB.
const _: () = assert!(size_of::<ConnectionState>() <= 224);
