//! What a client hears beyond the replies to its commands: subscriptions, invalidations, MONITOR.
//!
//! Part of its session, in a box that most clients never get. What others need to know of it is registered with the
//! server; [`Hearing::end`] takes it back.

use std::collections::BTreeSet;
use std::sync::Arc;

use thermocline_protocol::Protocol;

use super::Server;
use super::clients::ClientShared;
use super::pubsub::TopicKind;
use crate::command::table::CommandEntry;
use crate::command::{Failure, Flags};

/// What one client hears.
#[derive(Debug, Default)]
pub struct Hearing {
    topics: [BTreeSet<Box<[u8]>>; 3],
    /// `CLIENT TRACKING`, as far as only the client's own commands ask for it.
    pub tracking: Option<TrackingMode>,
    /// Whether MONITOR shows it all commands.
    pub is_monitor: bool,
}

/// How a client tracks the keys that it reads.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TrackingMode {
    /// It does not, but is told of all keys with these prefixes.
    pub prefixes: Option<BTreeSet<Box<[u8]>>>,
    /// Which commands are tracked.
    pub choice: Choice,
    /// The client that is told instead.
    pub redirect: Option<u64>,
    /// Whether it is not told of what it changes itself.
    pub no_loop: bool,
    /// CLIENT CACHING was run: the next command is the exception.
    pub is_exception: bool,
}

/// Which commands of a client are tracked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// All.
    #[default]
    All,
    /// Those behind CLIENT CACHING YES.
    OptIn,
    /// All but those behind CLIENT CACHING NO.
    OptOut,
}

impl TrackingMode {
    /// Whether the keys that the next command reads are to be remembered.
    fn remembers(&self) -> bool {
        self.prefixes.is_none()
            && match self.choice {
                Choice::All => true,
                Choice::OptIn => self.is_exception,
                Choice::OptOut => !self.is_exception,
            }
    }
}

impl Hearing {
    /// Subscribes the client, and tells how many channels and patterns, or shard channels, it is subscribed to then.
    pub fn subscribe(
        &mut self,
        server: &Server,
        client: &Arc<ClientShared>,
        kind: TopicKind,
        name: &[u8],
    ) -> usize {
        if self.topics[kind as usize].insert(name.into()) {
            client.note_subscriptions(self.counts());
            server.pubsub.subscribe(kind, name, client);
        }
        self.count(kind)
    }

    /// Ends a subscription, and tells how many are left, as [`Self::subscribe`] counts.
    pub fn unsubscribe(
        &mut self,
        server: &Server,
        client: &ClientShared,
        kind: TopicKind,
        name: &[u8],
    ) -> usize {
        if self.topics[kind as usize].remove(name) {
            server.pubsub.unsubscribe(kind, name, client.id);
            client.note_subscriptions(self.counts());
        }
        self.count(kind)
    }

    /// What the client is subscribed to, of one kind.
    pub fn names(&self, kind: TopicKind) -> Vec<Box<[u8]>> {
        self.topics[kind as usize].iter().cloned().collect()
    }

    /// How many subscriptions of a kind confirmations tell of.
    pub fn count(&self, kind: TopicKind) -> usize {
        let [channels, patterns, shard_channels] = self.counts();
        if kind == TopicKind::ShardChannel { shard_channels } else { channels + patterns }
    }

    fn counts(&self) -> [usize; 3] {
        self.topics.each_ref().map(BTreeSet::len)
    }

    /// Whether nothing is heard.
    pub fn is_empty(&self) -> bool {
        self.counts() == [0; 3] && self.tracking.is_none() && !self.is_monitor
    }

    /// Whether a client that hears this may run a command.
    ///
    /// # Errors
    /// It may not.
    pub(crate) fn check(&self, entry: &CommandEntry, protocol: Protocol) -> Result<(), Failure> {
        if self.is_monitor && works_on_keys(entry) {
            return Err(Failure::error("ERR Replica can't interact with the keyspace"));
        }
        if self.counts() != [0; 3] && protocol == Protocol::Resp2 && !is_for_subscribers(entry) {
            return Err(Failure::error(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in \
                 this context",
                entry.full_name
            )));
        }
        Ok(())
    }

    /// Whether the keys that a command reads now are to be remembered.
    pub(crate) fn remembers_reads(&self) -> bool {
        self.tracking.as_ref().is_some_and(TrackingMode::remembers)
    }

    /// A command or a transaction is over: what CLIENT CACHING said was for it, unless it is one of CLIENT's.
    pub(crate) fn note_command(&mut self, entry: &CommandEntry) {
        if let Some(tracking) = &mut self.tracking
            && !entry.full_name.starts_with("client|")
        {
            tracking.is_exception = false;
        }
    }

    /// Nothing is heard any more.
    pub fn end(&mut self, server: &Server, client: &ClientShared) {
        for kind in TopicKind::ALL {
            for name in std::mem::take(&mut self.topics[kind as usize]) {
                server.pubsub.unsubscribe(kind, &name, client.id);
            }
        }
        client.note_subscriptions([0; 3]);
        if self.tracking.take().is_some() {
            server.tracking.stop(client.id);
            server.observe_what_is_needed();
        }
        if std::mem::take(&mut self.is_monitor) {
            server.monitors.remove(client.id);
        }
    }
}

/// What Redis does not let a monitor do, which it treats as a replica.
fn works_on_keys(entry: &CommandEntry) -> bool {
    let writes_to_replicas = || {
        entry.command.group == "scripting" && !entry.full_name.starts_with("script")
            || matches!(entry.command.name, "publish" | "spublish" | "pfcount")
    };
    entry.has(Flags::WRITE) || entry.has(Flags::READONLY) || writes_to_replicas()
}

/// What a client of RESP2 may run while it is subscribed to something.
fn is_for_subscribers(entry: &CommandEntry) -> bool {
    entry.subscribes() || matches!(entry.command.name, "ping" | "quit" | "reset")
}
