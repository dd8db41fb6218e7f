//! A client as a line of CLIENT LIST, which ACL LOG shows, too.

use std::fmt::Write;
use std::net::SocketAddr;

use thermocline_engine::UnixMillis;

use super::Server;
use super::clients::{ClientFlags, ClientShared};

/// A client's line, without its end. `command` stands for its last one.
pub fn describe(server: &Server, client: &ClientShared, now: UnixMillis, command: Option<&str>) -> String {
    let seconds_since = |then: UnixMillis| now.0.saturating_sub(then.0) / 1000;
    let names = client.names();
    let last = client.last_command().map(|id| &*server.commands.entry(id).full_name);
    let mut line = String::with_capacity(300);
    write!(
        line,
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub=0 psub=0 ssub=0 multi=-1",
        client.id,
        show_address(client.peer),
        show_address(client.local),
        client.fd,
        names.name,
        seconds_since(client.connected_at),
        seconds_since(client.last_interaction()),
        flags(client),
        client.database(),
    )
    .expect("a string takes everything");
    let (input, output) = (client.query_buffer_bytes(), client.output_buffer_bytes());
    write!(
        line,
        " qbuf={input} qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem={output} tot-mem={} events={} \
         cmd={} user={} redir=-1 resp={} lib-name={} lib-ver={}",
        size_of::<ClientShared>() + input + output,
        if output > 0 { "rw" } else { "r" },
        command.or(last).unwrap_or("NULL"),
        String::from_utf8_lossy(&client.user_name()),
        client.resp(),
        names.library,
        names.library_version,
    )
    .expect("a string takes everything");
    line
}

/// An address as CLIENT LIST shows it.
pub fn show_address(address: Option<SocketAddr>) -> String {
    address.map_or_else(|| "unixsocket:0".to_owned(), |address| address.to_string())
}

fn flags(client: &ClientShared) -> String {
    let mut letters = String::new();
    for (flag, letter) in [
        (ClientFlags::BLOCKED, 'b'),
        (ClientFlags::CLOSING, 'c'),
        (ClientFlags::NO_EVICT, 'e'),
        (ClientFlags::NO_TOUCH, 'T'),
    ] {
        if client.flags().has(flag) {
            letters.push(letter);
        }
    }
    if client.peer.is_none() {
        letters.push('U');
    }
    if letters.is_empty() { "N".to_owned() } else { letters }
}
