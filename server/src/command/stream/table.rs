//! The rows of stream commands.

use super::{change, claim, group, info, pending, range, read};
use crate::command::key_use::KeyUse;
use crate::command::{Command, Flags, Handler, KeyPositions, Reads};

/// A command of this group on one key, whose value it needs.
const STREAM: Command = Command {
    group: "stream",
    categories: &["stream"],
    keys: KeyPositions::Range { first: 1, last: 1, step: 1 },
    reads: Reads::Values,
    since: "5.0.0",
    ..Command::NEW
};
/// A container.
const CONTAINER: Command =
    Command { categories: &[], keys: KeyPositions::None, complexity: "Depends on subcommand.", ..STREAM };
/// A subcommand on one key.
const SUBCOMMAND: Command = Command { keys: KeyPositions::Range { first: 2, last: 2, step: 1 }, ..STREAM };
/// HELP.
const HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.with(Flags::STALE),
    keys: KeyPositions::None,
    summary: "Returns helpful text about the different subcommands.",
    ..STREAM
};

const WRITE: Flags = Flags::WRITE;
const FAST_WRITE: Flags = Flags::WRITE.with(Flags::FAST);
const GROW: Flags = Flags::WRITE.with(Flags::DENYOOM);
const FAST_GROW: Flags = GROW.with(Flags::FAST);
const READ: Flags = Flags::READONLY;
const WAITING: Flags = Flags::BLOCKING.with(Flags::MOVABLE_KEYS);

/// The arguments of an option of XREAD and XREADGROUP are no keys, whatever they are.
const READ_OPTIONS: &[(&str, usize)] = &[("BLOCK", 1), ("COUNT", 1), ("GROUP", 2)];

/// The commands of this group.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "xack",
        arity: -4,
        flags: FAST_WRITE,
        key_use: &[KeyUse::CHANGE],
        summary: "Returns the number of messages that were successfully acknowledged by the consumer group \
                  member of a stream.",
        complexity: "O(1) for each message ID processed.",
        handler: Handler::Keys(pending::xack),
        ..STREAM
    },
    Command {
        name: "xadd",
        arity: -5,
        flags: FAST_GROW,
        key_use: &[KeyUse::XADD],
        summary: "Appends a new message to a stream. Creates the key if it doesn't exist.",
        complexity: "O(1) when adding a new entry, O(N) when trimming where N being the number of entries \
                     evicted.",
        handler: Handler::Keys(change::xadd),
        ..STREAM
    },
    Command {
        name: "xautoclaim",
        arity: -6,
        flags: FAST_WRITE,
        key_use: &[KeyUse::DELETE_WITHIN],
        summary: "Changes, or acquires, ownership of messages in a consumer group, as if the messages were \
                  delivered to as consumer group member.",
        since: "6.2.0",
        complexity: "O(1) if COUNT is small.",
        handler: Handler::Keys(claim::xautoclaim),
        ..STREAM
    },
    Command {
        name: "xclaim",
        arity: -6,
        flags: FAST_WRITE,
        key_use: &[KeyUse::CHANGE],
        summary: "Changes, or acquires, ownership of a message in a consumer group, as if the message was \
                  delivered a consumer group member.",
        complexity: "O(log N) with N being the number of messages in the PEL of the consumer group.",
        handler: Handler::Keys(claim::xclaim),
        ..STREAM
    },
    Command {
        name: "xdel",
        arity: -3,
        flags: FAST_WRITE,
        key_use: &[KeyUse::DELETE_WITHIN],
        summary: "Returns the number of messages after removing them from a stream.",
        complexity: "O(1) for each single item to delete in the stream, regardless of the stream size.",
        handler: Handler::Keys(change::xdel),
        ..STREAM
    },
    Command {
        name: "xgroup",
        arity: -2,
        summary: "A container for consumer groups commands.",
        subcommands: XGROUP,
        ..CONTAINER
    },
    Command {
        name: "xinfo",
        arity: -2,
        summary: "A container for stream introspection commands.",
        subcommands: XINFO,
        ..CONTAINER
    },
    Command {
        name: "xlen",
        arity: 2,
        flags: READ.with(Flags::FAST),
        reads: Reads::Nothing,
        summary: "Return the number of messages in a stream.",
        handler: Handler::Keys(range::xlen),
        ..STREAM
    },
    Command {
        name: "xpending",
        arity: -3,
        flags: READ,
        summary: "Returns the information and entries from a stream consumer group's pending entries list.",
        complexity: "O(N) with N being the number of elements returned, so asking for a small fixed number \
                     of entries per call is O(1). O(M), where M is the total number of entries scanned \
                     when used with the IDLE filter. When the command returns just the summary and the \
                     list of consumers is small, it runs in O(1) time; otherwise, an additional O(N) time \
                     for iterating every consumer.",
        handler: Handler::Keys(pending::xpending),
        ..STREAM
    },
    Command {
        name: "xrange",
        arity: -4,
        flags: READ,
        summary: "Returns the messages from a stream within a range of IDs.",
        complexity: "O(N) with N being the number of elements being returned. If N is constant (e.g. \
                     always asking for the first 10 elements with COUNT), you can consider it O(1).",
        handler: Handler::Keys(range::xrange),
        ..STREAM
    },
    Command {
        name: "xread",
        arity: -4,
        flags: READ.with(WAITING),
        keys: KeyPositions::HalfBehind { word: "STREAMS", from: 1, options: READ_OPTIONS },
        summary: "Returns messages from multiple streams with IDs greater than the ones requested. Blocks \
                  until a message is available otherwise.",
        complexity: "For each stream mentioned: O(N) with N being the number of elements being returned, it means that \
                     XREAD-ing with a fixed COUNT is O(1). Note that when the BLOCK option is used, XADD will pay O(M) \
                     time in order to serve the M clients blocked on the stream getting new data.",
        handler: Handler::Keys(read::xread),
        ..STREAM
    },
    Command {
        name: "xreadgroup",
        arity: -7,
        flags: WRITE.with(WAITING),
        keys: KeyPositions::HalfBehind { word: "STREAMS", from: 4, options: READ_OPTIONS },
        key_use: &[KeyUse::READ],
        summary: "Returns new or historical messages from a stream for a consumer in a group. Blocks until \
                  a message is available otherwise.",
        complexity: "For each stream mentioned: O(M) with M being the number of elements returned. If M is \
                     constant (e.g. always asking for the first 10 elements with COUNT), you can consider \
                     it O(1). On the other side when XREADGROUP blocks, XADD will pay the O(N) time in \
                     order to serve the N clients blocked on the stream getting new data.",
        handler: Handler::Keys(read::xreadgroup),
        ..STREAM
    },
    Command {
        name: "xrevrange",
        arity: -4,
        flags: READ,
        summary: "Returns the messages from a stream within a range of IDs in reverse order.",
        complexity: "O(N) with N being the number of elements returned. If N is constant (e.g. always \
                     asking for the first 10 elements with COUNT), you can consider it O(1).",
        handler: Handler::Keys(range::xrevrange),
        ..STREAM
    },
    Command {
        name: "xsetid",
        arity: -3,
        flags: FAST_GROW,
        key_use: &[KeyUse::CHANGE],
        summary: "An internal command for replicating stream values.",
        handler: Handler::Keys(change::xsetid),
        ..STREAM
    },
    Command {
        name: "xtrim",
        arity: -4,
        flags: WRITE,
        key_use: &[KeyUse::DELETE_WITHIN],
        summary: "Deletes messages from the beginning of a stream.",
        complexity: "O(N), with N being the number of evicted entries. Constant times are very small \
                     however, since entries are organized in macro nodes containing multiple entries that \
                     can be released with a single deallocation.",
        handler: Handler::Keys(change::xtrim),
        ..STREAM
    },
];

