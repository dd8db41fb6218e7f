//! Client-side caching: which clients keep copies of which keys, and that they hear when these change.
//!
//! By default a client is told of the keys that it has read, each once: the table remembers who has read what since it
//! changed last. In broadcasting mode it is told of all keys with certain prefixes, and nothing is remembered. As in
//! Redis, a key's database does not matter.
//!
//! A key is remembered while its shard is locked, right after it was read; the engine tells of its change under the same
//! lock. So a client that has an old value is always told. Moves between the tiers are no changes.
//!
//! **Invariant:** what a client changes itself it hears of behind the reply to its command: the message waits in its
//! outbox, like any other.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use indexmap::IndexMap;
use parking_lot::{Mutex, RwLock};
use smallvec::SmallVec;
use thermocline_protocol::{Protocol, ReplyEncoder};

use super::clients::{ClientShared, Clients};
use super::courier::{Courier, Letter, Round};

/// Locks of the table. Every write looks into it while anybody tracks.
const STRIPES: usize = 16;

/// A thread's changes are broadcast when there are so many of them, though its batch goes on.
const BROADCAST_KEYS_MAX: usize = 1024;

/// The channel by which clients of RESP2 are told.
const CHANNEL: &[u8] = b"__redis__:invalidate";

thread_local! {
    /// Whose commands this thread runs: 0 for nobody's.
    static CURRENT_CLIENT: Cell<u64> = const { Cell::new(0) };
    /// Keys that the current client has changed since the last broadcast.
    static CHANGED: RefCell<BTreeSet<Box<[u8]>>> = const { RefCell::new(BTreeSet::new()) };
}

/// All clients that track, and what they have read.
pub struct Tracking {
    courier: Arc<Courier>,
    clients: Arc<Clients>,
    count: AtomicUsize,
    trackers: RwLock<HashMap<u64, Arc<Tracker>>>,
    prefixes: RwLock<Prefixes>,
    table: Table,
}

/// Who is told of keys with a prefix, by client.
type Prefixes = BTreeMap<Box<[u8]>, BTreeMap<u64, Arc<Tracker>>>;

/// What a client that tracks wants.
#[derive(Debug)]
pub struct Tracker {
    /// The client.
    pub client: Arc<ClientShared>,
    /// The client that is told instead.
    pub redirect: Option<u64>,
    /// Whether it is told of all keys with its prefixes.
    pub broadcasts: bool,
    /// Whether it is not told of what it changes itself.
    pub no_loop: bool,
    is_broken: AtomicBool,
}

impl Tracker {
    /// A client's wishes.
    pub fn new(client: Arc<ClientShared>, redirect: Option<u64>, broadcasts: bool, no_loop: bool) -> Self {
        Self { client, redirect, broadcasts, no_loop, is_broken: AtomicBool::new(false) }
    }

    /// Whether it is not told of what this client changes.
    fn ignores(&self, client_id: u64) -> bool {
        self.no_loop && self.client.id == client_id
    }

    /// Whether the client that is to be told instead was gone when there was something to tell.
    pub fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed)
    }
}

/// Says whose commands this thread runs from now on.
#[inline]
pub(crate) fn set_current_client(id: u64) {
    CURRENT_CLIENT.set(id);
}

impl Tracking {
    /// Nobody tracks anything.
    pub fn new(courier: Arc<Courier>, clients: Arc<Clients>) -> Self {
        Self {
            courier,
            clients,
            count: AtomicUsize::new(0),
            trackers: RwLock::default(),
            prefixes: RwLock::default(),
            table: Table::default(),
        }
    }

    /// A client tracks from now on, or in another way than before. `prefixes` are added to those that it has.
    pub fn start(&self, tracker: Tracker, prefixes: &BTreeSet<Box<[u8]>>) {
        let tracker = Arc::new(tracker);
        let id = tracker.client.id;
        if tracker.broadcasts {
            let mut all = self.prefixes.write();
            for prefix in prefixes {
                all.entry(prefix.clone()).or_default().insert(id, Arc::clone(&tracker));
            }
        }
        let mut trackers = self.trackers.write();
        trackers.insert(id, tracker);
        self.count.store(trackers.len(), Ordering::Relaxed);
    }

    /// A client tracks no more.
    pub fn stop(&self, client_id: u64) {
        let mut trackers = self.trackers.write();
        let Some(tracker) = trackers.remove(&client_id) else { return };
        self.count.store(trackers.len(), Ordering::Relaxed);
        let is_last = trackers.is_empty();
        drop(trackers);
        if tracker.broadcasts {
            self.prefixes.write().retain(|_, clients| {
                clients.remove(&client_id);
                !clients.is_empty()
            });
        }
        if is_last {
            self.table.clear();
        }
    }

