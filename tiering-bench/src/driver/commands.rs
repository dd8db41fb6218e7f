//! Sends any commands in RESP, in a closed loop over many connections, and counts the replies.
//!
//! What [`Driver`](super::Driver) knows of reads and writes of single values is not needed here: a reply is passed, not
//! looked at, unless it is an error. A request costs as little as there: one `write`, one `read` and a share of an
//! `epoll_wait` for a whole batch.

use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use thermocline_protocol::{FrameKind, ReplyDecoder};

use super::socket::{RECEIVE_BYTES, Socket};
use crate::interrupt;
use crate::target::Endpoint;
use crate::target::wire::Wire;

/// Most events taken from the kernel at a time.
const EVENTS: usize = 256;
/// Longest sleep: an interruption is noticed this late at most.
const TICK: Duration = Duration::from_millis(50);
/// Longest time without any reply. Loading a large collection, a server may be busy with its memory for a while.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How much of the first error reply is kept.
const QUOTED_BYTES: usize = 200;

/// Clients that are connected to one server.
pub struct CommandClients {
    epoll: OwnedFd,
    clients: Vec<Client>,
    pipeline: usize,
    buffer: Vec<u8>,
}

/// What came of the commands of one phase.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandOutcome {
    /// Replies.
    pub requests: u64,
    /// From the first request to the last reply.
    pub elapsed_s: f64,
    /// How many of the replies were errors.
    pub errors: u64,
    /// The first of them.
    pub first_error: Option<String>,
}

impl CommandOutcome {
    /// The same, if there was no error.
    ///
    /// # Errors
    ///
    /// The first error reply.
    pub fn without_errors(self) -> Result<Self> {
        match &self.first_error {
            Some(error) => bail!("{} of {} replies are errors: {error}", self.errors, self.requests),
            None => Ok(self),
        }
    }
}

struct Client {
    socket: Socket,
    /// The start of a reply whose end has not arrived, and how far it was looked through.
    partial: Vec<u8>,
    decoder: ReplyDecoder,
    outstanding: usize,
}

impl CommandClients {
    /// Connects so many clients, which keep `pipeline` requests in flight each.
    ///
    /// # Errors
    ///
    /// If the server does not accept them.
    ///
    /// # Panics
    ///
    /// If the server does not speak RESP, or there are no clients or requests.
    pub fn connect(endpoint: &Endpoint, clients: usize, pipeline: usize) -> Result<Self> {
        assert_eq!(endpoint.wire, Wire::Resp, "commands are sent in RESP");
        assert!(clients > 0 && pipeline > 0, "somebody sends something");
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll_create1")?;
        let clients = (0..clients).map(|number| {
            let socket = Socket::open(endpoint, TIMEOUT)?;
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
            epoll::add(&epoll, socket.stream(), EventData::new_u64(number as u64), flags)
                .context("EPOLL_CTL_ADD")?;
            Ok(Client { socket, partial: Vec::new(), decoder: ReplyDecoder::new(), outstanding: 0 })
        });
        let clients = clients.collect::<Result<Vec<_>>>()?;
        Ok(Self { epoll, clients, pipeline, buffer: vec![0; RECEIVE_BYTES] })
    }

    /// Has `write` append requests, by their numbers from 0 on, to the bytes to send; every client sends its next batch
    /// when the last one is answered. Ends when so many requests are answered.
    ///
    /// # Errors
    ///
    /// If the server fails, answers nonsense, or is silent for long; or on Ctrl-C.
    pub fn run(&mut self, requests: u64, mut write: impl FnMut(u64, &mut Vec<u8>)) -> Result<CommandOutcome> {
        let started = Instant::now();
        let mut outcome = CommandOutcome { requests: 0, elapsed_s: 0.0, errors: 0, first_error: None };
        let mut next = 0;
        let mut refill = |client: &mut Client, pipeline: usize| {
            while client.outstanding < pipeline && next < requests {
                write(next, &mut client.socket.output);
                next += 1;
                client.outstanding += 1;
            }
            client.socket.flush()
        };
        for client in &mut self.clients {
            refill(client, self.pipeline)?;
        }
        let mut progress = Instant::now();
        let mut ready = Vec::with_capacity(EVENTS);
        while outcome.requests < requests {
            wait(&self.epoll, &mut ready)?;
            for &number in &ready {
                let client = &mut self.clients[number];
                client.socket.flush()?;
                if client.outstanding > 0 {
                    client.receive(&mut self.buffer, &mut outcome)?;
                    if client.outstanding == 0 {
                        refill(client, self.pipeline)?;
                    }
                }
            }
            if interrupt::is_requested() {
                bail!("interrupted");
            }
            if !ready.is_empty() {
                progress = Instant::now();
            } else if progress.elapsed() > TIMEOUT {
                bail!("no reply for {} s", TIMEOUT.as_secs());
            }
        }
        outcome.elapsed_s = started.elapsed().as_secs_f64();
        Ok(outcome)
    }
}

/// The numbers of the clients on which something has happened.
fn wait(epoll: &OwnedFd, ready: &mut Vec<usize>) -> Result<()> {
    let mut events = [const { MaybeUninit::uninit() }; EVENTS];
    let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
    ready.clear();
    match epoll::wait(epoll, &mut events, Some(&timeout)) {
        Ok((events, _)) => ready.extend(events.iter().map(|event| event.data.u64() as usize)),
        Err(rustix::io::Errno::INTR) => {}
        Err(e) => return Err(e).context("epoll_wait"),
    }
    Ok(())
}

impl Client {
    /// Reads what has arrived. Where nothing is outstanding there is nothing left to read.
    fn receive(&mut self, buffer: &mut [u8], outcome: &mut CommandOutcome) -> Result<()> {
        while self.outstanding > 0 {
            let Some(bytes) = self.socket.read(buffer)? else { return Ok(()) };
            let is_continued = !self.partial.is_empty();
            if is_continued {
                self.partial.extend_from_slice(&buffer[..bytes]);
            }
            let input = if is_continued { &self.partial[..] } else { &buffer[..bytes] };
            let mut consumed = 0;
            while self.outstanding > 0
                && let Some(frame) = self.decoder.next(&input[consumed..])?
            {
                let reply = &input[consumed..consumed + frame.consumed_bytes];
                if frame.kind == FrameKind::Error {
                    outcome.errors += 1;
                    let quoted = || String::from_utf8_lossy(&reply[..reply.len().min(QUOTED_BYTES)]);
                    outcome.first_error.get_or_insert_with(|| quoted().trim_end().to_owned());
                }
                consumed += frame.consumed_bytes;
                self.outstanding -= 1;
                outcome.requests += 1;
            }
            if self.outstanding == 0 && consumed < input.len() {
                bail!("the server sent more than was asked");
            }
            if is_continued {
                self.partial.drain(..consumed);
            } else {
                self.partial.extend_from_slice(&buffer[consumed..bytes]);
            }
            if bytes < buffer.len() {
                return Ok(());
            }
        }
        Ok(())
    }
}
