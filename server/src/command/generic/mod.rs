//! Commands on keys of any type: deletion, expiry, names, iteration, introspection, DUMP and RESTORE.
//!
//! What a command reads of a key is in the index, so none of them but COPY, DUMP, MIGRATE and one case of OBJECT REFCOUNT
//! needs a value.
//!
//! WAIT and WAITAOF are here as well, as in Redis, though they wait for replicas and the log.
//!
//! The folder also owns what belongs to no command alone: glob patterns ([`glob`]), the payload of DUMP ([`rdb`]) and
//! its compression ([`lzf`]).

mod dump;
mod expiry;
pub mod glob;
pub(crate) mod iteration;
mod keys;
pub mod lzf;
mod migrate;
mod names;
mod object;
pub mod rdb;
mod sort;
mod wait;

use super::{Command, KeyPositions};

/// The rows of this group.
pub const COMMANDS: &[Command] = &[
    keys::DEL,
    keys::UNLINK,
    keys::EXISTS,
    keys::TYPE,
    keys::TOUCH,
    names::RENAME,
    names::RENAMENX,
    names::MOVE,
    names::COPY,
    expiry::EXPIRE,
    expiry::PEXPIRE,
    expiry::EXPIREAT,
    expiry::PEXPIREAT,
    expiry::TTL,
    expiry::PTTL,
    expiry::EXPIRETIME,
    expiry::PEXPIRETIME,
    expiry::PERSIST,
    iteration::KEYS,
    iteration::SCAN,
    iteration::RANDOMKEY,
    object::OBJECT,
    dump::DUMP,
    dump::RESTORE,
    dump::RESTORE_ASKING,
    migrate::MIGRATE,
    sort::SORT,
    sort::SORT_RO,
    wait::WAIT,
    wait::WAITAOF,
];

const ONE_KEY: KeyPositions = KeyPositions::Range { first: 1, last: 1, step: 1 };
const TWO_KEYS: KeyPositions = KeyPositions::Range { first: 1, last: 2, step: 1 };
const ALL_KEYS: KeyPositions = KeyPositions::Range { first: 1, last: -1, step: 1 };

/// What the rows of this group have in common.
const GENERIC: Command = Command { group: "generic", categories: &["keyspace"], ..Command::NEW };