    /// How many clients track.
    #[inline]
    pub fn client_count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// What a client wants, if it tracks.
    pub fn tracker(&self, client_id: u64) -> Option<Arc<Tracker>> {
        if self.client_count() == 0 {
            return None;
        }
        self.trackers.read().get(&client_id).cloned()
    }

    /// How many keys are remembered, and how many pairs of a key and a client.
    pub fn table_size(&self) -> (usize, usize) {
        self.table.size()
    }

    /// How many prefixes are broadcast.
    pub fn prefix_count(&self) -> usize {
        self.prefixes.read().len()
    }

    /// A client has read a key, whose shard is still locked.
    pub fn remember(&self, client_id: u64, key: &[u8]) {
        self.table.add(key, client_id);
    }

    /// Forgets keys until there are no more than `keys_max`, 0 for any number. Who has read one is told as if it had
    /// changed.
    pub fn shrink_to(&self, keys_max: usize) {
        while keys_max > 0 && self.table.key_count.load(Ordering::Relaxed) > keys_max {
            let Some((key, readers)) = self.table.remove_any() else { return };
            self.tell_readers(&key, &readers, 0);
        }
    }

    /// A key has changed.
    #[inline]
    pub(super) fn changed(&self, key: &[u8]) {
        if self.client_count() > 0 {
            self.key_changed(key);
        }
    }

    #[cold]
    fn key_changed(&self, key: &[u8]) {
        let current = CURRENT_CLIENT.get();
        if let Some(readers) = self.table.remove(key) {
            self.tell_readers(key, &readers, current);
        }
        if self.prefixes.read().is_empty() {
            return;
        }
        let count = CHANGED.with_borrow_mut(|changed| {
            if !changed.contains(key) {
                changed.insert(key.into());
            }
            changed.len()
        });
        // Nobody else tells of what happens outside of commands.
        if current == 0 || count >= BROADCAST_KEYS_MAX {
            self.broadcast();
        }
    }

    fn tell_readers(&self, key: &[u8], readers: &[u64], current: u64) {
        let round = self.courier.begin();
        let trackers = self.trackers.read();
        for tracker in readers.iter().filter_map(|id| trackers.get(id)) {
            if !tracker.broadcasts && !tracker.ignores(current) {
                self.tell(&round, tracker, &Letter::new(invalidation(Some([key]))));
            }
        }
    }

    /// A batch is over: tells of what its client has changed, those who are told of prefixes.
    #[inline]
    pub(crate) fn end_batch(&self) {
        if self.client_count() > 0 {
            self.broadcast();
        }
    }

    #[cold]
    fn broadcast(&self) {
        let changed = CHANGED.take();
        if changed.is_empty() {
            return;
        }
        let current = CURRENT_CLIENT.get();
        let round = self.courier.begin();
        for (prefix, trackers) in &*self.prefixes.read() {
            let keys: Vec<&[u8]> =
                changed.iter().map(|key| &**key).filter(|key| key.starts_with(prefix)).collect();
            if keys.is_empty() {
                continue;
            }
            let letter = Letter::new(invalidation(Some(&keys)));
            for tracker in trackers.values() {
                if !tracker.ignores(current) {
                    self.tell(&round, tracker, &letter);
                }
            }
        }
    }

    /// Databases were emptied: all copies of all clients are outdated.
    pub fn flushed(&self) {
        if self.client_count() == 0 {
            return;
        }
        self.table.clear();
        let round = self.courier.begin();
        let letter = Letter::new(invalidation(None::<[&[u8]; 0]>));
        self.trackers.read().values().for_each(|tracker| self.tell(&round, tracker, &letter));
    }

    fn tell<F: Fn(&mut ReplyEncoder<'_>)>(&self, round: &Round<'_>, tracker: &Tracker, letter: &Letter<F>) {
        let client = match tracker.redirect.map(|id| (id, self.clients.get(id))) {
            None => Arc::clone(&tracker.client),
            Some((_, Some(client))) => client,
            Some((id, None)) => return self.note_broken(round, tracker, id),
        };
        // A client of RESP2 reads messages only where it is subscribed to something, and it is told something else only
        // where it wants to hear of another's keys.
        if client.resp() == 3 || tracker.redirect.is_some() && client.is_subscriber() {
            round.deliver(&client, letter.for_client(&client));
        }
    }

