//! Command tips: what COMMAND INFO tells proxies in front of several servers about routing a command and merging
//! replies, in [Redis' words](https://redis.io/docs/latest/develop/reference/command-tips/).

const RANDOM: &str = "nondeterministic_output";
const RANDOM_ORDER: &str = "nondeterministic_output_order";

const ALL_NODES: &str = "request_policy:all_nodes";
const ALL_SHARDS: &str = "request_policy:all_shards";
const MULTI_SHARD: &str = "request_policy:multi_shard";
const SPECIAL_REQUEST: &str = "request_policy:special";

const ALL_SUCCEEDED: &str = "response_policy:all_succeeded";
const ONE_SUCCEEDED: &str = "response_policy:one_succeeded";
const LOGICAL_AND: &str = "response_policy:agg_logical_and";
const LEAST: &str = "response_policy:agg_min";
const SUM: &str = "response_policy:agg_sum";
const SPECIAL_RESPONSE: &str = "response_policy:special";

/// The tips of a command by its full name, in Redis' order. Most have none.
pub fn tips(full_name: &str) -> &'static [&'static str] {
    match full_name {
        "client|info" | "client|list" | "dump" | "hpttl" | "hrandfield" | "hscan" | "httl" | "lastsave"
        | "object|encoding" | "object|freq" | "object|idletime" | "object|refcount" | "pttl" | "spop"
        | "srandmember" | "sscan" | "time" | "ttl" | "zrandmember" | "zscan" => &[RANDOM],
        "command" | "command|docs" | "command|info" | "command|list" | "hgetall" | "hkeys" | "hvals"
        | "function|list" | "module|list" | "sdiff" | "sinter" | "smembers" | "sunion" => &[RANDOM_ORDER],
        "config|set" | "latency|reset" | "script|flush" | "script|load" | "slowlog|reset" => {
            &[ALL_NODES, ALL_SUCCEEDED]
        }
        "dbsize" => &[ALL_SHARDS, SUM],
        "del" | "exists" | "touch" | "unlink" => &[MULTI_SHARD, SUM],
        "flushall" | "flushdb" | "function|delete" | "function|flush" | "function|load"
        | "function|restore" | "memory|purge" | "ping" => &[ALL_SHARDS, ALL_SUCCEEDED],
        "function|kill" | "script|kill" => &[ALL_SHARDS, ONE_SUCCEEDED],
        "function|stats" => &[RANDOM, ALL_SHARDS, SPECIAL_RESPONSE],
        "info" | "memory|doctor" | "memory|malloc-stats" | "memory|stats" => {
            &[RANDOM, ALL_SHARDS, SPECIAL_RESPONSE]
        }
        "keys" => &[ALL_SHARDS, RANDOM_ORDER],
        "latency|doctor" | "latency|graph" | "latency|histogram" | "latency|history" | "latency|latest" => {
            &[RANDOM, ALL_NODES, SPECIAL_RESPONSE]
        }
        "mget" => &[MULTI_SHARD],
        "mset" => &[MULTI_SHARD, ALL_SUCCEEDED],
        "msetnx" => &[MULTI_SHARD, LEAST],
        "randomkey" => &[ALL_SHARDS, RANDOM],
        "scan" => &[RANDOM, SPECIAL_REQUEST],
        "script|exists" => &[ALL_SHARDS, LOGICAL_AND],
        "slowlog|get" => &[ALL_NODES, RANDOM],
        "slowlog|len" => &[ALL_NODES, SUM, RANDOM],
        "wait" => &[ALL_SHARDS, LEAST],
        "xadd" | "xautoclaim" | "xclaim" | "xinfo|consumers" | "xpending" | "xtrim" => &[RANDOM],
        "cluster|bumpepoch"
        | "cluster|count-failure-reports"
        | "cluster|getkeysinslot"
        | "cluster|info"
        | "cluster|links"
        | "cluster|nodes"
        | "cluster|replicas"
        | "cluster|shards"
        | "cluster|slaves"
        | "cluster|slots"
        | "migrate" => &[RANDOM],
        _ => &[],
    }
}
