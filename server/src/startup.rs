//! From a configuration to running threads, and to a clean end.
//!
//! What can fail without a trace comes first: sockets, then the tier's files, then threads. Every thread ends before
//! [`run`] returns.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use thermocline_engine::device::uring::UringDevice;
use thermocline_engine::device::{Device, TierFile};
use thermocline_engine::{Background, Components, Decoder, Engine, EngineConfig, EngineError};

use crate::config::Config;
use crate::dispatch;
use crate::info::endpoint;
use crate::log;
use crate::net::{
    BindOptions, BoundAddress, Listener, ListenerInbox, Listening, ThreadOptions, probe, run_thread,
};
use crate::process::{ProcessMemory, SystemClock};
use crate::server::{Server, Thread};

/// The rhythm of what is done now and then, such as closing idle connections.
const TICK: Duration = Duration::from_secs(1);
/// The same while there is a limit on what clients take, so that slow readers are found in time.
const SHORT_TICK: Duration = Duration::from_millis(100);

/// File descriptors beside those of clients: listeners, rings, tier files, logs.
const OTHER_DESCRIPTORS: u64 = 128;

/// Why the server did not start, or did not end well. Each displays as one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A socket, a file or a ring; the text says which.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The engine refused its configuration.
    #[error("{0}")]
    Engine(#[from] EngineError),
    /// What is said of users makes no sense.
    #[error("{0}")]
    Users(String),
    /// Something is in the way.
    #[error("{what}: {error}")]
    File {
        /// What was tried, with the path.
        what: String,
        /// What the system said.
        error: io::Error,
    },
}

/// What threads tell the one that started them.
enum Event {
    /// A server thread has ended.
    ServerThreadEnded(io::Result<()>),
    /// The background thread has ended.
    BackgroundEnded(io::Result<()>),
}

/// Runs a server until SIGTERM, SIGINT or SHUTDOWN ends it.
///
/// # Errors
/// It could not start, or a thread broke.
pub fn run(config: Config) -> Result<(), RunError> {
    log::start(&config)?;
    probe()?;
    raise_descriptor_limit(config.max_clients() as u64);
    let dir = config.dir();
    fs::metadata(&dir)
        .map_err(|error| RunError::File { what: format!("cannot use dir {}", dir.display()), error })?;
    let listening = Listening::bind(bind_options(&config), config.threads())?;
    let clock = Arc::new(SystemClock::new());
    let components = Components {
        device: open_device(&config)?,
        clock: clock.clone(),
        memory: Arc::new(ProcessMemory::new()),
        seed: rand::random(),
    };
    let engine = Arc::new(Engine::new(engine_config(&config), components)?);
    let mut server = Server::new(engine, config, clock);
    server.access.load(&server.config).map_err(RunError::Users)?;
    server.listening = listening;
    let server = Arc::new(server);
    let _pid_file = PidFile::write(server.config.pid_file())?;
    watch_signals(&server)?;
    if let Some(address) = endpoint::start(&server)? {
        tracing::info!(%address, "Metrics at /metrics");
    }
    serve(&server)
}

/// Runs all threads until the last server thread has ended.
fn serve(server: &Arc<Server>) -> Result<(), RunError> {
    let (sender, events) = channel();
    let stop_background = Arc::new(AtomicBool::new(false));
    let background = start_background(server, Arc::clone(&stop_background), sender.clone())?;
    start_decoder(server)?;
    let mut threads = Vec::new();
    for (number, (listeners, inbox)) in server.listening.for_threads().into_iter().enumerate() {
        threads.push(start_server_thread(server, number, listeners, inbox, sender.clone())?);
    }
    drop(sender);
    for address in server.listening.addresses() {
        tracing::info!(address = %Shown(&address), threads = threads.len(), "Ready to accept connections");
    }
    let result = wait_for_end(server, &events, threads.len());
    stop_background.store(true, Ordering::Release);
    for thread in threads.into_iter().chain([background]) {
        // A panic was reported where it happened.
        let _ = thread.join();
    }
    tracing::info!("Bye");
    result.map_err(RunError::from)
}

