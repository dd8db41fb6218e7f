//! The rest of a batch that had to wait: for cold values, a slow reader, room in memory, a pause, or a handler.
//!
//! Before every wait whose end other clients decide, replies that are ready are sent, and the received buffer is given
//! back, since a thread has a bounded number of them.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use thermocline_engine::{Admission, Fetched, UnixMillis};
use thermocline_protocol::{ArgumentRanges, ReplyEncoder};

use super::batch::{Batch, Stop, limits};
use super::connection::Client;
use super::execute::Outcome;
use super::input::Next;
use super::output_limit::OutputWatch;
use super::serving::{self, Serving};
use super::{cold, refusal};
use crate::command::{Context, Failure, Handler};
use crate::net::Connection;
use crate::server::blocking::{Blocked, Unblock};
use crate::server::waiting::Waiter;
use crate::server::{Server, Thread};

/// How often a client that is held back by CLIENT PAUSE looks whether it still is.
const PAUSE_LOOK: Duration = Duration::from_millis(20);

/// How often a client whose keys a script holds for long looks whether it still does.
const HELD_UP_LOOK: Duration = Duration::from_millis(5);

/// Answers everything that is there. The last replies are left in `output`.
///
/// # Errors
/// Nothing more can be sent, or there is nobody left to send it to.
pub(super) async fn run_to_end(
    connection: &Connection,
    thread: &Thread,
    client: &mut Client,
    output: &mut Vec<u8>,
    mut stop: Stop,
) -> io::Result<()> {
    let (mut fetched, began) = {
        let scratch = &mut *thread.scratch.borrow_mut();
        (std::mem::take(&mut scratch.fetched), scratch.began)
    };
    let mut arguments = ArgumentRanges::new();
    let began = (stop == Stop::Waits(Outcome::Cold)).then_some(began);
    let mut reading = Reading { began, ..Reading::default() };
    let mut warmed_requests = 0;
    loop {
        let mut fetch_failure = None;
        let mut waited_for_room = false;
        match stop {
            Stop::Closing => return Ok(()),
            Stop::Drained => match connection.try_recv() {
                Some(received) => {
                    client.receive(received);
                    if client.session.is_closing {
                        return Ok(());
                    }
                }
                None => return Ok(()),
            },
            Stop::OutputFull => send(connection, client, output).await?,
            Stop::Waits(Outcome::Answered) => unreachable!("an answered request does not stop a batch"),
            Stop::Waits(Outcome::Cold) => {
                let now = thread.server.clock.now();
                let asked = thread.stopwatch.raw();
                fetch_failure = reading.read(thread, client, &mut fetched, now).await;
                reading.waited_ns += thread.stopwatch.delta_as_nanos(asked, thread.stopwatch.raw());
            }
            Stop::Waits(Outcome::NoRoom) => {
                send(connection, client, output).await?;
                client.input.detach();
                waited_for_room = !wait_for_room(thread).await;
            }
            Stop::Waits(Outcome::Paused(until)) => {
                send(connection, client, output).await?;
                client.input.detach();
                client.session.client.note_blocked(true);
                let waited = wait_for_pause(connection, thread, until).await;
                client.session.client.note_blocked(false);
                waited?;
            }
            Stop::Waits(Outcome::HeldUp) => {
                send(connection, client, output).await?;
                client.input.detach();
                tokio::time::sleep(HELD_UP_LOOK).await;
                if connection.is_closed() {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
            }
            Stop::Waits(Outcome::Blocked) => {
                send(connection, client, output).await?;
                client.input.detach();
                wait_for_keys(connection, thread, client, output, &mut fetched, &mut arguments).await?;
            }
            Stop::Waits(Outcome::Suspends) => {
                let memory = (&mut fetched, &mut arguments, &mut warmed_requests);
                let outcome = run_suspending(thread, client, output, memory, &mut reading).await;
                if outcome != Outcome::Answered {
                    stop = Stop::Waits(outcome);
                    continue;
                }
            }
            Stop::Waits(Outcome::Waits) => {
                send(connection, client, output).await?;
                client.input.detach();
                run_waiting(connection, thread, client, output, &mut fetched, &mut arguments).await;
            }
        }
        let mut batch = Batch::new(thread, &mut client.session, output, &mut fetched);
        batch.is_hot = false;
        batch.warmed_requests = warmed_requests;
        batch.fetch_failure = fetch_failure;
        batch.waited_for_room = waited_for_room;
        if let Some(began) = reading.began.take() {
            // A command that waited for the SSD took that long.
            batch.began = began;
            batch.waited_ns = std::mem::take(&mut reading.waited_ns);
        }
        stop = batch.run(&mut client.input, &mut arguments);
        warmed_requests = batch.warmed_requests;
        reading.failure = batch.fetch_failure.take();
        reading.note_run(&mut batch, &stop);
        let (now, last_command) = (batch.now, batch.last_command);
        client.note_batch(now, last_command);
    }
}

/// The reads of cold values for the request at the head of the input.
#[derive(Default)]
struct Reading {
    /// How often its values were read.
    attempts: u32,
    /// How many of the requests that were looked through are still to be run.
    looked_through: usize,
    /// When the request began, by the thread's stopwatch.
    began: Option<u64>,
    /// For how long it has waited for its values, in nanoseconds.
    waited_ns: u64,
    /// What a request that is not run by a batch is to reply if it wants still more.
    failure: Option<Cow<'static, str>>,
}

impl Reading {
    /// Reads what the next request wants; returns the error it is to reply if it wants still more.
    async fn read(
        &mut self,
        thread: &Thread,
        client: &Client,
        fetched: &mut Fetched,
        now: UnixMillis,
    ) -> Option<Cow<'static, str>> {
        thread.metrics.cold_requests.add(1);
        self.attempts += 1;
        if self.attempts > cold::ATTEMPTS_MAX {
            return Some(refusal::RESTLESS.into());
        }
        if self.attempts == 1 && self.looked_through == 0 {
            self.looked_through = cold::fetch_ahead(thread, client, fetched, now).await;
            return None;
        }
        let result = cold::fetch_own(&thread.reader, fetched).await;
        result.err().map(|error| format!("ERR {error}").into())
    }

    /// A request that may be suspended was run, outside a batch.
    fn note_suspending(&mut self, batch: &mut Batch<'_>, outcome: &Outcome) {
        match outcome {
            Outcome::Answered => {
                *self = Self::default();
                batch.fetched.clear_values();
            }
            Outcome::Cold => {
                self.began = Some(batch.began);
                self.waited_ns = batch.waited_ns;
            }
            _ => {}
        }
    }

    /// After a run of the batch: which request comes next, and whether what was read is still of use.
    fn note_run(&mut self, batch: &mut Batch<'_>, stop: &Stop) {
        if batch.answered > 0 {
            self.attempts = 0;
            self.looked_through = self.looked_through.saturating_sub(batch.answered);
        }
        if *stop == Stop::Waits(Outcome::Cold) {
            self.began = Some(batch.began);
            self.waited_ns = batch.waited_ns;
        }
        if self.looked_through == 0 && batch.answered > 0 {
            batch.fetched.clear_values();
        }
    }
}

