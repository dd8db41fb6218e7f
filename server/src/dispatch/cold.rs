//! Cold values: read what a request needs, and what the requests behind it will need, at once.
//!
//! A request finds out that a value is cold by running into it. Its read is submitted on the spot; then the rest of
//! the batch is looked through, and every cold value it will need is read in parallel. All of them are there when the
//! batch goes on, so a batch waits once for the SSD, not once per command.
//!
//! Looking ahead is a guess: a request may turn out not to need what was read for it, or need something else. It
//! is bounded, and only a request's own reads count as its failure.

use std::io;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use thermocline_engine::{Engine, FetchError, Fetched, Reader, UnixMillis};
use thermocline_protocol::{ArgumentRanges, Arguments};

use super::batch::limits;
use super::connection::Client;
use super::key_positions::keys;
use crate::command::key_use::use_of_key;
use crate::command::table::CommandEntry;
use crate::command::{Handler, Reads};
use crate::net::CompletionSource;
use crate::server::Thread;

/// How many requests of a batch are looked through for cold keys.
const LOOK_AHEAD_REQUESTS_MAX: usize = 256;
/// How many bytes of requests are parsed a second time for that.
const LOOK_AHEAD_INPUT_BYTES_MAX: usize = 64 * 1024;
/// Where looking ahead ends, in bytes of records: the values read for a batch are memory beyond the value tier's.
const LOOK_AHEAD_RECORD_BYTES_MAX: usize = 256 * 1024;
/// A thread that has more reads under way than this does not look ahead: its device is busy with what is needed.
const LOOK_AHEAD_READS_MAX: usize = 256;

/// How often a request's values are read before it is given up: each time, another client or the tier itself moved one
/// of them between the read and the run.
pub(super) const ATTEMPTS_MAX: u32 = 16;

/// Reads what the first request of the client's input wants, with `fetched` saying what it ran into, and what the
/// requests behind it will want. Returns over how many requests it looked.
///
/// A failed read is not reported: the request runs into it again and asks for [`fetch_own`].
pub(super) async fn fetch_ahead(
    thread: &Thread,
    client: &Client,
    fetched: &mut Fetched,
    now: UnixMillis,
) -> usize {
    let own = thread.reader.fetch(fetched);
    let mut ahead = Fetched::new();
    let mut requests = 1;
    if client.input.has_successors() && thread.reader.outstanding() <= LOOK_AHEAD_READS_MAX {
        requests = want_ahead(thread, client, now, &mut ahead);
    }
    // The reads are under way: awaiting them one after the other costs nothing.
    if ahead.has_wanted() {
        let others = thread.reader.fetch(&mut ahead);
        let _ = own.await;
        let _ = others.await;
        fetched.append(ahead);
    } else {
        let _ = own.await;
    }
    requests
}

/// Notes all cold keys whose values the requests of the client's input will need, except the first request's.
/// Returns over how many requests it looked, the first included.
fn want_ahead(thread: &Thread, client: &Client, now: UnixMillis, ahead: &mut Fetched) -> usize {
    let database = client.session.database();
    let limits = limits(&thread.server, &client.session);
    let mut scratch = ArgumentRanges::new();
    let mut requests = 0;
    client.input.look_ahead(&limits, LOOK_AHEAD_INPUT_BYTES_MAX, &mut scratch, |arguments| {
        requests += 1;
        let goes_on = requests == 1 || want_request(thread, database, arguments, now, ahead);
        goes_on && requests < LOOK_AHEAD_REQUESTS_MAX && ahead.wanted_bytes() < LOOK_AHEAD_RECORD_BYTES_MAX
    });
    requests.max(1)
}

/// Reads what the first request of the client's input wants, and nothing else.
///
/// # Errors
/// A value could not be read.
pub(super) async fn fetch_own(reader: &Reader, fetched: &mut Fetched) -> Result<(), FetchError> {
    reader.fetch(fetched).await
}

/// Notes all cold keys that a request needs the values of; false where looking further makes no sense, because the
/// request may change what the following ones mean.
fn want_request(
    thread: &Thread,
    database: usize,
    arguments: Arguments<'_>,
    now: UnixMillis,
    fetched: &mut Fetched,
) -> bool {
    let Ok(entry) = thread.server.commands.resolve(arguments) else { return true };
    if !matches!(entry.command.handler, Handler::Keys(_)) {
        return false;
    }
    if entry.accepts(arguments.len()) && reads_values(entry, arguments) {
        want_keys(&thread.server.engine, database, entry, arguments, now, fetched);
    }
    true
}

/// Notes the cold ones among a request's keys, but for those that it overwrites.
pub(super) fn want_keys(
    engine: &Engine,
    database: usize,
    entry: &CommandEntry,
    arguments: Arguments<'_>,
    now: UnixMillis,
    fetched: &mut Fetched,
) {
    for (index, key) in keys(entry.command, arguments).enumerate() {
        if !use_of_key(entry.command, index).is_blind() {
            engine.want(database, key, now, fetched);
        }
    }
}

/// Whether a request reads its keys' values.
pub(super) fn reads_values(entry: &CommandEntry, arguments: Arguments<'_>) -> bool {
    match entry.command.reads {
        Reads::Nothing => false,
        Reads::Values => true,
        Reads::When(reads) => reads(arguments),
    }
}

/// A thread's reader, as its reactor drives it.
pub struct ColdReads(pub Rc<Reader>);

impl CompletionSource for ColdReads {
    fn register_eventfd(&self, eventfd: BorrowedFd<'_>) -> io::Result<()> {
        self.0.register_eventfd(eventfd)
    }

    fn flush(&self) {
        self.0.flush();
    }

    fn drain(&self) -> usize {
        self.0.drain()
    }

    fn outstanding(&self) -> usize {
        self.0.outstanding()
    }

    fn listen(&self) -> bool {
        self.0.set_signal(true)
    }

    fn quiet(&self) {
        self.0.set_signal(false);
    }
}
