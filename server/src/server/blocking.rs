//! Clients that wait in a blocking command, and how others end that: CLIENT UNBLOCK, or the end of the connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::clients::ClientShared;

/// How a client that waits is to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unblock {
    /// As if its time was over.
    Timeout,
    /// With an error.
    Error,
}

/// Whether a client waits. Most never do, so it is one word.
#[derive(Debug, Default)]
pub(super) struct BlockState(Mutex<Option<Box<Wait>>>);

#[derive(Debug, Default)]
struct Wait {
    unblocked: Option<Unblock>,
    waker: Option<Waker>,
}

impl BlockState {
    pub(super) fn is_blocked(&self) -> bool {
        self.0.lock().as_ref().is_some_and(|wait| wait.unblocked.is_none())
    }

    /// Ends the wait; false where there is none.
    pub(super) fn unblock(&self, how: Unblock) -> bool {
        let mut state = self.0.lock();
        let Some(wait) = state.as_mut().filter(|wait| wait.unblocked.is_none()) else { return false };
        wait.unblocked = Some(how);
        let waker = wait.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        true
    }

    fn begin(&self) {
        let before = self.0.lock().replace(Box::default());
        assert!(before.is_none(), "a client waits for one thing at a time");
    }

    fn end(&self) {
        *self.0.lock() = None;
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Unblock> {
        let mut state = self.0.lock();
        let wait = state.as_mut().expect("it waits until its guard is dropped");
        match wait.unblocked {
            Some(how) => Poll::Ready(how),
            None => {
                wait.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A client that waits, until this is dropped. Ready when somebody else ends the wait.
pub(crate) struct Blocked<'a> {
    client: &'a ClientShared,
}

impl<'a> Blocked<'a> {
    pub(super) fn new(client: &'a ClientShared) -> Self {
        client.block_state().begin();
        client.note_blocked(true);
        Self { client }
    }
}

impl Future for Blocked<'_> {
    type Output = Unblock;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Unblock> {
        self.client.block_state().poll(context)
    }
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        self.client.note_blocked(false);
        self.client.block_state().end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use thermocline_engine::UnixMillis;

    #[test]
    fn a_wait_is_ended_once_and_only_while_it_lasts() {
        let client = ClientShared::new(1, UnixMillis(0), None);
        assert!(!client.unblock(Unblock::Timeout) && !client.is_blocked());
        {
            let mut blocked = pin!(client.block());
            let mut context = Context::from_waker(Waker::noop());
            assert!(client.is_blocked() && blocked.as_mut().poll(&mut context).is_pending());
            assert!(client.unblock(Unblock::Error) && !client.unblock(Unblock::Timeout));
            assert_eq!(blocked.as_mut().poll(&mut context), Poll::Ready(Unblock::Error));
        }
        assert!(!client.unblock(Unblock::Timeout) && !client.is_blocked());
    }
}