/// Sends what is ready and gives `output` new memory. Keeps no received buffer while the client does not read.
pub(super) async fn send(
    connection: &Connection,
    client: &mut Client,
    output: &mut Vec<u8>,
) -> io::Result<()> {
    if output.is_empty() {
        return Ok(());
    }
    client.note_sent(output.len());
    let watch = OutputWatch::begin(connection, client, output.len()).await?;
    let mut waits = false;
    let sending = poll_fn(|context| {
        let sent = connection.poll_send(context, output);
        if sent.is_pending() && !waits {
            waits = true;
            client.input.detach();
            client.session.client.note_output_buffer(output.len());
        }
        sent
    });
    watch.bounded(sending).await?;
    if watch.is_above_soft_limit() {
        client.input.detach();
        watch.bounded(connection.flush()).await?;
    }
    if waits {
        client.session.client.note_output_buffer(0);
    }
    *output = connection.output_buffer();
    Ok(())
}

/// Waits for room in memory for a write; false if none came in time.
async fn wait_for_room(thread: &Thread) -> bool {
    let engine = &thread.server.engine;
    let deadline = Instant::now() + Duration::from_millis(engine.settings().write_timeout_ms);
    while engine.admit_write() == Admission::Wait {
        if tokio::time::timeout_at(deadline.into(), engine.room()).await.is_err() {
            return false;
        }
    }
    true
}

/// Waits until commands are no longer held back.
///
/// # Errors
/// The client is gone.
async fn wait_for_pause(connection: &Connection, thread: &Thread, until: UnixMillis) -> io::Result<()> {
    let rest_ms = until.0.saturating_sub(thread.server.clock.now().0);
    let look = tokio::time::sleep(PAUSE_LOOK.min(Duration::from_millis(rest_ms)));
    let (mut look, mut closed) = (pin!(look), pin!(connection.closed()));
    poll_fn(|context| {
        if closed.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        look.as_mut().poll(context).map(Ok)
    })
    .await
}

/// What ends a wait for keys, or interrupts it.
enum WaitEvent {
    Over(Unblock),
    /// The client's time is over.
    Timeout,
    /// There are messages to send to it.
    Notice,
    /// Whoever was to run the command could not, since it needs values from the SSD.
    HandedBack,
    /// The client is gone.
    Closed,
}

