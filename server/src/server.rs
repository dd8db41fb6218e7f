//! What all server threads share, and what each has of its own.
//!
//! - [`blocking`]: clients that wait in a blocking command.
//! - [`client_line`]: a client as a line of CLIENT LIST.
//! - [`clients`]: who is connected, as any thread may see it.
//! - [`command_rate`]: how fast commands are being run.
//! - [`courier`]: delivers messages that are no replies.
//! - [`eviction`]: disconnects clients that take too much memory.
//! - [`events`]: key space notifications.
//! - [`hearing`]: what one client hears beyond its replies.
//! - [`metrics`]: what was done, counted per thread without a shared write.
//! - [`monitors`]: clients that are shown every command.
//! - [`observers`]: who hears of changes to keys.
//! - [`outbox`]: messages to a client that are no replies.
//! - [`pause`]: `CLIENT PAUSE`.
//! - [`pubsub`]: who is subscribed to what.
//! - [`tracking`]: which clients keep copies of which keys.
//! - [`waiting`]: what the clients that wait wait for.
//! - [`watches`]: keys that transactions watch.

pub mod blocking;
pub mod client_line;
pub mod clients;
pub mod command_rate;
pub mod courier;
pub mod events;
pub mod eviction;
pub mod hearing;
pub mod metrics;
pub mod monitors;
pub mod observers;
pub mod outbox;
pub mod pause;
pub mod pubsub;
pub mod tracking;
pub mod waiting;
pub mod watches;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use thermocline_engine::{Clock, Engine, Reader, UnixMillis};

use crate::access::Access;
use crate::command::server::latency_monitor::LatencyMonitor;
use crate::command::server::slowlog::SlowLog;
use crate::command::table::{CommandTable, table};
use crate::config::Config;
use crate::dispatch::Scratch;
use crate::net::{Listening, ShutdownSignal};
use crate::scripting::{Scripts, ThreadScripts};
use clients::Clients;
use command_rate::CommandRate;
use courier::Courier;
use events::Events;
use eviction::ClientEviction;
use metrics::{Metrics, ThreadMetrics};
use monitors::Monitors;
use observers::Observers;
use pause::Pause;
use pubsub::PubSub;
use tracking::Tracking;

/// Shared by all server threads.
pub struct Server {
    /// The data.
    pub engine: Arc<Engine>,
    /// The settings.
    pub config: Arc<Config>,
    /// All commands.
    pub commands: &'static CommandTable,
    /// Who may do what.
    pub access: Access,
    /// Who is connected.
    pub clients: Arc<Clients>,
    /// Who was disconnected for taking too much memory.
    pub client_eviction: ClientEviction,
    /// What was done since the start.
    pub metrics: Metrics,
    /// How fast commands are being run.
    pub command_rate: CommandRate,
    /// Lua scripts and functions.
    pub scripts: Arc<Scripts>,
    /// Whether scripts may call every command: `DEBUG SET-DISABLE-DENY-SCRIPTS`.
    pub lets_scripts_call_all: AtomicBool,
    /// Who watches keys or waits for them.
    pub observers: Arc<Observers>,
    /// Delivers messages that are no replies.
    pub courier: Arc<Courier>,
    /// Who is subscribed to what.
    pub pubsub: Arc<PubSub>,
    /// Which key space notifications are wanted.
    pub events: Arc<Events>,
    /// Who keeps copies of keys.
    pub tracking: Arc<Tracking>,
    /// Who is shown every command.
    pub monitors: Monitors,
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
        let (config, clients) = (Arc::new(config), Arc::new(Clients::default()));
        let courier = Arc::new(Courier::new(Arc::clone(&config), Arc::clone(&clock)));
        let pubsub = Arc::new(PubSub::new(Arc::clone(&courier)));
        let events = Arc::new(Events::new(Arc::clone(&pubsub)));
        let tracking = Arc::new(Tracking::new(Arc::clone(&courier), Arc::clone(&clients)));
        let observers = Arc::new(Observers::new(Arc::clone(&events), Arc::clone(&tracking)));
        engine.set_observer(Arc::clone(&observers) as _);
        let server = Self {
            access: Access::new(password.as_deref().map(str::as_bytes)),
            engine,
            config,
            commands,
            clients,
            client_eviction: ClientEviction::default(),
            metrics: Metrics::new(commands.len()),
            command_rate: CommandRate::default(),
            scripts: Arc::default(),
            lets_scripts_call_all: AtomicBool::new(false),
            observers,
            monitors: Monitors::new(Arc::clone(&courier)),
            courier,
            pubsub,
            events,
            tracking,
            pause: Pause::default(),
            slowlog: SlowLog::default(),
            latency: LatencyMonitor::default(),
            started_at: clock.now(),
            clock,
            shutdown: ShutdownSignal::new(),
            run_id: format!("{:032x}{:08x}", rand::random::<u128>(), rand::random::<u32>()),
            listening: Listening::default(),
        };
        server.events.listen_to(server.config.notified_events());
        server.observe_what_is_needed();
        server
    }

    /// Asks the engine to tell of all changes to keys, or only of those to observed keys where that is enough. To be
    /// called when something begins or ends that needs them.
    pub(crate) fn observe_what_is_needed(&self) {
        // Two that do this at once must not leave behind the answer of the first.
        static DECISION: Mutex<()> = Mutex::new(());
        let _deciding = DECISION.lock();
        self.engine.observe_all(self.events.needs_all_changes() || self.tracking.client_count() > 0);
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
    /// The scripts that it has compiled.
    pub scripts: Rc<ThreadScripts>,
    /// Whether one of its scripts is suspended.
    pub(crate) suspends_script: Cell<bool>,
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
        let scripts = Rc::new(ThreadScripts::new(Arc::clone(&server.scripts)));
        Ok(Self {
            server,
            metrics,
            stopwatch: quanta::Clock::new(),
            reader,
            scripts,
            suspends_script: Cell::new(false),
            scratch: RefCell::default(),
        })
    }
}
