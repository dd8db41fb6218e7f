//! One request: look it up, check it, lock its keys, run its handler, count it.
//!
//! [`Batch::execute`] is for what clients send; [`Batch::call`], without the checks, is also what a transaction or a
//! script runs its commands with.

use thermocline_engine::{Admission, UnixMillis};
use thermocline_protocol::{Arguments, ReplyEncoder};

use super::batch::{Batch, note_slow, slow_ns};
use super::cold;
use super::key_positions::keys;
use super::warming::warm_up;
use super::{hearing, refusal, serving};
use crate::access::permits;
use crate::command::table::CommandEntry;
use crate::command::{Context, Failure, Flags, Handler, KeyContext, KeyHandler};
use crate::session::ReplyMode;

/// One in 256 reads of values in DRAM is noted in the histogram that TIER LATENCY shows.
const DRAM_SAMPLE_MASK: u64 = 0xff;

/// How often a command may find out that it needs yet other keys before it gets all.
const MORE_KEYS_ATTEMPTS_MAX: u32 = 4;

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was answered, if only with an error.
    Answered,
    /// It needs values from the SSD; the batch's `fetched` knows which.
    Cold,
    /// It writes, and there is no memory for it yet.
    NoRoom,
    /// Commands like it are held back until this time.
    Paused(UnixMillis),
    /// Its handler may wait, so it cannot run here.
    Waits,
    /// It has a script, which may be suspended, so it cannot run here.
    Suspends,
    /// There is nothing for it yet: the session knows what it waits for.
    Blocked,
    /// A script holds its keys for long.
    HeldUp,
}

impl<'a> Batch<'a> {
    /// Runs a request that a client sent.
    #[inline]
    pub(super) fn execute(&mut self, arguments: Arguments<'_>) -> Outcome {
        let entry = match self.server.commands.resolve(arguments) {
            Ok(entry) => entry,
            Err(unknown) => {
                return self.refuse(None, &refusal::unknown(self.server.commands, unknown, arguments));
            }
        };
        if !entry.accepts(arguments.len()) {
            return self.refuse(Some(entry), &refusal::wrong_arity(entry));
        }
        if !self.session.is_authenticated
            && !entry.has(Flags::NO_AUTH)
            && self.server.access.asks_for_password()
        {
            return self.refuse(Some(entry), refusal::NO_AUTH.as_bytes());
        }
        if let Some(busy) = self.server.scripts.busy.refusal()
            && !entry.has(Flags::ALLOW_BUSY)
        {
            return self.refuse(Some(entry), busy.as_bytes());
        }
        if let Err(denied) = permits(&self.session.user, entry, arguments) {
            return self.refuse_access(entry, arguments, denied);
        }
        let flags = match (entry.command.handler, &self.session.transaction) {
            (Handler::Exec, Some(transaction)) => transaction.flags,
            _ => entry.command.flags,
        };
        if let Some(until) = self.server.pause.holds_back(flags, self.now) {
            return Outcome::Paused(until);
        }
        if let Some(hearing) = &self.session.hearing
            && let Err(Failure::Error(text)) = hearing.check(entry, self.session.protocol)
        {
            return self.refuse(Some(entry), text.as_bytes());
        }
        if self.session.transaction.is_some() && !entry.has(Flags::RUNS_IN_MULTI) {
            return self.queue(entry, arguments);
        }
        if flags.has(Flags::DENYOOM) {
            match self.server.engine.admit_write() {
                Admission::Go => self.waited_for_room = false,
                Admission::Wait if !self.waited_for_room => return Outcome::NoRoom,
                _ => {
                    self.waited_for_room = false;
                    self.server.engine.note_refused_write();
                    return self.refuse(Some(entry), refusal::OUT_OF_MEMORY.as_bytes());
                }
            }
        }
        match entry.command.handler {
            Handler::Waiting(_) => return Outcome::Waits,
            Handler::Script(_) => return Outcome::Suspends,
            Handler::Exec if flags.has(Flags::MORE_KEYS) => return Outcome::Suspends,
            _ => {}
        }
        let start = self.output.len();
        let replies = self.session.reply_mode;
        let result = self.call(entry, arguments);
        let outcome = self.finish(entry, arguments, start, replies, result);
        if !self.server.observers.waiting.is_empty() {
            serving::serve_ready(self.server);
        }
        outcome
    }

