//! What other threads may do to a server thread: wake it, close one of its connections or tell its task something, shut
//! it down.
//!
//! Owns the mailbox of a reactor. Everything here is `Send + Sync`; a message is taken at the reactor's next round.

use super::eventfd;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A connection as other threads name it; `id` makes sure that the slot still belongs to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionName {
    pub(super) slot: u32,
    pub(super) id: u64,
}

/// What another thread wants of connections.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// To be closed: at most one for each call of [`Remote::close`].
    pub(super) closings: Vec<ConnectionName>,
    /// Their tasks are to be told: at most one for each call of [`Remote::notify`].
    pub(super) notices: Vec<ConnectionName>,
}

#[derive(Debug)]
pub(super) struct ThreadShared {
    /// Signalled by the sockets' ring and by [`ThreadWaker::wake`]; what a parked reactor waits for.
    eventfd: File,
    /// Set while the reactor still has to look at what other threads did; saves them further signals.
    signalled: AtomicBool,
    /// Emptied every round.
    requests: Mutex<Requests>,
}

impl ThreadShared {
    pub(super) fn new() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            eventfd: File::from(eventfd::create()?),
            signalled: AtomicBool::new(false),
            requests: Mutex::default(),
        }))
    }

    pub(super) fn eventfd(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }

    /// Whether another thread has signalled since the last [`take_signal`](Self::take_signal).
    pub(super) fn is_signalled(&self) -> bool {
        self.signalled.load(Ordering::Acquire)
    }

    /// Takes the signal; what was done before it is visible afterwards.
    pub(super) fn take_signal(&self) -> bool {
        self.is_signalled() && self.signalled.swap(false, Ordering::AcqRel)
    }

    pub(super) fn take_requests(&self) -> Requests {
        std::mem::take(&mut *lock(&self.requests))
    }

    fn wake(&self) {
        if !self.signalled.swap(true, Ordering::AcqRel) {
            // The only error is a counter that is full, and then the reactor has been signalled before.
            let _ = (&self.eventfd).write(&1_u64.to_ne_bytes());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The data is a plain list: a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes the reactor of one server thread from any thread.
#[derive(Debug, Clone)]
pub struct ThreadWaker(pub(super) Arc<ThreadShared>);

impl ThreadWaker {
    /// Makes the reactor run a round soon, which drains all its completion sources. Cheap if it is awake already.
    pub fn wake(&self) {
        self.0.wake();
    }
}

/// One connection, for any thread; outlives it harmlessly.
#[derive(Debug, Clone)]
pub struct Remote {
    pub(super) thread: Arc<ThreadShared>,
    pub(super) connection: ConnectionName,
}

impl Remote {
    /// Closes the connection soon: its unread input is dropped, `recv` gives `None`, `closed` completes, a waiting
    /// `send` fails. Does nothing if it is closed already.
    pub fn close(&self) {
        lock(&self.thread.requests).closings.push(self.connection);
        self.thread.wake();
    }

    /// Has the connection's task look soon at what came for it from elsewhere: `incoming` gives
    /// [`Incoming::Notice`](super::Incoming::Notice). Several calls may be one notice.
    pub fn notify(&self) {
        lock(&self.thread.requests).notices.push(self.connection);
        self.thread.wake();
    }

    /// The [`id`](super::Connection::id) of the connection.
    pub fn connection_id(&self) -> u64 {
        self.connection.id
    }
}

/// Asks all server threads that hold a clone of it to stop.
#[derive(Debug, Clone, Default)]
pub struct ShutdownSignal(Arc<ShutdownState>);

#[derive(Debug, Default)]
struct ShutdownState {
    requested: AtomicBool,
    threads: Mutex<Vec<ThreadWaker>>,
}

impl ShutdownSignal {
    /// A signal that has not been given.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes every thread stop: no new connections, the batches at hand are finished and answered, then
    /// [`run_thread`](super::run_thread) returns, at the latest after its grace period.
    pub fn request(&self) {
        self.0.requested.store(true, Ordering::Release);
        for thread in lock(&self.0.threads).iter() {
            thread.wake();
        }
    }

    /// Whether [`request`](Self::request) was called.
    pub fn is_requested(&self) -> bool {
        self.0.requested.load(Ordering::Acquire)
    }

    /// From now on a request wakes this thread. One that came before is seen by `is_requested`.
    pub(super) fn register(&self, thread: ThreadWaker) {
        let mut threads = lock(&self.0.threads);
        thread.wake();
        threads.push(thread);
    }
}
