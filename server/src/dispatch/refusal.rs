//! What clients are told instead of an answer, in Redis' words.

use thermocline_protocol::Arguments;

use crate::command::table::{CommandEntry, CommandTable, Unknown};

/// The most bytes of a client's words that an error text repeats.
const QUOTED_BYTES_MAX: usize = 128;

pub(super) const NO_AUTH: &str = "NOAUTH Authentication required.";
pub(super) const OUT_OF_MEMORY: &str = "OOM command not allowed when used memory > 'maxmemory'.";
/// Stands before the error that keeps EXEC from running.
pub(super) const EXEC_ABORTED: &[u8] = b"EXECABORT Transaction discarded because of: ";
pub(super) const TOO_MANY_CLIENTS: &[u8] = b"-ERR max number of clients reached\r\n";
/// Told to a client from another machine by [`super::admission`]; Redis' text, on one line.
pub(super) const PROTECTED_MODE: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is \
    enabled and no password is set for the default user. In this mode connections are only accepted from the loopback \
    interface. If you want to connect from external computers to Redis you may adopt one of the following solutions: \
    1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by \
    connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible \
    from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just \
    disable the protected mode by editing the Redis configuration file, and setting the protected mode option to \
    'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with the \
    '--protected-mode no' option. 4) Setup a an authentication password for the default user. NOTE: You only need to \
    do one of the above things in order for the server to start accepting connections from the outside.\r\n";
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
