//! `client-output-buffer-limit`: clients that leave too much output unread are disconnected.
//!
//! What is pending for a client is the batch that is on its way to it and the one behind it; the server makes a client
//! wait rather than hold more for it, so limits above that are reached by single long replies only. As in Redis, little
//! output is never looked at.

use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::connection::Client;
use crate::config::{ClientClass, OutputLimit};
use crate::net::Connection;
use crate::server::Thread;

/// Batches of up to so many bytes are sent without a look at the limits: Redis' static reply buffer, which it does not
/// count either.
pub(super) const UNCHECKED_BYTES: usize = 16 * 1024;

/// What was queued just now may be with the kernel as soon as the thread's ring has turned: how long to wait for that
/// before it counts as unread.
const SETTLING: Duration = Duration::from_millis(10);

/// The limits, as they are while one batch is sent.
pub(super) struct OutputWatch<'a> {
    connection: &'a Connection,
    thread: Rc<Thread>,
    client_id: u64,
    pending_bytes: usize,
    limit: OutputLimit,
}

impl<'a> OutputWatch<'a> {
    /// Looks at the limits for a batch of `bytes` that is about to be sent.
    ///
    /// # Errors
    /// The hard limit is exceeded; the connection has been closed.
    pub(super) async fn begin(
        connection: &'a Connection,
        client: &Client,
        bytes: usize,
    ) -> io::Result<OutputWatch<'a>> {
        let config = &client.thread.server.config;
        let limit = match bytes > UNCHECKED_BYTES && config.limits_normal_output() {
            true => config.output_limit(ClientClass::Normal),
            false => OutputLimit::default(),
        };
        let mut watch = Self {
            connection,
            thread: Rc::clone(&client.thread),
            client_id: client.session.client.id,
            pending_bytes: bytes + connection.unsent_bytes(),
            limit,
        };
        if watch.is_above(limit.hard_bytes) && watch.pending_bytes > bytes {
            let _ = tokio::time::timeout(SETTLING, connection.flush()).await;
            watch.pending_bytes = bytes + connection.unsent_bytes();
        }
        if watch.is_above(limit.hard_bytes) {
            return Err(watch.close());
        }
        Ok(watch)
    }

    /// Whether the soft limit is exceeded, so that waiting is bounded.
    pub(super) fn is_above_soft_limit(&self) -> bool {
        self.is_above(self.limit.soft_bytes)
    }

    /// Awaits `sending`, above the soft limit no longer than that allows.
    ///
    /// # Errors
    /// Of `sending`, or it took too long; the connection has been closed then.
    pub(super) async fn bounded(&self, sending: impl Future<Output = io::Result<()>>) -> io::Result<()> {
        if !self.is_above_soft_limit() {
            return sending.await;
        }
        // Redis counts whole seconds, and closes when more than these have passed.
        let patience = Duration::from_secs(self.limit.soft_seconds.saturating_add(1));
        match tokio::time::timeout(patience, sending).await {
            Ok(sent) => sent,
            Err(_) => Err(self.close()),
        }
    }

    fn is_above(&self, limit_bytes: u64) -> bool {
        limit_bytes > 0 && self.pending_bytes as u64 >= limit_bytes
    }

    #[cold]
    fn close(&self) -> io::Error {
        tracing::warn!(
            client = self.client_id,
            pending_bytes = self.pending_bytes,
            "connection closed: it leaves more unread than client-output-buffer-limit allows"
        );
        self.thread.metrics.output_limit_closings.add(1);
        // Output that is on its way is not waited for.
        self.connection.remote().close();
        io::ErrorKind::ConnectionAborted.into()
    }
}