const XGROUP: &[Command] = &[
    Command {
        name: "create",
        arity: -5,
        flags: GROW,
        key_use: &[KeyUse::EXTEND],
        summary: "Creates a consumer group.",
        handler: Handler::Keys(group::create),
        ..SUBCOMMAND
    },
    Command {
        name: "createconsumer",
        arity: 5,
        flags: GROW,
        key_use: &[KeyUse::EXTEND],
        summary: "Creates a consumer in a consumer group.",
        since: "6.2.0",
        handler: Handler::Keys(group::create_consumer),
        ..SUBCOMMAND
    },
    Command {
        name: "delconsumer",
        arity: 5,
        flags: WRITE,
        key_use: &[KeyUse::DELETE_WITHIN],
        summary: "Deletes a consumer from a consumer group.",
        handler: Handler::Keys(group::delete_consumer),
        ..SUBCOMMAND
    },
    Command {
        name: "destroy",
        arity: 4,
        flags: WRITE,
        key_use: &[KeyUse::DELETE_WITHIN],
        summary: "Destroys a consumer group.",
        complexity: "O(N) where N is the number of entries in the group's pending entries list (PEL).",
        handler: Handler::Keys(group::destroy),
        ..SUBCOMMAND
    },
    Command { handler: Handler::Server(group::help), ..HELP },
    Command {
        name: "setid",
        arity: -5,
        flags: WRITE,
        key_use: &[KeyUse::CHANGE],
        summary: "Sets the last-delivered ID of a consumer group.",
        handler: Handler::Keys(group::setid),
        ..SUBCOMMAND
    },
];

const XINFO: &[Command] = &[
    Command {
        name: "consumers",
        arity: 4,
        flags: READ,
        summary: "Returns a list of the consumers in a consumer group.",
        handler: Handler::Keys(info::consumers),
        ..SUBCOMMAND
    },
    Command {
        name: "groups",
        arity: 3,
        flags: READ,
        summary: "Returns a list of the consumer groups of a stream.",
        handler: Handler::Keys(info::groups),
        ..SUBCOMMAND
    },
    Command { handler: Handler::Server(info::help), ..HELP },
    Command {
        name: "stream",
        arity: -3,
        flags: READ,
        summary: "Returns information about a stream.",
        handler: Handler::Keys(info::xinfo_stream),
        ..SUBCOMMAND
    },
];
