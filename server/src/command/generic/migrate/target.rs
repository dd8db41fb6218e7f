//! The server that keys are moved to, as its client.
//!
//! Whoever waits for it waits at most as long as the command says for each step, not for the whole: a transfer that
//! makes progress goes on.

use std::io;
use std::time::Duration;

use thermocline_protocol::{FrameKind, encode_request, skip_reply};
use tokio::net::TcpStream;

use super::Parcel;
use super::options::Options;
use crate::command::Failure;

/// A payload of so many bytes is sent from where it is, instead of being copied behind its request first.
const SENT_IN_PLACE_BYTES: usize = 64 << 10;
/// The longest reply: all that is expected are statuses and errors.
const REPLY_BYTES_MAX: usize = 64 << 10;
const RECEIVE_BYTES: usize = 4 << 10;

const NOT_CONNECTED: &str = "IOERR error or timeout connecting to the client";
const NOT_WRITTEN: &str = "IOERR error or timeout writing to target instance";
const NOT_READ: &str = "IOERR error or timeout reading to target instance";

/// What became of a value.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// The target has it.
    Accepted,
    /// The target does not want it.
    Refused(Failure),
    /// The connection broke before the target said anything.
    Lost(Failure),
}

impl Answer {
    /// The error that it is for the client.
    pub(super) fn failure(self) -> Option<Failure> {
        match self {
            Self::Accepted => None,
            Self::Refused(failure) | Self::Lost(failure) => Some(failure),
        }
    }
}

/// A connection to the target.
pub(super) struct Target {
    stream: TcpStream,
    timeout: Duration,
    /// What was received and not yet read.
    received: Vec<u8>,
}

impl Target {
    /// Connects, says who it is, and selects the database. The replies are awaited: values are not sent to a database
    /// that could not be selected.
    ///
    /// # Errors
    /// Redis' errors for what cannot be reached, and what the target replied.
    pub(super) async fn connect(options: &Options<'_>) -> Result<Self, Failure> {
        let mut target =
            Self { stream: open(options).await?, timeout: options.timeout, received: Vec::new() };
        let mut requests = Vec::new();
        let mut expected = 0;
        if !options.credentials.is_empty() {
            let words: Vec<&[u8]> =
                [&b"AUTH"[..]].into_iter().chain(options.credentials.iter().copied()).collect();
            encode_request(&mut requests, &words);
            expected += 1;
        }
        if options.database != 0 {
            encode_request(&mut requests, &[b"SELECT", options.database.to_string().as_bytes()]);
            expected += 1;
        }
        target.write(&requests).await.map_err(|_| Failure::error(NOT_WRITTEN))?;
        let mut refused = None;
        for _ in 0..expected {
            let answer = target.answer().await;
            refused = refused.or(answer.failure());
        }
        refused.map_or(Ok(target), Err)
    }

    /// Has the target restore values; an answer for each.
    pub(super) async fn restore(&mut self, batch: &[Parcel<'_>], replaces: bool) -> Vec<Answer> {
        if self.send(batch, replaces).await.is_err() {
            return vec![Answer::Lost(Failure::error(NOT_WRITTEN)); batch.len()];
        }
        let mut answers: Vec<Answer> = Vec::with_capacity(batch.len());
        for _ in batch {
            let answer = match answers.last() {
                Some(lost @ Answer::Lost(_)) => lost.clone(),
                _ => self.answer().await,
            };
            answers.push(answer);
        }
        answers
    }

    async fn send(&mut self, batch: &[Parcel<'_>], replaces: bool) -> io::Result<()> {
        let mut out = Vec::new();
        for parcel in batch {
            // The payload is the last word but for REPLACE, so that it need not be copied.
            let (ttl_ms, payload) = (parcel.ttl_ms.to_string(), &parcel.payload);
            out.extend_from_slice(if replaces { b"*5\r\n" } else { b"*4\r\n" });
            for word in [&b"RESTORE"[..], parcel.key, ttl_ms.as_bytes()] {
                out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
                out.extend_from_slice(word);
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(format!("${}\r\n", payload.len()).as_bytes());
            if payload.len() >= SENT_IN_PLACE_BYTES {
                self.write(&out).await?;
                self.write(payload).await?;
                out.clear();
            } else {
                out.extend_from_slice(payload);
            }
            out.extend_from_slice(if replaces { b"\r\n$7\r\nREPLACE\r\n" } else { b"\r\n" });
        }
        self.write(&out).await
    }

    async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            tokio::time::timeout(self.timeout, self.stream.writable()).await??;
            match self.stream.try_write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next reply.
    async fn answer(&mut self) -> Answer {
        loop {
            match skip_reply(&self.received) {
                Ok(Some(frame)) => {
                    let reply: Vec<u8> = self.received.drain(..frame.consumed_bytes).collect();
                    return match frame.kind {
                        FrameKind::Simple => Answer::Accepted,
                        FrameKind::Error => {
                            let text = String::from_utf8_lossy(&reply[1..reply.len() - 2]);
                            let text = format!("ERR Target instance replied with error: {text}");
                            Answer::Refused(Failure::error(text))
                        }
                        _ => Answer::Lost(Failure::error(NOT_READ)),
                    };
                }
                Ok(None) if self.received.len() < REPLY_BYTES_MAX => {}
                Ok(None) | Err(_) => return Answer::Lost(Failure::error(NOT_READ)),
            }
            if self.receive().await.is_err() {
                return Answer::Lost(Failure::error(NOT_READ));
            }
        }
    }

    async fn receive(&mut self) -> io::Result<()> {
        loop {
            tokio::time::timeout(self.timeout, self.stream.readable()).await??;
            let mut bytes = [0; RECEIVE_BYTES];
            match self.stream.try_read(&mut bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.received.extend_from_slice(&bytes[..count]);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Connects to the first address of the host that accepts.
async fn open(options: &Options<'_>) -> Result<TcpStream, Failure> {
    let port = options.port.ok_or(Failure::error(NOT_WRITTEN))?;
    let host = std::str::from_utf8(options.host).map_err(|_| Failure::error(NOT_CONNECTED))?;
    let connecting = async {
        let addresses = tokio::net::lookup_host((host, port)).await.map_err(|_| NOT_CONNECTED)?;
        for address in addresses {
            if let Ok(stream) = TcpStream::connect(address).await {
                return Ok(stream);
            }
        }
        // Redis notices when it writes.
        Err(NOT_WRITTEN)
    };
    let connected = tokio::time::timeout(options.timeout, connecting).await;
    let stream = connected.unwrap_or(Err(NOT_CONNECTED)).map_err(Failure::error)?;
    // Without it, requests only wait longer for their packets.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}