/// Does what is done now and then, until all server threads have ended. The first that breaks ends all.
fn wait_for_end(server: &Server, events: &Receiver<Event>, threads: usize) -> io::Result<()> {
    let mut result = Ok(());
    let mut running = threads;
    while running > 0 {
        let tick = if server.config.client_memory_limit_bytes().is_some() { SHORT_TICK } else { TICK };
        match events.recv_timeout(tick) {
            Ok(Event::ServerThreadEnded(end)) => {
                running -= 1;
                result = result.and(end);
                server.shutdown.request();
            }
            Ok(Event::BackgroundEnded(end)) => {
                result = result.and(end).and(Err(io::Error::other("the background thread ended")));
                server.shutdown.request();
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        server.evict_clients(server.clock.now());
        server.courier.enforce_limits(&server.clients);
        let timeout_s = server.config.timeout_s();
        if timeout_s > 0 {
            server.clients.close_idle(server.clock.now(), timeout_s);
        }
    }
    result
}

fn start_server_thread(
    server: &Arc<Server>,
    number: usize,
    listeners: Vec<Listener>,
    listener_inbox: ListenerInbox,
    events: Sender<Event>,
) -> io::Result<JoinHandle<()>> {
    let server = Arc::clone(server);
    let options = ThreadOptions {
        listeners,
        listener_inbox,
        busy_poll_us: server.config.busy_poll_us() as u32,
        shutdown_grace_ms: server.config.shutdown_timeout_s().saturating_mul(1000),
        ..ThreadOptions::default()
    };
    std::thread::Builder::new().name(format!("server-{number}")).spawn(move || {
        let end = EndReport {
            events,
            make: Event::ServerThreadEnded,
            result: Err(io::Error::other("a server thread panicked")),
        };
        let shutdown = server.shutdown.clone();
        end.report(Thread::new(server).and_then(|thread| {
            let thread = Rc::new(thread);
            let reader = Rc::clone(&thread.reader);
            let reads = Rc::new(dispatch::ColdReads(reader));
            run_thread(options, vec![reads], dispatch::Service(thread), shutdown)
        }));
    })
}

fn start_background(
    server: &Arc<Server>,
    stop: Arc<AtomicBool>,
    events: Sender<Event>,
) -> io::Result<JoinHandle<()>> {
    let engine = Arc::clone(&server.engine);
    std::thread::Builder::new().name("background".to_owned()).spawn(move || {
        let end = EndReport {
            events,
            make: Event::BackgroundEnded,
            result: Err(io::Error::other("the background thread panicked")),
        };
        end.report(Background::new(engine).map(|background| background.run(&stop)));
    })
}

/// The decoder's thread ends when the engine is gone. Should it break before, server threads do its work.
fn start_decoder(server: &Server) -> io::Result<()> {
    if let Some(decoder) = Decoder::new(&server.engine)? {
        std::thread::Builder::new().name("decoder".to_owned()).spawn(move || decoder.run())?;
    }
    Ok(())
}

/// Tells how a thread ended, if need be with a panic.
struct EndReport {
    events: Sender<Event>,
    make: fn(io::Result<()>) -> Event,
    result: io::Result<()>,
}

impl EndReport {
    fn report(mut self, result: io::Result<()>) {
        self.result = result;
    }
}

impl Drop for EndReport {
    fn drop(&mut self) {
        let result = std::mem::replace(&mut self.result, Ok(()));
        // Nobody listens any more where the server has ended already.
        let _ = self.events.send((self.make)(result));
    }
}

// ---- parts

fn bind_options(config: &Config) -> BindOptions {
    BindOptions {
        addresses: config.tcp_addresses(),
        port: config.port(),
        unix_path: config.unix_socket(),
        unix_mode: config.unix_socket_permissions(),
        backlog: i32::try_from(config.tcp_backlog()).unwrap_or(i32::MAX),
        tcp_keepalive_s: config.tcp_keepalive_s(),
    }
}

fn engine_config(config: &Config) -> EngineConfig {
    EngineConfig {
        database_count: config.databases(),
        segment_bytes: config.tier_segment_bytes(),
        settings: config.engine_settings(),
        ..EngineConfig::default()
    }
}

/// Opens the SSD tier's files, one in each `tier-path`; `None` where there is no tier.
fn open_device(config: &Config) -> Result<Option<Arc<dyn Device>>, RunError> {
    let capacity_bytes = config.tier_capacity_bytes();
    if capacity_bytes == 0 {
        return Ok(None);
    }
    let paths = config.tier_paths();
    let capacity_bytes = capacity_bytes / paths.len() as u64;
    let file =
        |path: &PathBuf| TierFile { path: path.join("tier.dat"), capacity_bytes, keep_contents: false };
    let files: Vec<TierFile> = paths.iter().map(file).collect();
    Ok(Some(Arc::new(UringDevice::open(&files)?)))
}

/// The first SIGTERM or SIGINT ends the server in order, the second at once.
fn watch_signals(server: &Arc<Server>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let shutdown = server.shutdown.clone();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if shutdown.is_requested() {
                tracing::warn!(signal, "ending at once");
                std::process::exit(1);
            }
            tracing::info!(signal, "ending: answering what was asked");
            shutdown.request();
        }
    })?;
    Ok(())
}

/// Allows as many open files as there may be clients, as far as the system lets us.
fn raise_descriptor_limit(clients: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = clients + OTHER_DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= wanted {
        return;
    }
    let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let is_raised =
        setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }).is_ok();
    let allowed = if is_raised { raised } else { current };
    if allowed < wanted {
        let clients = allowed.saturating_sub(OTHER_DESCRIPTORS);
        tracing::warn!(
            allowed,
            clients,
            "fewer open files are allowed than maxclients needs: raise `ulimit -n`"
        );
    }
}

/// The file that holds the process' id while the server runs.
struct PidFile(Option<PathBuf>);

impl PidFile {
    fn write(path: Option<PathBuf>) -> Result<Self, RunError> {
        if let Some(path) = &path {
            fs::write(path, format!("{}\n", std::process::id())).map_err(|error| RunError::File {
                what: format!("cannot write the pid file {}", path.display()),
                error,
            })?;
        }
        Ok(Self(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

struct Shown<'a>(&'a BoundAddress);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tcp = |address: &SocketAddr| address.to_string();
        let unix = |path: &Path| path.display().to_string();
        match self.0 {
            BoundAddress::Tcp(address) => f.write_str(&tcp(address)),
            BoundAddress::Unix(path) => f.write_str(&unix(path)),
        }
    }
}
