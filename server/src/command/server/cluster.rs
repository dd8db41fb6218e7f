//! Cluster mode, which does not exist here: every command of it replies what Redis replies with cluster mode off. By that
//! error clients know that this is no cluster.

use thermocline_protocol::Arguments;

use super::{ANY_STATE, SERVER};
use crate::command::{Command, Context, Failure, Flags, Handler};

const NO_CLUSTER: &str = "ERR This instance has cluster support disabled";

/// A command of this group.
const ROW: Command = Command {
    group: "cluster",
    since: "3.0.0",
    flags: Flags::STALE,
    handler: Handler::Server(refuse),
    ..SERVER
};

/// Looks at the cluster's state with an operator's rights.
const INSPECTION: Flags = Flags::STALE.with(Flags::ADMIN);
/// Would change the cluster's state.
const CHANGE: Flags = INSPECTION.with(Flags::NO_ASYNC_LOADING);

const NODES: &str = "O(N) where N is the total number of Cluster nodes";
const SLOTS: &str = "O(N) where N is the total number of hash slot arguments";
const RANGES: &str =
    "O(N) where N is the total number of the slots between the start slot and end slot arguments.";

pub(super) const CLUSTER: Command = Command {
    name: "cluster",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for Redis Cluster commands.",
    complexity: "Depends on subcommand.",
    handler: Handler::Container,
    subcommands: &[
        row("addslots", -3, CHANGE, SLOTS, "Assigns new hash slots to a node."),
        Command {
            since: "7.0.0",
            ..row("addslotsrange", -4, CHANGE, RANGES, "Assigns new hash slot ranges to a node.")
        },
        row("bumpepoch", 2, CHANGE, "O(1)", "Advances the cluster config epoch."),
        row(
            "count-failure-reports",
            3,
            INSPECTION,
            "O(N) where N is the number of failure reports",
            "Returns the number of active failure reports active for a node.",
        ),
        row("countkeysinslot", 3, Flags::STALE, "O(1)", "Returns the number of keys in a hash slot."),
        row("delslots", -3, CHANGE, SLOTS, "Sets hash slots as unbound for a node."),
        Command {
            since: "7.0.0",
            ..row("delslotsrange", -4, CHANGE, RANGES, "Sets hash slot ranges as unbound for a node.")
        },
        row("failover", -2, CHANGE, "O(1)", "Forces a replica to perform a manual failover of its master."),
        row("flushslots", 2, CHANGE, "O(1)", "Deletes all slots information from a node."),
        row("forget", 3, CHANGE, "O(1)", "Removes a node from the nodes table."),
        row(
            "getkeysinslot",
            4,
            Flags::STALE,
            "O(log(N)) where N is the number of requested keys",
            "Returns the key names in a hash slot.",
        ),
        Command {
            since: "5.0.0",
            ..row("help", 2, ANY_STATE, "O(1)", "Returns helpful text about the different subcommands.")
        },
        row("info", 2, Flags::STALE, "O(1)", "Returns information about the state of a node."),
        row(
            "keyslot",
            3,
            Flags::STALE,
            "O(N) where N is the number of bytes in the key",
            "Returns the hash slot for a key.",
        ),
        Command {
            since: "7.0.0",
            ..row("links", 2, Flags::STALE, NODES, "Returns a list of all TCP links to and from peer nodes.")
        },
        row("meet", -4, CHANGE, "O(1)", "Forces a node to handshake with another node."),
        row("myid", 2, Flags::STALE, "O(1)", "Returns the ID of a node."),
        Command {
            since: "7.2.0",
            ..row("myshardid", 2, Flags::STALE, "O(1)", "Returns the shard ID of a node.")
        },
        row("nodes", 2, Flags::STALE, NODES, "Returns the cluster configuration for a node."),
        Command {
            since: "5.0.0",
            ..row("replicas", 3, INSPECTION, "O(1)", "Lists the replica nodes of a master node.")
        },
        row("replicate", 3, CHANGE, "O(1)", "Configure a node as replica of a master node."),
        row(
            "reset",
            -2,
            INSPECTION.with(Flags::NOSCRIPT),
            "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.",
            "Resets a node.",
        ),
        row("saveconfig", 2, CHANGE, "O(1)", "Forces a node to save the cluster configuration to disk."),
        row("set-config-epoch", 3, CHANGE, "O(1)", "Sets the configuration epoch for a new node."),
        row("setslot", -4, CHANGE, "O(1)", "Binds a hash slot to a node."),
        Command {
            since: "7.0.0",
            ..row(
                "shards",
                2,
                Flags::STALE,
                "O(N) where N is the total number of cluster nodes",
                "Returns the mapping of cluster slots to shards.",
            )
        },
        row("slaves", 3, INSPECTION, "O(1)", "Lists the replica nodes of a master node."),
        row("slots", 2, Flags::STALE, NODES, "Returns the mapping of cluster slots to nodes."),
    ],
    ..ROW
};

pub(super) const ASKING: Command = Command {
    flags: Flags::FAST,
    summary: "Signals that a cluster client is following an -ASK redirect.",
    ..connection("asking")
};

pub(super) const READONLY: Command = Command {
    summary: "Enables read-only queries for a connection to a Redis Cluster replica node.",
    ..connection("readonly")
};

pub(super) const READWRITE: Command = Command {
    summary: "Enables read-write queries for a connection to a Redis Cluster replica node.",
    ..connection("readwrite")
};

/// A subcommand of CLUSTER.
const fn row(
    name: &'static str,
    arity: i32,
    flags: Flags,
    complexity: &'static str,
    summary: &'static str,
) -> Command {
    Command { name, arity, flags, complexity, summary, ..ROW }
}

/// A command by which a cluster's client says what it wants of its connection.
const fn connection(name: &'static str) -> Command {
    Command { name, arity: 1, flags: ANY_STATE.with(Flags::FAST), categories: &["connection"], ..ROW }
}

fn refuse(_: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    Err(Failure::error(NO_CLUSTER))
}
