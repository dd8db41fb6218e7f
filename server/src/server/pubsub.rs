//! Who is subscribed to what, and how messages get there.
//!
//! A channel, a pattern or a shard channel that somebody is subscribed to is a topic. A message is encoded once for each
//! version of the protocol and shared by all who get it. While it is handed to a topic's subscribers only that topic is
//! locked, so ten thousand of them hold up nobody but who publishes to, joins or leaves the same topic.
//!
//! **Invariant:** all subscribers of a topic get its messages in one order.
//!
//! **Invariant:** when [`PubSub::unsubscribe`] returns, the client gets no further message of the topic.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use smallvec::SmallVec;
use thermocline_protocol::ReplyEncoder;

use super::clients::ClientShared;
use super::courier::{Courier, Letter};
use crate::command::generic::glob::{self, Case};

/// What a client subscribes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TopicKind {
    /// A channel: SUBSCRIBE.
    Channel = 0,
    /// All channels that a pattern matches: PSUBSCRIBE.
    Pattern = 1,
    /// A shard channel, which has nothing to do with the channel of the same name: SSUBSCRIBE.
    ShardChannel = 2,
}

impl TopicKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Channel, Self::Pattern, Self::ShardChannel];
}

/// All topics.
pub struct PubSub {
    courier: Arc<Courier>,
    topics: [RwLock<Topics>; 3],
}

type Topics = HashMap<Box<[u8]>, Arc<Topic>>;

/// The subscribers of one topic. Its own lock is taken after that of the topics, never before.
#[derive(Debug, Default)]
struct Topic(Mutex<Subscribers>);

#[derive(Debug, Default)]
struct Subscribers {
    by_id: BTreeMap<u64, Arc<ClientShared>>,
    /// It had no subscribers any more and was forgotten: who finds it looks again.
    is_forgotten: bool,
}

impl PubSub {
    /// Nobody is subscribed to anything.
    pub fn new(courier: Arc<Courier>) -> Self {
        Self { courier, topics: Default::default() }
    }

    /// Subscribes a client; nothing changes where it is already.
    pub fn subscribe(&self, kind: TopicKind, name: &[u8], client: &Arc<ClientShared>) {
        loop {
            let topic = self
                .find(kind, name)
                .unwrap_or_else(|| Arc::clone(self.topics(kind).write().entry(name.into()).or_default()));
            let mut subscribers = topic.0.lock();
            if !subscribers.is_forgotten {
                subscribers.by_id.insert(client.id, Arc::clone(client));
                return;
            }
        }
    }

    /// Ends a client's subscription. A message that is being published meanwhile is delivered before this returns.
    pub fn unsubscribe(&self, kind: TopicKind, name: &[u8], client_id: u64) {
        let Some(topic) = self.find(kind, name) else { return };
        let is_empty = {
            let mut subscribers = topic.0.lock();
            subscribers.by_id.remove(&client_id);
            subscribers.by_id.is_empty()
        };
        if is_empty {
            let mut topics = self.topics(kind).write();
            let mut subscribers = topic.0.lock();
            if subscribers.by_id.is_empty() && !subscribers.is_forgotten {
                subscribers.is_forgotten = true;
                topics.remove(name);
            }
        }
    }

    /// Sends a message to all who are subscribed to the channel or to a pattern that matches it. Returns how many
    /// subscriptions that were.
    pub fn publish(&self, channel: &[u8], message: &[u8]) -> usize {
        self.publish_to_channel(channel, message) + self.publish_to_patterns(channel, message)
    }

    fn publish_to_channel(&self, channel: &[u8], message: &[u8]) -> usize {
        let Some(topic) = self.find(TopicKind::Channel, channel) else { return 0 };
        topic.deliver(
            &self.courier,
            &Letter::new(|reply| {
                reply.push(3);
                [&b"message"[..], channel, message].into_iter().for_each(|part| reply.bulk(part));
            }),
        )
    }

