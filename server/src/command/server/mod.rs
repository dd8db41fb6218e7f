//! Commands for operators: settings, state, memory, slow commands, the command table itself.
//!
//! * [`config`]: CONFIG. [`info`]: INFO.
//! * [`databases`]: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB.
//! * [`introspection`]: COMMAND, with [`description`] for the shape of its replies.
//! * [`memory`]: MEMORY. [`slowlog`]: SLOWLOG. [`latency`]: LATENCY, on what [`latency_monitor`] remembers.
//! * [`monitor`]: MONITOR. [`debug`]: DEBUG. [`process`]: TIME, ROLE, LASTSAVE, SHUTDOWN, LOLWUT. [`acl`]: ACL.
//! * [`unavailable`]: durability, replication and modules, [`cluster`]: cluster mode; refused in so many words.

mod acl;
mod cluster;
mod config;
mod databases;
mod debug;
mod description;
mod info;
mod introspection;
pub(crate) mod latency;
pub mod latency_monitor;
mod memory;
mod monitor;
mod process;
pub mod slowlog;
#[cfg(test)]
mod tests;
mod unavailable;

pub(crate) use memory::Allocator;

use super::{Command, Flags};

/// Works in any state of the server.
const ANY_STATE: Flags = Flags::LOADING.with(Flags::STALE);
/// For operators only, in any state, not from scripts.
const OPERATOR: Flags = ANY_STATE.with(Flags::ADMIN).with(Flags::NOSCRIPT);

/// A command of this group.
const SERVER: Command = Command { group: "server", flags: OPERATOR, ..Command::NEW };

/// The HELP subcommand of a container, without its handler.
const HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: ANY_STATE,
    summary: "Returns helpful text about the different subcommands.",
    since: "5.0.0",
    ..SERVER
};

/// The commands of this group.
pub const COMMANDS: &[Command] = &[
    config::CONFIG,
    info::INFO,
    databases::DBSIZE,
    databases::FLUSHDB,
    databases::FLUSHALL,
    databases::SWAPDB,
    introspection::COMMAND,
    memory::MEMORY,
    slowlog::SLOWLOG,
    latency::LATENCY,
    debug::DEBUG,
    monitor::MONITOR,
    process::TIME,
    process::ROLE,
    process::LASTSAVE,
    process::LOLWUT,
    process::SHUTDOWN,
    acl::ACL,
    unavailable::SAVE,
    unavailable::BGSAVE,
    unavailable::BGREWRITEAOF,
    unavailable::REPLICAOF,
    unavailable::SLAVEOF,
    unavailable::FAILOVER,
    unavailable::SYNC,
    unavailable::PSYNC,
    unavailable::MODULE,
    unavailable::REPLCONF,
    cluster::CLUSTER,
    cluster::ASKING,
    cluster::READONLY,
    cluster::READWRITE,
];
