//! Clients that wait for keys in blocking commands.
//!
//! A waiter is registered for each of its keys while their shards are locked, so nothing that comes between is missed.
//! When a key changes that somebody waits for, the thread that changed it notes the key as ready; when the command is
//! over and the shards are unlocked, that thread runs the waiters' commands for them, in the order in which they began
//! to wait, before anything else ([`crate::dispatch`] does that). So a client that pushes two elements and then asks
//! for the length sees what it would see in Redis.
//!
//! **Invariant:** a waiter is run only by who has [claimed](super::clients::ClientShared::claim) its client's wait: it
//! is served, or times out, or is unblocked, but never two of these.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use thermocline_engine::value::ValueType;
use thermocline_engine::{Change, Engine, Keys, UnixMillis};
use thermocline_protocol::{Arguments, OwnedArguments, Protocol};

use super::clients::ClientShared;
use crate::command::blocking::Block;
use crate::command::table::CommandEntry;

thread_local! {
    /// Keys that this thread's command has changed and somebody waits for.
    static READY: RefCell<VecDeque<ReadyKey>> = const { RefCell::new(VecDeque::new()) };
}

/// A key that waiters are to be run for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReadyKey {
    pub(crate) database: usize,
    pub(crate) key: Box<[u8]>,
}

/// A client that waits, and the command it waits in.
#[derive(Debug)]
pub struct Waiter {
    pub(crate) client: Arc<ClientShared>,
    pub(crate) entry: &'static CommandEntry,
    pub(crate) arguments: OwnedArguments,
    pub(crate) database: usize,
    pub(crate) protocol: Protocol,
    pub(crate) value_type: ValueType,
    pub(crate) wakes_when_gone: bool,
    pub(crate) deadline: Option<UnixMillis>,
    /// Each once.
    pub(crate) keys: Vec<Box<[u8]>>,
    /// Where it stands among all who ever waited.
    sequence: u64,
    outcome: Mutex<Outcome>,
}

#[derive(Debug, Default)]
struct Outcome {
    reply: Vec<u8>,
    /// Its own task is to run the command, since a value it needs is on the SSD.
    is_handed_back: bool,
    /// Keys whose other waiters, behind this one, are not run before this one was.
    holds_up: Vec<ReadyKey>,
}

impl Waiter {
    /// The waiter's command gave this reply, written for its protocol. The client's wait has been claimed.
    pub(crate) fn fulfil(&self, reply: Vec<u8>) {
        self.outcome.lock().reply = reply;
        self.client.fulfil();
    }

    /// The waiter's command cannot be run here. The client's wait has been claimed. Those who wait for the key behind this
    /// one are its own task's to [serve](Self::take_held_up), once it knows what becomes of this one.
    pub(crate) fn hand_back(&self, ready: ReadyKey) {
        let mut outcome = self.outcome.lock();
        outcome.is_handed_back = true;
        if !outcome.holds_up.contains(&ready) {
            outcome.holds_up.push(ready);
        }
        drop(outcome);
        self.client.release();
    }

    pub(crate) fn take_reply(&self) -> Vec<u8> {
        std::mem::take(&mut self.outcome.lock().reply)
    }

    /// Whether the command was handed back, and nobody has asked since.
    pub(crate) fn take_handed_back(&self) -> bool {
        std::mem::take(&mut self.outcome.lock().is_handed_back)
    }

    /// The keys whose other waiters wait for this one's turn to be over.
    pub(crate) fn take_held_up(&self) -> Vec<ReadyKey> {
        std::mem::take(&mut self.outcome.lock().holds_up)
    }
}

/// Who waits for one key, in order.
#[derive(Debug, Default)]
struct Queue {
    waiters: VecDeque<Arc<Waiter>>,
    /// How many of them want to know when the key is gone.
    wake_when_gone: usize,
}

type Queues = HashMap<Box<[u8]>, Queue>;

/// All clients that wait for keys.
#[derive(Debug, Default)]
pub struct WaitingClients {
    count: AtomicUsize,
    /// Counted while `databases` is locked, so that queues are in this order.
    next_sequence: AtomicU64,
    databases: Mutex<Vec<Queues>>,
}

