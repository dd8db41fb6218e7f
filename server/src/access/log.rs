//! ACL LOG: who was refused what lately. Bounded by `acllog-max-len`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use thermocline_engine::UnixMillis;

use super::permission::Denied;

/// Refusals of one kind that come no further apart than this are one entry.
const GROUPED_MS: u64 = 60_000;
/// How many of the newest entries may be of the same kind as a new refusal.
const COMPARED_ENTRIES: usize = 10;

/// Where a command was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Circumstance {
    /// A client sent it.
    TopLevel,
    /// It is part of a transaction.
    Transaction,
    /// A script called it.
    Script,
}

impl Circumstance {
    /// Redis' word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TopLevel => "toplevel",
            Self::Transaction => "multi",
            Self::Script => "lua",
        }
    }
}

/// What was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// To log in.
    Authentication,
    /// A command.
    Command,
    /// A key.
    Key,
    /// A channel.
    Channel,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Authentication, Self::Command, Self::Key, Self::Channel];

    /// Redis' word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Authentication => "auth",
            Self::Command => "command",
            Self::Key => "key",
            Self::Channel => "channel",
        }
    }
}

impl From<Denied> for Reason {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Command => Self::Command,
            Denied::Key(_) => Self::Key,
            Denied::Channel(_) => Self::Channel,
        }
    }
}

/// One refusal.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What was refused.
    pub reason: Reason,
    /// Where.
    pub circumstance: Circumstance,
    /// The command, key or channel; for a failed log-in, the command that tried it.
    pub object: Box<[u8]>,
    /// The user, or whom a client wanted to become.
    pub user: Box<[u8]>,
    /// The client, as CLIENT LIST shows it.
    pub client: String,
}

impl Refusal {
    fn is_like(&self, other: &Self) -> bool {
        self.reason == other.reason
            && self.circumstance == other.circumstance
            && self.object == other.object
            && self.user == other.user
    }
}

/// Refusals of one kind.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Unique since the server started.
    pub id: u64,
    /// How often it happened.
    pub count: u64,
    /// The last of them.
    pub refusal: Refusal,
    /// When it happened first.
    pub created: UnixMillis,
    /// When it happened last.
    pub updated: UnixMillis,
}

/// The log, newest entry first, and counters of all refusals.
#[derive(Debug, Default)]
pub struct AccessLog {
    entries: Mutex<VecDeque<Entry>>,
    next_id: AtomicU64,
    counts: [AtomicU64; Reason::ALL.len()],
}

impl AccessLog {
    /// Something was refused. Keeps at most `length_max` entries once there is a new one.
    pub fn note(&self, refusal: Refusal, now: UnixMillis, length_max: usize) {
        self.counts[refusal.reason as usize].fetch_add(1, Ordering::Relaxed);
        if length_max == 0 {
            return;
        }
        let mut entries = self.entries.lock();
        let is_same = |entry: &Entry| {
            entry.refusal.is_like(&refusal) && now.0.saturating_sub(entry.updated.0) <= GROUPED_MS
        };
        let entry = match entries.iter().take(COMPARED_ENTRIES).position(is_same) {
            Some(at) => {
                let known = entries.remove(at).expect("it was found");
                Entry { count: known.count + 1, updated: now, refusal, ..known }
            }
            None => {
                let id = self.next_id.fetch_add(1, Ordering::Relaxed);
                Entry { id, count: 1, refusal, created: now, updated: now }
            }
        };
        entries.push_front(entry);
        entries.truncate(length_max);
    }

    /// The newest entries, at most `count`.
    pub fn newest(&self, count: usize) -> Vec<Entry> {
        self.entries.lock().iter().take(count).cloned().collect()
    }

    /// Forgets all entries.
    pub fn clear(&self) {
        self.entries.lock().clear();
    }

    /// How often this was refused since the counters were reset.
    pub fn count(&self, reason: Reason) -> u64 {
        self.counts[reason as usize].load(Ordering::Relaxed)
    }

    /// Starts counting anew.
    pub fn reset_counts(&self) {
        self.counts.iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(object: &str) -> Refusal {
        Refusal {
            reason: Reason::Key,
            circumstance: Circumstance::TopLevel,
            object: object.as_bytes().into(),
            user: (*b"u").into(),
            client: String::new(),
        }
    }

    fn shown(log: &AccessLog) -> Vec<(u64, u64, String)> {
        let show = |entry: &Entry| String::from_utf8_lossy(&entry.refusal.object).into_owned();
        log.newest(usize::MAX).iter().map(|entry| (entry.id, entry.count, show(entry))).collect()
    }

    #[test]
    fn the_same_within_a_minute_is_one_entry_and_comes_first_again() {
        let log = AccessLog::default();
        for (object, at_s) in [("a", 0), ("b", 1), ("a", 60), ("a", 121), ("b", 121)] {
            log.note(refusal(object), UnixMillis(1000 * at_s), 128);
        }
        let entry = |id, count, object: &str| (id, count, object.to_owned());
        assert_eq!(shown(&log), [entry(3, 1, "b"), entry(2, 1, "a"), entry(0, 2, "a"), entry(1, 1, "b")]);
        assert_eq!(log.count(Reason::Key), 5);
        log.clear();
        assert_eq!((shown(&log).len(), log.count(Reason::Key)), (0, 5));
    }

    #[test]
    fn the_log_is_bounded_and_may_be_turned_off() {
        let log = AccessLog::default();
        for object in ["a", "b", "c", "d"] {
            log.note(refusal(object), UnixMillis(0), 3);
        }
        assert_eq!(shown(&log).iter().map(|(_, _, object)| &**object).collect::<Vec<_>>(), ["d", "c", "b"]);
        log.note(refusal("e"), UnixMillis(0), 0);
        assert_eq!(shown(&log).len(), 3, "what was there stays");
    }
}
