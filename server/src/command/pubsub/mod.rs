//! Publishing and subscribing.
//!
//! * [`subscription`]: SUBSCRIBE and its kin.
//! * [`publication`]: PUBLISH, SPUBLISH.
//! * [`topics`]: PUBSUB: who is subscribed to what.

mod publication;
mod subscription;
#[cfg(test)]
mod tests;
mod topics;

use super::{Command, Flags};

/// The commands of this group.
pub const COMMANDS: &[Command] = &[
    publication::PUBLISH,
    publication::SPUBLISH,
    subscription::SUBSCRIBE,
    subscription::UNSUBSCRIBE,
    subscription::PSUBSCRIBE,
    subscription::PUNSUBSCRIBE,
    subscription::SSUBSCRIBE,
    subscription::SUNSUBSCRIBE,
    topics::PUBSUB,
];

/// A command of this group.
const PUBSUB: Command = Command {
    group: "pubsub",
    flags: Flags::PUBSUB.with(Flags::LOADING).with(Flags::STALE),
    since: "2.0.0",
    ..Command::NEW
};
