//! Scripts: what they run on, and how they are run.
//!
//! A script runs at one moment, on locked shards: those of the keys it declares, or all. Which of the two, its first run
//! finds out: that has all, and sees whether the script keeps to its declared keys. Declared keys are read from the SSD
//! before the script begins. Where it needs another key later, or one from the SSD, it is ended and begins anew with
//! that at hand, as long as it has changed nothing; after that the key is locked late, or the thread waits for the SSD.
//!
//! A script that takes long is suspended every now and then, with its shards locked, for the thread's other tasks.
//! Nobody waits for locked shards then: see [`Engine::hold_up`](thermocline_engine::Engine::hold_up).

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use thermocline_engine::Keys;
use thermocline_protocol::{Arguments, Protocol, ReplyEncoder, parse_integer};

use super::batch::Batch;
use super::cold::reads_values;
use super::key_positions::keys;
use super::permission::{Request, note_denied};
use super::{hearing, held, refusal};
use crate::access::{Circumstance, permits};
use crate::command::arguments::is_word;
use crate::command::key_use::use_of_key;
use crate::command::table::CommandEntry;
use crate::command::{Context, Failure, Flags, Handler, ScriptHandler};
use crate::scripting::{Called, Host, Outcome, Progress, Reach, ScriptFlags, ScriptRequest, ScriptRun};
use crate::server::Thread;
use crate::server::events::EventClass;
use crate::server::monitors::{self, Sender};
use crate::server::outbox::Message;
use crate::session::Session;

/// A script that has run for so long is suspended now and then, so that the thread's other clients are served.
const SUSPENDED_AFTER: Duration = Duration::from_millis(20);

/// A script that only reads is shown to MONITOR when it is over, or when it has run so many commands.
const SHOWN_LINES_MAX: usize = 1024;

const UNKNOWN_COMMAND: &str = "ERR Unknown Redis command called from script";
const WRONG_ARITY: &str = "ERR Wrong number of args calling Redis command from script";
const NOT_ALLOWED: &str = "ERR This Redis command is not allowed from script";
const READ_ONLY: &str = "ERR Write commands are not allowed from read-only scripts.";
const UNAVAILABLE: &str = "ERR another script holds a key that this script did not declare";

impl Batch<'_> {
    /// Runs a request whose handler may be suspended: a script, or a transaction that has one.
    ///
    /// # Errors
    /// As [`Batch::call`].
    pub(super) async fn call_suspending(
        &mut self,
        entry: &'static CommandEntry,
        arguments: Arguments<'_>,
    ) -> Result<(), Failure> {
        match entry.command.handler {
            Handler::Script(handler) => self.run_script(handler, entry, arguments).await,
            Handler::Exec => self.exec().await,
            _ => panic!("{} cannot be suspended", entry.full_name),
        }
    }

    async fn run_script(
        &mut self,
        handler: ScriptHandler,
        entry: &'static CommandEntry,
        arguments: Arguments<'_>,
    ) -> Result<(), Failure> {
        let request = request(self.thread, self.session, self.output, handler, arguments)?;
        let (engine, database) = (&self.server.engine, self.session.database());
        // What was given up for want of its values runs with what it has: a single command replies the error then.
        let may_restart = self.fetch_failure.take().is_none();
        let script = Script { thread: self.thread, entry, request: &request, may_restart };
        loop {
            let mut locked = match request.program.reach.get() {
                Reach::Declared => engine.try_lock_keys(database, request.keys(), self.now, self.fetched)?,
                Reach::Unknown | Reach::All => engine.lock_all(database, self.now, self.fetched)?,
            };
            let missing = request.keys().filter(|key| !locked.is_readable(key)).count();
            if may_restart && missing > 0 {
                return Err(Failure::Cold);
            }
            match script.run(self.session, self.output, &mut locked).await {
                // It needs all keys, which is known from now on.
                Err(Failure::NeedsKeys(_)) => {}
                result => return result,
            }
        }
    }
}

