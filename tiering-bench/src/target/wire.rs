//! The adapter of a server under load: the few requests a workload is made of, and what their replies mean.
//!
//! Adding a protocol is adding a variant here. A `match` instead of a trait object: it is on the path of every
//! request, and a run never mixes two protocols, so the branch is predicted.

use serde::{Deserialize, Serialize};

use super::{memcached, resp};

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wire {
    /// Redis' protocol, version 2: redis-server, Valkey, Thermocline, ...
    Resp,
    /// memcached's text protocol.
    Memcached,
}

/// Where a value was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// In DRAM, alone or besides a copy on SSD.
    Memory,
    /// On SSD only.
    Ssd,
}

/// What a reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// A read of a key.
    Read,
    /// A write of a key.
    Write,
    /// Which tier holds a key.
    Where,
}

/// A reply's meaning. Values borrow from the receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The value read.
    Value(&'a [u8]),
    /// There is no such key.
    Missing,
    /// The write was accepted.
    Stored,
    /// The tier that holds the key.
    Tier(Tier),
    /// The server refused, in its own words.
    Refused(&'a [u8]),
}

/// The bytes received are not what the protocol allows here. The connection is of no use any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's reply makes no sense: {reason}: {}", excerpt.escape_ascii())]
pub struct WireError {
    /// What is wrong with it.
    pub reason: String,
    /// The start of the reply.
    pub excerpt: Vec<u8>,
}

/// How much of a reply an error quotes.
const EXCERPT_BYTES: usize = 60;

impl WireError {
    pub(super) fn new(reason: impl Into<String>, input: &[u8]) -> Self {
        Self { reason: reason.into(), excerpt: input[..input.len().min(EXCERPT_BYTES)].to_vec() }
    }
}

impl Wire {
    /// Appends a read of `key` to `out`.
    #[inline]
    pub fn encode_read(self, key: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Resp => resp::encode_read(key, out),
            Self::Memcached => memcached::encode_read(key, out),
        }
    }

    /// Appends a write of `value` under `key` to `out`.
    #[inline]
    pub fn encode_write(self, key: &[u8], value: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Resp => resp::encode_write(key, value, out),
            Self::Memcached => memcached::encode_write(key, value, out),
        }
    }

    /// Appends the question where `key` is to `out`.
    ///
    /// # Panics
    ///
    /// If the protocol has no such question: see [`can_locate`](Self::can_locate).
    pub fn encode_where(self, key: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Resp => resp::encode_where(key, out),
            Self::Memcached => panic!("memcached cannot tell where an item is"),
        }
    }

    /// Whether a server of this protocol may be asked where a key is (it may still answer with an error).
    pub fn can_locate(self) -> bool {
        self == Self::Resp
    }

    /// The answer at the start of `input` and how many bytes it takes, or `None` if it is not complete.
    ///
    /// # Errors
    ///
    /// If the input is not an answer to `question` in this protocol.
    #[inline]
    pub fn decode(self, question: Question, input: &[u8]) -> Result<Option<(Answer<'_>, usize)>, WireError> {
        match self {
            Self::Resp => resp::decode(question, input),
            Self::Memcached => memcached::decode(question, input),
        }
    }
}
