//! Who is connected: what CLIENT LIST shows and CLIENT KILL finds, from any thread.
//!
//! A connection's own thread writes its [`ClientShared`], with relaxed stores only; everybody may read. What is read
//! may be a batch old and need not be of one moment.
//!
//! **Invariant:** a client is registered exactly as long as its session lives.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use thermocline_engine::UnixMillis;

use super::blocking::{BlockState, Blocked, Unblock};
use super::outbox::{Message, Outbox};
use crate::access::User;
use crate::access::registry::DEFAULT_USER;
use crate::config::OutputLimit;
use crate::net::Remote;

/// A client's last command before it has sent one.
const NO_COMMAND: u32 = u32::MAX;

/// One client, as others see it. Around 200 bytes.
#[derive(Debug)]
pub struct ClientShared {
    /// Unique since the server started.
    pub id: u64,
    /// The client's address; `None` on a unix socket.
    pub peer: Option<SocketAddr>,
    /// The address it connected to.
    pub local: Option<SocketAddr>,
    /// The socket's descriptor.
    pub fd: i32,
    /// When it connected.
    pub connected_at: UnixMillis,
    last_interaction_ms: AtomicU64,
    last_command: AtomicU32,
    database: AtomicU32,
    query_buffer_bytes: AtomicU32,
    output_buffer_bytes: AtomicU32,
    flags: AtomicU8,
    resp: AtomicU8,
    /// The default user where there is none.
    user: ArcSwapOption<User>,
    names: Mutex<Option<Box<ClientNames>>>,
    blocking: BlockState,
    outbox: Outbox,
    subscriptions: [AtomicU32; 3],
    transaction: TransactionShown,
    is_evicted: AtomicBool,
    /// Its connection was told to close.
    is_closing: AtomicBool,
    remote: Option<Remote>,
}

/// What others see of a client's transaction.
#[derive(Debug, Default)]
struct TransactionShown {
    /// How many commands were sent after MULTI, plus one; 0 outside of a transaction.
    queued_plus_one: AtomicU32,
    queued_bytes: AtomicU32,
    watched: AtomicU32,
    is_broken: AtomicBool,
}

/// What a connection takes that asks for nothing: what others see of it, its task, its places in tables.
const IDLE_BYTES: usize = size_of::<ClientShared>() + 1024;
/// About what it takes to be subscribed to a channel, or to watch a key.
const SUBSCRIPTION_BYTES: usize = 128;

/// What a client calls itself. Most clients say nothing, so this is kept apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientNames {
    /// `CLIENT SETNAME`.
    pub name: String,
    /// `CLIENT SETINFO LIB-NAME`.
    pub library: String,
    /// `CLIENT SETINFO LIB-VER`.
    pub library_version: String,
}

/// What a client is or asked for, as CLIENT LIST shows it. More bits follow with more commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientFlags(pub u8);

impl ClientFlags {
    /// None.
    pub const NONE: Self = Self(0);
    /// `CLIENT NO-EVICT ON`.
    pub const NO_EVICT: Self = Self(1);
    /// `CLIENT NO-TOUCH ON`.
    pub const NO_TOUCH: Self = Self(1 << 1);
    /// Will be closed after its replies.
    pub const CLOSING: Self = Self(1 << 2);
    /// Held back by `CLIENT PAUSE`, or waits in a blocking command.
    pub const BLOCKED: Self = Self(1 << 3);

    /// Whether all flags of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl ClientShared {
    /// A client that has just connected. Without a `remote` it cannot be closed by others.
    pub fn new(id: u64, connected_at: UnixMillis, remote: Option<Remote>) -> Self {
        Self {
            id,
            peer: None,
            local: None,
            fd: -1,
            connected_at,
            last_interaction_ms: AtomicU64::new(connected_at.0),
            last_command: AtomicU32::new(NO_COMMAND),
            database: AtomicU32::new(0),
            query_buffer_bytes: AtomicU32::new(0),
            output_buffer_bytes: AtomicU32::new(0),
            flags: AtomicU8::new(0),
            resp: AtomicU8::new(2),
            user: ArcSwapOption::empty(),
            names: Mutex::new(None),
            blocking: BlockState::default(),
            outbox: Outbox::default(),
            subscriptions: Default::default(),
            transaction: TransactionShown::default(),
            is_evicted: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            remote,
        }
    }

