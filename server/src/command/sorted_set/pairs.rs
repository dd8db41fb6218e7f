//! Replies of members with their scores.

use thermocline_engine::value::{Element, IntegerDigits};
use thermocline_protocol::double::write_double;
use thermocline_protocol::{Protocol, ReplyEncoder};

/// How members are replied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// Members only.
    Members,
    /// Members and scores one after the other.
    Flat,
    /// Pairs of a member and its score.
    Nested,
}

impl Shape {
    /// As WITHSCORES asks for: RESP3 has pairs, RESP2 a flat array.
    pub(super) fn of(with_scores: bool, protocol: Protocol) -> Self {
        match (with_scores, protocol) {
            (false, _) => Self::Members,
            (true, Protocol::Resp2) => Self::Flat,
            (true, Protocol::Resp3) => Self::Nested,
        }
    }

    /// How many elements the array of `members` members has.
    pub(super) fn elements(self, members: usize) -> usize {
        match self {
            Self::Members | Self::Nested => members,
            Self::Flat => 2 * members,
        }
    }

    /// Announces so many members.
    pub(super) fn begin(self, reply: &mut ReplyEncoder<'_>, members: usize) {
        reply.array(self.elements(members));
    }

    /// Replies one of them.
    #[inline]
    pub(super) fn member(self, reply: &mut ReplyEncoder<'_>, member: Element<'_>, score: f64) {
        self.member_bytes(reply, member.bytes(&mut IntegerDigits::new()), score);
    }

    /// The same for a member as bytes.
    #[inline]
    pub(super) fn member_bytes(self, reply: &mut ReplyEncoder<'_>, member: &[u8], score: f64) {
        if self == Self::Nested {
            reply.array(2);
        }
        reply.bulk(member);
        if self != Self::Members {
            reply.double(score);
        }
    }
}

/// A score as a string, whatever the protocol: how ZSCAN replies them.
pub(super) fn bulk_score(reply: &mut ReplyEncoder<'_>, score: f64) {
    let mut text = Vec::with_capacity(24);
    write_double(&mut text, score);
    reply.bulk(&text);
}
