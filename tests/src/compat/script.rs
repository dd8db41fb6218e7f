//! Commands that people wrote down, run on both servers.
//!
//! A script has one command per line, quoted as inline commands are; `#` begins a comment line. Other lines' replies are
//! compared. Words that begin with `@` are the script's own:
//!
//! - `@demote key...` makes values cold on the subject, `@resp 2` or `@resp 3` changes the client's protocol.
//! - `@client name` goes on with another client, which is connected when it is named first.
//! - `@begin command...` sends a command whose reply is waited for later, by `@end`: one that blocks. The next line is
//!   run when both servers say that so many clients wait, where it is `@waiting number`.
//! - `@receive` compares one more reply, or message, that the client gets.

use std::collections::HashMap;
use std::time::Duration;

use crate::compat::comparison::compare;
use crate::compat::pair::Pair;
use crate::compat::request::Request;
use crate::waiting::wait_until;
use thermocline_protocol::inline::split_line;

/// How long a client may take to begin to wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `script` on empty servers; every line whose replies differ, in words.
///
/// # Panics
///
/// If the script has a line that cannot be read.
pub fn run(pair: &Pair, script: &str) -> Vec<String> {
    let mut demoter = pair.demoter();
    let mut observer = pair.connect();
    observer.exchange(&[Request::new("FLUSHALL")]);
    let mut clients = HashMap::from([(Vec::new(), (pair.connect(), None))]);
    let mut current = Vec::new();
    let mut differences = Vec::new();
    for (number, line) in script.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = split_line(line.as_bytes()).unwrap_or_else(|_| panic!("line {}: {line}", number + 1));
        let (client, begun) = clients.get_mut(&current).expect("it was connected when it was named");
        let (request, replies) = match words[0].as_slice() {
            b"@demote" => {
                if let Some(demoter) = &mut demoter {
                    demoter.demote(0, &words[1..]);
                }
                continue;
            }
            b"@client" => {
                current = words.swap_remove(1);
                clients.entry(current.clone()).or_insert_with(|| (pair.connect(), None));
                continue;
            }
            b"@begin" => {
                let request = Request(words.split_off(1));
                client.send(std::slice::from_ref(&request));
                *begun = Some(request);
                continue;
            }
            b"@waiting" => {
                let expected = String::from_utf8_lossy(&words[1]).into_owned();
                for server in [&mut observer.reference, &mut observer.subject] {
                    let field = format!("blocked_clients:{expected}\r\n");
                    let is_there = || server.text("INFO clients").contains(&field);
                    wait_until(&format!("line {}: {line}", number + 1), PATIENCE, is_there);
                }
                continue;
            }
            b"@end" => (
                begun.take().unwrap_or_else(|| panic!("line {}: nothing began", number + 1)),
                client.receive(),
            ),
            b"@receive" => (Request(words), client.receive()),
            name => {
                let request = match name {
                    b"@resp" => Request::new("HELLO").arg(words[1].clone()),
                    _ => Request(words),
                };
                client.send(std::slice::from_ref(&request));
                (request, client.receive())
            }
        };
        let (reference, subject) = &replies;
        if let Err(what) = compare(&request, reference, subject) {
            differences.push(format!("line {}: {line}\n{what}", number + 1));
        }
    }
    differences
}
