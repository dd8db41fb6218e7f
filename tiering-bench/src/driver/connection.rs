//! One client: its socket, what it has asked, and the bytes of replies on their way.
//!
//! A connection reads into its thread's shared buffer and keeps bytes of its own only while a reply is incomplete,
//! so ten thousand clients need no more cache than one.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Result, bail};

use super::clock::Clock;
use super::socket::{KEPT_BYTES, Socket};
use crate::target::Endpoint;
use crate::target::wire::{Answer, Question, Tier, Wire};
use crate::workload::stream::Request;

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
    pub(super) socket: Socket,
    /// Asked and not answered, oldest first.
    pub(super) outstanding: VecDeque<Pending>,
    /// Requests to send before new ones are drawn: reads whose tier was just learnt.
    pub(super) carried: Vec<Pending>,
    /// The start of a reply whose end has not arrived.
    partial: Vec<u8>,
    /// When the connection last made progress: a timeout counts from here.
    pub(super) progress_ns: u64,
}

impl Connection {
    /// Connects within `timeout`.
    pub(super) fn open(endpoint: &Endpoint, timeout: Duration) -> Result<Self> {
        Ok(Self {
            socket: Socket::open(endpoint, timeout)?,
            outstanding: VecDeque::new(),
            carried: Vec::new(),
            partial: Vec::new(),
            progress_ns: 0,
        })
    }

    /// Reads what has arrived and hands every complete answer, with its time, to `on_answer`.
    ///
    /// Where no answer is outstanding there is nothing left to read.
    #[inline]
    pub(super) fn receive(
        &mut self,
        wire: Wire,
        clock: &Clock,
        buffer: &mut [u8],
        mut on_answer: impl FnMut(Pending, Answer<'_>, u64, &mut Vec<Pending>),
    ) -> Result<()> {
        loop {
            let Some(bytes) = self.socket.read(buffer)? else { return Ok(()) };
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
