//! Clients that wait in a blocking command, and how others end that: by serving it, by CLIENT UNBLOCK, or at the end of
//! the connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::clients::ClientShared;

/// How a client that waits is to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unblock {
    /// Its command was run for it.
    Served,
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
    stage: Stage,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Stage {
    /// Anybody may end the wait.
    #[default]
    Waiting,
    /// Somebody runs the command, and may yet find that the client has to wait on.
    Claimed,
    Over(Unblock),
}

impl BlockState {
    pub(super) fn is_blocked(&self) -> bool {
        self.0.lock().as_ref().is_some_and(|wait| !matches!(wait.stage, Stage::Over(_)))
    }

    /// Whether anybody may end the wait.
    pub(super) fn is_unclaimed(&self) -> bool {
        self.0.lock().as_ref().is_some_and(|wait| wait.stage == Stage::Waiting)
    }

    /// Ends the wait; false where there is none, or somebody is about to end it.
    pub(super) fn unblock(&self, how: Unblock) -> bool {
        self.go(Stage::Waiting, Stage::Over(how))
    }

    /// Keeps all others from ending the wait; false where there is none, or somebody else did that.
    pub(super) fn claim(&self) -> bool {
        self.go(Stage::Waiting, Stage::Claimed)
    }

    /// Goes from one stage to another and wakes the client's task for all but a claim; false from any other stage.
    fn go(&self, from: Stage, to: Stage) -> bool {
        let mut state = self.0.lock();
        let Some(wait) = state.as_mut().filter(|wait| wait.stage == from) else { return false };
        wait.stage = to;
        let waker = if to == Stage::Claimed { None } else { wait.waker.take() };
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        true
    }

    pub(super) fn release(&self) {
        assert!(self.go(Stage::Claimed, Stage::Waiting), "the wait was claimed");
    }

    pub(super) fn fulfil(&self) {
        assert!(self.go(Stage::Claimed, Stage::Over(Unblock::Served)), "the wait was claimed");
    }

    /// Wakes the client's task, whatever the stage.
    pub(super) fn nudge(&self) {
        let waker = self.0.lock().as_mut().and_then(|wait| wait.waker.take());
        waker.into_iter().for_each(Waker::wake);
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
        match wait.stage {
            Stage::Over(how) => Poll::Ready(how),
            Stage::Waiting | Stage::Claimed => {
                wait.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A client that waits, until this is dropped. Ready when somebody else ends the wait.
#[derive(Debug)]
pub(crate) struct Blocked {
    client: Arc<ClientShared>,
}

impl Blocked {
    pub(super) fn new(client: &Arc<ClientShared>) -> Self {
        client.block_state().begin();
        client.note_blocked(true);
        Self { client: Arc::clone(client) }
    }
}

impl Future for Blocked {
    type Output = Unblock;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Unblock> {
        self.client.block_state().poll(context)
    }
}

impl Drop for Blocked {
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

    fn client() -> Arc<ClientShared> {
        Arc::new(ClientShared::new(1, UnixMillis(0), None))
    }

    #[test]
    fn a_wait_is_ended_once_and_only_while_it_lasts() {
        let client = client();
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

    #[test]
    fn a_claimed_wait_ends_only_as_the_claimant_says() {
        let client = client();
        let mut blocked = pin!(client.block());
        let mut context = Context::from_waker(Waker::noop());
        assert!(client.claim() && !client.claim() && !client.unblock(Unblock::Timeout));
        assert!(blocked.as_mut().poll(&mut context).is_pending());
        client.release();
        assert!(client.claim());
        client.fulfil();
        assert_eq!(blocked.as_mut().poll(&mut context), Poll::Ready(Unblock::Served));
        assert!(!client.claim() && !client.unblock(Unblock::Error));
    }
}
