//! Sorted set commands.
//!
//! * `add`: ZADD, ZINCRBY.
//! * `remove`: ZREM and its kin.
//! * `read`: cardinality, counts, scores, ranks.
//! * `range`: ZRANGE in all its forms, ZRANGESTORE.
//! * `pop`: ZPOPMIN and its kin, those that wait among them.
//! * `draw`: ZRANDMEMBER, ZSCAN.
//! * `combine`: unions, intersections and differences.
//! * `limits`: how ranges are read from arguments; `pairs`: how members and scores are replied.

pub(crate) mod add;
mod combine;
mod draw;
mod limits;
mod pairs;
mod pop;
pub(crate) mod range;
mod read;
mod remove;
#[cfg(test)]
mod tests;

use std::ops::Range;

use thermocline_engine::KeyInfo;
use thermocline_engine::value::{SortedSetValue, Value, ValueType};

use super::key_use::KeyUse;
use super::{Command, Failure, Flags, Handler, KeyPositions, Reads};

/// The value as a sorted set.
///
/// # Errors
/// [`Failure::WRONG_TYPE`] where it is something else.
#[inline]
pub(crate) fn sorted_set(value: &Value) -> Result<&SortedSetValue, Failure> {
    value.as_sorted_set().ok_or(Failure::WRONG_TYPE)
}

/// Checks that a key is a sorted set, by what the index knows of it.
///
/// # Errors
/// [`Failure::WRONG_TYPE`] where it is something else.
pub(crate) fn check_type(info: &KeyInfo) -> Result<(), Failure> {
    if info.value_type == ValueType::SortedSet { Ok(()) } else { Err(Failure::WRONG_TYPE) }
}

/// The ranks from `start` to `end`, both included and counted from the end where they are negative. An `end` before the
/// first rank makes the range empty.
fn ranks(start: i64, end: i64, len: usize) -> Range<usize> {
    let count = len as i64;
    let from_end = |rank: i64| if rank < 0 { rank + count } else { rank };
    let (start, end) = (from_end(start).max(0), from_end(end).min(count - 1));
    if start > end { 0..0 } else { start as usize..end as usize + 1 }
}

const ONE_KEY: KeyPositions = KeyPositions::Range { first: 1, last: 1, step: 1 };
const TWO_KEYS: KeyPositions = KeyPositions::Range { first: 1, last: 2, step: 1 };
const KEYS_AND_TIMEOUT: KeyPositions = KeyPositions::Range { first: 1, last: -2, step: 1 };
const COUNTED: KeyPositions = KeyPositions::Counted { count: 1 };
const TARGET_AND_COUNTED: KeyPositions = KeyPositions::TargetAndCounted { count: 2 };

const OVERWRITE_FIRST: &[KeyUse] = &[KeyUse::OVERWRITE, KeyUse::READ];

/// A command of this group on one key, whose value it needs.
const SORTED_SET: Command = Command {
    group: "sorted-set",
    categories: &["sortedset"],
    keys: ONE_KEY,
    reads: Reads::Values,
    since: "1.2.0",
    ..Command::NEW
};

const READ: Flags = Flags::READONLY;
const FAST_READ: Flags = READ.with(Flags::FAST);
const FAST_WRITE: Flags = Flags::WRITE.with(Flags::FAST);
const GROW: Flags = Flags::WRITE.with(Flags::DENYOOM);
const FAST_GROW: Flags = GROW.with(Flags::FAST);
const READ_COUNTED: Flags = READ.with(Flags::MOVABLE_KEYS);
const STORE_COUNTED: Flags = GROW.with(Flags::MOVABLE_KEYS);
const WAITING: Flags = FAST_WRITE.with(Flags::NOSCRIPT).with(Flags::BLOCKING);

