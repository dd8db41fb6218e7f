//! What values of a type cost: how much a server's process grows by many small ones, and by one large one.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use thermocline_protocol::encode_request;

use super::{LOADING, TypesPlan};
use crate::driver::Length;
use crate::driver::commands::CommandClients;
use crate::interrupt;
use crate::measure::run::Watcher;
use crate::measure::usage::Usage;
use crate::target::process::ServerProcess;

/// Entries of the smallest and of the largest small collection.
const SMALL_ENTRIES: (u64, u64) = (5, 50);
/// Members that one command adds to the large collection.
const MEMBERS_PER_COMMAND: u64 = 100;

/// Resident set size has settled if it moved less than this share for [`SETTLED`].
const SETTLED_SHARE: f64 = 0.001;
/// How long it must not move: allocators give memory back with a delay.
const SETTLED: Duration = Duration::from_secs(1);
/// Longest wait for that.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);

/// What to measure the memory of.
#[derive(Clone, Debug, Default)]
pub struct MemoryPlan {
    /// How many small collections of each type; none if 0.
    pub collections: u64,
    /// How many members of a large collection of each type; none if 0.
    pub members: u64,
}

/// Values of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemoryFigures {
    /// Their type.
    pub name: String,
    /// How many there are: collections, or members of one collection.
    pub count: u64,
    /// Whether it is one collection.
    pub is_large: bool,
    /// Entries of all collections together.
    pub entries: u64,
    /// By how much each server's resident set size grew, in bytes.
    pub rss_growth_bytes: Vec<u64>,
}

/// A type, and how an entry of a collection is written: after these words, by the collection's and its own number.
struct Kind {
    name: &'static str,
    command: &'static str,
    entry: fn(u64, u64, &mut Vec<Vec<u8>>),
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "hash",
        command: "HSET",
        entry: |id, at, words| {
            words.push(format!("field:{at:02}").into());
            words.push(format!("value:{}", (id + 1) * (at + 1) * 7919 % 1_000_000).into());
        },
    },
    Kind {
        name: "list",
        command: "RPUSH",
        entry: |id, at, words| {
            words.push(format!("element:{}", (id + 1) * (at + 1) * 7919 % 1_000_000).into())
        },
    },
    Kind {
        name: "set",
        command: "SADD",
        entry: |id, at, words| words.push(format!("member:{}:{at}", id % 1_000_000).into()),
    },
    Kind {
        name: "zset",
        command: "ZADD",
        entry: |id, at, words| {
            words.push(((id + 1) * (at + 1) * 7919 % 1_000_000).to_string().into());
            words.push(format!("member:{}:{at}", id % 1_000_000).into());
        },
    },
];

/// Loads each kind into each server, fresh for each.
pub(super) fn measure_memory(plan: &TypesPlan, watcher: &dyn Watcher) -> Result<Vec<MemoryFigures>> {
    let mut all = Vec::new();
    for (count, is_large) in [(plan.memory.collections, false), (plan.memory.members, true)] {
        if count == 0 {
            continue;
        }
        for kind in &KINDS {
            let mut rss_growth_bytes = Vec::new();
            for &contestant in &plan.contestants {
                let server = plan.start(contestant)?;
                let loaded = kind.load(&server, count, is_large, watcher);
                rss_growth_bytes.push(loaded.with_context(|| format!("{}, {}", server.name, kind.name))?);
            }
            let entries = if is_large { count } else { (0..count).map(entries_of).sum() };
            let name = kind.name.to_owned();
            all.push(MemoryFigures { name, count, is_large, entries, rss_growth_bytes });
        }
    }
    Ok(all)
}

impl Kind {
    /// Loads so many collections, or one with so many members; the growth in bytes.
    fn load(&self, server: &ServerProcess, count: u64, is_large: bool, watcher: &dyn Watcher) -> Result<u64> {
        let before = settled_rss(server.pid())?;
        let mut clients = CommandClients::connect(&server.endpoint, LOADING.0, LOADING.1)?;
        let commands = if is_large { count.div_ceil(MEMBERS_PER_COMMAND) } else { count };
        watcher.phase(&server.name, self.name, Length::Requests(commands));
        let mut words = Vec::new();
        let outcome = clients.run(commands, |id, output| {
            words.clear();
            words.push(self.command.into());
            if is_large {
                words.push(self.name.into());
                let end = (id + 1) * MEMBERS_PER_COMMAND;
                for at in id * MEMBERS_PER_COMMAND..end.min(count) {
                    (self.entry)(0, at, &mut words);
                }
            } else {
                words.push(format!("{}:{id:010}", self.name).into());
                for at in 0..entries_of(id) {
                    (self.entry)(id, at, &mut words);
                }
            }
            encode_request(output, &words);
        })?;
        outcome.without_errors()?;
        drop(clients);
        watcher.finished();
        Ok(settled_rss(server.pid())?.saturating_sub(before))
    }
}

/// How many entries a small collection has.
fn entries_of(id: u64) -> u64 {
    let (least, most) = SMALL_ENTRIES;
    least + id.wrapping_mul(7919) % (most - least + 1)
}

/// The resident set size once it moves no more.
fn settled_rss(pid: u32) -> Result<u64> {
    let deadline = Instant::now() + SETTLE_TIMEOUT;
    let (mut last, mut since) = (Usage::of(pid)?.rss_bytes, Instant::now());
    while since.elapsed() < SETTLED && Instant::now() < deadline && !interrupt::is_requested() {
        std::thread::sleep(SETTLED / 10);
        let now = Usage::of(pid)?.rss_bytes;
        if now.abs_diff(last) as f64 > last as f64 * SETTLED_SHARE {
            (last, since) = (now, Instant::now());
        }
    }
    Ok(last)
}

#[cfg(test)]
mod checks {
    use super::*;

    #[test]
    fn small_collections_have_from_five_to_fifty_entries() {
        let counts: Vec<u64> = (0..10_000).map(entries_of).collect();
        assert_eq!((counts.iter().min(), counts.iter().max()), (Some(&5), Some(&50)));
        let mean = counts.iter().sum::<u64>() as f64 / 10_000.0;
        assert!((27.0..28.0).contains(&mean), "{mean}");
    }

    #[test]
    fn members_of_a_large_collection_are_different() {
        for kind in KINDS.iter().filter(|kind| matches!(kind.name, "set" | "zset" | "hash")) {
            let of = |at| {
                let mut words = Vec::new();
                (kind.entry)(0, at, &mut words);
                if kind.name == "hash" { words.swap_remove(0) } else { words.pop().expect("a member") }
            };
            let members: std::collections::BTreeSet<Vec<u8>> = (0..5000).map(of).collect();
            assert_eq!(members.len(), 5000, "{}", kind.name);
        }
    }
}
