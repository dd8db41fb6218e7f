//! A batch: all requests of a connection that are there, run one after another until one has to wait.

use std::borrow::Cow;

use thermocline_engine::{Fetched, UnixMillis};
use thermocline_protocol::{ArgumentRanges, Arguments, Limits, ReplyEncoder};

use super::execute::Outcome;
use super::input::{Input, Next};
use super::warming::add_request;
use crate::command::Flags;
use crate::command::server::slowlog::SlowDuration;
use crate::command::table::CommandEntry;
use crate::server::{Server, Thread, tracking};
use crate::session::Session;

/// Replies are sent when they are this long, in bytes, though the batch goes on: a client that asks for more than it
/// reads then waits for itself.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// How many requests, and bytes of them, are looked through to warm the caches for them.
const WARMED_REQUESTS_MAX: usize = 16;
const WARMED_INPUT_BYTES_MAX: usize = 16 * 1024;

/// What a thread keeps for its batches.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(super) arguments: ArgumentRanges,
    /// Empty unless a batch has just stopped at a cold value.
    pub(super) fetched: Fetched,
    /// When the request began that a batch has just stopped at, by the thread's stopwatch.
    pub(super) began: u64,
}

/// Why a batch does not go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// All requests were answered.
    Drained,
    /// The connection is to be closed when the replies were sent.
    Closing,
    /// There is so much output that it must be sent first.
    OutputFull,
    /// The next request cannot be run yet.
    Waits(Outcome),
}

/// Everything that requests of one connection run with.
pub(super) struct Batch<'a> {
    pub(super) thread: &'a Thread,
    pub(super) server: &'a Server,
    pub(super) session: &'a mut Session,
    pub(super) output: &'a mut Vec<u8>,
    pub(super) fetched: &'a mut Fetched,
    /// The time at which all its commands run.
    pub(super) now: UnixMillis,
    /// When the command at hand began, by the thread's stopwatch.
    pub(super) began: u64,
    /// Commands that take at least this long are reported.
    pub(super) slow_ns: u64,
    /// For how long the command at hand has waited for the SSD, in nanoseconds.
    pub(super) waited_ns: u64,
    /// Whether the histograms of commands are told: `latency-tracking`.
    pub(super) tracks_latency: bool,
    /// Whether nothing was read from the SSD for it.
    pub(super) is_hot: bool,
    /// For how many of the requests to come the caches were warmed.
    pub(super) warmed_requests: usize,
    /// How many requests were answered.
    pub(super) answered: usize,
    /// The last command that was run.
    pub(super) last_command: Option<usize>,
    /// What the next command that finds a value cold replies, instead of fetching it (again).
    pub(super) fetch_failure: Option<Cow<'static, str>>,
    /// The command at hand was shown to MONITOR when it began to wait.
    pub(super) is_shown: bool,
    /// The next command has waited for memory as long as it may.
    pub(super) waited_for_room: bool,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        thread: &'a Thread,
        session: &'a mut Session,
        output: &'a mut Vec<u8>,
        fetched: &'a mut Fetched,
    ) -> Self {
        let server = &*thread.server;
        tracking::set_current_client(session.client.id);
        Self {
            thread,
            server,
            session,
            output,
            fetched,
            now: server.clock.now(),
            began: thread.stopwatch.raw(),
            slow_ns: slow_ns(server),
            waited_ns: 0,
            tracks_latency: server.config.latency_tracking(),
            is_hot: true,
            warmed_requests: 0,
            answered: 0,
            last_command: None,
            fetch_failure: None,
            is_shown: false,
            waited_for_room: false,
        }
    }

    /// Runs requests until there are no more or something has to be waited for.
    pub(super) fn run(&mut self, input: &mut Input, arguments: &mut ArgumentRanges) -> Stop {
        let mut limits = limits(self.server, self.session);
        // What came before a command comes before its reply.
        self.take_messages();
        loop {
            let outcome = match input.next(&limits, arguments) {
                Next::Request(arguments) => self.execute(arguments),
                Next::Nothing => return Stop::Drained,
                Next::Broken(error) => {
                    ReplyEncoder::new(self.output, self.session.protocol).protocol_error(error);
                    self.server.metrics.note_error(b"ERR");
                    self.session.is_closing = true;
                    return Stop::Closing;
                }
            };
            if outcome != Outcome::Answered {
                return Stop::Waits(outcome);
            }
            input.consume();
            self.answered += 1;
            if self.session.hearing.is_some() {
                // What a command has its own client hear comes right behind its reply.
                self.take_messages();
            }
            if self.session.is_closing {
                return Stop::Closing;
            }
            if self.output.len() >= OUTPUT_BYTES_MAX {
                return Stop::OutputFull;
            }
            limits.unauthenticated &= !self.session.is_authenticated;
            self.warm_for_next(input, &limits, arguments);
        }
    }

    /// To be called between two requests: before the first there is none to share a wait with.
    #[inline]
    pub(super) fn warm_for_next(&mut self, input: &Input, limits: &Limits, scratch: &mut ArgumentRanges) {
        self.warmed_requests = match self.warmed_requests {
            0 | 1 => self.warm_up(input, limits, scratch),
            left => left - 1,
        };
    }

    #[inline]
    fn take_messages(&mut self) {
        if self.session.client.has_messages() {
            self.session.client.take_messages(self.output);
        }
    }

    /// Asks for the memory that the next requests will touch; returns behind how many of them it looked.
    #[inline]
    fn warm_up(&self, input: &Input, limits: &Limits, scratch: &mut ArgumentRanges) -> usize {
        let engine = &self.server.engine;
        if !input.has_more() || !engine.is_worth_warming() {
            return 0;
        }
        let mut warming = engine.warming();
        let mut requests = 0;
        input.look_ahead(limits, WARMED_INPUT_BYTES_MAX, scratch, |arguments| {
            requests += 1;
            if let Some(entry) = self.server.commands.find(arguments.get(0)) {
                add_request(&mut warming, entry, self.session.database(), arguments);
            }
            requests < WARMED_REQUESTS_MAX && !warming.is_full()
        });
        warming.finish();
        requests
    }

    /// Nanoseconds since the last lap; a new one begins. The time it takes to parse a request is part of it.
    #[inline]
    pub(super) fn lap_ns(&mut self) -> u64 {
        let stopwatch = &self.thread.stopwatch;
        let ended = stopwatch.raw();
        let lap_ns = stopwatch.delta_as_nanos(self.began, ended);
        self.began = ended;
        lap_ns
    }
}

