//! Where the server listens.

use crate::config::option::OptionRow;
use crate::config::words;

pub(super) const ROWS: &[OptionRow] = &[
    OptionRow::integer("port", 6379, 0, 65535).doc("TCP port for clients; 0 listens on none."),
    OptionRow::words("bind", "127.0.0.1 -::1", words::bind).doc(
        "Addresses to listen on. One that begins with `-` may be unavailable; `*` and `::*` are all of them.",
    ),
    OptionRow::bool("protected-mode", true)
        .doc("Without a password, clients from other machines are refused with an explanation."),
    OptionRow::text("unixsocket", "").at_start().doc("Path of a Unix socket for clients; empty for none."),
    OptionRow::octal("unixsocketperm", 0, 0o777)
        .at_start()
        .doc("Permission bits of the Unix socket, in octal; 0 leaves what the umask gives."),
    OptionRow::count("tcp-backlog", 511)
        .at_start()
        .doc("How many connections may wait to be accepted; the kernel's `somaxconn` limits it too."),
    OptionRow::count("tcp-keepalive", 300).doc(
        "Seconds of silence after which the kernel probes whether a client is still there; 0 never. A change \
              concerns clients that connect later.",
    ),
    OptionRow::integer("threads", 0, 0, 64)
        .at_start()
        .doc("Server threads, each with its own listener and rings; 0 is one per core, up to 8."),
    OptionRow::integer("busy-poll-us", 50, 0, 1000).at_start().doc(
        "How many microseconds a thread with few outstanding requests looks for the next before it sleeps; 0 \
              sleeps at once. Lowers latency, costs CPU.",
    ),
    OptionRow::integer("metrics-port", 0, 0, 65535).at_start().doc(
        "TCP port that serves metrics in Prometheus' text format over HTTP; 0 for none. Listens on the first \
              address of `bind`.",
    ),
    OptionRow::integer("io-threads", 1, 1, 128)
        .at_start()
        .kept()
        .doc("Redis' I/O threads; see `threads` instead."),
    OptionRow::bool("io-threads-do-reads", false).at_start().kept().doc("Redis' I/O threads read requests."),
    OptionRow::integer("socket-mark-id", 0, 0, u32::MAX as i64)
        .at_start()
        .only_default("marking sockets is not supported")
        .doc("Mark for routing on the sockets."),
    OptionRow::text("bind-source-addr", "")
        .kept()
        .doc("The address from which connections to a primary are made."),
    OptionRow::integer("tls-port", 0, 0, 65535)
        .only_default("TLS is not supported: put a TLS proxy in front")
        .doc("TCP port for TLS clients."),
];