    /// When it sent something last.
    pub fn last_interaction(&self) -> UnixMillis {
        UnixMillis(self.last_interaction_ms.load(Ordering::Relaxed))
    }

    /// The number of its last command in the command table.
    pub fn last_command(&self) -> Option<usize> {
        let id = self.last_command.load(Ordering::Relaxed);
        (id != NO_COMMAND).then_some(id as usize)
    }

    /// The selected database.
    pub fn database(&self) -> usize {
        self.database.load(Ordering::Relaxed) as usize
    }

    /// 2 or 3.
    pub fn resp(&self) -> u8 {
        self.resp.load(Ordering::Relaxed)
    }

    /// Bytes of a request that has not come whole.
    pub fn query_buffer_bytes(&self) -> usize {
        self.query_buffer_bytes.load(Ordering::Relaxed) as usize
    }

    /// Bytes of replies that wait for the client to read.
    pub fn output_buffer_bytes(&self) -> usize {
        self.output_buffer_bytes.load(Ordering::Relaxed) as usize
    }

    /// What it asked for.
    pub fn flags(&self) -> ClientFlags {
        ClientFlags(self.flags.load(Ordering::Relaxed))
    }

    /// The name of the user it is.
    pub fn user_name(&self) -> Box<[u8]> {
        self.user.load().as_ref().map_or(DEFAULT_USER, |user| user.name()).into()
    }

    /// The user it is; `default` is the default one.
    pub fn user(&self, default: &Arc<User>) -> Arc<User> {
        self.user.load_full().unwrap_or_else(|| Arc::clone(default))
    }

    /// Whether it is this user, who is not the default one.
    pub fn is_user(&self, user: &Arc<User>) -> bool {
        self.user.load().as_ref().is_some_and(|own| Arc::ptr_eq(own, user))
    }

    pub(crate) fn note_user(&self, user: &Arc<User>) {
        self.user.store((user.name() != DEFAULT_USER).then(|| Arc::clone(user)));
    }

    /// What it calls itself.
    pub fn names(&self) -> ClientNames {
        self.names.lock().as_deref().cloned().unwrap_or_default()
    }

    /// Changes what it calls itself.
    pub fn change_names(&self, change: impl FnOnce(&mut ClientNames)) {
        let mut names = self.names.lock();
        change(names.get_or_insert_default());
        if names.as_deref() == Some(&ClientNames::default()) {
            *names = None;
        }
    }

    /// Whether it waits in a blocking command.
    pub fn is_blocked(&self) -> bool {
        self.blocking.is_blocked()
    }

    /// Ends its wait in a blocking command, from any thread; false where it does not wait.
    pub fn unblock(&self, how: Unblock) -> bool {
        self.blocking.unblock(how)
    }

    /// Its own thread runs a blocking command, which waits until the result is dropped.
    pub(crate) fn block(self: &Arc<Self>) -> Blocked {
        Blocked::new(self)
    }

    /// Whether it waits, and nobody keeps others from ending that.
    pub(crate) fn is_unclaimed(&self) -> bool {
        self.blocking.is_unclaimed()
    }

    /// Keeps all others from ending its wait, until [`fulfil`](Self::fulfil) or [`release`](Self::release); false where
    /// it does not wait, or somebody else did that.
    pub(crate) fn claim(&self) -> bool {
        self.blocking.claim()
    }

    /// Ends a wait that was claimed: its command was run.
    pub(crate) fn fulfil(&self) {
        self.blocking.fulfil();
    }

    /// Gives up a claim: the client waits on.
    pub(crate) fn release(&self) {
        self.blocking.release();
    }

    /// Has its task look at its wait.
    pub(crate) fn nudge(&self) {
        self.blocking.nudge();
    }

    pub(super) fn block_state(&self) -> &BlockState {
        &self.blocking
    }

