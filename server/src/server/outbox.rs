//! Messages to a client that are no replies: published ones, invalidations, what MONITOR shows.
//!
//! Any thread posts; the client's own thread takes them all when its task is told, and sends them. Until then they are
//! shared, not copied: ten thousand subscribers of a channel wait for one message.
//!
//! **Invariant:** a client whose messages exceed its `client-output-buffer-limit` gets no more of them: it is closed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use thermocline_engine::UnixMillis;

use crate::config::OutputLimit;

/// A message, encoded for the protocol of those who get it.
pub type Message = Arc<[u8]>;

/// The messages that wait for one client. Most clients never get one, so it is two words.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    is_waiting: AtomicBool,
    queue: Mutex<Option<Box<Queue>>>,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Message>,
    bytes: usize,
    /// Since when they have been above the soft limit.
    above_soft_limit_since: Option<UnixMillis>,
    is_over: bool,
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Posted {
    /// Nothing waited before it: the client's task has to be told.
    pub(super) is_first: bool,
    /// The client leaves too much unread.
    pub(super) exceeds_limit: bool,
    /// It did not before.
    pub(super) is_news: bool,
}

impl Outbox {
    pub(super) fn post(&self, message: &Message, limit: OutputLimit, now: UnixMillis) -> Posted {
        let mut queue = self.queue.lock();
        let queue = queue.get_or_insert_default();
        if queue.is_over {
            return Posted { is_first: false, exceeds_limit: true, is_news: false };
        }
        queue.bytes += message.len();
        if queue.exceeds(limit, now) {
            queue.is_over = true;
            queue.messages = VecDeque::new();
            return Posted { is_first: false, exceeds_limit: true, is_news: true };
        }
        queue.messages.push_back(Arc::clone(message));
        let is_first = queue.messages.len() == 1;
        self.is_waiting.store(true, Ordering::Release);
        Posted { is_first, exceeds_limit: false, is_news: false }
    }

    /// Gives up what is unread where that is more than `limit` allows, or for longer; true where it did.
    pub(super) fn enforce(&self, limit: OutputLimit, now: UnixMillis) -> bool {
        let mut queue = self.queue.lock();
        let Some(queue) = queue.as_mut().filter(|queue| !queue.is_over) else { return false };
        if queue.exceeds(limit, now) {
            queue.is_over = true;
            queue.messages = VecDeque::new();
        }
        queue.is_over
    }

    pub(super) fn take(&self, output: &mut Vec<u8>) {
        let mut queue = self.queue.lock();
        self.is_waiting.store(false, Ordering::Relaxed);
        let Some(queue) = queue.as_mut().filter(|queue| !queue.is_over) else { return };
        output.reserve(queue.bytes);
        for message in queue.messages.drain(..) {
            output.extend_from_slice(&message);
        }
        queue.bytes = 0;
        queue.above_soft_limit_since = None;
    }

    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        self.is_waiting.load(Ordering::Acquire)
    }

    pub(super) fn bytes(&self) -> usize {
        self.queue.lock().as_ref().map_or(0, |queue| queue.bytes)
    }
}

impl Queue {
    fn exceeds(&mut self, limit: OutputLimit, now: UnixMillis) -> bool {
        let is_above = |limit_bytes: u64| limit_bytes > 0 && self.bytes as u64 >= limit_bytes;
        if is_above(limit.hard_bytes) {
            return true;
        }
        if !is_above(limit.soft_bytes) {
            self.above_soft_limit_since = None;
            return false;
        }
        let since = *self.above_soft_limit_since.get_or_insert(now);
        now.0.saturating_sub(since.0) > limit.soft_seconds.saturating_mul(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LIMIT: OutputLimit = OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 };

    fn message(text: &str) -> Message {
        text.as_bytes().into()
    }

    #[test]
    fn messages_come_out_in_order_and_only_the_first_needs_a_word() {
        let outbox = Outbox::default();
        assert!(!outbox.is_waiting());
        let posts = ["a", "bc"].map(|text| outbox.post(&message(text), NO_LIMIT, UnixMillis(0)).is_first);
        assert_eq!(posts, [true, false]);
        assert!(outbox.is_waiting());
        let mut output = b"x".to_vec();
        outbox.take(&mut output);
        assert_eq!((output.as_slice(), outbox.bytes(), outbox.is_waiting()), (&b"xabc"[..], 0, false));
        assert!(outbox.post(&message("d"), NO_LIMIT, UnixMillis(0)).is_first);
    }

    #[test]
    fn a_client_above_the_hard_limit_gets_nothing_more() {
        let outbox = Outbox::default();
        let limit = OutputLimit { hard_bytes: 5, ..NO_LIMIT };
        assert!(!outbox.post(&message("1234"), limit, UnixMillis(0)).exceeds_limit);
        let over = outbox.post(&message("5"), limit, UnixMillis(0));
        assert!(over.exceeds_limit && over.is_news);
        let mut output = Vec::new();
        outbox.take(&mut output);
        assert!(output.is_empty());
        let over = outbox.post(&message("6"), limit, UnixMillis(0));
        assert!(over.exceeds_limit && !over.is_news);
    }

    #[test]
    fn the_soft_limit_gives_some_seconds() {
        let outbox = Outbox::default();
        let limit = OutputLimit { soft_bytes: 2, soft_seconds: 3, ..NO_LIMIT };
        let exceeds = |at_ms| outbox.post(&message("x"), limit, UnixMillis(at_ms)).exceeds_limit;
        assert!(!exceeds(0) && !exceeds(1000) && !exceeds(4000));
        assert!(exceeds(4001));
    }
}