    /// Runs a command's handler on its keys. Nothing is checked but what the handler checks.
    #[inline]
    pub(super) fn call(
        &mut self,
        entry: &'static CommandEntry,
        arguments: Arguments<'_>,
    ) -> Result<(), Failure> {
        match entry.command.handler {
            Handler::Keys(handler) => {
                let (engine, database, now) = (&self.server.engine, self.session.database(), self.now);
                let keys = match entry.single_key {
                    Some(position) => {
                        engine.try_lock_key(database, arguments.get(position), now, self.fetched)
                    }
                    None => {
                        let keys = keys(entry.command, arguments);
                        warm_up(engine, database, keys.clone());
                        engine.try_lock_keys(database, keys, now, self.fetched)
                    }
                };
                let mut keys = keys?;
                if self.session.no_touch {
                    keys.stop_touching();
                }
                let mut context = KeyContext {
                    keys,
                    reply: ReplyEncoder::new(self.output, self.session.protocol),
                    session: self.session,
                    server: self.server,
                };
                let result = handler(&mut context, arguments);
                if context.session.hearing.is_some() && result != Err(Failure::Cold) {
                    hearing::remember_keys(self.server, context.session, entry, arguments);
                }
                match result {
                    Err(Failure::Blocked(block)) => {
                        let KeyContext { mut keys, session, server, .. } = context;
                        serving::begin_wait(server, session, (entry, arguments), &block, &mut keys);
                        Err(Failure::Blocked(block))
                    }
                    Err(Failure::NeedsKeys(more)) => {
                        drop(context);
                        self.call_with_more_keys(handler, entry, arguments, more)
                    }
                    result => result,
                }
            }
            Handler::Server(handler) => {
                let mut context = Context {
                    reply: ReplyEncoder::new(self.output, self.session.protocol),
                    session: self.session,
                    server: self.server,
                    thread: self.thread,
                    databases: self.server.engine.databases(),
                };
                let result = handler(&mut context, arguments);
                let was_held_up = context.databases.was_held_up();
                self.session.publish();
                if was_held_up { Err(Failure::HeldUp) } else { result }
            }
            Handler::Exec => self.exec_at_once(),
            Handler::Waiting(_) | Handler::Script(_) => {
                panic!("{} was to run in a task that may wait", entry.full_name)
            }
            Handler::Container => panic!("{} alone has too few arguments", entry.full_name),
        }
    }

    /// Runs a handler that has found out that it needs further keys, until it needs no more.
    #[cold]
    fn call_with_more_keys(
        &mut self,
        handler: KeyHandler,
        entry: &'static CommandEntry,
        arguments: Arguments<'_>,
        mut more: Vec<Vec<u8>>,
    ) -> Result<(), Failure> {
        let start = self.output.len();
        for attempt in 0.. {
            self.output.truncate(start);
            let (engine, database) = (&self.server.engine, self.session.database());
            let keys = if attempt < MORE_KEYS_ATTEMPTS_MAX {
                let all = keys(entry.command, arguments).chain(more.iter().map(Vec::as_slice));
                engine.try_lock_keys(database, all, self.now, self.fetched)
            } else {
                engine.lock_all(database, self.now, self.fetched)
            };
            let mut context = KeyContext {
                keys: keys?,
                reply: ReplyEncoder::new(self.output, self.session.protocol),
                session: self.session,
                server: self.server,
            };
            match handler(&mut context, arguments) {
                Err(Failure::NeedsKeys(keys)) => more = keys,
                result => return result,
            }
        }
        unreachable!("whoever has all keys needs no more")
    }

