//! What a blocking command that found nothing waits for.
//!
//! The command runs again, from its start, whenever one of its keys may have what it waits for; clients that wait for
//! the same key are served in the order in which they began to.

use thermocline_engine::UnixMillis;
use thermocline_engine::value::ValueType;

/// A wait, as a handler asks for it by returning [`Failure::Blocked`](super::Failure::Blocked).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What a key must hold to be of interest.
    pub value_type: ValueType,
    /// When the wait is over; `None` is never.
    pub deadline: Option<UnixMillis>,
    /// The reply when it is.
    pub on_timeout: TimeoutReply,
    /// Whether a key that vanishes is of interest, too.
    pub wakes_when_gone: bool,
    /// What the command is when it runs again, where that is something else than the client sent: XREAD with `$`. The
    /// keys are the same.
    pub arguments: Option<Vec<Vec<u8>>>,
}

/// What a client is told whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutReply {
    /// A null.
    Null,
    /// A null array, which RESP3 makes a null, too.
    NullArray,
}