    fn note_broken(&self, round: &Round<'_>, tracker: &Tracker, redirect: u64) {
        tracker.is_broken.store(true, Ordering::Relaxed);
        if tracker.client.resp() == 3 {
            let letter = Letter::new(|reply| {
                reply.push(2);
                reply.bulk(b"tracking-redir-broken");
                reply.integer(redirect as i64);
            });
            round.deliver(&tracker.client, letter.for_client(&tracker.client));
        }
    }
}

/// Writes the message that these keys, or all, are no longer what they were.
fn invalidation<K: AsRef<[u8]>>(keys: Option<impl AsRef<[K]>>) -> impl Fn(&mut ReplyEncoder<'_>) {
    move |reply| {
        match reply.protocol() {
            Protocol::Resp3 => {
                reply.push(2);
                reply.bulk(b"invalidate");
            }
            Protocol::Resp2 => {
                reply.push(3);
                reply.bulk(b"message");
                reply.bulk(CHANNEL);
            }
        }
        match &keys {
            None => reply.null(),
            Some(keys) => {
                reply.array(keys.as_ref().len());
                keys.as_ref().iter().for_each(|key| reply.bulk(key.as_ref()));
            }
        }
    }
}

/// Clients by id, in order.
type Readers = SmallVec<[u64; 2]>;

type Stripe = Mutex<IndexMap<Box<[u8]>, Readers>>;

/// Which clients have read which keys.
#[derive(Default)]
struct Table {
    hasher: RandomState,
    stripes: [Stripe; STRIPES],
    key_count: AtomicUsize,
}

