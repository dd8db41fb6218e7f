//! Commands that people wrote down, run on both servers.
//!
//! A script has one command per line, quoted as inline commands are; `#` begins a comment line. Two words are the
//! script's own: `@demote key...` makes values cold on the subject, `@resp 2` or `@resp 3` changes the protocol. Every
//! other line's replies are compared.

use crate::compat::comparison::compare;
use crate::compat::pair::Pair;
use crate::compat::request::Request;
use thermocline_protocol::inline::split_line;

/// Runs `script` on empty servers; every line whose replies differ, in words.
///
/// # Panics
///
/// If the script has a line that cannot be read.
pub fn run(pair: &Pair, script: &str) -> Vec<String> {
    let mut client = pair.connect();
    let mut demoter = pair.demoter();
    client.exchange(&[Request::new("FLUSHALL")]);
    let mut differences = Vec::new();
    for (number, line) in script.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words = split_line(line.as_bytes()).unwrap_or_else(|_| panic!("line {}: {line}", number + 1));
        let request = match words[0].as_slice() {
            b"@demote" => {
                if let Some(demoter) = &mut demoter {
                    demoter.demote(0, &words[1..]);
                }
                continue;
            }
            b"@resp" => Request::new("HELLO").arg(words[1].clone()),
            _ => Request(words),
        };
        let replies = client.exchange(std::slice::from_ref(&request));
        let (reference, subject) = &replies[0];
        if let Err(what) = compare(&request, reference, subject) {
            differences.push(format!("line {}: {line}\n{what}", number + 1));
        }
    }
    differences
}
