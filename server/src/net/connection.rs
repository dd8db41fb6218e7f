//! A connection as its task sees it.
//!
//! Owns the contract of `recv` and `send`; the work is the reactor's. Every wait is a poll of shared state, so all
//! futures here may be dropped at any time without losing data.

use super::buffer_ring::RecvBuffer;
use super::outgoing::SendStatus;
use super::reactor::Reactor;
use super::state::{ConnectionState, End, Wait};
use super::thread::{ConnectionName, Remote, ThreadWaker};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What comes to a connection's task.
#[derive(Debug)]
pub enum Incoming {
    /// Bytes from the peer, in order.
    Bytes(RecvBuffer),
    /// Something from elsewhere: see [`Remote::notify`].
    Notice,
    /// There will be no more bytes.
    End,
}

/// One accepted connection; dropping it closes the socket after output already accepted by [`send`](Self::send) has
/// gone out (bounded in time). Two words wide; used by one task.
pub struct Connection {
    reactor: Rc<Reactor>,
    state: Rc<ConnectionState>,
}

impl Connection {
    pub(super) fn new(reactor: Rc<Reactor>, state: Rc<ConnectionState>) -> Self {
        Self { reactor, state }
    }

    /// A number that no other connection of this process has or had.
    pub fn id(&self) -> u64 {
        self.state.id
    }

    /// The peer's address; `None` for a unix socket.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.state.peer
    }

    /// The address the peer connected to; `None` for a unix socket. One system call.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        socket2::SockRef::from(&self.state.socket).local_addr().ok()?.as_socket()
    }

    /// The socket, to look at its options; reading or writing it would disturb the order of bytes.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.state.socket.as_fd()
    }

    /// A handle by which any thread can close this connection, or tell its task something.
    pub fn remote(&self) -> Remote {
        let connection = ConnectionName { slot: self.state.slot, id: self.state.id };
        Remote { thread: Arc::clone(self.reactor.thread()), connection }
    }

    /// Wakes the reactor of this connection's thread.
    pub fn thread_waker(&self) -> ThreadWaker {
        ThreadWaker(Arc::clone(self.reactor.thread()))
    }

    /// The next bytes from the peer, in order; `None` once there are no more: the peer has finished sending (it may
    /// still read), the connection was closed, or the server shuts down.
    ///
    /// # Errors
    /// The socket failed, for example was reset; all data before that has been given out.
    pub async fn recv(&self) -> io::Result<Option<RecvBuffer>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// [`recv`](Self::recv) in poll form.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<Option<RecvBuffer>>> {
        let state = &self.state;
        if let Some(buffer) = self.try_recv() {
            return Poll::Ready(Ok(Some(buffer)));
        }
        match state.end.get() {
            Some(End::Eof | End::Closed) => return Poll::Ready(Ok(None)),
            Some(End::Failed(errno)) => return Poll::Ready(Err(io::Error::from_raw_os_error(errno))),
            None => {}
        }
        self.reactor.arm(state);
        state.wait(Wait::Input, cx.waker());
        Poll::Pending
    }

    /// What comes next: bytes, a notice, or the end.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn incoming(&self) -> io::Result<Incoming> {
        poll_fn(|cx| {
            if self.state.take_notice() {
                return Poll::Ready(Ok(Incoming::Notice));
            }
            self.poll_recv(cx).map_ok(|received| received.map_or(Incoming::End, Incoming::Bytes))
        })
        .await
    }

    /// Completes when somebody has told this task something by [`Remote::notify`].
    pub async fn noticed(&self) {
        poll_fn(|cx| {
            if self.state.take_notice() {
                return Poll::Ready(());
            }
            self.state.wait(Wait::Input, cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Bytes that have arrived already, if any.
    pub fn try_recv(&self) -> Option<RecvBuffer> {
        let buffer = self.state.pop_input()?;
        self.reactor.input_taken(&self.state);
        Some(buffer)
    }

    /// Completes when there will be no more input: the peer finished or vanished, the connection was closed, or the
    /// server shuts down. For a task that waits for something else on the client's behalf.
    pub async fn closed(&self) {
        poll_fn(|cx| {
            if self.is_closed() {
                return Poll::Ready(());
            }
            self.reactor.arm(&self.state);
            self.state.wait(Wait::Input, cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Whether [`closed`](Self::closed) has completed.
    pub fn is_closed(&self) -> bool {
        self.state.end.get().is_some()
    }

    /// An empty buffer to write the next replies to, with memory from an earlier batch where there is one.
    pub fn output_buffer(&self) -> Vec<u8> {
        self.reactor.ring().take_buffer()
    }

    /// Takes all of `output`, which is empty and without memory afterwards, and sends it in order.
    ///
    /// Returns as soon as the bytes are on their way. At most one batch is: while an earlier one is not completely
    /// with the kernel, this waits, so a slow reader costs two batches of memory and no more. Drop any
    /// [`RecvBuffer`] before waiting here.
    ///
    /// # Errors
    /// An earlier send failed: nothing more can be sent. The failure of this one is reported by the next call, by
    /// [`flush`](Self::flush), or by `recv` ending.
    pub async fn send(&self, output: &mut Vec<u8>) -> io::Result<()> {
        poll_fn(|cx| self.poll_send(cx, output)).await
    }

    /// [`send`](Self::send) in poll form; `output` is taken when this is ready.
    pub fn poll_send(&self, cx: &mut Context<'_>, output: &mut Vec<u8>) -> Poll<io::Result<()>> {
        if output.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let ready = self.poll_flush(cx);
        if let Poll::Ready(Ok(())) = ready {
            self.reactor.send(&self.state, std::mem::take(output));
        }
        ready
    }

    /// How many of the bytes sent so far are not known to be with the kernel.
    pub fn unsent_bytes(&self) -> usize {
        self.reactor.ring().unsent_bytes(self.state.slot)
    }

    /// Waits until everything sent so far is with the kernel.
    ///
    /// # Errors
    /// A send failed.
    pub async fn flush(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ring = self.reactor.ring();
        match ring.send_status(self.state.slot) {
            SendStatus::Idle => Poll::Ready(Ok(())),
            SendStatus::Failed(errno) => Poll::Ready(Err(io::Error::from_raw_os_error(errno))),
            SendStatus::Fast | SendStatus::Slow => {
                ring.await_send(self.state.slot);
                self.state.wait(Wait::Output, cx.waker());
                self.reactor.kick();
                Poll::Pending
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reactor.dropped(&self.state);
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("id", &self.state.id).field("peer", &self.state.peer).finish()
    }
}
