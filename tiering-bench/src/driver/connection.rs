//! One client: a non-blocking socket, what it has asked, and the bytes on their way in and out.
//!
//! A connection reads into its thread's shared buffer and keeps bytes of its own only while a reply is incomplete,
//! so ten thousand clients need no more cache than one.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::clock::Clock;
use crate::target::Endpoint;
use crate::target::wire::{Answer, Question, Tier, Wire};
use crate::workload::stream::Request;

/// Bytes of a receive buffer, one per client thread.
pub(super) const RECEIVE_BYTES: usize = 64 << 10;

/// A connection that needed more than this for one exchange gives the memory back.
const KEPT_BYTES: usize = 1 << 20;

/// A request on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    /// What was asked: for a probed read first [`Question::Where`], then [`Question::Read`].
    pub(super) question: Question,
    /// The request it belongs to.
    pub(super) request: Request,
    /// The version written, or the lowest version that a read may return.
    pub(super) version: u32,
    /// Where the value was, if it was asked.
    pub(super) tier: Option<Tier>,
    /// The time from which the latency counts.
    pub(super) since_ns: u64,
}

#[derive(Debug)]
pub(super) struct Connection {
    socket: TcpStream,
    /// Asked and not answered, oldest first.
    pub(super) outstanding: VecDeque<Pending>,
    /// Requests to send before new ones are drawn: reads whose tier was just learnt.
    pub(super) carried: Vec<Pending>,
    /// Encoded requests, of which the first `sent` bytes are gone.
    pub(super) output: Vec<u8>,
    sent: usize,
    /// The start of a reply whose end has not arrived.
    partial: Vec<u8>,
    /// When the connection last made progress: a timeout counts from here.
    pub(super) progress_ns: u64,
}

impl Connection {
    /// Connects within `timeout`.
    pub(super) fn open(endpoint: &Endpoint, timeout: Duration) -> Result<Self> {
        let socket = TcpStream::connect_timeout(&endpoint.address, timeout)
            .with_context(|| format!("cannot connect to {endpoint}"))?;
        socket.set_nodelay(true).context("TCP_NODELAY")?;
        socket.set_nonblocking(true).context("O_NONBLOCK")?;
        Ok(Self {
            socket,
            outstanding: VecDeque::new(),
            carried: Vec::new(),
            output: Vec::new(),
            sent: 0,
            partial: Vec::new(),
            progress_ns: 0,
        })
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Sends what the socket takes; the rest goes when it becomes writable.
    #[inline]
    pub(super) fn flush(&mut self) -> Result<()> {
        while self.sent < self.output.len() {
            match self.socket.write(&self.output[self.sent..]) {
                Ok(0) => bail!("the server takes no more requests"),
                Ok(bytes) => self.sent += bytes,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e).context("cannot send a request"),
            }
        }
        self.output.clear();
        self.output.shrink_to(KEPT_BYTES);
        self.sent = 0;
        Ok(())
    }

    /// Reads what has arrived and hands every complete answer, with its time, to `on_answer`.
    ///
    /// The socket is watched edge-triggered: a read shorter than the buffer, or no answer outstanding, means that
    /// there is nothing left, so the usual exchange costs exactly one `read`.
    #[inline]
    pub(super) fn receive(
        &mut self,
        wire: Wire,
        clock: &Clock,
        buffer: &mut [u8],
        mut on_answer: impl FnMut(Pending, Answer<'_>, u64, &mut Vec<Pending>),
    ) -> Result<()> {
        loop {
            let bytes = match self.socket.read(buffer) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(bytes) => bytes,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(e).context("cannot receive a reply"),
            };
            let now_ns = clock.now_ns();
            self.progress_ns = now_ns;
            let is_continued = !self.partial.is_empty();
            if is_continued {
                self.partial.extend_from_slice(&buffer[..bytes]);
            }
            let input = if is_continued { &self.partial[..] } else { &buffer[..bytes] };
            let mut consumed = 0;
            while let Some(&pending) = self.outstanding.front() {
                let Some((answer, answer_bytes)) = wire.decode(pending.question, &input[consumed..])? else {
                    break;
                };
                self.outstanding.pop_front();
                on_answer(pending, answer, now_ns, &mut self.carried);
                consumed += answer_bytes;
            }
            let rest = &input[consumed..];
            if self.outstanding.is_empty() && !rest.is_empty() {
                bail!("the server sent more than was asked: {}", rest[..rest.len().min(60)].escape_ascii());
            }
            if is_continued {
                self.partial.drain(..consumed);
                if self.partial.is_empty() {
                    self.partial.shrink_to(KEPT_BYTES);
                }
            } else {
                self.partial.extend_from_slice(&buffer[consumed..bytes]);
            }
            if bytes < buffer.len() || self.outstanding.is_empty() {
                return Ok(());
            }
        }
    }

    /// The request that has waited longer than `timeout_ns` without any progress, if there is one.
    pub(super) fn overdue(&self, now_ns: u64, timeout_ns: u64) -> Option<&Pending> {
        self.outstanding.front().filter(|_| now_ns.saturating_sub(self.progress_ns) > timeout_ns)
    }
}