/// Runs a script inside a transaction, on its shards, and writes its reply, be it an error.
pub(super) async fn run_held(
    thread: &Thread,
    session: &mut Session,
    output: &mut Vec<u8>,
    locked: &mut Keys<'_>,
    (handler, entry): (ScriptHandler, &'static CommandEntry),
    arguments: Arguments<'_>,
) {
    let start = output.len();
    let result = match request(thread, session, output, handler, arguments) {
        Ok(request) => {
            let script = Script { thread, entry, request: &request, may_restart: false };
            script.run(session, output, locked).await
        }
        Err(failure) => Err(failure),
    };
    if let Err(failure) = result {
        let Failure::Error(text) = failure else { panic!("a script that may not begin anew goes on") };
        output.truncate(start);
        thread.metrics.command(entry.id).failed.add(1);
        thread.server.metrics.note_error(text.as_bytes());
        ReplyEncoder::new(output, session.protocol).error(text.as_bytes());
    }
}

/// What a script's command asks for.
fn request<'a>(
    thread: &Thread,
    session: &mut Session,
    output: &mut Vec<u8>,
    handler: ScriptHandler,
    arguments: Arguments<'a>,
) -> Result<ScriptRequest<'a>, Failure> {
    let server = &*thread.server;
    if thread.suspends_script.get() {
        // The thread's interpreter runs one script at a time.
        return Err(Failure::HeldUp);
    }
    let reply = ReplyEncoder::new(output, session.protocol);
    let databases = server.engine.databases();
    handler(&mut Context { reply, session, server, thread, databases }, arguments)
}

/// A script that is about to run.
struct Script<'s, 'a> {
    thread: &'s Thread,
    entry: &'static CommandEntry,
    request: &'s ScriptRequest<'a>,
    /// Whether it can be ended and begin anew with more at hand.
    may_restart: bool,
}

impl Script<'_, '_> {
    /// Runs it on locked shards; its reply is written to `output`.
    ///
    /// # Errors
    /// [`Failure::Cold`] or [`Failure::NeedsKeys`], where it is to begin anew: nothing was changed.
    async fn run(
        &self,
        session: &mut Session,
        output: &mut Vec<u8>,
        locked: &mut Keys<'_>,
    ) -> Result<(), Failure> {
        let (thread, server) = (self.thread, &*self.thread.server);
        let start = output.len();
        let mut own = Session::new(Arc::clone(&session.client), &session.user, true);
        own.select(session.database());
        own.no_touch = session.no_touch;
        let mut host = ScriptHost {
            script: self,
            session: own,
            locked,
            restart: None,
            is_within_declared: true,
            has_written: false,
            has_acted: false,
            remembers_reads: session.hearing.as_ref().is_some_and(|hearing| hearing.remembers_reads()),
            shown: Vec::new(),
        };
        if server.monitors.is_watched() {
            // As in Redis a script is shown before what it runs.
            let sender = Sender::Client(&session.client);
            let line = monitors::line(sender, session.database(), self.entry, self.request.arguments);
            host.shown.push(line);
        }
        let busy_after = server.config.busy_reply_threshold();
        let mut run = ScriptRun::start(&thread.scripts, self.request, SUSPENDED_AFTER, busy_after)
            .map_err(Failure::error)?;
        let mut suspension = None;
        let outcome = loop {
            let mut reply = ReplyEncoder::new(output, session.protocol);
            match run.resume(&mut host, &mut reply) {
                Progress::Finished(outcome) => break outcome,
                Progress::Suspended => {
                    suspension.get_or_insert_with(|| Suspension::begin(thread));
                    tokio::task::yield_now().await;
                }
            }
        };
        drop(run);
        drop(suspension);
        if outcome != Outcome::Restart {
            host.show();
        }
        let ScriptHost { restart, is_within_declared, .. } = host;
        session.publish();
        if !is_within_declared {
            self.request.program.reach.set(Reach::All);
        } else if self.request.program.reach.get() == Reach::Unknown && outcome != Outcome::Restart {
            self.request.program.reach.set(Reach::Declared);
        }
        match outcome {
            Outcome::Replied => {}
            Outcome::Failed { is_counted } => {
                thread.metrics.command(self.entry.id).failed.add(1);
                if !is_counted {
                    server.metrics.note_error(&output[start + 1..]);
                }
            }
            Outcome::Restart => return Err(restart.expect("the host asked for it")),
        }
        Ok(())
    }
}

