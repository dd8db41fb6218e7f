//! Databases, the memory limit, eviction, expiry, and Redis' encodings.

use thermocline_engine::MAX_DATABASES;

use crate::config::option::OptionRow;
use crate::config::words;

/// In the order in which Redis' error text lists them.
const POLICIES: &[&str] = &[
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    NO_EVICTION,
];
const NO_EVICTION: &str = "noeviction";

pub(super) const ROWS: &[OptionRow] = &[
    OptionRow::integer("databases", 16, 1, MAX_DATABASES as i64).at_start().doc("How many databases there are."),
    OptionRow::size("maxmemory", 0, 0)
        .doc("What the whole process may take, in bytes. 0 is no limit without an SSD tier, and with one 75 % of the \
              machine's memory (or of the control group's limit, where that is lower)."),
    OptionRow::choice("maxmemory-policy", POLICIES, POLICIES.len() as i64 - 1)
        .doc("What is deleted when memory, and the SSD tier where there is one, is full."),
    OptionRow::integer("maxmemory-samples", 5, 1, i32::MAX as i64)
        .doc("How many keys are compared to find one to delete."),
    OptionRow::integer("maxmemory-eviction-tenacity", 10, 0, 100).kept().doc("How long Redis may evict at a time."),
    OptionRow::count("lfu-log-factor", 10).doc("How slowly an LFU counter grows; higher is slower."),
    OptionRow::count("lfu-decay-time", 1)
        .doc("Minutes without access that take one from an LFU counter; 0 never does."),
    OptionRow::integer("active-expire-effort", 1, 1, 10).kept().doc("How hard Redis looks for expired keys."),
    OptionRow::bool("lazyfree-lazy-eviction", false).kept().doc("Memory is given back in the background anyway."),
    OptionRow::bool("lazyfree-lazy-expire", false).kept().doc("Memory is given back in the background anyway."),
    OptionRow::bool("lazyfree-lazy-server-del", false).kept().doc("Memory is given back in the background anyway."),
    OptionRow::bool("lazyfree-lazy-user-del", false).kept().doc("Memory is given back in the background anyway."),
    OptionRow::bool("lazyfree-lazy-user-flush", false).kept().doc("Memory is given back in the background anyway."),
    OptionRow::choice("sanitize-dump-payload", &["no", "yes", "clients"], 0)
        .kept()
        .doc("Payloads of RESTORE are always checked."),
    OptionRow::integer("hash-max-listpack-entries", 512, 0, i64::MAX)
        .alias("hash-max-ziplist-entries")
        .doc("Fields that a hash may have and be a listpack."),
    OptionRow::size("hash-max-listpack-value", 64, 0)
        .alias("hash-max-ziplist-value")
        .doc("How long a field or value of such a hash may be."),
    OptionRow::integer("list-max-listpack-size", -2, i32::MIN as i64, i32::MAX as i64)
        .alias("list-max-ziplist-size")
        .doc("What a listpack of a list may hold: so many elements, or below zero, bytes: from -1 on 4, 8, 16, 32 and 64 \
              KiB."),
    OptionRow::count("list-compress-depth", 0).kept().doc("Redis' encoding of lists."),
    OptionRow::integer("set-max-intset-entries", 512, 0, i64::MAX)
        .doc("Members that a set of integers may have and be an intset."),
    OptionRow::integer("set-max-listpack-entries", 128, 0, i64::MAX)
        .doc("Members that any other set may have and be a listpack."),
    OptionRow::size("set-max-listpack-value", 64, 0).doc("How long a member of such a set may be."),
    OptionRow::integer("zset-max-listpack-entries", 128, 0, i64::MAX)
        .alias("zset-max-ziplist-entries")
        .doc("Up to how many members a sorted set is kept in its compact form. Never more than 65535."),
    OptionRow::size("zset-max-listpack-value", 64, 0)
        .alias("zset-max-ziplist-value")
        .doc("Up to which length of its members, in bytes, a sorted set is kept in its compact form."),
    OptionRow::size("hll-sparse-max-bytes", 3000, 0)
        .doc("Up to how many bytes, 16 of them its head, a HyperLogLog is kept in its sparse form."),
    OptionRow::size("stream-node-max-bytes", 4096, 0)
        .doc("The most bytes of a node of a stream, counted as in Redis; 0 for no limit."),
    OptionRow::integer("stream-node-max-entries", 100, 0, i64::MAX)
        .doc("The most entries of a node of a stream; 0 for no limit."),
    OptionRow::words("notify-keyspace-events", "", words::event_classes)
        .doc("Which changes of keys are published, as letters: `K` to `__keyspace@<db>__:<key>`, `E` to \
              `__keyevent@<db>__:<event>`; `g` generic commands, `$` strings, `l` lists, `s` sets, `h` hashes, `z` sorted \
              sets, `t` streams, `x` expired and `e` evicted keys, `A` for all of these; `n` new keys, `m` misses."),
    OptionRow::bool("activerehashing", true).kept().doc("The index grows without rehashing."),
    OptionRow::bool("activedefrag", false)
        .only_default("active defragmentation is not supported")
        .doc("Redis' defragmentation of memory."),
    OptionRow::size("active-defrag-ignore-bytes", 100 << 20, 1).kept().doc("Redis' defragmentation."),
    OptionRow::integer("active-defrag-cycle-min", 1, 1, 99).kept().doc("Redis' defragmentation."),
    OptionRow::integer("active-defrag-cycle-max", 25, 1, 99).kept().doc("Redis' defragmentation."),
    OptionRow::integer("active-defrag-threshold-lower", 10, 0, 1000).kept().doc("Redis' defragmentation."),
    OptionRow::integer("active-defrag-threshold-upper", 100, 0, 1000).kept().doc("Redis' defragmentation."),
    OptionRow::integer("active-defrag-max-scan-fields", 1000, 1, i64::MAX).kept().doc("Redis' defragmentation."),
    OptionRow::bool("jemalloc-bg-thread", true).kept().doc("Redis' allocator thread."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use thermocline_engine::EvictionPolicy;

    #[test]
    fn every_policy_is_one_of_the_engine_and_none_is_missing() {
        let policies: Vec<EvictionPolicy> = POLICIES
            .iter()
            .map(|name| EvictionPolicy::from_name(name).expect("the engine knows it"))
            .collect();
        assert!(EvictionPolicy::ALL.iter().all(|policy| policies.contains(policy)));
    }
}