    fn publish_to_patterns(&self, channel: &[u8], message: &[u8]) -> usize {
        let mut matching = SmallVec::<[(Box<[u8]>, Arc<Topic>); 4]>::new();
        for (pattern, topic) in &*self.topics(TopicKind::Pattern).read() {
            if glob::matches(pattern, channel, Case::Sensitive) {
                matching.push((pattern.clone(), Arc::clone(topic)));
            }
        }
        let mut receivers = 0;
        for (pattern, topic) in matching {
            let letter = Letter::new(|reply| {
                reply.push(4);
                [&b"pmessage"[..], &pattern, channel, message].into_iter().for_each(|part| reply.bulk(part));
            });
            receivers += topic.deliver(&self.courier, &letter);
        }
        receivers
    }

    /// Sends a message to all who are subscribed to the shard channel. Returns how many they are.
    pub fn publish_to_shard(&self, channel: &[u8], message: &[u8]) -> usize {
        let Some(topic) = self.find(TopicKind::ShardChannel, channel) else { return 0 };
        topic.deliver(
            &self.courier,
            &Letter::new(|reply| {
                reply.push(3);
                [&b"smessage"[..], channel, message].into_iter().for_each(|part| reply.bulk(part));
            }),
        )
    }

    /// The clients who are subscribed to something that this is false of.
    pub fn subscribers_unless(
        &self,
        may: impl Fn(&ClientShared, TopicKind, &[u8]) -> bool,
    ) -> Vec<Arc<ClientShared>> {
        let mut found = BTreeMap::new();
        for kind in TopicKind::ALL {
            for (name, topic) in self.topics(kind).read().iter() {
                let subscribers = topic.0.lock();
                let others = subscribers.by_id.values().filter(|client| !may(client, kind, name));
                found.extend(others.map(|client| (client.id, Arc::clone(client))));
            }
        }
        found.into_values().collect()
    }

    /// How many topics of a kind somebody is subscribed to.
    pub fn topic_count(&self, kind: TopicKind) -> usize {
        self.topics(kind).read().len()
    }

    /// The topics of a kind, those that a pattern matches where one is given.
    pub fn names(&self, kind: TopicKind, pattern: Option<&[u8]>) -> Vec<Box<[u8]>> {
        let is_wanted =
            |name: &[u8]| pattern.is_none_or(|pattern| glob::matches(pattern, name, Case::Sensitive));
        let topics = self.topics(kind).read();
        topics.keys().filter(|name| is_wanted(name)).cloned().collect()
    }

    /// How many clients are subscribed to a topic.
    pub fn subscriber_count(&self, kind: TopicKind, name: &[u8]) -> usize {
        self.find(kind, name).map_or(0, |topic| topic.0.lock().by_id.len())
    }

    fn topics(&self, kind: TopicKind) -> &RwLock<Topics> {
        &self.topics[kind as usize]
    }

    fn find(&self, kind: TopicKind, name: &[u8]) -> Option<Arc<Topic>> {
        self.topics(kind).read().get(name).cloned()
    }
}