/// Reports a command that took long to SLOWLOG and LATENCY. `waited_ns` of its time it waited for the SSD.
#[cold]
#[inline(never)]
pub(super) fn note_slow(
    server: &Server,
    session: &Session,
    (entry, arguments): (&CommandEntry, Arguments<'_>),
    duration_ns: u64,
    waited_ns: u64,
) {
    let config = &server.config;
    let now = server.clock.now();
    let duration_us = duration_ns / 1000;
    let threshold_us = config.slowlog_threshold_us();
    if !entry.has(Flags::SKIP_SLOWLOG) && threshold_us >= 0 && duration_us >= threshold_us as u64 {
        let length_max = config.slowlog_max_length();
        let duration = SlowDuration { total_us: duration_us, waited_us: waited_ns / 1000 };
        server.slowlog.record(now, duration, arguments, session, length_max);
    }
    let (duration_ms, threshold_ms) = (duration_us / 1000, config.latency_monitor_threshold_ms());
    if threshold_ms > 0 && duration_ms >= threshold_ms {
        let event = if entry.has(Flags::FAST) { "fast-command" } else { "command" };
        server.latency.note(event, now, duration_ms);
    }
}

/// What a request of this client may be.
pub(super) fn limits(server: &Server, session: &Session) -> Limits {
    Limits {
        max_bulk_bytes: server.config.proto_max_bulk_bytes() as usize,
        unauthenticated: !session.is_authenticated && server.access.asks_for_password(),
        ..Limits::REDIS
    }
}

/// From which duration on a command is of interest to SLOWLOG or LATENCY.
pub(super) fn slow_ns(server: &Server) -> u64 {
    let config = &server.config;
    let slowlog_ns =
        u64::try_from(config.slowlog_threshold_us()).map_or(u64::MAX, |us| us.saturating_mul(1000));
    match config.latency_monitor_threshold_ms() {
        0 => slowlog_ns,
        ms => slowlog_ns.min(ms.saturating_mul(1_000_000)),
    }
}
