//! Clients that wait for keys: how a wait begins, and how other commands end it.
//!
//! Whoever changes a key runs the commands of those who waited for it, right after its own and before its next one, on
//! its own thread. The waiters get their replies ready made.

use std::sync::Arc;

use thermocline_engine::{Fetched, Keys};
use thermocline_protocol::{Arguments, ReplyEncoder};

use super::key_positions::keys;
use super::permission::{Request, note_denied};
use crate::access::{Circumstance, permits};
use crate::command::blocking::Block;
use crate::command::table::CommandEntry;
use crate::command::{Failure, Handler, KeyContext};
use crate::server::Server;
use crate::server::waiting::{ReadyKey, Waiter};
use crate::session::Session;

/// Notes that the session's client waits. The keys of its command are locked.
#[cold]
pub(super) fn begin_wait(
    server: &Server,
    session: &mut Session,
    (entry, arguments): (&'static CommandEntry, Arguments<'_>),
    block: &Block,
    locked: &mut Keys<'_>,
) {
    let blocked = session.client.block();
    let names = keys(entry.command, arguments);
    let waiting = &server.observers.waiting;
    let request = (entry, arguments);
    let waiter = waiting.add(&session.client, session.protocol, request, block, (locked, names));
    session.waiting = Some(Box::new((waiter, blocked)));
}

/// What became of a waiter's command.
pub(super) enum Serving {
    /// It gave this reply.
    Served(Vec<u8>),
    /// There is still nothing for it.
    NotYet,
    /// It needs values from the SSD.
    Cold,
    /// A script holds its keys for long.
    HeldUp,
}

/// Runs the commands of all who wait for keys that this thread has just changed, and of those who wait for what these
/// change.
pub(super) fn serve_ready(server: &Server) {
    while let Some(ready) = server.observers.waiting.take_ready() {
        serve(server, ready, None);
    }
}

/// Runs the commands of those who are held up by a waiter that was handed back and whose turn is over.
pub(super) fn serve_held_up(server: &Server, waiter: &Arc<Waiter>) {
    for ready in waiter.take_held_up() {
        serve(server, ready, Some(Arc::clone(waiter)));
    }
    serve_ready(server);
}

/// Runs the commands of those who wait for a key, behind a waiter where one is given, as far as that can be done here.
fn serve(server: &Server, ready: ReadyKey, behind: Option<Arc<Waiter>>) {
    let waiting = &server.observers.waiting;
    let mut last = behind;
    while let Some(waiter) = waiting.next(&ready, last.as_deref()) {
        if !is_of_use(server, &ready, &waiter) {
            if !waiting.is_missed(&ready) {
                return;
            }
        } else if waiter.client.claim() {
            match run(server, &waiter, &mut Fetched::new()) {
                Serving::Served(reply) => {
                    waiting.remove(&waiter, &server.engine);
                    waiter.fulfil(reply);
                }
                Serving::NotYet => waiter.client.release(),
                Serving::Cold | Serving::HeldUp => return waiter.hand_back(ready),
            }
        }
        last = Some(waiter);
    }
}

/// Whether the key holds what the waiter waits for, or is gone and the waiter wants to know that.
fn is_of_use(server: &Server, ready: &ReadyKey, waiter: &Waiter) -> bool {
    let (engine, now) = (&server.engine, server.clock.now());
    let mut fetched = Fetched::new();
    let Ok(mut keys) = engine.try_lock_key(ready.database, &ready.key, now, &mut fetched) else {
        return false;
    };
    let found = keys.peek(&ready.key).map(|info| info.value_type);
    found == Some(waiter.value_type) || waiter.wakes_when_gone
}

/// Runs a waiter's command. Its client's wait has been claimed.
pub(super) fn run(server: &Server, waiter: &Waiter, fetched: &mut Fetched) -> Serving {
    let Handler::Keys(handler) = waiter.entry.command.handler else {
        panic!("only a command on keys waits for keys")
    };
    let arguments = waiter.arguments.as_arguments();
    let user = waiter.client.user(server.access.default_user());
    let mut session = Session::new(Arc::clone(&waiter.client), &user, true);
    session.protocol = waiter.protocol;
    session.select(waiter.database);
    let mut reply = Vec::new();
    if let Err(denied) = permits(&user, waiter.entry, arguments) {
        // The user's rights have changed since the client began to wait.
        let request = Request { command: &waiter.entry.full_name, entry: waiter.entry, arguments };
        note_denied(server, &session, Circumstance::TopLevel, request, denied);
        let text = denied.refusal(&user, waiter.entry);
        server.metrics.note_error(text.as_bytes());
        ReplyEncoder::new(&mut reply, waiter.protocol).error(text);
        return Serving::Served(reply);
    }
    let names = keys(waiter.entry.command, arguments);
    let Ok(keys) = server.engine.try_lock_keys(waiter.database, names, server.clock.now(), fetched) else {
        return Serving::HeldUp;
    };
    let encoder = ReplyEncoder::new(&mut reply, waiter.protocol);
    let mut context = KeyContext { keys, reply: encoder, session: &mut session, server };
    let result = handler(&mut context, arguments);
    drop(context);
    match result {
        Ok(()) => Serving::Served(reply),
        Err(Failure::Cold) => Serving::Cold,
        Err(Failure::Blocked(_)) => Serving::NotYet,
        Err(Failure::HeldUp) => Serving::HeldUp,
        Err(Failure::NeedsKeys(_)) => panic!("a command that waits names its keys"),
        Err(Failure::Error(text)) => {
            reply.clear();
            server.metrics.note_error(text.as_bytes());
            ReplyEncoder::new(&mut reply, waiter.protocol).error(text.as_bytes());
            Serving::Served(reply)
        }
    }
}
