//! A client as a line of CLIENT LIST, which ACL LOG shows, too.

use std::fmt::Write;
use std::net::SocketAddr;

use thermocline_engine::UnixMillis;

use super::Server;
use super::clients::{ClientFlags, ClientShared};
use super::tracking::Tracker;

/// A client's line, without its end. `command` stands for its last one.
pub fn describe(server: &Server, client: &ClientShared, now: UnixMillis, command: Option<&str>) -> String {
    let seconds_since = |then: UnixMillis| now.0.saturating_sub(then.0) / 1000;
    let names = client.names();
    let last = client.last_command().map(|id| &*server.commands.entry(id).full_name);
    let tracker = server.tracking.tracker(client.id);
    let [channels, patterns, shard_channels] = client.subscriptions();
    let mut line = String::with_capacity(300);
    write!(
        line,
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={channels} psub={patterns} \
         ssub={shard_channels} multi={} watch={}",
        client.id,
        show_address(client.peer),
        show_address(client.local),
        client.fd,
        names.name,
        seconds_since(client.connected_at),
        seconds_since(client.last_interaction()),
        flags(server, client, tracker.as_deref()),
        client.database(),
        client.queued_commands().map_or(-1, |queued| queued as i64),
        client.watched_keys(),
    )
    .expect("a string takes everything");
    let input = client.query_buffer_bytes();
    let output = client.output_buffer_bytes() + client.outbox_bytes();
    write!(
        line,
        " qbuf={input} qbuf-free=0 argv-mem=0 multi-mem={} rbs=0 rbp=0 obl=0 oll=0 omem={output} tot-mem={} events={} \
         cmd={} user={} redir={} resp={} lib-name={} lib-ver={}",
        client.queued_bytes(),
        client.memory_bytes(),
        if output > 0 { "rw" } else { "r" },
        command.or(last).unwrap_or("NULL"),
        String::from_utf8_lossy(&client.user_name()),
        tracker.map_or(-1, |tracker| tracker.redirect.map_or(0, |id| id as i64)),
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

fn flags(server: &Server, client: &ClientShared, tracker: Option<&Tracker>) -> String {
    let has = |flag| client.flags().has(flag);
    let tracks = |wanted: fn(&Tracker) -> bool| tracker.is_some_and(wanted);
    let letters: String = [
        (server.monitors.contains(client.id), 'O'),
        (client.is_subscriber(), 'P'),
        (client.queued_commands().is_some(), 'x'),
        (has(ClientFlags::BLOCKED), 'b'),
        (tracks(|_| true), 't'),
        (tracks(Tracker::is_broken), 'R'),
        (tracks(|tracker| tracker.broadcasts), 'B'),
        (client.is_watch_broken(), 'd'),
        (has(ClientFlags::CLOSING), 'c'),
        (client.is_evicted(), 'A'),
        (client.peer.is_none(), 'U'),
        (has(ClientFlags::NO_EVICT), 'e'),
        (has(ClientFlags::NO_TOUCH), 'T'),
    ]
    .into_iter()
    .filter_map(|(is_set, letter)| is_set.then_some(letter))
    .collect();
    if letters.is_empty() { "N".to_owned() } else { letters }
}
