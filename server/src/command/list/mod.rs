//! List commands.
//!
//! * `push`: LPUSH, RPUSH, LPUSHX, RPUSHX.
//! * `pop`: LPOP, RPOP, LMPOP, and BLPOP, BRPOP, BLMPOP, which wait.
//! * `transfer`: LMOVE, RPOPLPUSH, and BLMOVE, BRPOPLPUSH, which wait.
//! * `read`: LLEN, LINDEX, LRANGE; `position`: LPOS.
//! * `edit`: LSET, LINSERT, LREM, LTRIM.
//!
//! What the index knows is enough to refuse a command, and often to tell that there is nothing to do, so handlers look
//! there first.

mod edit;
mod pop;
mod position;
mod push;
mod read;
#[cfg(test)]
mod tests;
mod transfer;

use thermocline_engine::value::{Element, ListEnd, ListValue, Value, ValueType};
use thermocline_engine::{KeyInfo, Keys};
use thermocline_protocol::ReplyEncoder;

use super::arguments::is_word;
use super::key_use::KeyUse;
use super::{Command, Failure, Flags, Handler, KeyContext, KeyPositions, Reads};
use crate::server::events::EventClass;

/// The value as a list.
///
/// # Errors
/// [`Failure::WRONG_TYPE`] where it is something else.
fn list(value: &Value) -> Result<&ListValue, Failure> {
    value.as_list().ok_or(Failure::WRONG_TYPE)
}

/// How many elements a key has by what the index knows of it; `None` where there is no such key.
///
/// # Errors
/// [`Failure::WRONG_TYPE`] where it is something else.
fn length(info: Option<KeyInfo>) -> Result<Option<usize>, Failure> {
    match info {
        Some(info) if info.value_type != ValueType::List => Err(Failure::WRONG_TYPE),
        info => Ok(info.map(|info| info.length as usize)),
    }
}

/// Changes a list that is known to be there.
///
/// # Errors
/// [`Failure::Cold`].
fn change<T>(
    keys: &mut Keys<'_>,
    key: &[u8],
    change: impl FnOnce(&mut ListValue) -> T,
) -> Result<T, Failure> {
    let result = keys.modify(key, |value| change(value.as_list_mut().expect("the type was checked")))?;
    Ok(result.expect("the key was looked up"))
}

/// Deletes a list from which everything was taken.
fn remove_if_empty(context: &mut KeyContext<'_>, key: &[u8], is_empty: bool) {
    if is_empty {
        context.keys.remove(key);
        context.notify(EventClass::GENERIC, "del", key);
    }
}

/// The end that an argument names.
///
/// # Errors
/// [`Failure::SYNTAX`] where it names none.
fn list_end(argument: &[u8]) -> Result<ListEnd, Failure> {
    match argument {
        word if is_word(word, "LEFT") => Ok(ListEnd::Front),
        word if is_word(word, "RIGHT") => Ok(ListEnd::Back),
        _ => Err(Failure::SYNTAX),
    }
}

fn reply_element(reply: &mut ReplyEncoder<'_>, element: Element<'_>) {
    match element {
        Element::Bytes(bytes) => reply.bulk(bytes),
        Element::Integer(integer) => reply.bulk_integer(integer),
    }
}

const ALL_BUT_LAST: KeyPositions = KeyPositions::Range { first: 1, last: -2, step: 1 };
const TWO_KEYS: KeyPositions = KeyPositions::Range { first: 1, last: 2, step: 1 };

/// A command of this group on one key, whose value it needs.
const LIST: Command = Command {
    group: "list",
    categories: &["list"],
    keys: KeyPositions::Range { first: 1, last: 1, step: 1 },
    reads: Reads::Values,
    ..Command::NEW
};

const READ: Flags = Flags::READONLY;
const WRITE: Flags = Flags::WRITE;
const GROW: Flags = Flags::WRITE.with(Flags::DENYOOM);
const FAST_WRITE: Flags = WRITE.with(Flags::FAST);
const FAST_GROW: Flags = GROW.with(Flags::FAST);
const WAIT: Flags = WRITE.with(Flags::BLOCKING);
const WAIT_OUTSIDE_SCRIPTS: Flags = WAIT.with(Flags::NOSCRIPT);

const MOVED: &[KeyUse] = &[KeyUse::TAKE, KeyUse::EXTEND];

const PUSH_COMPLEXITY: &str = "O(1) for each element added, so O(N) to add N elements when the command is called with \
                               multiple arguments.";