impl Topic {
    /// Returns how many subscribers there are.
    fn deliver<F: Fn(&mut ReplyEncoder<'_>)>(&self, courier: &Courier, letter: &Letter<F>) -> usize {
        let round = courier.begin();
        let subscribers = self.0.lock();
        subscribers.by_id.values().for_each(|client| round.deliver(client, letter.for_client(client)));
        subscribers.by_id.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use thermocline_engine::{ManualClock, UnixMillis};

    fn pubsub(limits: &str) -> (Arc<Courier>, PubSub) {
        let config = Config::new();
        config.set(&[("client-output-buffer-limit", limits)], false).expect("limits");
        let courier = Arc::new(Courier::new(Arc::new(config), Arc::new(ManualClock::at(UnixMillis(0)))));
        (Arc::clone(&courier), PubSub::new(courier))
    }

    fn client(id: u64) -> Arc<ClientShared> {
        Arc::new(ClientShared::new(id, UnixMillis(0), None))
    }

    fn taken(client: &ClientShared) -> String {
        let mut bytes = Vec::new();
        client.take_messages(&mut bytes);
        String::from_utf8(bytes).expect("text").replace("\r\n", " ")
    }

    #[test]
    fn a_message_reaches_channels_and_patterns_and_is_counted_for_each() {
        let (_, pubsub) = pubsub("");
        let (one, two) = (client(1), client(2));
        pubsub.subscribe(TopicKind::Channel, b"news", &one);
        pubsub.subscribe(TopicKind::Pattern, b"n*", &one);
        pubsub.subscribe(TopicKind::Pattern, b"x*", &one);
        pubsub.subscribe(TopicKind::Channel, b"news", &two);
        pubsub.subscribe(TopicKind::Channel, b"news", &two);
        assert_eq!(pubsub.publish(b"news", b"hi"), 3);
        let message = "*3 $7 message $4 news $2 hi ";
        assert_eq!(taken(&one), format!("{message}*4 $8 pmessage $2 n* $4 news $2 hi "));
        assert_eq!(taken(&two), message);
        assert_eq!(pubsub.publish(b"other", b"hi"), 0);
    }

    #[test]
    fn shard_channels_are_apart() {
        let (_, pubsub) = pubsub("");
        let client = client(1);
        pubsub.subscribe(TopicKind::ShardChannel, b"a", &client);
        assert_eq!((pubsub.publish(b"a", b"x"), pubsub.publish_to_shard(b"a", b"x")), (0, 1));
        assert_eq!(taken(&client), "*3 $8 smessage $1 a $1 x ");
    }

    #[test]
    fn each_client_gets_its_version_of_the_protocol() {
        let (_, pubsub) = pubsub("");
        let (old, new) = (client(1), client(2));
        new.note_session(0, 3, super::super::clients::ClientFlags::NONE);
        for client in [&old, &new] {
            pubsub.subscribe(TopicKind::Channel, b"a", client);
        }
        pubsub.publish(b"a", b"x");
        assert_eq!(taken(&old), "*3 $7 message $1 a $1 x ");
        assert_eq!(taken(&new), ">3 $7 message $1 a $1 x ");
    }

    #[test]
    fn a_topic_is_there_as_long_as_it_has_subscribers() {
        let (_, pubsub) = pubsub("");
        for id in [1, 2] {
            pubsub.subscribe(TopicKind::Channel, b"a", &client(id));
        }
        assert_eq!(pubsub.subscriber_count(TopicKind::Channel, b"a"), 2);
        pubsub.unsubscribe(TopicKind::Channel, b"a", 1);
        pubsub.unsubscribe(TopicKind::Channel, b"a", 1);
        assert_eq!(pubsub.names(TopicKind::Channel, None), [Box::from(&b"a"[..])]);
        assert_eq!(pubsub.names(TopicKind::Channel, Some(b"b*")).len(), 0);
        pubsub.unsubscribe(TopicKind::Channel, b"a", 2);
        assert_eq!((pubsub.topic_count(TopicKind::Channel), pubsub.publish(b"a", b"x")), (0, 0));
    }

    #[test]
    fn a_subscriber_that_does_not_read_is_closed_and_counted_once() {
        let (courier, pubsub) = pubsub("pubsub 100 0 0");
        let client = client(1);
        pubsub.subscribe(TopicKind::Channel, b"a", &client);
        for _ in 0..10 {
            assert_eq!(pubsub.publish(b"a", b"0123456789"), 1);
        }
        assert_eq!((courier.closings(), taken(&client)), (1, String::new()));
    }

    #[test]
    fn joining_leaving_and_publishing_at_once_loses_nothing() {
        const ROUNDS: usize = 2_000;
        let (_, pubsub) = pubsub("pubsub 0 0 0");
        let constant = client(0);
        pubsub.subscribe(TopicKind::Channel, b"other", &constant);
        std::thread::scope(|scope| {
            for id in 1..=2 {
                let pubsub = &pubsub;
                scope.spawn(move || {
                    let client = client(id);
                    for _ in 0..ROUNDS {
                        pubsub.subscribe(TopicKind::Channel, b"a", &client);
                        assert!(pubsub.publish(b"a", b"x") >= 1);
                        pubsub.unsubscribe(TopicKind::Channel, b"a", id);
                        taken(&client);
                        assert_eq!(pubsub.subscriber_count(TopicKind::Channel, b"other"), 1);
                        assert_eq!(taken(&client), "");
                    }
                });
            }
        });
        assert_eq!(pubsub.topic_count(TopicKind::Channel), 1);
    }
}
