//! What other threads may do to a server thread: wake it, close one of its connections, shut it down.
//!
//! Owns the mailbox of a reactor. Everything here is `Send + Sync`; a message is taken at the reactor's next round.

use super::eventfd;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A request to close one connection; `id` makes sure that the slot still belongs to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct CloseRequest {
    pub(super) slot: u32,
    pub(super) id: u64,
}

#[derive(Debug)]
pub(super) struct ThreadShared {
    /// Signalled by the sockets' ring and by [`ThreadWaker::wake`]; what a parked reactor waits for.
    eventfd: File,
    /// Set while the reactor still has to look at what other threads did; saves them further signals.
    signalled: AtomicBool,
    /// At most one request per call of [`Closer::close`]; emptied every round.
    close_requests: Mutex<Vec<CloseRequest>>,
}

impl ThreadShared {
    pub(super) fn new() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            eventfd: File::from(eventfd::create()?),
            signalled: AtomicBool::new(false),
            close_requests: Mutex::default(),
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

    pub(super) fn take_close_requests(&self) -> Vec<CloseRequest> {
        std::mem::take(&mut *lock(&self.close_requests))
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

/// Closes one connection from any thread; outlives the connection harmlessly.
#[derive(Debug, Clone)]
pub struct Closer {
    pub(super) thread: Arc<ThreadShared>,
    pub(super) request: CloseRequest,
}

impl Closer {
    /// Closes the connection soon: its unread input is dropped, `recv` gives `None`, `closed` completes, a waiting
    /// `send` fails. Does nothing if it is closed already.
    pub fn close(&self) {
        lock(&self.thread.close_requests).push(self.request);
        self.thread.wake();
    }

    /// The [`id`](super::Connection::id) of the connection.
    pub fn connection_id(&self) -> u64 {
        self.request.id
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