const POP_COMPLEXITY: &str = "O(N) where N is the number of elements returned";
const MULTIPLE_POP_COMPLEXITY: &str =
    "O(N+M) where N is the number of provided keys and M is the number of elements returned.";

/// The commands of this group.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "blmove",
        arity: 6,
        flags: WAIT_OUTSIDE_SCRIPTS.with(Flags::DENYOOM),
        keys: TWO_KEYS,
        key_use: MOVED,
        summary: "Pops an element from a list, pushes it to another list and returns it. Blocks until an element is \
                  available otherwise. Deletes the list if the last element was moved.",
        since: "6.2.0",
        handler: Handler::Keys(transfer::blmove),
        ..LIST
    },
    Command {
        name: "blmpop",
        arity: -5,
        flags: WAIT.with(Flags::MOVABLE_KEYS),
        keys: KeyPositions::Counted { count: 2 },
        key_use: &[KeyUse::TAKE],
        summary: "Pops the first element from one of multiple lists. Blocks until an element is available otherwise. \
                  Deletes the list if the last element was popped.",
        since: "7.0.0",
        complexity: MULTIPLE_POP_COMPLEXITY,
        handler: Handler::Keys(pop::blmpop),
        ..LIST
    },
    Command {
        name: "blpop",
        arity: -3,
        flags: WAIT_OUTSIDE_SCRIPTS,
        keys: ALL_BUT_LAST,
        key_use: &[KeyUse::TAKE],
        summary: "Removes and returns the first element in a list. Blocks until an element is available otherwise. \
                  Deletes the list if the last element was popped.",
        since: "2.0.0",
        complexity: "O(N) where N is the number of provided keys.",
        handler: Handler::Keys(pop::blpop),
        ..LIST
    },
    Command {
        name: "brpop",
        arity: -3,
        flags: WAIT_OUTSIDE_SCRIPTS,
        keys: ALL_BUT_LAST,
        key_use: &[KeyUse::TAKE],
        summary: "Removes and returns the last element in a list. Blocks until an element is available otherwise. \
                  Deletes the list if the last element was popped.",
        since: "2.0.0",
        complexity: "O(N) where N is the number of provided keys.",
        handler: Handler::Keys(pop::brpop),
        ..LIST
    },
    Command {
        name: "brpoplpush",
        arity: 4,
        flags: WAIT_OUTSIDE_SCRIPTS.with(Flags::DENYOOM),
        keys: TWO_KEYS,
        key_use: MOVED,
        summary: "Pops an element from a list, pushes it to another list and returns it. Block until an element is \
                  available otherwise. Deletes the list if the last element was popped.",
        since: "2.2.0",
        handler: Handler::Keys(transfer::brpoplpush),
        ..LIST
    },
    Command {
        name: "lindex",
        arity: 3,
        flags: READ,
        summary: "Returns an element from a list by its index.",
        complexity: "O(N) where N is the number of elements to traverse to get to the element at index. This makes \
                     asking for the first or the last element of the list O(1).",
        handler: Handler::Keys(read::lindex),
        ..LIST
    },
    Command {
        name: "linsert",
        arity: 5,
        flags: GROW,
        key_use: &[KeyUse::EXTEND],
        summary: "Inserts an element before or after another element in a list.",
        since: "2.2.0",
        complexity: "O(N) where N is the number of elements to traverse before seeing the value pivot. This means that \
                     inserting somewhere on the left end on the list (head) can be considered O(1) and inserting \
                     somewhere on the right end (tail) is O(N).",
        handler: Handler::Keys(edit::linsert),
        ..LIST
    },
    Command {
        name: "llen",
        arity: 2,
        flags: Flags::READONLY.with(Flags::FAST),
        reads: Reads::Nothing,
        summary: "Returns the length of a list.",
        handler: Handler::Keys(read::llen),
        ..LIST
    },
    Command {
        name: "lmove",
        arity: 5,
        flags: GROW,
        keys: TWO_KEYS,
        key_use: MOVED,
        summary: "Returns an element after popping it from one list and pushing it to another. Deletes the list if the \
                  last element was moved.",
        since: "6.2.0",
        handler: Handler::Keys(transfer::lmove),
        ..LIST
    },
    Command {
        name: "lmpop",
        arity: -4,
        flags: WRITE.with(Flags::MOVABLE_KEYS),
        keys: KeyPositions::Counted { count: 1 },
        key_use: &[KeyUse::TAKE],
        summary: "Returns multiple elements from a list after removing them. Deletes the list if the last element was \
                  popped.",
        since: "7.0.0",
        complexity: MULTIPLE_POP_COMPLEXITY,
        handler: Handler::Keys(pop::lmpop),
        ..LIST
    },
    Command {
        name: "lpop",
        arity: -2,
        flags: FAST_WRITE,
        key_use: &[KeyUse::TAKE],
        summary: "Returns the first elements in a list after removing it. Deletes the list if the last element was \
                  popped.",
        complexity: POP_COMPLEXITY,
        handler: Handler::Keys(pop::lpop),
        ..LIST
    },
    Command {
        name: "lpos",
        arity: -3,
        flags: READ,
        summary: "Returns the index of matching elements in a list.",
        since: "6.0.6",
        complexity: "O(N) where N is the number of elements in the list, for the average case. When searching for \
                     elements near the head or the tail of the list, or when the MAXLEN option is provided, the \
                     command may run in constant time.",
        handler: Handler::Keys(position::lpos),
        ..LIST
    },
    Command {
        name: "lpush",
        arity: -3,
        flags: FAST_GROW,
        key_use: &[KeyUse::EXTEND],
        summary: "Prepends one or more elements to a list. Creates the key if it doesn't exist.",
        complexity: PUSH_COMPLEXITY,
        handler: Handler::Keys(push::lpush),
        ..LIST
    },
    Command {
        name: "lpushx",
        arity: -3,
        flags: FAST_GROW,
        key_use: &[KeyUse::EXTEND],
        summary: "Prepends one or more elements to a list only when the list exists.",
        since: "2.2.0",
        complexity: PUSH_COMPLEXITY,
        handler: Handler::Keys(push::lpushx),
        ..LIST
    },
    Command {
        name: "lrange",
        arity: 4,
        flags: READ,
        summary: "Returns a range of elements from a list.",
        complexity: "O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end (HEAD \
                     or TAIL) for large lists; and N is the number of elements in the specified range.",
        handler: Handler::Keys(read::lrange),
        ..LIST
    },
    Command {
        name: "lrem",
        arity: 4,
        flags: WRITE,
        key_use: &[KeyUse::REMOVE],
        summary: "Removes elements from a list. Deletes the list if the last element was removed.",
        complexity: "O(N+M) where N is the length of the list and M is the number of elements removed.",
        handler: Handler::Keys(edit::lrem),
        ..LIST
    },
    Command {
        name: "lset",
        arity: 4,
        flags: GROW,
        key_use: &[KeyUse::CHANGE],
        summary: "Sets the value of an element in a list by its index.",
        complexity: "O(N) where N is the length of the list. Setting either the first or the last element of the list \
                     is O(1).",
        handler: Handler::Keys(edit::lset),
        ..LIST
    },
    Command {
        name: "ltrim",
        arity: 4,
        flags: WRITE,
        key_use: &[KeyUse::REMOVE],
        summary: "Removes elements from both ends a list. Deletes the list if all elements were trimmed.",
        complexity: "O(N) where N is the number of elements to be removed by the operation.",
        handler: Handler::Keys(edit::ltrim),
        ..LIST
    },
    Command {
        name: "rpop",
        arity: -2,
        flags: FAST_WRITE,
        key_use: &[KeyUse::TAKE],
        summary: "Returns and removes the last elements of a list. Deletes the list if the last element was popped.",
        complexity: POP_COMPLEXITY,
        handler: Handler::Keys(pop::rpop),
        ..LIST
    },
    Command {
        name: "rpoplpush",
        arity: 3,
        flags: GROW,
        keys: TWO_KEYS,
        key_use: MOVED,
        summary: "Returns the last element of a list after removing and pushing it to another list. Deletes the list \
                  if the last element was popped.",
        since: "1.2.0",
        handler: Handler::Keys(transfer::rpoplpush),
        ..LIST
    },
    Command {
        name: "rpush",
        arity: -3,
        flags: FAST_GROW,
        key_use: &[KeyUse::EXTEND],
        summary: "Appends one or more elements to a list. Creates the key if it doesn't exist.",
        complexity: PUSH_COMPLEXITY,
        handler: Handler::Keys(push::rpush),
        ..LIST
    },
    Command {
        name: "rpushx",
        arity: -3,
        flags: FAST_GROW,
        key_use: &[KeyUse::EXTEND],
        summary: "Appends an element to a list only when the list exists.",
        since: "2.2.0",
        complexity: PUSH_COMPLEXITY,
        handler: Handler::Keys(push::rpushx),
        ..LIST
    },
];
