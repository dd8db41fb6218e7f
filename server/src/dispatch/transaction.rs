//! Transactions: what comes after MULTI is written down, and EXEC runs it at one moment.
//!
//! The shards of all keys, of all commands, and of the watched keys, are locked together. Cold values are read before
//! anything runs, all at once: EXEC finds which are missing, gives up the locks, has them read, and begins anew. So a
//! transaction over a hundred cold keys waits for the SSD once.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use thermocline_engine::Keys;
use thermocline_protocol::{Arguments, ReplyEncoder, parse_integer};

use super::batch::Batch;
use super::cold::reads_values;
use super::execute::Outcome;
use super::key_positions::keys;
use super::permission::refuse_at_exec;
use super::script::{needs_all_keys, run_held};
use super::{hearing, held, refusal};
use crate::access::permits;
use crate::command::key_use::use_of_key;
use crate::command::table::CommandEntry;
use crate::command::transaction::Transaction;
use crate::command::{Failure, Flags, Handler};
use crate::server::Server;

const NOT_ALLOWED: &str = "ERR Command not allowed inside a transaction";
const WITHOUT_MULTI: &str = "ERR EXEC without MULTI";
const BROKEN: &str = "EXECABORT Transaction discarded because of previous errors.";

impl Batch<'_> {
    /// Writes a request down.
    pub(super) fn queue(&mut self, entry: &'static CommandEntry, arguments: Arguments<'_>) -> Outcome {
        if entry.has(Flags::NO_MULTI) {
            return self.refuse(Some(entry), NOT_ALLOWED.as_bytes());
        }
        if entry.has(Flags::DENYOOM) && !self.server.engine.is_open_to_writes() {
            return self.refuse(Some(entry), refusal::OUT_OF_MEMORY.as_bytes());
        }
        let transaction = self.session.transaction.as_mut().expect("MULTI was called");
        transaction.add(entry, arguments);
        let (start, replies) = (self.output.len(), self.session.reply_mode);
        ReplyEncoder::new(self.output, self.session.protocol).simple("QUEUED");
        self.drop_unwanted_reply(start, replies);
        Outcome::Answered
    }

    /// Runs a transaction without scripts.
    ///
    /// # Errors
    /// As [`Batch::exec`].
    pub(super) fn exec_at_once(&mut self) -> Result<(), Failure> {
        match pin!(self.exec()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => panic!("only a script is suspended"),
        }
    }

    /// Runs the transaction. Waits for nothing but scripts that are suspended.
    ///
    /// # Errors
    /// [`Failure::Cold`] or [`Failure::HeldUp`] before anything was run, and Redis' errors.
    pub(super) async fn exec(&mut self) -> Result<(), Failure> {
        let Some(transaction) = self.session.transaction.take() else {
            return Err(Failure::error(WITHOUT_MULTI));
        };
        if transaction.is_broken {
            self.session.unwatch(self.server);
            return Err(Failure::error(BROKEN));
        }
        let result = self.run_transaction(&transaction).await;
        match result {
            Err(failure @ (Failure::Cold | Failure::HeldUp)) => {
                self.session.transaction = Some(transaction);
                Err(failure)
            }
            result => {
                self.session.unwatch(self.server);
                result
            }
        }
    }

    async fn run_transaction(&mut self, transaction: &Transaction) -> Result<(), Failure> {
        let (server, thread) = (self.server, self.thread);
        let (engine, database) = (&server.engine, self.session.database());
        let queued =
            || transaction.commands.iter().map(|queued| (queued.entry, queued.arguments.as_arguments()));
        if transaction.flags.has(Flags::MORE_KEYS) && thread.suspends_script.get() {
            return Err(Failure::HeldUp);
        }
        let locked = if queued().any(|(entry, _)| needs_all_keys(entry)) {
            engine.lock_all(database, self.now, self.fetched)
        } else {
            let own = queued().flat_map(|(entry, arguments)| keys(entry.command, arguments));
            let watched = self.session.watch.iter().flat_map(|watch| watch.keys().map(|(_, key)| key));
            engine.try_lock_keys(database, own.chain(watched), self.now, self.fetched)
        };
        let mut locked = locked?;
        if let Some(watch) = &self.session.watch {
            for (database, key) in watch.keys() {
                // Has it expired?
                locked.select(database);
                locked.exists(key);
            }
            if watch.is_broken() {
                ReplyEncoder::new(self.output, self.session.protocol).null_array();
                return Ok(());
            }
        }
        // What was given up for want of its values runs with what it has: a single command replies the error then.
        if self.fetch_failure.take().is_none() && !is_readable(server, &mut locked, database, queued()) {
            return Err(Failure::Cold);
        }
        ReplyEncoder::new(self.output, self.session.protocol).array(transaction.commands.len());
        for (entry, arguments) in queued() {
            // The user, or its rights, may be others than when the command was written down.
            if let Err(denied) = permits(&self.session.user, entry, arguments) {
                refuse_at_exec(thread, self.session, self.output, (entry, arguments), denied);
                continue;
            }
            match entry.command.handler {
                Handler::Script(handler) => {
                    run_held(thread, self.session, self.output, &mut locked, (handler, entry), arguments)
                        .await;
                }
                _ => {
                    held::run(thread, self.session, self.output, &mut locked, entry, arguments);
                    self.session.publish();
                    hearing::show(server, self.session, entry, arguments);
                }
            }
        }
        Ok(())
    }
}

/// Whether all commands can read their values; where not, what is missing is noted.
fn is_readable<'a>(
    server: &Server,
    locked: &mut Keys<'_>,
    mut database: usize,
    commands: impl Iterator<Item = (&'static CommandEntry, Arguments<'a>)>,
) -> bool {
    let mut is_readable = true;
    for (entry, arguments) in commands {
        if entry.command.name == "select" {
            let selected = parse_integer(arguments.get(1)).and_then(|number| usize::try_from(number).ok());
            database = selected.filter(|&number| number < server.engine.database_count()).unwrap_or(database);
        }
        if reads_values(entry, arguments) {
            locked.select(database);
            for (index, key) in keys(entry.command, arguments).enumerate() {
                is_readable &= use_of_key(entry.command, index).is_blind() || locked.is_readable(key);
            }
        }
    }
    is_readable
}