/// While it lasts, a script of this thread is suspended.
struct Suspension<'t> {
    is_suspended: &'t Cell<bool>,
    _hold_up: thermocline_engine::HoldUp<'t>,
}

impl<'t> Suspension<'t> {
    fn begin(thread: &'t Thread) -> Self {
        thread.suspends_script.set(true);
        Self { is_suspended: &thread.suspends_script, _hold_up: thread.server.engine.hold_up() }
    }
}

impl Drop for Suspension<'_> {
    fn drop(&mut self) {
        self.is_suspended.set(false);
    }
}

/// Where a script's commands run.
struct ScriptHost<'h, 's, 'a, 'k> {
    script: &'h Script<'s, 'a>,
    /// The script's own: what it selects is selected for it only.
    session: Session,
    locked: &'h mut Keys<'k>,
    /// Why it has to begin anew.
    restart: Option<Failure>,
    is_within_declared: bool,
    /// It has run a command that writes: it cannot be killed.
    has_written: bool,
    /// It has run a command that may have had an effect: it cannot begin anew.
    has_acted: bool,
    /// Whether the client keeps copies of what the script reads.
    remembers_reads: bool,
    /// What MONITOR shows of the script once it cannot begin anew any more.
    shown: Vec<Message>,
}

impl Host for ScriptHost<'_, '_, '_, '_> {
    fn call(&mut self, arguments: Arguments<'_>, protocol: Protocol, reply: &mut Vec<u8>) -> Called {
        self.session.protocol = protocol;
        let server = &*self.script.thread.server;
        let entry = match server.commands.resolve(arguments) {
            Ok(entry) => entry,
            Err(_) => return self.refuse(UNKNOWN_COMMAND, reply),
        };
        if let Err(text) = self.check(entry, arguments) {
            return self.refuse(&text, reply);
        }
        if let Err(failure) = self.cover(entry, arguments) {
            return match failure {
                Failure::Error(text) => self.refuse(&text, reply),
                failure => {
                    self.restart = Some(failure);
                    Called::Restart
                }
            };
        }
        self.has_written |= entry.has(Flags::WRITE);
        // A keymiss event that was told cannot be told again.
        self.has_acted |= !entry.has(Flags::READONLY) || server.events.listens_to(EventClass::KEY_MISS);
        held::run(self.script.thread, &mut self.session, reply, self.locked, entry, arguments);
        if self.remembers_reads {
            hearing::remember_reads(server, &self.session, entry, arguments);
        }
        if server.monitors.is_watched() && monitors::is_shown(entry) {
            self.shown.push(monitors::line(Sender::Script, self.session.database(), entry, arguments));
            if self.has_acted || self.shown.len() >= SHOWN_LINES_MAX {
                self.show();
            }
        }
        Called::Replied
    }

    fn check_access(&mut self, arguments: Arguments<'_>) -> Option<bool> {
        let entry = self.script.thread.server.commands.resolve(arguments).ok()?;
        // Redis does not mind a wrong number of arguments here; which keys they are is not to be told then.
        Some(match entry.accepts(arguments.len()) {
            true => permits(&self.session.user, entry, arguments).is_ok(),
            false => !self.session.user.is_restricted(),
        })
    }

    fn writes(&self, arguments: Arguments<'_>) -> bool {
        let entry = self.script.thread.server.commands.resolve(arguments);
        entry.is_ok_and(|entry| entry.has(Flags::WRITE))
    }

    fn has_written(&self) -> bool {
        self.has_written
    }

    fn command(&self) -> Vec<Vec<u8>> {
        self.script.request.arguments.iter().map(<[u8]>::to_vec).collect()
    }
}

impl ScriptHost<'_, '_, '_, '_> {
    fn show(&mut self) {
        if !self.shown.is_empty() {
            self.script.thread.server.monitors.show(&std::mem::take(&mut self.shown));
        }
    }

    fn refuse(&self, text: &str, reply: &mut Vec<u8>) -> Called {
        self.script.thread.server.metrics.note_error(text.as_bytes());
        ReplyEncoder::new(reply, self.session.protocol).error(text.as_bytes());
        Called::Replied
    }