/// The commands of this group.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "bzmpop",
        arity: -5,
        flags: Flags::WRITE.with(Flags::BLOCKING).with(Flags::MOVABLE_KEYS),
        keys: KeyPositions::Counted { count: 2 },
        key_use: &[KeyUse::TAKE],
        summary: "Removes and returns a member by score from one or more sorted sets. Blocks until a member is available otherwise. Deletes the sorted set if the last element was popped.",
        since: "7.0.0",
        complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.",
        handler: Handler::Keys(pop::bzmpop),
        ..SORTED_SET
    },
    Command {
        name: "bzpopmax",
        arity: -3,
        flags: WAITING,
        keys: KEYS_AND_TIMEOUT,
        key_use: &[KeyUse::TAKE],
        summary: "Removes and returns the member with the highest score from one or more sorted sets. Blocks until a member available otherwise.  Deletes the sorted set if the last element was popped.",
        since: "5.0.0",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        handler: Handler::Keys(pop::bzpopmax),
        ..SORTED_SET
    },
    Command {
        name: "bzpopmin",
        arity: -3,
        flags: WAITING,
        keys: KEYS_AND_TIMEOUT,
        key_use: &[KeyUse::TAKE],
        summary: "Removes and returns the member with the lowest score from one or more sorted sets. Blocks until a member is available otherwise. Deletes the sorted set if the last element was popped.",
        since: "5.0.0",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        handler: Handler::Keys(pop::bzpopmin),
        ..SORTED_SET
    },
    Command {
        name: "zadd",
        arity: -4,
        flags: FAST_GROW,
        member: 3,
        key_use: &[KeyUse::CHANGE],
        summary: "Adds one or more members to a sorted set, or updates their scores. Creates the key if it doesn't exist.",
        complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
        handler: Handler::Keys(add::zadd),
        ..SORTED_SET
    },
    Command {
        name: "zcard",
        arity: 2,
        flags: FAST_READ,
        key_use: &[KeyUse::LOOK],
        reads: Reads::Nothing,
        summary: "Returns the number of members in a sorted set.",
        complexity: "O(1)",
        handler: Handler::Keys(read::zcard),
        ..SORTED_SET
    },
    Command {
        name: "zcount",
        arity: 4,
        flags: FAST_READ,
        summary: "Returns the count of members in a sorted set that have scores within a range.",
        since: "2.0.0",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        handler: Handler::Keys(read::zcount),
        ..SORTED_SET
    },
    Command {
        name: "zdiff",
        arity: -3,
        flags: READ_COUNTED,
        keys: COUNTED,
        summary: "Returns the difference between multiple sorted sets.",
        since: "6.2.0",
        complexity: "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first set, and K is the size of the result set.",
        handler: Handler::Keys(combine::zdiff),
        ..SORTED_SET
    },
    Command {
        name: "zdiffstore",
        arity: -4,
        flags: STORE_COUNTED,
        keys: TARGET_AND_COUNTED,
        key_use: OVERWRITE_FIRST,
        summary: "Stores the difference of multiple sorted sets in a key.",
        since: "6.2.0",
        complexity: "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first set, and K is the size of the result set.",
        handler: Handler::Keys(combine::zdiffstore),
        ..SORTED_SET
    },
    Command {
        name: "zincrby",
        arity: 4,
        flags: FAST_GROW,
        member: 3,
        summary: "Increments the score of a member in a sorted set.",
        complexity: "O(log(N)) where N is the number of elements in the sorted set.",
        handler: Handler::Keys(add::zincrby),
        ..SORTED_SET
    },
    Command {
        name: "zinter",
        arity: -3,
        flags: READ_COUNTED,
        keys: COUNTED,
        summary: "Returns the intersect of multiple sorted sets.",
        since: "6.2.0",
        complexity: "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets and M being the number of elements in the resulting sorted set.",
        handler: Handler::Keys(combine::zinter),
        ..SORTED_SET
    },
    Command {
        name: "zintercard",
        arity: -3,
        flags: READ_COUNTED,
        keys: COUNTED,
        summary: "Returns the number of members of the intersect of multiple sorted sets.",
        since: "7.0.0",
        complexity: "O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets.",
        handler: Handler::Keys(combine::zintercard),
        ..SORTED_SET
    },
    Command {
        name: "zinterstore",
        arity: -4,
        flags: STORE_COUNTED,
        keys: TARGET_AND_COUNTED,
        key_use: OVERWRITE_FIRST,
        summary: "Stores the intersect of multiple sorted sets in a key.",
        since: "2.0.0",
        complexity: "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets and M being the number of elements in the resulting sorted set.",
        handler: Handler::Keys(combine::zinterstore),
        ..SORTED_SET
    },
    Command {
        name: "zlexcount",
        arity: 4,
        flags: FAST_READ,
        summary: "Returns the number of members in a sorted set within a lexicographical range.",
        since: "2.8.9",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        handler: Handler::Keys(read::zlexcount),
        ..SORTED_SET
    },
    Command {
        name: "zmpop",
        arity: -4,
        flags: Flags::WRITE.with(Flags::MOVABLE_KEYS),
        keys: COUNTED,
        key_use: &[KeyUse::TAKE],
        summary: "Returns the highest- or lowest-scoring members from one or more sorted sets after removing them. Deletes the sorted set if the last member was popped.",
        since: "7.0.0",
        complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.",
        handler: Handler::Keys(pop::zmpop),
        ..SORTED_SET
    },
    Command {
        name: "zmscore",
        arity: -3,
        flags: FAST_READ,
        member: 2,
        summary: "Returns the score of one or more members in a sorted set.",
        since: "6.2.0",
        complexity: "O(N) where N is the number of members being requested.",
        handler: Handler::Keys(read::zmscore),
        ..SORTED_SET
    },
    Command {
        name: "zpopmax",
        arity: -2,
        flags: FAST_WRITE,
        key_use: &[KeyUse::TAKE],
        summary: "Returns the highest-scoring members from a sorted set after removing them. Deletes the sorted set if the last member was popped.",
        since: "5.0.0",
        complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped.",
        handler: Handler::Keys(pop::zpopmax),
        ..SORTED_SET
    },
    Command {
        name: "zpopmin",
        arity: -2,
        flags: FAST_WRITE,
        key_use: &[KeyUse::TAKE],
        summary: "Returns the lowest-scoring members from a sorted set after removing them. Deletes the sorted set if the last member was popped.",
        since: "5.0.0",
        complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped.",
        handler: Handler::Keys(pop::zpopmin),
        ..SORTED_SET
    },
    Command {
        name: "zrandmember",
        arity: -2,
        flags: READ,
        summary: "Returns one or more random members from a sorted set.",
        since: "6.2.0",
        complexity: "O(N) where N is the number of elements returned",
        handler: Handler::Keys(draw::zrandmember),
        ..SORTED_SET
    },
    Command {
        name: "zrange",
        arity: -4,
        flags: READ,
        summary: "Returns members in a sorted set within a range of indexes.",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.",
        handler: Handler::Keys(range::zrange),
        ..SORTED_SET
    },
    Command {
        name: "zrangebylex",
        arity: -4,
        flags: READ,
        summary: "Returns members in a sorted set within a lexicographical range.",
        since: "2.8.9",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).",
        handler: Handler::Keys(range::zrangebylex),
        ..SORTED_SET
    },
    Command {
        name: "zrangebyscore",
        arity: -4,
        flags: READ,
        summary: "Returns members in a sorted set within a range of scores.",
        since: "1.0.5",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).",
        handler: Handler::Keys(range::zrangebyscore),
        ..SORTED_SET
    },
    Command {
        name: "zrangestore",
        arity: -5,
        flags: GROW,
        keys: TWO_KEYS,
        key_use: OVERWRITE_FIRST,
        summary: "Stores a range of members from sorted set in a key.",
        since: "6.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements stored into the destination key.",
        handler: Handler::Keys(range::zrangestore),
        ..SORTED_SET
    },
    Command {
        name: "zrank",
        arity: -3,
        flags: FAST_READ,
        member: 2,
        summary: "Returns the index of a member in a sorted set ordered by ascending scores.",
        since: "2.0.0",
        complexity: "O(log(N))",
        handler: Handler::Keys(read::zrank),
        ..SORTED_SET
    },
    Command {
        name: "zrem",
        arity: -3,
        flags: FAST_WRITE,
        member: 2,
        key_use: &[KeyUse::REMOVE],
        summary: "Removes one or more members from a sorted set. Deletes the sorted set if all members were removed.",
        complexity: "O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to be removed.",
        handler: Handler::Keys(remove::zrem),
        ..SORTED_SET
    },
    Command {
        name: "zremrangebylex",
        arity: 4,
        flags: Flags::WRITE,
        key_use: &[KeyUse::REMOVE],
        summary: "Removes members in a sorted set within a lexicographical range. Deletes the sorted set if all members were removed.",
        since: "2.8.9",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.",
        handler: Handler::Keys(remove::zremrangebylex),
        ..SORTED_SET
    },
    Command {
        name: "zremrangebyrank",
        arity: 4,
        flags: Flags::WRITE,
        key_use: &[KeyUse::REMOVE],
        summary: "Removes members in a sorted set within a range of indexes. Deletes the sorted set if all members were removed.",
        since: "2.0.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.",
        handler: Handler::Keys(remove::zremrangebyrank),
        ..SORTED_SET
    },
    Command {
        name: "zremrangebyscore",
        arity: 4,
        flags: Flags::WRITE,
        key_use: &[KeyUse::REMOVE],
        summary: "Removes members in a sorted set within a range of scores. Deletes the sorted set if all members were removed.",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.",
        handler: Handler::Keys(remove::zremrangebyscore),
        ..SORTED_SET
    },
    Command {
        name: "zrevrange",
        arity: -4,
        flags: READ,
        summary: "Returns members in a sorted set within a range of indexes in reverse order.",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.",
        handler: Handler::Keys(range::zrevrange),
        ..SORTED_SET
    },
    Command {
        name: "zrevrangebylex",
        arity: -4,
        flags: READ,
        summary: "Returns members in a sorted set within a lexicographical range in reverse order.",
        since: "2.8.9",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).",
        handler: Handler::Keys(range::zrevrangebylex),
        ..SORTED_SET
    },
    Command {
        name: "zrevrangebyscore",
        arity: -4,
        flags: READ,
        summary: "Returns members in a sorted set within a range of scores in reverse order.",
        since: "2.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).",
        handler: Handler::Keys(range::zrevrangebyscore),
        ..SORTED_SET
    },
    Command {
        name: "zrevrank",
        arity: -3,
        flags: FAST_READ,
        member: 2,
        summary: "Returns the index of a member in a sorted set ordered by descending scores.",
        since: "2.0.0",
        complexity: "O(log(N))",
        handler: Handler::Keys(read::zrevrank),
        ..SORTED_SET
    },
    Command {
        name: "zscan",
        arity: -3,
        flags: READ,
        summary: "Iterates over members and scores of a sorted set.",
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection..",
        handler: Handler::Keys(draw::zscan),
        ..SORTED_SET
    },
    Command {
        name: "zscore",
        arity: 3,
        flags: FAST_READ,
        member: 2,
        summary: "Returns the score of a member in a sorted set.",
        complexity: "O(1)",
        handler: Handler::Keys(read::zscore),
        ..SORTED_SET
    },
    Command {
        name: "zunion",
        arity: -3,
        flags: READ_COUNTED,
        keys: COUNTED,
        summary: "Returns the union of multiple sorted sets.",
        since: "6.2.0",
        complexity: "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.",
        handler: Handler::Keys(combine::zunion),
        ..SORTED_SET
    },
    Command {
        name: "zunionstore",
        arity: -4,
        flags: STORE_COUNTED,
        keys: TARGET_AND_COUNTED,
        key_use: OVERWRITE_FIRST,
        summary: "Stores the union of multiple sorted sets in a key.",
        since: "2.0.0",
        complexity: "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.",
        handler: Handler::Keys(combine::zunionstore),
        ..SORTED_SET
    },
];
