//! Commands about the connection itself: who the client is, what it speaks, which database it works on.
//!
//! * [`authentication`]: AUTH, HELLO.
//! * [`basics`]: PING, ECHO, SELECT, QUIT, RESET.
//! * [`client`]: CLIENT, as far as it is about the client that asks, or holds commands back.
//! * [`client_list`]: CLIENT LIST, INFO and KILL: the other clients.
//! * [`client_tracking`]: CLIENT TRACKING and its kin: client-side caching.

mod authentication;
mod basics;
mod client;
mod client_list;
mod client_tracking;
#[cfg(test)]
mod tests;

pub(crate) use authentication::REDIS_VERSION;
pub(crate) use basics::NO_SUCH_DATABASE;

use super::{Command, Flags};

/// Works in any state of the server, and makes no sense in a script.
const ANY_STATE: Flags = Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE);
const ANY_STATE_FAST: Flags = ANY_STATE.with(Flags::FAST);

/// A command of this group.
const CONNECTION: Command =
    Command { group: "connection", categories: &["connection"], flags: ANY_STATE, ..Command::NEW };

/// The commands of this group.
pub const COMMANDS: &[Command] = &[
    authentication::AUTH,
    authentication::HELLO,
    basics::PING,
    basics::ECHO,
    basics::SELECT,
    basics::QUIT,
    basics::RESET,
    client::CLIENT,
];

/// Whether a client may be called this: no blanks, no control bytes, nothing beyond ASCII.
fn is_plain_name(name: &[u8]) -> bool {
    name.iter().all(|byte| byte.is_ascii_graphic())
}