    /// Sends it a message that is no reply, from any thread: its own sends it as soon as it can. A client that leaves
    /// more unread than `limit` allows is closed, and false is returned, once.
    pub fn deliver(&self, message: &Message, limit: OutputLimit, now: UnixMillis) -> bool {
        let posted = self.outbox.post(message, limit, now);
        if posted.is_first
            && let Some(remote) = &self.remote
        {
            remote.notify();
        }
        if posted.exceeds_limit && posted.is_news {
            self.close_for_output();
        }
        !posted.is_news
    }

    /// Closes it where it has left more messages unread than `limit` allows, or for longer; true where it did.
    pub fn enforce_output_limit(&self, limit: OutputLimit, now: UnixMillis) -> bool {
        let exceeds = self.has_messages() && self.outbox.enforce(limit, now);
        if exceeds {
            self.close_for_output();
        }
        exceeds
    }

    fn close_for_output(&self) {
        tracing::warn!(
            client = self.id,
            unread_bytes = self.outbox.bytes(),
            "connection closed: it leaves more messages unread than client-output-buffer-limit allows"
        );
        self.close();
    }

    /// Its own thread takes the messages to send them now.
    pub(crate) fn take_messages(&self, output: &mut Vec<u8>) {
        self.outbox.take(output);
    }

    /// Whether there may be messages to send.
    #[inline]
    pub(crate) fn has_messages(&self) -> bool {
        self.outbox.is_waiting()
    }

    /// How many channels, patterns and shard channels it is subscribed to.
    pub fn subscriptions(&self) -> [usize; 3] {
        self.subscriptions.each_ref().map(|count| count.load(Ordering::Relaxed) as usize)
    }

    /// Whether it is subscribed to anything: Redis' class `pubsub`.
    pub fn is_subscriber(&self) -> bool {
        self.subscriptions() != [0; 3]
    }

    /// Its own thread has subscribed it, or no longer: see [`Self::subscriptions`].
    pub(crate) fn note_subscriptions(&self, counts: [usize; 3]) {
        for (count, now) in self.subscriptions.iter().zip(counts) {
            count.store(u32::try_from(now).unwrap_or(u32::MAX), Ordering::Relaxed);
        }
    }

    /// Bytes of messages that wait to be sent.
    pub fn outbox_bytes(&self) -> usize {
        self.outbox.bytes()
    }

    /// How many commands its transaction has so far; `None` outside of one.
    pub fn queued_commands(&self) -> Option<usize> {
        self.transaction.queued_plus_one.load(Ordering::Relaxed).checked_sub(1).map(|queued| queued as usize)
    }

    /// Bytes of these commands.
    pub fn queued_bytes(&self) -> usize {
        self.transaction.queued_bytes.load(Ordering::Relaxed) as usize
    }

    /// How many keys it watches.
    pub fn watched_keys(&self) -> usize {
        self.transaction.watched.load(Ordering::Relaxed) as usize
    }

    /// Whether a key that it watches has changed.
    pub fn is_watch_broken(&self) -> bool {
        self.transaction.is_broken.load(Ordering::Relaxed)
    }

    /// What it takes, in bytes, as far as it is accounted for.
    pub fn memory_bytes(&self) -> usize {
        let subscriptions: usize = self.subscriptions().iter().sum();
        IDLE_BYTES
            + self.query_buffer_bytes()
            + self.output_buffer_bytes()
            + self.outbox_bytes()
            + self.queued_bytes()
            + (subscriptions + self.watched_keys()) * SUBSCRIPTION_BYTES
    }

    /// Closes its connection because clients take too much memory.
    pub(crate) fn evict(&self) {
        self.is_evicted.store(true, Ordering::Relaxed);
        self.close();
    }

    /// Whether it is being closed for the memory it takes.
    pub(crate) fn is_evicted(&self) -> bool {
        self.is_evicted.load(Ordering::Relaxed)
    }

    /// Its own thread tells of its transaction: commands and their bytes after MULTI, keys that are watched, and
    /// whether one of these has changed.
    pub(crate) fn note_transaction(&self, queued: Option<(usize, usize)>, watched: usize, is_broken: bool) {
        let clip = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (queued, bytes) = queued.map_or((0, 0), |(queued, bytes)| (queued.saturating_add(1), bytes));
        let shown = &self.transaction;
        shown.queued_plus_one.store(clip(queued), Ordering::Relaxed);
        shown.queued_bytes.store(clip(bytes), Ordering::Relaxed);
        shown.watched.store(clip(watched), Ordering::Relaxed);
        shown.is_broken.store(is_broken, Ordering::Relaxed);
    }

