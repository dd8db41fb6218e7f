//! MIGRATE: keys move to another server, or are copied there.
//!
//! A batch of values is read, cold ones from the SSD, and sent in one pipeline; what the other server has accepted is
//! deleted here. No lock is held while anything is waited for, so a key may change between its being read and its
//! being deleted. Such a key stays, and the reply is an error: the watch that WATCH uses tells.
//!
//! * [`options`]: the arguments. [`target`]: the connection to the other server.

mod options;
mod target;

use std::time::Duration;

use thermocline_engine::{Cold, Fetched, HeldUp, Keys};
use thermocline_protocol::Arguments;

use super::super::key_use::KeyUse;
use super::super::{Command, Context, Failure, Flags, Handler, KeyPositions, Waiting};
use super::GENERIC;
use super::dump::payload;
use crate::server::events::EventClass;
use crate::server::watches::Watch;
use crate::server::{Server, Thread};
use options::{KEYS_OPTION, OPTIONS_WITH_ARGUMENTS, Options};
use target::{Answer, Target};

/// How many keys are sent before their replies are awaited.
const BATCH_KEYS_MAX: usize = 128;
/// Where a batch ends, in bytes of payloads or of records that are to be read: a batch is memory beyond the value
/// tier's. One value may be longer.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// How often values are read before they are given up: each time, another client or the tier itself moved one of them
/// between the read and the look at it.
const READ_ATTEMPTS_MAX: u32 = 16;
/// How long to wait for keys that a script holds for long, before asking for them again.
const HELD_UP_LOOK: Duration = Duration::from_millis(5);

pub(super) const MIGRATE: Command = Command {
    name: "migrate",
    arity: -6,
    flags: Flags::WRITE.with(Flags::MOVABLE_KEYS),
    keys: KeyPositions::OneOrBehind { at: 3, word: KEYS_OPTION, from: 6, options: OPTIONS_WITH_ARGUMENTS },
    key_use: &[KeyUse::TAKE, KeyUse::TAKE_INCOMPLETE],
    categories: &["keyspace", "dangerous"],
    summary: "Atomically transfers a key from one Redis instance to another.",
    since: "2.6.0",
    complexity: "This command actually executes a DUMP+DEL in the source instance, and a RESTORE in the target instance. \
                 See the pages of these commands for time complexity. Also an O(N) data transfer between the two \
                 instances is performed.",
    handler: Handler::Waiting(migrate),
    ..GENERIC
};

const CHANGED: &str =
    "TRYAGAIN A key was changed or deleted while it was migrated: the target has it as it was before";
const INSIDE_TRANSACTION: &str = "ERR MIGRATE is not possible inside a transaction or a script";
const RESTLESS: &str = "ERR values keep moving between DRAM and the SSD";

fn migrate<'a>(context: &'a mut Context<'_>, arguments: Arguments<'a>) -> Waiting<'a> {
    Box::pin(async move {
        let options = Options::parse(arguments)?;
        if context.databases.is_held() {
            return Err(Failure::error(INSIDE_TRANSACTION));
        }
        let mut source = Source {
            server: context.server,
            thread: context.thread,
            database: context.session.database(),
            keys: &options.keys,
            copies: options.copies,
            fetched: Fetched::new(),
        };
        let mut target = None;
        let mut failure = None;
        loop {
            let batch = source.next_batch().await?;
            if batch.is_empty() {
                break;
            }
            let target = match &mut target {
                Some(target) => target,
                none => none.insert(Target::connect(&options).await?),
            };
            let answers = target.restore(&batch, options.replaces).await;
            let is_lost = answers.iter().any(|answer| matches!(answer, Answer::Lost(_)));
            // What was accepted before the connection broke is at the target, so it goes.
            let changed = source.delete_accepted(&batch, &answers).await;
            failure = failure.or_else(|| answers.into_iter().find_map(Answer::failure)).or(changed);
            if is_lost {
                break;
            }
        }
        match (target, failure) {
            (None, _) => context.reply.simple("NOKEY"),
            (Some(_), Some(failure)) => return Err(failure),
            (Some(_), None) => context.reply.ok(),
        }
        Ok(())
    })
}

/// One value on its way.
struct Parcel<'a> {
    key: &'a [u8],
    payload: Vec<u8>,
    /// How long it has to live, in milliseconds; 0 is for ever.
    ttl_ms: u64,
    /// Tells whether the key has changed; `None` where it is only copied.
    watch: Option<ParcelWatch<'a>>,
}

/// A watch of one key, which ends when it is dropped.
struct ParcelWatch<'a> {
    watch: Option<Watch>,
    server: &'a Server,
}

