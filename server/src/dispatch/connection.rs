//! The task of one connection.

use std::future::Future;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use thermocline_engine::UnixMillis;

use super::batch::{Batch, Scratch, Stop};
use super::input::Input;
use super::output_limit::UNCHECKED_BYTES;
use super::{admission, refusal, waits};
use crate::net::{Connection, Incoming, RecvBuffer};
use crate::server::Thread;
use crate::server::clients::ClientShared;
use crate::server::eviction::NOTICED_BYTES;
use crate::session::Session;

/// One client, as its task holds it.
pub(super) struct Client {
    pub(super) session: Session,
    pub(super) input: Input,
    pub(super) thread: Rc<Thread>,
}

/// Serves a connection until it ends: the future of its task.
///
/// Ten thousand idle connections are ten thousand of these, so it holds the client once, and what only some of them need
/// in boxes.
pub async fn serve(connection: Connection, thread: Rc<Thread>) {
    match &mut Client::admit(&connection, &thread) {
        Ok(client) => client.run(&connection).await,
        Err(last_words) => {
            let last_words = last_words.to_vec();
            Box::pin(refuse(&connection, last_words)).await;
        }
    }
}

/// Tells a client why it is turned away. One that cannot be told is closed all the same.
async fn refuse(connection: &Connection, mut last_words: Vec<u8>) {
    let _ = connection.send(&mut last_words).await;
}

impl Client {
    /// Takes the client in.
    ///
    /// # Errors
    /// What to tell it instead: there are too many clients, or `protected-mode` keeps it out.
    fn admit(connection: &Connection, thread: &Rc<Thread>) -> Result<Self, &'static [u8]> {
        let server = &thread.server;
        let mut shared = ClientShared::new(connection.id(), server.clock.now(), Some(connection.remote()));
        shared.peer = connection.peer_addr();
        shared.local = connection.local_addr();
        shared.fd = connection.fd().as_raw_fd();
        let shared = Arc::new(shared);
        if !server.clients.add(&shared, server.config.max_clients()) {
            thread.metrics.refused_connections.add(1);
            return Err(refusal::TOO_MANY_CLIENTS);
        }
        if !admission::is_let_in(shared.peer, server.config.protected_mode(), &server.access) {
            server.clients.remove(shared.id);
            thread.metrics.refused_connections.add(1);
            return Err(refusal::PROTECTED_MODE);
        }
        thread.metrics.connections.add(1);
        let is_authenticated = !server.access.asks_for_password();
        Ok(Self {
            session: Session::new(shared, server.access.default_user(), is_authenticated),
            input: Input::default(),
            thread: Rc::clone(thread),
        })
    }

    /// Answers requests until there are no more.
    async fn run(&mut self, connection: &Connection) {
        loop {
            match connection.incoming().await {
                Ok(Incoming::Bytes(received)) => self.receive(received),
                Ok(Incoming::Notice) => {}
                Ok(Incoming::End) | Err(_) => break,
            }
            if self.session.is_closing {
                break;
            }
            let mut output = connection.output_buffer();
            let stop = self.run_batch(connection, &mut output);
            if !matches!(stop, Stop::Drained | Stop::Closing) {
                // Boxed, so that connections that never wait do not pay for what waiting needs.
                let thread = Rc::clone(&self.thread);
                let rest = async { waits::run_to_end(connection, &thread, self, &mut output, stop).await };
                let rest: Pin<Box<dyn Future<Output = io::Result<()>> + '_>> = Box::pin(rest);
                if rest.await.is_err() {
                    break;
                }
            }
            if self.session.client.has_messages() {
                self.session.client.take_messages(&mut output);
            }
            let sent = if output.len() > UNCHECKED_BYTES && self.thread.server.config.limits_normal_output() {
                let sending: Pin<Box<dyn Future<Output = io::Result<()>> + '_>> =
                    Box::pin(waits::send(connection, self, &mut output));
                sending.await
            } else {
                self.note_sent(output.len());
                connection.send(&mut output).await
            };
            if sent.is_err() || self.session.is_closing {
                break;
            }
        }
    }

    pub(super) fn receive(&mut self, received: RecvBuffer) {
        receive(&self.thread, &mut self.session, &mut self.input, received);
    }

    pub(super) fn note_sent(&self, bytes: usize) {
        self.thread.metrics.output_bytes.add(bytes as u64);
    }

    /// Runs all requests that are there, in the thread's scratch memory.
    fn run_batch(&mut self, connection: &Connection, output: &mut Vec<u8>) -> Stop {
        let mut scratch = self.thread.scratch.borrow_mut();
        let Scratch { arguments, fetched, began } = &mut *scratch;
        let mut batch = Batch::new(&self.thread, &mut self.session, output, fetched);
        let stop = loop {
            let stop = batch.run(&mut self.input, arguments);
            let more = if stop == Stop::Drained { connection.try_recv() } else { None };
            let Some(received) = more else { break stop };
            receive(&self.thread, batch.session, &mut self.input, received);
            if batch.session.is_closing {
                break Stop::Closing;
            }
        };
        *began = batch.began;
        let (now, last_command) = (batch.now, batch.last_command);
        drop(scratch);
        self.note_batch(now, last_command);
        stop
    }

    /// Shows others what became of a batch, and closes a client that has sent too long a request.
    pub(super) fn note_batch(&mut self, now: UnixMillis, last_command: Option<usize>) {
        let shared = &self.session.client;
        shared.note_batch(now, last_command);
        self.thread.server.tracking.end_batch();
        let kept_bytes = self.input.kept_bytes();
        shared.note_query_buffer(kept_bytes);
        self.session.publish_transaction();
        if shared.memory_bytes() >= NOTICED_BYTES {
            self.thread.server.evict_clients(now);
        }
        if kept_bytes as u64 > self.thread.server.config.query_buffer_limit_bytes() {
            tracing::warn!(
                client = self.session.client.id,
                kept_bytes,
                "connection closed: its request is too long"
            );
            self.thread.metrics.query_limit_closings.add(1);
            self.session.is_closing = true;
        }
    }
}

/// Takes what has arrived. A client whose request alone is too much for `maxmemory-clients` is evicted before it is run.
#[inline]
fn receive(thread: &Thread, session: &mut Session, input: &mut Input, received: RecvBuffer) {
    thread.metrics.input_bytes.add(received.len() as u64);
    let unread_bytes = input.kept_bytes() + received.len();
    input.receive(received);
    if unread_bytes >= NOTICED_BYTES {
        session.is_closing |= thread.server.evict_for_request(&session.client, unread_bytes);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.session.discard_transaction(&self.thread.server);
        self.session.stop_hearing(&self.thread.server);
        self.thread.server.clients.remove(self.session.client.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F>(_: fn(Connection, Rc<Thread>) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_has_a_small_task() {
        // With what tokio adds, and rounded up to its 128, this makes 384 bytes.
        assert!(size_of_future(serve) <= 272, "{} bytes", size_of_future(serve));
    }
}
