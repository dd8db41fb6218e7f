//! Delivers messages that are no replies to clients, in each client's version of the protocol.

use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use thermocline_engine::{Clock, UnixMillis};
use thermocline_protocol::{Protocol, ReplyEncoder};

use super::clients::{ClientShared, Clients};
use super::outbox::Message;
use crate::config::{ClientClass, Config, OutputLimit};

/// Knows the limits that messages to clients are subject to, and what became of those who exceeded them.
pub struct Courier {
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    closings: AtomicU64,
}

impl Courier {
    /// Limits are as this configuration says at each delivery.
    pub fn new(config: Arc<Config>, clock: Arc<dyn Clock>) -> Self {
        Self { config, clock, closings: AtomicU64::new(0) }
    }

    /// Begins a delivery: the limits and the time are looked up once for all who get a message.
    ///
    /// Redis holds messages to others than subscribers, such as MONITOR's, to the limits of normal clients, which by
    /// default have none. Here a client that does not read must not take all memory.
    pub fn begin(&self) -> Round<'_> {
        let limit = self.config.output_limit(ClientClass::Subscriber);
        Round { courier: self, limit, now: self.clock.now() }
    }

    /// Closes those who have left too many messages unread for too long, though they get no more.
    pub fn enforce_limits(&self, clients: &Clients) {
        let round = self.begin();
        if round.limit.soft_bytes > 0 {
            for client in clients.all() {
                if client.enforce_output_limit(round.limit, round.now) {
                    self.closings.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// How many clients were closed because they left too many messages unread.
    pub fn closings(&self) -> u64 {
        self.closings.load(Ordering::Relaxed)
    }

    /// Starts counting anew.
    pub fn reset(&self) {
        self.closings.store(0, Ordering::Relaxed);
    }
}

/// A delivery to several clients.
pub struct Round<'a> {
    courier: &'a Courier,
    limit: OutputLimit,
    now: UnixMillis,
}

impl Round<'_> {
    /// Delivers a message to one client.
    pub fn deliver(&self, client: &ClientShared, message: &Message) {
        if !client.deliver(message, self.limit, self.now) {
            self.courier.closings.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A message that is encoded when the first client needs it, once for each version of the protocol.
pub struct Letter<F> {
    write: F,
    resp2: OnceCell<Message>,
    resp3: OnceCell<Message>,
}

impl<F: Fn(&mut ReplyEncoder<'_>)> Letter<F> {
    /// A message that `write` encodes.
    pub fn new(write: F) -> Self {
        Self { write, resp2: OnceCell::new(), resp3: OnceCell::new() }
    }

    /// The message as this client reads it.
    pub fn for_client(&self, client: &ClientShared) -> &Message {
        let (cell, protocol) = match client.resp() {
            3 => (&self.resp3, Protocol::Resp3),
            _ => (&self.resp2, Protocol::Resp2),
        };
        cell.get_or_init(|| {
            let mut bytes = Vec::new();
            (self.write)(&mut ReplyEncoder::new(&mut bytes, protocol));
            bytes.into()
        })
    }
}
