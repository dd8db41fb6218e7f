//! Options of what does not exist here: durability, replication, cluster, TLS.
//!
//! Where a value other than the default would promise something, such as `appendonly yes`, it is refused.

use crate::config::option::OptionRow;
use crate::config::words;

const NO_APPEND: &str = "an append-only log is not supported yet: data does not survive a restart";
const NO_REPLICAS: &str = "replication is not supported yet";
const NO_CLUSTER: &str = "cluster mode is not supported";
const NO_TLS: &str = "TLS is not supported: put a TLS proxy in front";

pub(super) const ROWS: &[OptionRow] = &[
    // Durability.
    OptionRow::words("save", "", words::save)
        .kept()
        .doc("When to write snapshots; only the empty one is accepted."),
    OptionRow::bool("appendonly", false).only_default(NO_APPEND).doc("Log every write."),
    OptionRow::choice("appendfsync", &["everysec", "always", "no"], 0).kept().doc("When the log is flushed."),
    OptionRow::text("appendfilename", "appendonly.aof").at_start().kept().doc("Redis' log files."),
    OptionRow::text("appenddirname", "appendonlydir").at_start().kept().doc("Redis' log files."),
    OptionRow::bool("no-appendfsync-on-rewrite", false).kept().doc("Redis' log files."),
    OptionRow::count("auto-aof-rewrite-percentage", 100).kept().doc("Redis' log files."),
    OptionRow::size("auto-aof-rewrite-min-size", 64 << 20, 0).kept().doc("Redis' log files."),
    OptionRow::bool("aof-load-truncated", true).kept().doc("Redis' log files."),
    OptionRow::bool("aof-use-rdb-preamble", true).kept().doc("Redis' log files."),
    OptionRow::bool("aof-rewrite-incremental-fsync", true).kept().doc("Redis' log files."),
    OptionRow::bool("aof-timestamp-enabled", false).kept().doc("Redis' log files."),
    OptionRow::bool("aof-disable-auto-gc", false).kept().doc("Redis' log files."),
    OptionRow::text("dbfilename", "dump.rdb").protected().kept().doc("Redis' snapshot file."),
    OptionRow::bool("rdbcompression", true).kept().doc("Redis' snapshots."),
    OptionRow::bool("rdbchecksum", true).at_start().kept().doc("Redis' snapshots."),
    OptionRow::bool("rdb-save-incremental-fsync", true).kept().doc("Redis' snapshots."),
    OptionRow::bool("rdb-del-sync-files", false).kept().doc("Redis' snapshots."),
    OptionRow::integer("rdb-key-save-delay", 0, i32::MIN as i64, i32::MAX as i64)
        .kept()
        .doc("For Redis' tests."),
    OptionRow::integer("key-load-delay", 0, i32::MIN as i64, i32::MAX as i64).kept().doc("For Redis' tests."),
    OptionRow::bool("stop-writes-on-bgsave-error", true).kept().doc("Redis' snapshots."),
    // Replication.
    OptionRow::text("replicaof", "")
        .alias("slaveof")
        .at_start()
        .only_default(NO_REPLICAS)
        .doc("The primary."),
    OptionRow::text("masterauth", "").secret().kept().doc("Password for the primary."),
    OptionRow::text("masteruser", "").kept().doc("User for the primary."),
    OptionRow::count("min-replicas-to-write", 0)
        .alias("min-slaves-to-write")
        .only_default(NO_REPLICAS)
        .doc("Replicas without which writes are refused."),
    OptionRow::count("min-replicas-max-lag", 10)
        .alias("min-slaves-max-lag")
        .kept()
        .doc("Lag of a good replica."),
    OptionRow::bool("replica-serve-stale-data", true)
        .alias("slave-serve-stale-data")
        .kept()
        .doc("Of replicas."),
    OptionRow::bool("replica-read-only", true).alias("slave-read-only").kept().doc("Of replicas."),
    OptionRow::count("replica-priority", 100).alias("slave-priority").kept().doc("Of replicas."),
    OptionRow::bool("replica-announced", true).kept().doc("Of replicas."),
    OptionRow::text("replica-announce-ip", "").alias("slave-announce-ip").kept().doc("Of replicas."),
    OptionRow::integer("replica-announce-port", 0, 0, 65535)
        .alias("slave-announce-port")
        .kept()
        .doc("Of replicas."),
    OptionRow::bool("replica-ignore-maxmemory", true)
        .alias("slave-ignore-maxmemory")
        .kept()
        .doc("Of replicas."),
    OptionRow::bool("replica-ignore-disk-write-errors", false).kept().doc("Of replicas."),
    OptionRow::bool("replica-lazy-flush", false).alias("slave-lazy-flush").kept().doc("Of replicas."),
    OptionRow::choice("propagation-error-behavior", &["ignore", "panic", "panic-on-replicas"], 0)
        .kept()
        .doc("Of replicas."),
    OptionRow::bool("repl-diskless-sync", true).kept().doc("Of replication."),
    OptionRow::count("repl-diskless-sync-delay", 5).kept().doc("Of replication."),
    OptionRow::count("repl-diskless-sync-max-replicas", 0).kept().doc("Of replication."),
    OptionRow::choice("repl-diskless-load", &["disabled", "on-empty-db", "swapdb"], 0)
        .kept()
        .doc("Of replication."),
    OptionRow::bool("repl-disable-tcp-nodelay", false).kept().doc("Of replication."),
    OptionRow::integer("repl-timeout", 60, 1, i32::MAX as i64).kept().doc("Of replication."),
    OptionRow::integer("repl-ping-replica-period", 10, 1, i32::MAX as i64)
        .alias("repl-ping-slave-period")
        .kept()
        .doc("Of replication."),
    OptionRow::size("repl-backlog-size", 1 << 20, 1).kept().doc("Of replication."),
    OptionRow::integer("repl-backlog-ttl", 3600, 0, i64::MAX).kept().doc("Of replication."),
    // Cluster.
    OptionRow::bool("cluster-enabled", false).at_start().only_default(NO_CLUSTER).doc("Cluster mode."),
    OptionRow::text("cluster-config-file", "nodes.conf").at_start().kept().doc("Of cluster mode."),
    OptionRow::integer("cluster-node-timeout", 15_000, 0, i64::MAX).kept().doc("Of cluster mode."),
    OptionRow::integer("cluster-port", 0, 0, 65535).at_start().kept().doc("Of cluster mode."),
    OptionRow::text("cluster-announce-ip", "").kept().doc("Of cluster mode."),
    OptionRow::integer("cluster-announce-port", 0, 0, 65535).kept().doc("Of cluster mode."),
    OptionRow::integer("cluster-announce-bus-port", 0, 0, 65535).kept().doc("Of cluster mode."),
    OptionRow::integer("cluster-announce-tls-port", 0, 0, 65535).kept().doc("Of cluster mode."),
    OptionRow::text("cluster-announce-hostname", "").kept().doc("Of cluster mode."),
    OptionRow::text("cluster-announce-human-nodename", "").kept().doc("Of cluster mode."),
    OptionRow::choice("cluster-preferred-endpoint-type", &["ip", "hostname", "unknown-endpoint"], 0)
        .kept()
        .doc("Of cluster mode."),
    OptionRow::count("cluster-migration-barrier", 1).kept().doc("Of cluster mode."),
    OptionRow::bool("cluster-allow-replica-migration", true).kept().doc("Of cluster mode."),
    OptionRow::bool("cluster-require-full-coverage", true).kept().doc("Of cluster mode."),
    OptionRow::bool("cluster-allow-reads-when-down", false).kept().doc("Of cluster mode."),
    OptionRow::bool("cluster-allow-pubsubshard-when-down", true).kept().doc("Of cluster mode."),
    OptionRow::bool("cluster-replica-no-failover", false)
        .alias("cluster-slave-no-failover")
        .kept()
        .doc("Of cluster mode."),
    OptionRow::count("cluster-replica-validity-factor", 10)
        .alias("cluster-slave-validity-factor")
        .kept()
        .doc("Of cluster mode."),
    OptionRow::size("cluster-link-sendbuf-limit", 0, 0).kept().doc("Of cluster mode."),
    // TLS.
    OptionRow::text("tls-cert-file", "").only_default(NO_TLS).doc("Of TLS."),
    OptionRow::text("tls-key-file", "").only_default(NO_TLS).doc("Of TLS."),
    OptionRow::text("tls-ca-cert-file", "").only_default(NO_TLS).doc("Of TLS."),
    OptionRow::text("tls-ca-cert-dir", "").only_default(NO_TLS).doc("Of TLS."),
    OptionRow::bool("tls-cluster", false).only_default(NO_TLS).doc("Of TLS."),
    OptionRow::bool("tls-replication", false).only_default(NO_TLS).doc("Of TLS."),
    OptionRow::choice("tls-auth-clients", &["no", "yes", "optional"], 1).kept().doc("Of TLS."),
];
