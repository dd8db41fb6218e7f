//! Key space notifications: which are wanted, and their way to subscribers.
//!
//! Handlers tell what they did to a key, by [`KeyContext::notify`](crate::command::KeyContext::notify). What no handler
//! does, because it happens to keys on their own or in every command, comes from the engine: keys that expire, are
//! evicted, appear, or are missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use thermocline_engine::Change;

use super::pubsub::PubSub;

/// The classes of `notify-keyspace-events`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventClass(pub u32);

impl EventClass {
    /// `K`: events are published to `__keyspace@<database>__:<key>`.
    const KEYSPACE: Self = Self(1);
    /// `E`: events are published to `__keyevent@<database>__:<event>`.
    const KEYEVENT: Self = Self(1 << 1);
    /// `g`: commands that are not of one type, such as DEL and EXPIRE.
    pub const GENERIC: Self = Self(1 << 2);
    /// `$`: strings.
    pub const STRING: Self = Self(1 << 3);
    /// `l`: lists.
    pub const LIST: Self = Self(1 << 4);
    /// `s`: sets.
    pub const SET: Self = Self(1 << 5);
    /// `h`: hashes.
    pub const HASH: Self = Self(1 << 6);
    /// `z`: sorted sets.
    pub const SORTED_SET: Self = Self(1 << 7);
    /// `x`: keys that expired.
    pub const EXPIRED: Self = Self(1 << 8);
    /// `e`: keys that were evicted.
    pub const EVICTED: Self = Self(1 << 9);
    /// `t`: streams.
    pub const STREAM: Self = Self(1 << 10);
    /// `m`: keys that were looked for and not there.
    pub const KEY_MISS: Self = Self(1 << 11);
    /// `d`: modules' types, of which there are none.
    const MODULE: Self = Self(1 << 13);
    /// `n`: new keys.
    pub const NEW: Self = Self(1 << 14);

    const NONE: Self = Self(0);

    const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The letters of `notify-keyspace-events`, in the order in which CONFIG GET shows them.
const LETTERS: [(char, EventClass); 14] = [
    ('g', EventClass::GENERIC),
    ('$', EventClass::STRING),
    ('l', EventClass::LIST),
    ('s', EventClass::SET),
    ('h', EventClass::HASH),
    ('z', EventClass::SORTED_SET),
    ('x', EventClass::EXPIRED),
    ('e', EventClass::EVICTED),
    ('t', EventClass::STREAM),
    ('d', EventClass::MODULE),
    ('n', EventClass::NEW),
    ('K', EventClass::KEYSPACE),
    ('E', EventClass::KEYEVENT),
    ('m', EventClass::KEY_MISS),
];

/// What the letter `A` stands for: the first ten of [`LETTERS`].
const ALL_LETTERS: usize = 10;

/// What the engine tells of.
const BY_ENGINE: EventClass =
    EventClass::EXPIRED.with(EventClass::EVICTED).with(EventClass::NEW).with(EventClass::KEY_MISS);

/// The classes that the letters of `notify-keyspace-events` stand for; `None` where one stands for nothing.
pub fn parse_classes(letters: &str) -> Option<EventClass> {
    let mut classes = EventClass::NONE;
    for letter in letters.chars() {
        classes = match LETTERS.iter().find(|(known, _)| *known == letter) {
            Some((_, class)) => classes.with(*class),
            None if letter == 'A' => classes.with(all()),
            None => return None,
        };
    }
    Some(classes)
}

/// The letters of some classes in their usual order, as short as possible.
pub fn show_classes(classes: EventClass) -> String {
    let is_set = |class: EventClass| classes.has_any(class);
    let are_all_set = LETTERS[..ALL_LETTERS].iter().all(|(_, class)| is_set(*class));
    let shown = LETTERS
        .iter()
        .enumerate()
        .filter(|(at, (_, class))| is_set(*class) && !(are_all_set && *at < ALL_LETTERS));
    are_all_set.then_some('A').into_iter().chain(shown.map(|(_, (letter, _))| *letter)).collect()
}

fn all() -> EventClass {
    LETTERS[..ALL_LETTERS].iter().fold(EventClass::NONE, |all, (_, class)| all.with(*class))
}

/// Who listens to events.
pub struct Events {
    /// None where events would be published nowhere.
    classes: AtomicU32,
    pubsub: Arc<PubSub>,
}

impl Events {
    /// Nobody listens yet.
    pub fn new(pubsub: Arc<PubSub>) -> Self {
        Self { classes: AtomicU32::new(0), pubsub }
    }

    /// From now on events of these classes are published, and no others.
    pub fn listen_to(&self, classes: EventClass) {
        let goes_anywhere = classes.has_any(EventClass::KEYSPACE.with(EventClass::KEYEVENT));
        self.classes.store(if goes_anywhere { classes.0 } else { 0 }, Ordering::Relaxed);
    }

