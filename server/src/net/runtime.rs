//! One server thread: start, serve, stop.
//!
//! Owns the tokio-uring runtime that hosts the reactor, the connections' tasks and timers.

use super::connection::Connection;
use super::eventfd;
use super::listener::Listener;
use super::listening::ListenerInbox;
use super::reactor::{Reactor, Tasks};
use super::thread::{ShutdownSignal, ThreadWaker};
use super::{CompletionSource, ConnectionHandler};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Submission entries of the runtime's own ring, which serves rare operations only.
const RUNTIME_RING_ENTRIES: u32 = 64;

/// The rhythm of [`Reactor::tick`].
const TICK: Duration = Duration::from_secs(1);

/// What one server thread is to serve, and its limits.
#[derive(Debug)]
pub struct ThreadOptions {
    /// The sockets to accept from, made by [`bind_listeners`](super::bind_listeners).
    pub listeners: Vec<Listener>,
    /// Where others come from while the thread runs.
    pub listener_inbox: ListenerInbox,
    /// Connections beyond this number are closed as soon as they come. The caller, who can tell the client why,
    /// has a lower limit.
    pub connections_max: usize,
    /// The longest spin, in microseconds, before the thread parks while few connections are active and a request
    /// or a read is under way (`busy_poll_us`); 0 never spins.
    pub busy_poll_us: u32,
    /// How long connections get, in milliseconds, to finish when the server stops.
    pub shutdown_grace_ms: u64,
    /// Input buffers of the thread, a power of two up to 2^15: how many connections can receive in one round.
    pub recv_buffers: u16,
    /// The size of one input buffer, in bytes.
    pub recv_buffer_bytes: u32,
}

impl Default for ThreadOptions {
    /// No listeners; a bound of 16 MiB on input buffers, of which a quiet thread touches 1 MiB.
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            listener_inbox: ListenerInbox::default(),
            connections_max: 65_536,
            busy_poll_us: 50,
            shutdown_grace_ms: 5_000,
            recv_buffers: 1024,
            recv_buffer_bytes: 16 * 1024,
        }
    }
}

/// Serves on the calling thread until `shutdown` is requested: `handler` makes the task of every connection.
///
/// `sources` are driven beside the sockets.
///
/// # Errors
/// The rings could not be set up (see [`probe`](super::probe())) or broke.
pub fn run_thread(
    options: ThreadOptions,
    sources: Vec<Rc<dyn CompletionSource>>,
    handler: impl ConnectionHandler,
    shutdown: ShutdownSignal,
) -> io::Result<()> {
    let runtime = runtime()?;
    runtime.block_on(async move {
        let inbox = options.listener_inbox.clone();
        let reactor = Reactor::new(options, sources, Box::new(Spawning(handler)), shutdown.clone())?;
        shutdown.register(ThreadWaker(Arc::clone(reactor.thread())));
        inbox.register(ThreadWaker(Arc::clone(reactor.thread())));
        let ticking = Rc::clone(&reactor);
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(TICK).await;
                ticking.tick();
            }
        });
        // A task of its own, because the future given to `block_on` is polled whenever any task is.
        let task = tokio::task::spawn_local(async move {
            let [threads, sources] = reactor.signals();
            let signals = [eventfd::watch(threads)?, eventfd::watch(sources)?];
            reactor.start()?;
            poll_fn(|cx| reactor.poll(&signals, cx)).await
        });
        task.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    })
}

/// A handler as the reactor uses it: of any kind, its tasks started.
struct Spawning<H>(H);

impl<H: ConnectionHandler> Tasks for Spawning<H> {
    fn start(&self, connection: Connection) {
        tokio::task::spawn_local(self.0.serve(connection));
    }

    fn preview(&self, inputs: &mut dyn Iterator<Item = &[u8]>) {
        self.0.preview(inputs);
    }
}

/// The runtime of one thread. Its own ring must not defer its task work: tokio watches that ring's descriptor, which
/// then would never become readable.
fn runtime() -> io::Result<tokio_uring::Runtime> {
    let mut flags = tokio_uring::uring_builder();
    flags.setup_coop_taskrun();
    let mut builder = tokio_uring::builder();
    builder.entries(RUNTIME_RING_ENTRIES).uring_builder(flags.clone().setup_single_issuer());
    match tokio_uring::Runtime::new(&builder) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            tokio_uring::Runtime::new(builder.uring_builder(&flags))
        }
        result => result,
    }
}
