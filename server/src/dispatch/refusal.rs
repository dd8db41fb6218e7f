//! What clients are told instead of an answer, in Redis' words.

use thermocline_protocol::Arguments;

use crate::command::table::{CommandEntry, CommandTable, Unknown};

/// The most bytes of a client's words that an error text repeats.
const QUOTED_BYTES_MAX: usize = 128;

pub(super) const NO_AUTH: &str = "NOAUTH Authentication required.";
pub(super) const OUT_OF_MEMORY: &str = "OOM command not allowed when used memory > 'maxmemory'.";
pub(super) const TOO_MANY_CLIENTS: &[u8] = b"-ERR max number of clients reached\r\n";
pub(super) const RESTLESS: &str =
    "ERR the value changed too often while it was read from the SSD tier, try again";

/// The error for a request that names no command.
pub(super) fn unknown(table: &CommandTable, unknown: Unknown, arguments: Arguments<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    match unknown {
        Unknown::Command => {
            text.extend_from_slice(b"ERR unknown command '");
            text.extend_from_slice(quoted(arguments.get(0), QUOTED_BYTES_MAX));
            text.extend_from_slice(b"', with args beginning with: ");
            let start = text.len();
            for argument in arguments.iter().skip(1) {
                let room = QUOTED_BYTES_MAX.saturating_sub(text.len() - start);
                if room == 0 {
                    break;
                }
                text.push(b'\'');
                text.extend_from_slice(quoted(argument, room));
                text.extend_from_slice(b"' ");
            }
        }
        Unknown::Subcommand(container) => {
            text.extend_from_slice(b"ERR unknown subcommand '");
            text.extend_from_slice(quoted(arguments.get(1), QUOTED_BYTES_MAX));
            text.extend_from_slice(b"'. Try ");
            text.extend_from_slice(table.entry(container).command.name.to_uppercase().as_bytes());
            text.extend_from_slice(b" HELP.");
        }
    }
    text
}

/// The error for a wrong number of arguments.
pub(super) fn wrong_arity(entry: &CommandEntry) -> Vec<u8> {
    format!("ERR wrong number of arguments for '{}' command", entry.full_name).into_bytes()
}

/// The first bytes of a word, up to a zero byte, where Redis' format functions end.
fn quoted(word: &[u8], bytes_max: usize) -> &[u8] {
    let word = &word[..word.len().min(bytes_max)];
    word.split(|&byte| byte == 0).next().unwrap_or_default()
}
