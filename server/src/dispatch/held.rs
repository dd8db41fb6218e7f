//! One command on shards that are held already: inside a transaction or a script.
//!
//! Such a command cannot be interrupted: where it needs a value from the SSD all the same, the thread waits for that
//! value, with the shards locked. What can be known in advance is read in advance, so this is for the rest: a key that
//! a script has computed after it changed something.

use std::future::Future;
use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};

use thermocline_engine::{Fetched, Keys, Reader};
use thermocline_protocol::{Arguments, ReplyEncoder};

use super::batch::{note_slow, slow_ns};
use super::cold::ATTEMPTS_MAX;
use super::{hearing, refusal};
use crate::command::blocking::UnwaitedReply;
use crate::command::table::CommandEntry;
use crate::command::{Context, Failure, Handler, KeyContext};
use crate::server::Thread;
use crate::session::Session;

/// Runs a command on held shards and writes its reply, be it an error. Nothing is checked but what the handler checks.
pub(super) fn run(
    thread: &Thread,
    session: &mut Session,
    output: &mut Vec<u8>,
    held: &mut Keys<'_>,
    entry: &'static CommandEntry,
    arguments: Arguments<'_>,
) {
    let start = output.len();
    let began = thread.stopwatch.raw();
    let metrics = thread.metrics.command(entry.id);
    let (mut attempts, mut waited_ns) = (0, 0);
    let failure = loop {
        let Err(failure) = run_once(thread, session, output, held, entry, arguments) else { break None };
        output.truncate(start);
        attempts += 1;
        match failure {
            Failure::Cold if attempts > ATTEMPTS_MAX => break Some(Failure::error(refusal::RESTLESS)),
            Failure::Cold => {
                let asked = thread.stopwatch.raw();
                let read = fetch_now(&thread.reader, held.fetched_mut());
                waited_ns += thread.stopwatch.delta_as_nanos(asked, thread.stopwatch.raw());
                if let Err(error) = read {
                    break Some(Failure::error(format!("ERR {error}")));
                }
            }
            Failure::Blocked(block) => {
                let mut reply = ReplyEncoder::new(output, session.protocol);
                match block.unwaited {
                    UnwaitedReply::Null => reply.null(),
                    UnwaitedReply::NullArray => reply.null_array(),
                }
                break None;
            }
            failure => break Some(failure),
        }
    };
    if let Some(failure) = failure {
        let text = match failure {
            Failure::Error(text) => text,
            // Who runs commands on held shards has locked what they may need.
            _ => "ERR the command needs keys that it does not name".into(),
        };
        metrics.failed.add(1);
        thread.server.metrics.note_error(text.as_bytes());
        ReplyEncoder::new(output, session.protocol).error(text.as_bytes());
    }
    let duration_ns = thread.stopwatch.delta_as_nanos(began, thread.stopwatch.raw());
    let tracks_latency = thread.server.config.latency_tracking();
    metrics.note_call(duration_ns.saturating_sub(waited_ns), tracks_latency);
    if waited_ns > 0 {
        metrics.note_wait(waited_ns, tracks_latency);
    }
    if duration_ns >= slow_ns(&thread.server) {
        note_slow(&thread.server, session, (entry, arguments), duration_ns, waited_ns);
    }
}

fn run_once(
    thread: &Thread,
    session: &mut Session,
    output: &mut Vec<u8>,
    held: &mut Keys<'_>,
    entry: &'static CommandEntry,
    arguments: Arguments<'_>,
) -> Result<(), Failure> {
    let server = &*thread.server;
    let reply = ReplyEncoder::new(output, session.protocol);
    match entry.command.handler {
        Handler::Keys(handler) => {
            let mut keys = held.command(session.database());
            if session.no_touch {
                keys.stop_touching();
            }
            let mut context = KeyContext { keys, reply, session, server };
            let result = handler(&mut context, arguments);
            if context.session.hearing.is_some() && result != Err(Failure::Cold) {
                hearing::remember_keys(server, context.session, entry, arguments);
            }
            result
        }
        Handler::Server(handler) => {
            let databases = held.databases();
            // Others are shown what became of the session by who runs the commands: a script has one of its own.
            handler(&mut Context { reply, session, server, thread, databases }, arguments)
        }
        Handler::Waiting(handler) => {
            let databases = held.databases();
            let mut context = Context { reply, session, server, thread, databases };
            let mut handling = handler(&mut context, arguments);
            match handling.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())) {
                Poll::Ready(result) => result,
                Poll::Pending => Err(Failure::error("ERR the command cannot wait inside a transaction")),
            }
        }
        Handler::Script(_) | Handler::Exec | Handler::Container => {
            Err(Failure::error("ERR Command not allowed inside a transaction"))
        }
    }
}

/// Reads what is wanted, and has the thread wait for it.
fn fetch_now(reader: &Reader, fetched: &mut Fetched) -> Result<(), thermocline_engine::FetchError> {
    let mut fetch = pin!(reader.fetch(fetched));
    let mut context = TaskContext::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = fetch.as_mut().poll(&mut context) {
            return result;
        }
        reader.flush();
        if reader.drain() == 0 {
            std::thread::yield_now();
        }
    }
}