impl<'a> ParcelWatch<'a> {
    /// Watches a key, whose shard is locked, from now on.
    fn new(server: &'a Server, keys: &mut Keys<'_>, key: &[u8]) -> Self {
        let mut watch = Watch::default();
        watch.add(&server.observers.watches, keys, key);
        Self { watch: Some(watch), server }
    }

    fn is_broken(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::is_broken)
    }
}

impl Drop for ParcelWatch<'_> {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.end(&self.server.observers.watches, &self.server.engine);
        }
    }
}

/// Where the keys come from.
struct Source<'a> {
    server: &'a Server,
    thread: &'a Thread,
    database: usize,
    /// The keys that were not yet looked at.
    keys: &'a [&'a [u8]],
    copies: bool,
    fetched: Fetched,
}

impl<'a> Source<'a> {
    /// The next values, as many as are worth a round trip; none at the end.
    ///
    /// # Errors
    /// A value could not be read.
    async fn next_batch(&mut self) -> Result<Vec<Parcel<'a>>, Failure> {
        let mut attempts = 0;
        while !self.keys.is_empty() {
            let before = self.keys.len();
            let Ok(batch) = self.take_readable() else {
                tokio::time::sleep(HELD_UP_LOOK).await;
                continue;
            };
            if !batch.is_empty() {
                self.fetched.clear();
                return Ok(batch);
            }
            attempts = if self.keys.len() < before { 0 } else { attempts + 1 };
            if attempts > READ_ATTEMPTS_MAX {
                return Err(Failure::error(RESTLESS));
            }
            if self.fetched.has_wanted() {
                let read = self.thread.reader.fetch(&mut self.fetched).await;
                read.map_err(|error| Failure::error(format!("ERR {error}")))?;
            }
        }
        Ok(Vec::new())
    }

    /// Takes keys from the front up to the first whose value must be read from the SSD. Where that is the very first
    /// one, notes what it and those behind it need.
    fn take_readable(&mut self) -> Result<Vec<Parcel<'a>>, HeldUp> {
        let group = &self.keys[..self.keys.len().min(BATCH_KEYS_MAX)];
        let now = self.server.clock.now();
        let engine = &self.server.engine;
        let mut keys = engine.try_lock_keys(self.database, group.iter().copied(), now, &mut self.fetched)?;
        let mut batch = Vec::new();
        let (mut taken, mut payload_bytes) = (0, 0);
        for &key in group {
            let payload = match keys.get(key) {
                Ok(Some(value)) => payload(value),
                Ok(None) => {
                    taken += 1;
                    continue;
                }
                Err(Cold) => break,
            };
            taken += 1;
            payload_bytes += payload.len();
            let expiry = keys.peek(key).and_then(|info| info.expiry);
            let ttl_ms = expiry.map_or(0, |at| at.0.saturating_sub(now.0).max(1));
            let watch = (!self.copies).then(|| ParcelWatch::new(self.server, &mut keys, key));
            batch.push(Parcel { key, payload, ttl_ms, watch });
            if payload_bytes >= BATCH_BYTES_MAX {
                break;
            }
        }
        if taken == 0 {
            for &key in &group[1..] {
                if keys.fetched_mut().wanted_bytes() >= BATCH_BYTES_MAX {
                    break;
                }
                keys.is_readable(key);
            }
        }
        self.keys = &self.keys[taken..];
        Ok(batch)
    }

    /// Deletes what the target has accepted and what has not changed since; the error where something has.
    async fn delete_accepted(&self, batch: &[Parcel<'a>], answers: &[Answer]) -> Option<Failure> {
        let accepted = batch.iter().zip(answers).filter(|(_, answer)| matches!(answer, Answer::Accepted));
        let moved: Vec<(&[u8], &ParcelWatch<'_>)> =
            accepted.filter_map(|(parcel, _)| Some((parcel.key, parcel.watch.as_ref()?))).collect();
        loop {
            let mut fetched = Fetched::new();
            let (names, now) = (moved.iter().map(|(key, _)| *key), self.server.clock.now());
            let Ok(mut keys) = self.server.engine.try_lock_keys(self.database, names, now, &mut fetched)
            else {
                tokio::time::sleep(HELD_UP_LOOK).await;
                continue;
            };
            // A key may be named twice: its deletion is no change by somebody else.
            let (changed, unchanged): (Vec<_>, Vec<_>) =
                moved.iter().partition(|(_, watch)| watch.is_broken());
            for (key, _) in unchanged {
                if keys.remove(key) && self.server.events.listens_to(EventClass::GENERIC) {
                    self.server.events.emit(EventClass::GENERIC, "del", key, self.database);
                }
            }
            return (!changed.is_empty()).then(|| Failure::error(CHANGED));
        }
    }
}