impl Table {
    fn add(&self, key: &[u8], client_id: u64) {
        let mut stripe = self.stripe(key).lock();
        let Some(readers) = stripe.get_mut(key) else {
            stripe.insert(key.into(), SmallVec::from_slice(&[client_id]));
            self.key_count.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if let Err(at) = readers.binary_search(&client_id) {
            readers.insert(at, client_id);
        }
    }

    fn remove(&self, key: &[u8]) -> Option<Readers> {
        let readers = self.stripe(key).lock().swap_remove(key)?;
        self.key_count.fetch_sub(1, Ordering::Relaxed);
        Some(readers)
    }

    /// Removes a key drawn at random.
    fn remove_any(&self) -> Option<(Box<[u8]>, Readers)> {
        let first = rand::random_range(0..STRIPES);
        for number in first..first + STRIPES {
            let mut stripe = self.stripes[number % STRIPES].lock();
            if !stripe.is_empty() {
                let at = rand::random_range(0..stripe.len());
                self.key_count.fetch_sub(1, Ordering::Relaxed);
                return stripe.swap_remove_index(at);
            }
        }
        None
    }

    fn clear(&self) {
        for stripe in &self.stripes {
            let removed = std::mem::take(&mut *stripe.lock());
            self.key_count.fetch_sub(removed.len(), Ordering::Relaxed);
        }
    }

    fn size(&self) -> (usize, usize) {
        let items = |stripe: &Stripe| stripe.lock().values().map(SmallVec::len).sum::<usize>();
        (self.key_count.load(Ordering::Relaxed), self.stripes.iter().map(items).sum())
    }

    fn stripe(&self, key: &[u8]) -> &Stripe {
        &self.stripes[self.hasher.hash_one(key) as usize % STRIPES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::server::clients::ClientFlags;
    use thermocline_engine::{ManualClock, UnixMillis};

    struct World {
        clients: Arc<Clients>,
        tracking: Tracking,
    }

    impl World {
        fn new() -> Self {
            let clock = Arc::new(ManualClock::at(UnixMillis(0)));
            let courier = Arc::new(Courier::new(Arc::new(Config::new()), clock));
            let clients = Arc::new(Clients::default());
            set_current_client(0);
            Self { tracking: Tracking::new(courier, Arc::clone(&clients)), clients }
        }

        /// A client that speaks RESP3.
        fn client(&self, id: u64) -> Arc<ClientShared> {
            let client = Arc::new(ClientShared::new(id, UnixMillis(0), None));
            client.note_session(0, 3, ClientFlags::NONE);
            assert!(self.clients.add(&client, 100));
            client
        }

        fn track(
            &self,
            client: &Arc<ClientShared>,
            redirect: Option<u64>,
            prefixes: &[&[u8]],
            no_loop: bool,
        ) {
            let prefixes: BTreeSet<Box<[u8]>> = prefixes.iter().map(|prefix| Box::from(*prefix)).collect();
            let tracker = Tracker::new(Arc::clone(client), redirect, !prefixes.is_empty(), no_loop);
            self.tracking.start(tracker, &prefixes);
        }
    }

    /// The keys that a client was told of, messages apart by commas.
    fn told(client: &ClientShared) -> String {
        let mut bytes = Vec::new();
        client.take_messages(&mut bytes);
        let text = String::from_utf8(bytes).expect("text").replace("\r\n", " ");
        let messages = text.split(">2 $10 invalidate ").skip(1);
        let keys = |message: &str| {
            let words = message.split_whitespace().filter(|word| !word.starts_with(['*', '$']));
            words.collect::<Vec<_>>().join(" ")
        };
        messages.map(keys).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_key_is_told_to_each_of_its_readers_once() {
        let world = World::new();
        let clients = [world.client(1), world.client(2)];
        for client in &clients {
            world.track(client, None, &[], false);
            world.tracking.remember(client.id, b"a");
            world.tracking.remember(client.id, b"a");
        }
        assert_eq!(world.tracking.table_size(), (1, 2));
        world.tracking.changed(b"a");
        world.tracking.changed(b"a");
        world.tracking.changed(b"b");
        assert_eq!(clients.each_ref().map(|client| told(client)), ["a", "a"]);
        assert_eq!(world.tracking.table_size(), (0, 0));
    }

    #[test]
    fn what_a_client_changes_itself_it_may_not_want_to_hear_of() {
        let world = World::new();
        let client = world.client(1);
        world.track(&client, None, &[], true);
        for (current, heard) in [(1, ""), (2, "a")] {
            world.tracking.remember(1, b"a");
            set_current_client(current);
            world.tracking.changed(b"a");
            assert_eq!(told(&client), heard, "changed by {current}");
        }
    }

    #[test]
    fn a_batch_is_broadcast_in_one_message_for_each_prefix() {
        let world = World::new();
        let (client, own) = (world.client(1), world.client(2));
        world.track(&client, None, &[b"a", b"b"], false);
        world.track(&own, None, &[b""], true);
        set_current_client(2);
        for key in ["b1", "a2", "a1", "a2", "c"] {
            world.tracking.changed(key.as_bytes());
        }
        assert_eq!(told(&client), "");
        world.tracking.end_batch();
        world.tracking.end_batch();
        assert_eq!((told(&client).as_str(), told(&own).as_str()), ("a1 a2, b1", ""));
        set_current_client(0);
        world.tracking.changed(b"c");
        assert_eq!(told(&own), "c", "what the engine does on its own is told at once");
        assert_eq!(world.tracking.prefix_count(), 3);
    }

    #[test]
    fn a_flush_is_told_to_all_and_forgets_everything() {
        let world = World::new();
        let clients = [world.client(1), world.client(2)];
        world.track(&clients[0], None, &[], false);
        world.track(&clients[1], None, &[b"x"], false);
        world.tracking.remember(1, b"a");
        world.tracking.flushed();
        assert_eq!(clients.each_ref().map(|client| told(client)), ["_", "_"]);
        assert_eq!(world.tracking.table_size(), (0, 0));
    }

    #[test]
    fn a_message_goes_to_the_client_that_was_named_as_long_as_it_is_there() {
        let world = World::new();
        let (client, listener) = (world.client(1), world.client(2));
        world.track(&client, Some(2), &[], false);
        world.tracking.remember(1, b"a");
        world.tracking.changed(b"a");
        assert_eq!((told(&client).as_str(), told(&listener).as_str()), ("", "a"));
        world.clients.remove(2);
        world.tracking.remember(1, b"a");
        world.tracking.changed(b"a");
        let mut bytes = Vec::new();
        client.take_messages(&mut bytes);
        assert_eq!(bytes, b">2\r\n$21\r\ntracking-redir-broken\r\n:2\r\n");
        assert!(world.tracking.tracker(1).is_some_and(|tracker| tracker.is_broken()));
    }

    #[test]
    fn the_table_shrinks_by_telling_of_keys_as_if_they_had_changed() {
        let world = World::new();
        let client = world.client(1);
        world.track(&client, None, &[], false);
        for number in 0..100 {
            world.tracking.remember(1, format!("k{number}").as_bytes());
        }
        world.tracking.shrink_to(0);
        assert_eq!(world.tracking.table_size().0, 100, "0 is no limit");
        world.tracking.shrink_to(30);
        assert_eq!(world.tracking.table_size(), (30, 30));
        assert_eq!(told(&client).split(", ").count(), 70);
        world.tracking.stop(1);
        assert_eq!((world.tracking.table_size(), world.tracking.client_count()), ((0, 0), 0));
    }
}
