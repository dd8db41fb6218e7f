//! A client's non-blocking socket, with the requests that it has not taken yet.
//!
//! It is watched edge-triggered: a read shorter than the buffer means that there is nothing left, so the usual exchange
//! costs exactly one `write` and one `read`.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::target::Endpoint;

/// Bytes of a receive buffer, one per client thread.
pub(super) const RECEIVE_BYTES: usize = 64 << 10;

/// A client that needed more than this for one exchange gives the memory back.
pub(super) const KEPT_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    /// Encoded requests, of which the first `sent` bytes are gone.
    pub(super) output: Vec<u8>,
    sent: usize,
}

impl Socket {
    /// Connects within `timeout`.
    pub(super) fn open(endpoint: &Endpoint, timeout: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&endpoint.address, timeout)
            .with_context(|| format!("cannot connect to {endpoint}"))?;
        stream.set_nodelay(true).context("TCP_NODELAY")?;
        stream.set_nonblocking(true).context("O_NONBLOCK")?;
        Ok(Self { stream, output: Vec::new(), sent: 0 })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends what the socket takes; the rest goes when it becomes writable.
    #[inline]
    pub(super) fn flush(&mut self) -> Result<()> {
        while self.sent < self.output.len() {
            match self.stream.write(&self.output[self.sent..]) {
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

    /// How many bytes have arrived, which are in `buffer` now; `None` for none.
    #[inline]
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>> {
        loop {
            return match self.stream.read(buffer) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(bytes) => Ok(Some(bytes)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(None),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => Err(e).context("cannot receive a reply"),
            };
        }
    }
}