impl WaitingClients {
    /// How many clients wait.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether no client waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A client begins to wait: it gets a place behind all others. The shards of the command's keys are locked.
    pub(crate) fn add(
        &self,
        client: &Arc<ClientShared>,
        protocol: Protocol,
        request: (&'static CommandEntry, Arguments<'_>),
        block: &Block,
        (locked, names): (&mut Keys<'_>, impl Iterator<Item = impl AsRef<[u8]>>),
    ) -> Arc<Waiter> {
        let (entry, arguments) = request;
        let database = locked.database();
        let mut keys: Vec<Box<[u8]>> = Vec::new();
        for key in names {
            if !keys.iter().any(|other| **other == *key.as_ref()) {
                keys.push(key.as_ref().into());
            }
        }
        let arguments = match &block.arguments {
            Some(words) => OwnedArguments::new(words.iter().map(Vec::as_slice)),
            None => OwnedArguments::new(arguments.iter()),
        };
        let mut databases = self.databases.lock();
        let waiter = Arc::new(Waiter {
            client: Arc::clone(client),
            entry,
            arguments,
            database,
            protocol,
            value_type: block.value_type,
            wakes_when_gone: block.wakes_when_gone,
            deadline: block.deadline,
            keys,
            sequence: self.next_sequence.fetch_add(1, Ordering::Relaxed),
            outcome: Mutex::default(),
        });
        if databases.len() <= database {
            databases.resize_with(database + 1, Queues::default);
        }
        for key in &waiter.keys {
            locked.observe(key);
            let queue = databases[database].entry(key.clone()).or_default();
            queue.waiters.push_back(Arc::clone(&waiter));
            queue.wake_when_gone += usize::from(waiter.wakes_when_gone);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        waiter
    }

    /// A client waits no more. Locks its keys' shards, one after the other.
    pub(crate) fn remove(&self, waiter: &Waiter, engine: &Engine) {
        let mut databases = self.databases.lock();
        let queues = &mut databases[waiter.database];
        for key in &waiter.keys {
            let queue = queues.get_mut(key).expect("the waiter is registered");
            let at = queue.waiters.partition_point(|other| other.sequence < waiter.sequence);
            let removed = queue.waiters.remove(at).expect("the waiter is registered");
            assert_eq!(removed.sequence, waiter.sequence, "queues are in the order of waiting");
            queue.wake_when_gone -= usize::from(waiter.wakes_when_gone);
            if queue.waiters.is_empty() {
                queues.remove(key);
            }
        }
        drop(databases);
        self.count.fetch_sub(1, Ordering::Relaxed);
        waiter.keys.iter().for_each(|key| engine.unobserve(key));
    }

    /// The first who waits for a key, or the first behind another one.
    pub(crate) fn next(&self, ready: &ReadyKey, after: Option<&Waiter>) -> Option<Arc<Waiter>> {
        let databases = self.databases.lock();
        let queue = databases.get(ready.database)?.get(&ready.key)?;
        let at =
            after.map_or(0, |after| queue.waiters.partition_point(|other| other.sequence <= after.sequence));
        queue.waiters.get(at).cloned()
    }

    /// Whether one of those who wait for a key wants to know when it is gone.
    pub(crate) fn is_missed(&self, ready: &ReadyKey) -> bool {
        let databases = self.databases.lock();
        let queue = databases.get(ready.database).and_then(|queues| queues.get(&ready.key));
        queue.is_some_and(|queue| queue.wake_when_gone > 0)
    }

    /// The next key that this thread has to run waiters for.
    #[inline]
    pub(crate) fn take_ready(&self) -> Option<ReadyKey> {
        READY.with_borrow_mut(VecDeque::pop_front)
    }

    pub(super) fn keys_of(&self, database: usize) -> Vec<Box<[u8]>> {
        if self.is_empty() {
            return Vec::new();
        }
        self.databases.lock().get(database).map_or(Vec::new(), |queues| queues.keys().cloned().collect())
    }

    /// Something about a key has changed that concerns nobody but those who wait for it, such as a consumer group that is
    /// gone. The key's shard is locked.
    pub(crate) fn wake(&self, database: usize, key: &[u8]) {
        self.changed(database, key, Change::Written);
    }

    pub(super) fn changed(&self, database: usize, key: &[u8], change: Change) {
        if !self.is_empty() {
            self.key_changed(database, key, change);
        }
    }

    #[cold]
    fn key_changed(&self, database: usize, key: &[u8], change: Change) {
        let databases = self.databases.lock();
        let Some(queue) = databases.get(database).and_then(|queues| queues.get(key)) else { return };
        match change {
            Change::Created | Change::Written | Change::Appeared => {}
            Change::Removed if queue.wake_when_gone > 0 => {}
            Change::Removed => return,
            // This may be the engine's background thread, which runs no commands: the waiters' own tasks do.
            Change::Expired | Change::Evicted => {
                for waiter in queue.waiters.iter().filter(|waiter| waiter.wakes_when_gone) {
                    waiter.outcome.lock().is_handed_back = true;
                    waiter.client.nudge();
                }
                return;
            }
        }
        drop(databases);
        READY.with_borrow_mut(|ready| {
            if !ready.iter().any(|other| other.database == database && *other.key == *key) {
                ready.push_back(ReadyKey { database, key: key.into() });
            }
        });
    }
}
