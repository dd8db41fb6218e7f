//! What all server threads share, and what each has of its own.
//!
//! - [`blocking`]: clients that wait in a blocking command.
//! - [`client_line`]: a client as a line of CLIENT LIST.
//! - [`clients`]: who is connected, as any thread may see it.
//! - [`command_rate`]: how fast commands are being run.
//! - [`events`]: key space notifications.
//! - [`metrics`]: what was done, counted per thread without a shared write.
//! - [`observers`]: who hears of changes to keys.
//! - [`outbox`]: messages to a client that are no replies.
//! - [`pause`]: `CLIENT PAUSE`.
//! - [`waiting`]: what the clients that wait wait for.
//! - [`watches`]: keys that transactions watch.

pub mod blocking;
pub mod client_line;
pub mod clients;
pub mod command_rate;
pub mod events;
pub mod metrics;
pub mod observers;
pub mod outbox;
pub mod pause;
pub mod waiting;
pub mod watches;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use thermocline_engine::{Clock, Engine, Reader, UnixMillis};

use crate::access::Access;
use crate::command::server::latency_monitor::LatencyMonitor;
use crate::command::server::slowlog::SlowLog;
use crate::command::table::{CommandTable, table};
use crate::config::Config;
use crate::dispatch::Scratch;
use crate::net::{Listening, ShutdownSignal};
use clients::Clients;
use command_rate::CommandRate;
use events::Events;
use metrics::{Metrics, ThreadMetrics};
use observers::Observers;
use pause::Pause;

/// Shared by all server threads.
pub struct Server {
    /// The data.
    pub engine: Arc<Engine>,
    /// The settings.
    pub config: Config,
    /// All commands.
    pub commands: &'static CommandTable,
    /// Who may do what.
    pub access: Access,
    /// Who is connected.
    pub clients: Clients,
    /// What was done since the start.
    pub metrics: Metrics,
    /// How fast commands are being run.
    pub command_rate: CommandRate,
    /// Who watches keys or waits for them.
    pub observers: Arc<Observers>,
    /// Who hears of changes to keys.
    pub events: Events,
    /// Whether commands are held back.
    pub pause: Pause,
    /// The slowest commands.
    pub slowlog: SlowLog,
    /// Slow events.
    pub latency: LatencyMonitor,
    /// The clock that expiry is judged by.
    pub clock: Arc<dyn Clock>,
    /// Stops all server threads, and with them the server.
    pub shutdown: ShutdownSignal,
    /// When the server started.
    pub started_at: UnixMillis,
    /// 40 hexadecimal digits, drawn anew at every start.
    pub run_id: String,
    /// What the server listens on.
    pub listening: Listening,
}

impl Server {
    /// A server with these parts, which listens nowhere yet.
    pub fn new(engine: Arc<Engine>, config: Config, clock: Arc<dyn Clock>) -> Self {
        let commands = table();
        let password = config.password();
        let observers = Arc::new(Observers::default());
        engine.set_observer(Arc::clone(&observers) as _);
        Self {
            access: Access::new(password.as_deref().map(str::as_bytes)),
            engine,
            config,
            commands,
            clients: Clients::default(),
            metrics: Metrics::new(commands.len()),
            command_rate: CommandRate::default(),
            observers,
            events: Events::default(),
            pause: Pause::default(),
            slowlog: SlowLog::default(),
            latency: LatencyMonitor::default(),
            started_at: clock.now(),
            clock,
            shutdown: ShutdownSignal::new(),
            run_id: format!("{:032x}{:08x}", rand::random::<u128>(), rand::random::<u32>()),
            listening: Listening::default(),
        }
    }
}

/// What one server thread has of its own.
pub struct Thread {
    /// What all threads share.
    pub server: Arc<Server>,
    /// The thread's counters.
    pub metrics: Arc<ThreadMetrics>,
    /// The clock that commands are timed by.
    pub(crate) stopwatch: quanta::Clock,
    /// Reads cold values.
    pub reader: Rc<Reader>,
    /// What batches need while they run and leave behind empty.
    pub(crate) scratch: RefCell<Scratch>,
}

impl Thread {
    /// A server thread's own things; call it on that thread.
    ///
    /// # Errors
    /// The SSD tier cannot open another queue.
    pub fn new(server: Arc<Server>) -> io::Result<Self> {
        let metrics = server.metrics.add_thread();
        let reader = Rc::new(Reader::new(Arc::clone(&server.engine))?);
        Ok(Self { server, metrics, stopwatch: quanta::Clock::new(), reader, scratch: RefCell::default() })
    }
}