    /// Whether anybody wants events of this class.
    #[inline]
    pub fn listens_to(&self, class: EventClass) -> bool {
        self.classes().has_any(class)
    }

    /// Whether the engine has to tell of all changes.
    pub fn needs_all_changes(&self) -> bool {
        self.listens_to(BY_ENGINE)
    }

    /// Tells those who listen.
    #[cold]
    pub fn emit(&self, class: EventClass, event: &str, key: &[u8], database: usize) {
        let classes = self.classes();
        if !classes.has_any(class) {
            return;
        }
        let mut channel = Vec::new();
        if classes.has_any(EventClass::KEYSPACE) {
            channel.extend_from_slice(format!("__keyspace@{database}__:").as_bytes());
            channel.extend_from_slice(key);
            self.pubsub.publish(&channel, event.as_bytes());
        }
        if classes.has_any(EventClass::KEYEVENT) {
            let channel = format!("__keyevent@{database}__:{event}");
            self.pubsub.publish(channel.as_bytes(), key);
        }
    }

    /// The engine tells of a change.
    pub(super) fn changed(&self, database: usize, key: &[u8], change: Change) {
        match change {
            Change::Created | Change::Appeared => self.emit(EventClass::NEW, "new", key, database),
            Change::Expired => self.emit(EventClass::EXPIRED, "expired", key, database),
            Change::Evicted => self.emit(EventClass::EVICTED, "evicted", key, database),
            // The commands tell what they did.
            Change::Written | Change::Removed => {}
        }
    }

    /// The engine tells that a command looked for a key which is not there.
    pub(super) fn missed(&self, database: usize, key: &[u8]) {
        self.emit(EventClass::KEY_MISS, "keymiss", key, database);
    }

    fn classes(&self) -> EventClass {
        EventClass(self.classes.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::server::clients::ClientShared;
    use crate::server::courier::Courier;
    use crate::server::pubsub::TopicKind;
    use thermocline_engine::{ManualClock, UnixMillis};

    #[test]
    fn letters_come_back_in_order_and_as_short_as_possible() {
        for (letters, shown) in [
            ("", ""),
            ("KEA", "AKE"),
            ("zE", "zE"),
            ("Ez", "zE"),
            ("mn", "nm"),
            ("g$lshzxetdKE", "AKE"),
            ("g$lshzxetKE", "g$lshzxetKE"),
            ("AnKEm", "AnKEm"),
        ] {
            let classes = parse_classes(letters).expect("known letters");
            assert_eq!(show_classes(classes), shown, "{letters}");
        }
        assert!(parse_classes("KEq").is_none() && parse_classes("K E").is_none());
    }

    fn heard(letters: &str, emit: impl Fn(&Events)) -> String {
        let clock = Arc::new(ManualClock::at(UnixMillis(0)));
        let pubsub = Arc::new(PubSub::new(Arc::new(Courier::new(Arc::new(Config::new()), clock))));
        let events = Events::new(Arc::clone(&pubsub));
        let client = Arc::new(ClientShared::new(1, UnixMillis(0), None));
        pubsub.subscribe(TopicKind::Pattern, b"__key*", &client);
        events.listen_to(parse_classes(letters).expect("known letters"));
        emit(&events);
        let mut bytes = Vec::new();
        client.take_messages(&mut bytes);
        let text = String::from_utf8(bytes).expect("text");
        let words = text.split("\r\n").filter(|word| !word.starts_with(['*', '$']) && !word.is_empty());
        words.filter(|word| !matches!(*word, "pmessage" | "__key*")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn an_event_goes_to_the_key_and_to_the_event() {
        let emit = |events: &Events| events.emit(EventClass::LIST, "lpush", b"k", 3);
        assert_eq!(heard("KEl", emit), "__keyspace@3__:k lpush __keyevent@3__:lpush k");
        assert_eq!(heard("Kl", emit), "__keyspace@3__:k lpush");
        assert_eq!(heard("EA", emit), "__keyevent@3__:lpush k");
        for letters in ["l", "KEs", "", "KEnm"] {
            assert_eq!(heard(letters, emit), "", "{letters}");
        }
    }

    #[test]
    fn only_some_changes_are_events_by_themselves() {
        let emit = |events: &Events| {
            for change in
                [Change::Created, Change::Written, Change::Removed, Change::Expired, Change::Evicted]
            {
                events.changed(0, b"k", change);
            }
            events.missed(0, b"x");
        };
        let shown = "__keyevent@0__:new k __keyevent@0__:expired k __keyevent@0__:evicted k \
                     __keyevent@0__:keymiss x";
        assert_eq!(heard("EAnm", emit), shown);
        assert_eq!(heard("Ex", emit), "__keyevent@0__:expired k");
    }
}
