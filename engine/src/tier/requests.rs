//! Work that clients ask the background thread for, and how they learn that it is done.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// Something a client asked for.
pub(crate) enum Request {
    /// Move this key's value to the SSD now.
    Demote { database: usize, key: Box<[u8]>, done: Done },
    /// Move all values to the SSD.
    Drain { done: Done },
    /// Collect every segment that gains anything.
    Collect { done: Done },
}

/// A client's end of a request: resolves to how many values or segments were dealt with.
pub struct Outcome(Arc<Mutex<Shared>>);

/// The background thread's end: the request is over when it is dropped.
pub(crate) struct Done(Arc<Mutex<Shared>>);

#[derive(Default)]
struct Shared {
    count: u64,
    is_over: bool,
    waker: Option<Waker>,
}

/// Both ends of a new request.
pub(crate) fn request() -> (Done, Outcome) {
    let shared = Arc::new(Mutex::new(Shared::default()));
    (Done(Arc::clone(&shared)), Outcome(shared))
}

impl Done {
    pub(crate) fn add(&self, count: u64) {
        self.0.lock().count += count;
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        let mut shared = self.0.lock();
        shared.is_over = true;
        if let Some(waker) = shared.waker.take() {
            waker.wake();
        }
    }
}

impl Future for Outcome {
    type Output = u64;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<u64> {
        let mut shared = self.0.lock();
        if shared.is_over {
            return Poll::Ready(shared.count);
        }
        shared.waker = Some(context.waker().clone());
        Poll::Pending
    }
}