    /// Whether the script may run a command at all.
    fn check(
        &self,
        entry: &'static CommandEntry,
        arguments: Arguments<'_>,
    ) -> Result<(), std::borrow::Cow<'static, str>> {
        let (server, request) = (&*self.script.thread.server, self.script.request);
        if !entry.accepts(arguments.len()) {
            return Err(WRONG_ARITY.into());
        }
        if entry.has(Flags::NOSCRIPT) && !server.lets_scripts_call_all.load(Ordering::Relaxed) {
            return Err(NOT_ALLOWED.into());
        }
        if let Err(denied) = permits(&self.session.user, entry, arguments) {
            let noted = Request { command: &self.script.entry.full_name, entry, arguments };
            note_denied(server, &self.session, Circumstance::Script, noted, denied);
            return Err(denied.refusal_in_script(&self.session.user, entry).into());
        }
        if asks_to_block(entry, arguments) {
            let name = String::from_utf8_lossy(arguments.get(0));
            return Err(format!("ERR {name} command is not allowed with BLOCK option from scripts").into());
        }
        if entry.has(Flags::WRITE) && request.is_read_only {
            return Err(READ_ONLY.into());
        }
        // What has begun to write goes on, as in Redis.
        if entry.has(Flags::DENYOOM)
            && !self.has_written
            && !request.program.flags().has(ScriptFlags::ALLOW_OOM)
            && !server.engine.has_room()
        {
            server.engine.note_refused_write();
            return Err(refusal::OUT_OF_MEMORY.into());
        }
        Ok(())
    }

    /// Makes sure that a command's keys are locked and can be read.
    ///
    /// # Errors
    /// The script has to begin anew, or a key is not to be had.
    fn cover(&mut self, entry: &'static CommandEntry, arguments: Arguments<'_>) -> Result<(), Failure> {
        let may_restart = self.script.may_restart && !self.has_acted;
        if needs_all_keys(entry) {
            self.is_within_declared = false;
            if !self.locked.covers_all() {
                if may_restart {
                    return Err(self.restart_with_all_keys());
                }
                if !self.locked.cover_all_late() {
                    return Err(Failure::error(UNAVAILABLE));
                }
            }
        }
        self.locked.select(self.session.database());
        let mut is_readable = true;
        for (index, key) in keys(entry.command, arguments).enumerate() {
            if self.is_within_declared && !self.declares(key) {
                self.is_within_declared = false;
            }
            if !self.locked.covers(key) {
                if may_restart {
                    return Err(self.restart_with_all_keys());
                }
                if !self.locked.cover_late(key) {
                    return Err(Failure::error(UNAVAILABLE));
                }
            }
            if reads_values(entry, arguments) && !use_of_key(entry.command, index).is_blind() {
                is_readable &= self.locked.is_readable(key);
            }
        }
        if is_readable || !may_restart { Ok(()) } else { Err(Failure::Cold) }
    }

    fn declares(&self, key: &[u8]) -> bool {
        self.script.request.keys().any(|declared| declared == key)
    }

    fn restart_with_all_keys(&self) -> Failure {
        self.script.request.program.reach.set(Reach::All);
        Failure::NeedsKeys(Vec::new())
    }
}

/// Whether this is XREAD or XREADGROUP with BLOCK, which scripts may not even ask for. What is wrong with the options before
/// it is for the command to say.
fn asks_to_block(entry: &CommandEntry, arguments: Arguments<'_>) -> bool {
    let has_group = match entry.command.name {
        "xread" => false,
        "xreadgroup" => true,
        _ => return false,
    };
    let mut at = 1;
    while at < arguments.len() {
        let rest = arguments.len() - at - 1;
        at += match arguments.get(at) {
            word if is_word(word, "BLOCK") => return rest > 0,
            word if is_word(word, "COUNT") && rest > 0 && parse_integer(arguments.get(at + 1)).is_some() => 2,
            word if is_word(word, "GROUP") && has_group && rest > 1 => 3,
            word if is_word(word, "NOACK") && has_group => 1,
            _ => return false,
        };
    }
    false
}

/// Whether a command may need any key.
pub(super) fn needs_all_keys(entry: &CommandEntry) -> bool {
    !matches!(entry.command.handler, Handler::Keys(_)) || entry.has(Flags::MORE_KEYS)
}