/// Waits until the next request, which a blocking command is, was served by somebody else, or its time is over.
///
/// # Errors
/// Nothing can be sent any more.
async fn wait_for_keys(
    connection: &Connection,
    thread: &Thread,
    client: &mut Client,
    output: &mut Vec<u8>,
    fetched: &mut Fetched,
    arguments: &mut ArgumentRanges,
) -> io::Result<()> {
    let server = &*thread.server;
    let began = thread.stopwatch.raw();
    let (waiter, mut blocked) = *client.session.waiting.take().expect("the command has begun to wait");
    let mut lost = None;
    let how = loop {
        match next_event(connection, server, &waiter, &mut blocked).await {
            WaitEvent::Over(how) => break how,
            WaitEvent::Timeout | WaitEvent::Closed => {
                // Where it fails, somebody is serving the client right now.
                waiter.client.unblock(Unblock::Timeout);
            }
            WaitEvent::Notice => {
                client.session.client.take_messages(output);
                if let Err(error) = send(connection, client, output).await {
                    output.clear();
                    lost = Some(error);
                    waiter.client.unblock(Unblock::Timeout);
                }
            }
            WaitEvent::HandedBack => {
                run_own(thread, &waiter, fetched).await;
                serving::serve_held_up(server, &waiter);
            }
        }
    };
    drop(blocked);
    if how != Unblock::Served {
        server.observers.waiting.remove(&waiter, &server.engine);
    }
    serving::serve_held_up(server, &waiter);
    if let Some(error) = lost {
        return Err(error);
    }
    let (start, replies) = (output.len(), client.session.reply_mode);
    let result = match how {
        Unblock::Served => {
            let reply = waiter.take_reply();
            if reply.starts_with(b"-") {
                thread.metrics.command(waiter.entry.id).failed.add(1);
            }
            output.extend_from_slice(&reply);
            Ok(())
        }
        Unblock::Error => Err(Failure::error("UNBLOCKED client unblocked via CLIENT UNBLOCK")),
        Unblock::Timeout => {
            ReplyEncoder::new(output, waiter.protocol).null_array();
            Ok(())
        }
    };
    let limits = limits(server, &client.session);
    let Next::Request(arguments) = client.input.next(&limits, arguments) else {
        panic!("the request that stopped the batch is still there");
    };
    let mut batch = Batch::new(thread, &mut client.session, output, fetched);
    batch.began = began;
    batch.is_shown = true;
    let outcome = batch.finish(waiter.entry, arguments, start, replies, result);
    assert_eq!(outcome, Outcome::Answered, "a wait is over once");
    client.session.client.note_batch(server.clock.now(), Some(waiter.entry.id));
    client.input.consume();
    Ok(())
}

async fn next_event(
    connection: &Connection,
    server: &Server,
    waiter: &Waiter,
    blocked: &mut Blocked,
) -> WaitEvent {
    let rest_ms = waiter.deadline.map(|deadline| deadline.0.saturating_sub(server.clock.now().0));
    let mut timeout = pin!(async {
        match rest_ms {
            Some(rest_ms) => tokio::time::sleep(Duration::from_millis(rest_ms)).await,
            None => std::future::pending().await,
        }
    });
    let (mut noticed, mut closed) = (pin!(connection.noticed()), pin!(connection.closed()));
    // What cannot end a wait that is claimed just now is not asked again before that was given up.
    let (mut is_timed_out, mut is_closed, mut is_noticed) = (false, false, false);
    poll_fn(|task| {
        if let Poll::Ready(how) = std::pin::Pin::new(&mut *blocked).poll(task) {
            return Poll::Ready(WaitEvent::Over(how));
        }
        if waiter.take_handed_back() {
            return Poll::Ready(WaitEvent::HandedBack);
        }
        is_timed_out = is_timed_out || timeout.as_mut().poll(task).is_ready();
        is_closed = is_closed || closed.as_mut().poll(task).is_ready();
        if (is_timed_out || is_closed) && waiter.client.is_unclaimed() {
            return Poll::Ready(if is_closed { WaitEvent::Closed } else { WaitEvent::Timeout });
        }
        // What the command has its own client hear, while somebody runs it, comes behind its reply.
        is_noticed = is_noticed || noticed.as_mut().poll(task).is_ready();
        if is_noticed && waiter.client.is_unclaimed() {
            return Poll::Ready(WaitEvent::Notice);
        }
        Poll::Pending
    })
    .await
}