    /// Closes its connection soon, from any thread.
    pub fn close(&self) {
        if let Some(remote) = &self.remote {
            self.is_closing.store(true, Ordering::Relaxed);
            remote.close();
        }
    }

    /// Its own thread ran a batch of its commands, the last of which is `last_command`.
    #[inline]
    pub(crate) fn note_batch(&self, now: UnixMillis, last_command: Option<usize>) {
        self.last_interaction_ms.store(now.0, Ordering::Relaxed);
        if let Some(id) = last_command {
            self.last_command.store(id as u32, Ordering::Relaxed);
        }
    }

    /// Its own thread ran a command that may have changed its session.
    pub(crate) fn note_session(&self, database: usize, resp: u8, flags: ClientFlags) {
        self.database.store(database as u32, Ordering::Relaxed);
        self.resp.store(resp, Ordering::Relaxed);
        self.flags.store(flags.0, Ordering::Relaxed);
    }

    pub(crate) fn note_blocked(&self, is_blocked: bool) {
        match is_blocked {
            true => self.flags.fetch_or(ClientFlags::BLOCKED.0, Ordering::Relaxed),
            false => self.flags.fetch_and(!ClientFlags::BLOCKED.0, Ordering::Relaxed),
        };
    }

    pub(crate) fn note_query_buffer(&self, bytes: usize) {
        self.query_buffer_bytes.store(u32::try_from(bytes).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    pub(crate) fn note_output_buffer(&self, bytes: usize) {
        self.output_buffer_bytes.store(u32::try_from(bytes).unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}

/// All clients, by id.
#[derive(Debug, Default)]
pub struct Clients {
    by_id: Mutex<BTreeMap<u64, Arc<ClientShared>>>,
}

impl Clients {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.lock().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, in the order in which they connected, but for those that are being closed.
    pub fn all(&self) -> Vec<Arc<ClientShared>> {
        let is_open = |client: &&Arc<ClientShared>| !client.is_closing.load(Ordering::Relaxed);
        self.by_id.lock().values().filter(is_open).cloned().collect()
    }

    /// The client of this id.
    pub fn get(&self, id: u64) -> Option<Arc<ClientShared>> {
        self.by_id.lock().get(&id).cloned()
    }

    /// Registers a client unless there are `limit` already.
    pub(crate) fn add(&self, client: &Arc<ClientShared>, limit: usize) -> bool {
        let mut by_id = self.by_id.lock();
        if by_id.len() >= limit {
            return false;
        }
        let before = by_id.insert(client.id, Arc::clone(client));
        assert!(before.is_none(), "no two clients have one id");
        true
    }

    pub(crate) fn remove(&self, id: u64) {
        self.by_id.lock().remove(&id);
    }

    /// Closes the connections that have been silent for longer than `timeout_s` seconds.
    pub fn close_idle(&self, now: UnixMillis, timeout_s: u64) {
        let idle = self.all().into_iter().filter(|client| {
            now.0.saturating_sub(client.last_interaction().0) > timeout_s.saturating_mul(1000)
        });
        idle.for_each(|client| client.close());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(id: u64) -> Arc<ClientShared> {
        Arc::new(ClientShared::new(id, UnixMillis(1000), None))
    }

    #[test]
    fn no_more_clients_than_the_limit_are_registered() {
        let clients = Clients::default();
        assert!(clients.add(&client(1), 2) && clients.add(&client(2), 2));
        assert!(!clients.add(&client(3), 2));
        clients.remove(1);
        assert!(clients.add(&client(4), 2));
        assert_eq!(clients.all().iter().map(|client| client.id).collect::<Vec<_>>(), [2, 4]);
    }

    #[test]
    fn names_that_are_empty_again_take_no_memory() {
        let client = client(1);
        client.change_names(|names| names.name = "worker".into());
        assert_eq!(client.names().name, "worker");
        client.change_names(|names| names.name.clear());
        assert!(client.names.lock().is_none());
    }
}