    /// Turns what a handler returned into the end of its reply, and counts it. `start` is where its reply begins,
    /// `replies` what the client wanted when it began.
    #[inline]
    pub(super) fn finish(
        &mut self,
        entry: &'static CommandEntry,
        arguments: Arguments<'_>,
        start: usize,
        replies: ReplyMode,
        result: Result<(), Failure>,
    ) -> Outcome {
        let metrics = self.thread.metrics.command(entry.id);
        match result {
            Ok(()) => {}
            Err(Failure::Cold) if self.fetch_failure.is_none() => {
                self.output.truncate(start);
                if entry.single_key.is_none() {
                    // It stopped at the first cold value, and will want those of its other keys too.
                    let (engine, database) = (&self.server.engine, self.session.database());
                    cold::want_keys(engine, database, entry, arguments, self.now, self.fetched);
                }
                return Outcome::Cold;
            }
            Err(Failure::Blocked(_)) => {
                self.output.truncate(start);
                hearing::show(self.server, self.session, entry, arguments);
                return Outcome::Blocked;
            }
            Err(Failure::HeldUp) => {
                self.output.truncate(start);
                return Outcome::HeldUp;
            }
            Err(failure) => {
                let text = match failure {
                    Failure::Error(text) => text,
                    Failure::Cold => self.fetch_failure.take().expect("it is there"),
                    Failure::NeedsKeys(_) | Failure::Blocked(_) | Failure::HeldUp => {
                        unreachable!("they are no replies")
                    }
                };
                metrics.failed.add(1);
                self.write_error(start, text.as_bytes());
            }
        }
        self.last_command = Some(entry.id);
        let (duration_ns, waited_ns) = (self.lap_ns(), std::mem::take(&mut self.waited_ns));
        metrics.note_call(duration_ns.saturating_sub(waited_ns), self.tracks_latency);
        if waited_ns > 0 {
            metrics.note_wait(waited_ns, self.tracks_latency);
        }
        // The clock's last bits choose a few calls at random.
        if self.began & DRAM_SAMPLE_MASK == 0
            && self.is_hot
            && entry.has(Flags::READONLY)
            && entry.single_key.is_some()
        {
            self.server.engine.note_dram_read(duration_ns);
        }
        if entry.has(Flags::ADMIN) {
            // It may have changed what is slow, which counts for itself.
            self.slow_ns = slow_ns(self.server);
        }
        if duration_ns >= self.slow_ns {
            note_slow(self.server, self.session, (entry, arguments), duration_ns, waited_ns);
        }
        if !std::mem::take(&mut self.is_shown) {
            hearing::show(self.server, self.session, entry, arguments);
        }
        if let Some(hearing) = &mut self.session.hearing
            && self.session.transaction.is_none()
        {
            hearing.note_command(entry);
        }
        // Confirmations of subscriptions are sent in any case.
        self.drop_unwanted_reply(if entry.subscribes() { self.output.len() } else { start }, replies);
        Outcome::Answered
    }

    #[inline]
    pub(super) fn drop_unwanted_reply(&mut self, start: usize, before: ReplyMode) {
        if before != ReplyMode::On || self.session.reply_mode != ReplyMode::On {
            self.drop_reply(start);
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn refuse(&mut self, entry: Option<&CommandEntry>, text: &[u8]) -> Outcome {
        let start = self.output.len();
        let aborted = match entry {
            Some(entry) if matches!(entry.command.handler, Handler::Exec) => {
                self.session.discard_transaction(self.server);
                Some([refusal::EXEC_ABORTED, text.strip_prefix(b"ERR ").unwrap_or(text)].concat())
            }
            _ => None,
        };
        let text = aborted.as_deref().unwrap_or(text);
        if let Some(transaction) = &mut self.session.transaction {
            transaction.is_broken = true;
        }
        if let Some(entry) = entry {
            self.thread.metrics.command(entry.id).rejected.add(1);
        }
        let replies = self.session.reply_mode;
        self.write_error(start, text);
        if replies != ReplyMode::On {
            self.drop_reply(start);
        }
        Outcome::Answered
    }

    #[cold]
    #[inline(never)]
    fn write_error(&mut self, start: usize, text: &[u8]) {
        self.output.truncate(start);
        self.server.metrics.note_error(text);
        ReplyEncoder::new(self.output, self.session.protocol).error(text);
    }

    /// Takes back a reply that the client did not want, by what it says after the command.
    #[cold]
    fn drop_reply(&mut self, start: usize) {
        let now = &mut self.session.reply_mode;
        // Who asks for replies again is told so.
        let is_unwanted = *now != ReplyMode::On;
        *now = match *now {
            ReplyMode::SkipNext => ReplyMode::Skip,
            ReplyMode::Skip => ReplyMode::On,
            other => other,
        };
        if is_unwanted {
            self.output.truncate(start);
        }
    }
}