/// Runs a waiter's command in its own task, which can wait for the SSD.
async fn run_own(thread: &Thread, waiter: &Waiter, fetched: &mut Fetched) {
    let server = &*thread.server;
    let mut attempts = 0;
    while waiter.client.claim() {
        let reply = match serving::run(server, waiter, fetched) {
            Serving::Served(reply) => reply,
            Serving::NotYet => {
                waiter.client.release();
                break;
            }
            Serving::HeldUp => {
                waiter.client.release();
                tokio::time::sleep(HELD_UP_LOOK).await;
                continue;
            }
            Serving::Cold if attempts == cold::ATTEMPTS_MAX => error_reply(waiter, refusal::RESTLESS),
            Serving::Cold => {
                attempts += 1;
                // The claim is kept: nobody else could serve it without the value, and it loses no place.
                match cold::fetch_own(&thread.reader, fetched).await {
                    Ok(()) => {
                        waiter.client.release();
                        continue;
                    }
                    Err(error) => error_reply(waiter, &format!("ERR {error}")),
                }
            }
        };
        server.observers.waiting.remove(waiter, &server.engine);
        waiter.fulfil(reply);
        break;
    }
    fetched.clear_values();
}

fn error_reply(waiter: &Waiter, text: &str) -> Vec<u8> {
    let mut reply = Vec::new();
    ReplyEncoder::new(&mut reply, waiter.protocol).error(text.as_bytes());
    reply
}

/// Runs the next request, which is a script or has one.
async fn run_suspending(
    thread: &Thread,
    client: &mut Client,
    output: &mut Vec<u8>,
    (fetched, ranges, warmed_requests): (&mut Fetched, &mut ArgumentRanges, &mut usize),
    reading: &mut Reading,
) -> Outcome {
    let server = &*thread.server;
    let limits = limits(server, &client.session);
    let Next::Request(arguments) = client.input.next(&limits, ranges) else {
        panic!("the request that stopped the batch is still there");
    };
    let entry = server.commands.resolve(arguments).expect("it was found before");
    let (start, replies) = (output.len(), client.session.reply_mode);
    let mut batch = Batch::new(thread, &mut client.session, output, fetched);
    batch.is_hot = false;
    batch.fetch_failure = reading.failure.take();
    if let Some(began) = reading.began.take() {
        batch.began = began;
        batch.waited_ns = std::mem::take(&mut reading.waited_ns);
    }
    let result = batch.call_suspending(entry, arguments).await;
    let outcome = batch.finish(entry, arguments, start, replies, result);
    reading.note_suspending(&mut batch, &outcome);
    if outcome == Outcome::Answered {
        client.input.consume();
        batch.warmed_requests = *warmed_requests;
        batch.warm_for_next(&client.input, &limits, ranges);
        *warmed_requests = batch.warmed_requests;
        client.session.client.note_batch(server.clock.now(), Some(entry.id));
        if !server.observers.waiting.is_empty() {
            serving::serve_ready(server);
        }
    }
    outcome
}

/// Runs the next request, whose handler may wait; for other clients only until its own is gone.
async fn run_waiting(
    connection: &Connection,
    thread: &Thread,
    client: &mut Client,
    output: &mut Vec<u8>,
    fetched: &mut Fetched,
    arguments: &mut ArgumentRanges,
) {
    let server = &*thread.server;
    let limits = limits(server, &client.session);
    let Next::Request(arguments) = client.input.next(&limits, arguments) else {
        panic!("the request that stopped the batch is still there");
    };
    let entry = server.commands.resolve(arguments).expect("it was found before");
    let Handler::Waiting(handler) = entry.command.handler else {
        panic!("{} does not wait", entry.full_name)
    };
    let session = &mut client.session;
    let (start, replies, began) = (output.len(), session.reply_mode, thread.stopwatch.raw());
    let reply = ReplyEncoder::new(output, session.protocol);
    let mut context = Context { reply, session, server, thread, databases: server.engine.databases() };
    let shared = Arc::clone(&context.session.client);
    let (mut handling, mut closed) = (handler(&mut context, arguments), pin!(connection.closed()));
    let mut is_closed = false;
    let result = poll_fn(|task| {
        let handled = handling.as_mut().poll(task);
        is_closed = is_closed || closed.as_mut().poll(task).is_ready();
        if handled.is_pending() && is_closed && shared.unblock(Unblock::Timeout) {
            return handling.as_mut().poll(task);
        }
        handled
    })
    .await;
    drop(handling);
    client.session.publish();
    let mut batch = Batch::new(thread, &mut client.session, output, fetched);
    batch.began = began;
    let outcome = batch.finish(entry, arguments, start, replies, result);
    assert_eq!(outcome, Outcome::Answered, "a handler that waits reads cold values itself");
    if !server.observers.waiting.is_empty() {
        serving::serve_ready(server);
    }
    client.session.client.note_batch(server.clock.now(), Some(entry.id));
    client.input.consume();
}
