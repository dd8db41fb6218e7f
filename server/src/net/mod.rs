//! Sockets in, bytes out: the network layer of one server thread.
//!
//! Every server thread calls [`run_thread`] once. It hosts, on a tokio-uring runtime, one reactor task that drives
//! the sockets' ring and the thread's other completion sources, and one ordinary task per connection, made by the
//! caller, that awaits [`Connection::recv`] and [`Connection::send`]. This layer knows no protocol and no command.
//!
//! ```text
//! run_thread            runtime     start, serve, stop: the only way in
//!   listeners           listener    addresses bound once per thread (SO_REUSEPORT)
//!     and their change  listening   other addresses while the server runs
//!   reactor             reactor     one round: submit, reap, hand completions to connections; park when all is empty
//!     policy            busy_poll   whether a short spin instead of parking pays
//!   connection          connection  what a task holds: recv, send, closed
//!     state             state       what the reactor holds of it: inbox, wakers, why it ended
//!     by slot           table       the connections of the thread
//!   other threads       thread      ThreadWaker, Remote, ShutdownSignal: messages into a reactor
//!   signal              eventfd     how rings and threads wake a parked reactor
//!   ring                ring        SQEs and CQEs, and the output buffers the kernel may read
//!     output buffers    outgoing    one batch per connection on its way out
//!     input buffers     buffer_ring provided buffers, given out only while a socket has data
//!   probe               probe       is io_uring there, and what to do if not
//! ```
//!
//! **Invariant:** memory the kernel may touch is owned by `ring` and `buffer_ring` until its completion is reaped.
//! **Invariant:** an idle connection owns no buffer. **Invariant:** every queue here has a named bound.

mod buffer_ring;
mod busy_poll;
mod connection;
mod eventfd;
mod listener;
mod listening;
mod outgoing;
mod probe;
mod reactor;
mod ring;
mod runtime;
mod state;
mod table;
mod thread;

#[cfg(test)]
mod tests;

pub use buffer_ring::RecvBuffer;
pub use connection::{Connection, Incoming};
pub use listener::{BindOptions, BoundAddress, Listener, bind_listeners};
pub use listening::{ListenerInbox, Listening};
pub use probe::probe;
pub use runtime::{ThreadOptions, run_thread};
pub use thread::{Remote, ShutdownSignal, ThreadWaker};

use std::future::Future;
use std::io;
use std::os::fd::BorrowedFd;

/// Makes the tasks of a thread's connections.
pub trait ConnectionHandler: 'static {
    /// The task of a new connection. Inside, the facilities of tokio (local tasks, timers) and tokio-uring can be used.
    fn serve(&self, connection: Connection) -> impl Future<Output = ()> + use<Self> + 'static;

    /// Shows what several connections received at once, before any of their tasks runs: a chance to have memory on its
    /// way that all of them will touch. Nothing is consumed.
    fn preview(&self, _inputs: &mut dyn Iterator<Item = &[u8]>) {}
}

impl<C, F> ConnectionHandler for C
where
    C: Fn(Connection) -> F + 'static,
    F: Future<Output = ()> + 'static,
{
    fn serve(&self, connection: Connection) -> impl Future<Output = ()> + use<C, F> + 'static {
        self(connection)
    }
}

/// Something besides the sockets that completes work on a server thread, such as the engine's disk ring.
///
/// The reactor polls it from the thread that called [`run_thread`]; no method may block.
pub trait CompletionSource {
    /// Asks that `eventfd` be signalled whenever a completion may be waiting, except between [`Self::quiet`] and
    /// [`Self::listen`]. Called once, before anything else.
    ///
    /// # Errors
    /// What the kernel answered; the thread does not start then.
    fn register_eventfd(&self, eventfd: BorrowedFd<'_>) -> io::Result<()>;

    /// Submits what is queued. Called once per round of the reactor, after the connections' tasks have run; whoever
    /// queues work from a task that something else than this reactor woke (a timer) submits it on the spot.
    fn flush(&self);

    /// Takes all completions that are there, wakes who waits for them, and returns how many there were.
    fn drain(&self) -> usize;

    /// How many operations were begun and have not been drained. While there are none, no signal is waited for.
    fn outstanding(&self) -> usize;

    /// Signals are needed from now on, because the reactor is about to wait. Returns whether something may have
    /// completed before, without a signal. A source may also signal all the time, as it does at first.
    fn listen(&self) -> bool {
        false
    }

    /// Signals are not needed for now: the reactor is awake and drains every round.
    fn quiet(&self) {}
}
