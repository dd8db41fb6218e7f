//! MONITOR: clients that are shown every command.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::RwLock;
use thermocline_protocol::Arguments;

use super::clients::ClientShared;
use super::courier::Courier;
use super::outbox::Message;
use crate::command::Flags;
use crate::command::arguments::is_word;
use crate::command::table::CommandEntry;

/// What stands for an argument that nobody is to see.
const REDACTED: &[u8] = b"(redacted)";

/// Who is shown commands. One relaxed load tells that nobody is.
pub struct Monitors {
    courier: Arc<Courier>,
    is_watched: AtomicBool,
    clients: RwLock<Vec<Arc<ClientShared>>>,
}

/// Who sent a command.
#[derive(Clone, Copy, Debug)]
pub enum Sender<'a> {
    /// A client.
    Client(&'a ClientShared),
    /// A script.
    Script,
}

impl Monitors {
    /// Nobody watches yet.
    pub fn new(courier: Arc<Courier>) -> Self {
        Self { courier, is_watched: AtomicBool::new(false), clients: RwLock::default() }
    }

    /// Whether anybody watches.
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.is_watched.load(Ordering::Relaxed)
    }

    /// Shows a client all commands from now on.
    pub fn add(&self, client: &Arc<ClientShared>) {
        let mut clients = self.clients.write();
        clients.push(Arc::clone(client));
        self.is_watched.store(true, Ordering::Relaxed);
    }

    /// Shows it nothing more.
    pub fn remove(&self, client_id: u64) {
        let mut clients = self.clients.write();
        clients.retain(|client| client.id != client_id);
        self.is_watched.store(!clients.is_empty(), Ordering::Relaxed);
    }

    /// Whether a client is shown commands.
    pub fn contains(&self, client_id: u64) -> bool {
        self.is_watched() && self.clients.read().iter().any(|client| client.id == client_id)
    }

    /// Shows lines, each as [`line()`] made it.
    #[cold]
    #[inline(never)]
    pub fn show(&self, lines: &[Message]) {
        let (round, clients) = (self.courier.begin(), self.clients.read());
        for client in &*clients {
            lines.iter().for_each(|line| round.deliver(client, line));
        }
    }
}

/// Whether a command is shown at all: what operators do is not.
pub fn is_shown(entry: &CommandEntry) -> bool {
    !entry.has(Flags::ADMIN) && !entry.has(Flags::SKIP_MONITOR)
}

/// What is shown of a command that ran just now in a database.
#[cold]
pub fn line(sender: Sender<'_>, database: usize, entry: &CommandEntry, arguments: Arguments<'_>) -> Message {
    describe(now_us(), sender, database, entry, arguments).into()
}

/// Microseconds since the Unix epoch: the engine's clock counts milliseconds.
fn now_us() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()
}

/// The line that Redis prints, as a status reply.
fn describe(
    now_us: u128,
    sender: Sender<'_>,
    database: usize,
    entry: &CommandEntry,
    arguments: Arguments<'_>,
) -> Vec<u8> {
    let mut line = Vec::with_capacity(128);
    let written = match sender {
        Sender::Script => write!(line, "+{}.{:06} [{database} lua]", now_us / 1_000_000, now_us % 1_000_000),
        Sender::Client(client) => {
            let address = client.peer.map_or_else(|| "unix:".to_owned(), |peer| peer.to_string());
            write!(line, "+{}.{:06} [{database} {address}]", now_us / 1_000_000, now_us % 1_000_000)
        }
    };
    written.expect("memory takes everything");
    let secrets = secrets(entry, arguments);
    for (at, argument) in arguments.iter().enumerate() {
        line.extend_from_slice(b" \"");
        quote(if secrets.contains(&at) { REDACTED } else { argument }, &mut line);
        line.push(b'"');
    }
    line.extend_from_slice(b"\r\n");
    line
}

/// The positions of arguments that are not to be shown.
fn secrets(entry: &CommandEntry, arguments: Arguments<'_>) -> Range<usize> {
    match &*entry.full_name {
        "auth" => 1..arguments.len(),
        "hello" => {
            let auth = (2..arguments.len()).find(|&at| is_word(arguments.get(at), "AUTH"));
            auth.map_or(0..0, |at| at + 1..at + 3)
        }
        _ => 0..0,
    }
}

/// Bytes as between double quotes in C: what does not print is escaped.
fn quote(bytes: &[u8], line: &mut Vec<u8>) {
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            b'\x07' => line.extend_from_slice(b"\\a"),
            b'\x08' => line.extend_from_slice(b"\\b"),
            b' '..=b'~' => line.push(byte),
            _ => write!(line, "\\x{byte:02x}").expect("memory takes everything"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::table::table;
    use thermocline_engine::UnixMillis;
    use thermocline_protocol::{ArgumentRanges, Limits, RequestParser, encode_request};

    fn shown(sender: Sender<'_>, words: &[&[u8]]) -> String {
        let mut request = Vec::new();
        encode_request(&mut request, words);
        let mut ranges = ArgumentRanges::new();
        RequestParser::new().parse(&request, &Limits::REDIS, &mut ranges).expect("a request");
        let arguments = ranges.in_buffer(&request);
        let entry = table().resolve(arguments).expect("a command");
        let line = describe(1_700_000_000_000_042, sender, 3, entry, arguments);
        String::from_utf8(line).expect("escaped text")
    }

    #[test]
    fn commands_are_shown_as_redis_shows_them() {
        let mut client = ClientShared::new(1, UnixMillis(0), None);
        client.peer = Some("127.0.0.1:5000".parse().expect("an address"));
        assert_eq!(
            shown(Sender::Client(&client), &[b"Get", b"a\n\"\x01\xff"]),
            "+1700000000.000042 [3 127.0.0.1:5000] \"Get\" \"a\\n\\\"\\x01\\xff\"\r\n"
        );
        assert_eq!(shown(Sender::Script, &[b"get", b"k"]), "+1700000000.000042 [3 lua] \"get\" \"k\"\r\n");
    }

    #[test]
    fn passwords_are_not_shown() {
        for words in [
            &[&b"AUTH"[..], b"pw"][..],
            &[b"auth", b"user", b"pw"],
            &[b"hello", b"3", b"AUTH", b"user", b"pw"],
        ] {
            let shown = shown(Sender::Script, words);
            assert!(shown.contains("(redacted)") && !shown.contains("pw"), "{shown}");
        }
    }
}
