//! The check before a command runs, and what is told to those who are refused.

use std::ops::Range;

use thermocline_protocol::Arguments;

use super::user::User;
use crate::command::table::CommandEntry;

/// Why a request is not permitted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Denied {
    /// The command is not.
    Command,
    /// The key at this position is not, or not used in this way.
    Key(usize),
    /// The channel at this position is not.
    Channel(usize),
}

/// Checks whether a user may run a request, whose arity was checked.
///
/// # Errors
/// What is not permitted. Where a user has several selectors, that of the one which comes closest.
#[inline]
pub fn permits(user: &User, entry: &CommandEntry, arguments: Arguments<'_>) -> Result<(), Denied> {
    if user.is_restricted() { permits_restricted(user, entry, arguments) } else { Ok(()) }
}

#[cold]
#[inline(never)]
fn permits_restricted(user: &User, entry: &CommandEntry, arguments: Arguments<'_>) -> Result<(), Denied> {
    let rights = user.rights();
    let mut closest = Denied::Command;
    for selector in rights.selectors() {
        match selector.check(entry, arguments) {
            Ok(()) => return Ok(()),
            Err(denied) => closest = closest.max(denied),
        }
    }
    Err(closest)
}

/// Whether a user may publish or subscribe to a channel, or, with `is_pattern`, subscribe to a pattern.
pub fn permits_channel(user: &User, channel: &[u8], is_pattern: bool) -> bool {
    !user.is_restricted()
        || user.rights().selectors().any(|selector| selector.channels.permit(channel, is_pattern))
}

/// Whether a user may run a request that reads keys which it does not name, such as SORT with BY or GET.
pub fn reads_all_keys(user: &User, entry: &CommandEntry, arguments: Arguments<'_>) -> bool {
    !user.is_restricted()
        || user.rights().selectors().any(|selector| selector.permits_reading_all_keys(entry, arguments))
}

/// The positions of the channels that a request uses, and whether they are patterns. To unsubscribe is not to use.
pub(super) fn channel_positions(entry: &CommandEntry, arguments: Arguments<'_>) -> (Range<usize>, bool) {
    let all = 1..arguments.len();
    match &*entry.full_name {
        "publish" | "spublish" => (1..2, false),
        "subscribe" | "ssubscribe" => (all, false),
        "psubscribe" => (all, true),
        _ => (0..0, false),
    }
}

impl Denied {
    /// The error reply.
    pub fn refusal(self, user: &User, entry: &CommandEntry) -> String {
        format!("NOPERM {}", self.reason(user, entry))
    }

    /// The error reply for a command that a script called.
    pub fn refusal_in_script(self, user: &User, entry: &CommandEntry) -> String {
        format!("NOPERM ACL failure in script: {}", self.reason(user, entry))
    }

    /// The error reply for a command of a transaction that was permitted when it was queued.
    pub fn refusal_at_exec(self) -> String {
        let reason = match self {
            Self::Command => "no permission to execute the command or subcommand",
            Self::Key(_) => "no permission to touch the specified keys",
            Self::Channel(_) => {
                "no permission to access one of the channels used as arguments to the command"
            }
        };
        format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
             command is no longer allowed for the following reason: {reason}"
        )
    }

    /// What ACL DRYRUN says, which names keys and channels.
    pub fn explanation(self, user: &User, entry: &CommandEntry, arguments: Arguments<'_>) -> Vec<u8> {
        let (kind, at) = match self {
            Self::Command => return self.reason(user, entry).into_bytes(),
            Self::Key(at) => ("key", at),
            Self::Channel(at) => ("channel", at),
        };
        let mut text = format!("User {} has no permissions to access the '", user.shown_name()).into_bytes();
        text.extend_from_slice(arguments.get(at));
        text.extend_from_slice(format!("' {kind}").as_bytes());
        text
    }

    /// What was denied, as ACL LOG names it: the command, the key or the channel.
    pub fn object<'a>(self, entry: &'a CommandEntry, arguments: Arguments<'a>) -> &'a [u8] {
        match self {
            Self::Command => entry.full_name.as_bytes(),
            Self::Key(at) | Self::Channel(at) => arguments.get(at),
        }
    }

    fn reason(self, user: &User, entry: &CommandEntry) -> String {
        match self {
            Self::Command => {
                format!(
                    "User {} has no permissions to run the '{}' command",
                    user.shown_name(),
                    entry.full_name
                )
            }
            Self::Key(_) => "No permissions to access a key".to_owned(),
            Self::Channel(_) => "No permissions to access a channel".to_owned(),
        }
    }
}
