//! What a client may make the server hold for it.

use std::time::Duration;

use thermocline_protocol::{Reply, encode_request};
use thermocline_tests::info::Info;
use thermocline_tests::payload::{Texture, payload};
use thermocline_tests::waiting::wait_until;
use thermocline_tests::{Connection, Server, ServerOptions};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn values_longer_than_proto_max_bulk_len_are_refused() {
    let server = ServerOptions::subject().with("proto-max-bulk-len", "2mb").start();
    let mut connection = server.connect();
    let value = payload(1, 2 * 1024 * 1024, Texture::Compressible);
    assert_eq!(connection.call(&[&b"SET"[..], b"k", &value]), Reply::Simple(b"OK".to_vec()));
    let too_long = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    assert_eq!(connection.error("APPEND k x"), too_long);
    assert_eq!(connection.error("SETRANGE k 2097152 x"), too_long);
    assert_eq!(connection.error("SETBIT k 16777216 1"), "ERR bit offset is not an integer or out of range");
    assert_eq!(connection.integer("STRLEN k"), value.len() as i64);
    connection.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2097153\r\n");
    assert_eq!(connection.receive_until_closed(), b"-ERR Protocol error: invalid bulk length\r\n");
}

/// The server waits for a client that does not read, instead of running its further commands: it holds one
/// batch of replies for it, however much was asked for.
#[test]
fn a_client_that_does_not_read_waits_and_costs_one_batch_of_replies() {
    let server = ServerOptions::subject().start();
    let megabytes = 256;
    let mut other = server.connect();
    let value = payload(1, 1024 * 1024, Texture::Incompressible);
    assert_eq!(other.call(&[&b"SET"[..], b"k", &value]), Reply::Simple(b"OK".to_vec()));
    let mut greedy = server.connect();
    let mut requests = Vec::new();
    for _ in 0..megabytes {
        encode_request(&mut requests, &["GET", "k"]);
    }
    greedy.send_raw(&requests);
    for _ in 0..50 {
        assert!(other.line("GET k") == Reply::Bulk(value.clone()));
    }
    assert!(server.memory_bytes("VmRSS") < 100 << 20, "{megabytes} MB of replies are not held in memory");
    for _ in 0..megabytes {
        assert!(greedy.receive() == Reply::Bulk(value.clone()));
    }
}

#[test]
fn a_client_that_reads_slowly_within_its_limits_gets_everything() {
    let server = ServerOptions::subject().start();
    let mut connection = server.connect();
    let value = payload(1, 1024 * 1024, Texture::Incompressible);
    assert_eq!(connection.call(&[&b"SET"[..], b"k", &value]), Reply::Simple(b"OK".to_vec()));
    let mut requests = Vec::new();
    for _ in 0..40 {
        encode_request(&mut requests, &["GET", "k"]);
    }
    connection.send_raw(&requests);
    // By now the server has more to say than the sockets hold.
    assert_eq!(server.connect().text("PING"), "PONG");
    let expected = Reply::Bulk(value);
    for _ in 0..40 {
        assert!(connection.receive() == expected);
    }
}

/// How many clients were closed for what they left unread; Redis counts that from 7.2 on.
fn output_limit_closings(server: &Server) -> u64 {
    let info = Info::fetch(&mut server.connect(), "stats");
    let field = "client_output_buffer_limit_disconnections";
    if server.is_thermocline() || info.has(field) { info.count(field) } else { 1 }
}

#[test]
fn a_reply_longer_than_the_hard_output_limit_ends_the_connection() {
    let server = ServerOptions::subject().with("client-output-buffer-limit", "normal 1mb 0 0").start();
    let mut connection = server.connect();
    for (key, bytes) in [("small", 900_000), ("large", 3_000_000)] {
        let value = payload(1, bytes, Texture::Incompressible);
        assert_eq!(connection.call(&[&b"SET"[..], key.as_bytes(), &value]), Reply::Simple(b"OK".to_vec()));
    }
    for _ in 0..20 {
        assert_eq!(connection.line("GET small").as_bytes().map(<[u8]>::len), Some(900_000));
    }
    connection.send_raw(b"GET large\r\n");
    assert!(connection.receive_until_closed().len() < 3_000_000);
    assert_eq!(output_limit_closings(&server), 1);
    // It holds at once, and so does its end.
    let mut connection = server.connect();
    connection.text("CONFIG SET client-output-buffer-limit 'normal 0 0 0'");
    assert_eq!(connection.line("GET large").as_bytes().map(<[u8]>::len), Some(3_000_000));
}

#[test]
fn a_client_that_leaves_more_unread_than_the_hard_output_limit_is_disconnected() {
    let server = ServerOptions::subject().with("client-output-buffer-limit", "normal 600100 0 0").start();
    let mut other = server.connect();
    let value = payload(1, 600_000, Texture::Incompressible);
    other.call(&[&b"SET"[..], b"k", &value]);
    let mut greedy = server.connect();
    // The server knows it now.
    assert_eq!(greedy.text("PING"), "PONG");
    // Far more than the sockets hold: what is left of one reply and the next one are above the limit.
    let _ = greedy.try_send_raw(&b"GET k\r\n".repeat(200));
    let name = format!(":{} ", greedy.local_port());
    wait_until("the server to close the connection", SOON, || !other.text("CLIENT LIST").contains(&name));
    assert!(greedy.receive_until_closed().len() < 200 * value.len());
    assert_eq!(output_limit_closings(&server), 1);
}

#[test]
fn a_client_that_stays_above_the_soft_output_limit_is_disconnected_in_time() {
    let server = ServerOptions::subject().with("client-output-buffer-limit", "normal 0 100kb 1").start();
    let mut other = server.connect();
    let value = payload(1, 32 << 20, Texture::Incompressible);
    other.call(&[&b"SET"[..], b"k", &value]);
    // Whoever reads is not concerned.
    assert!(other.line("GET k") == Reply::Bulk(value));
    let mut greedy = server.connect();
    // The server knows it now.
    assert_eq!(greedy.text("PING"), "PONG");
    greedy.send_raw(b"GET k\r\n");
    let name = format!(":{} ", greedy.local_port());
    assert!(other.text("CLIENT LIST").contains(&name), "it has its time");
    wait_until("the server to close the connection", SOON, || !other.text("CLIENT LIST").contains(&name));
    assert!(greedy.receive_until_closed().len() < 32 << 20);
    assert_eq!(output_limit_closings(&server), 1);
}

#[test]
fn a_request_longer_than_the_query_buffer_limit_ends_the_connection() {
    let server = ServerOptions::subject().with("client-query-buffer-limit", "1mb").start();
    let mut connection = server.connect();
    let mut request = Vec::new();
    encode_request(&mut request, &[b"SET".to_vec(), b"k".to_vec(), vec![b'x'; 3 * 1024 * 1024]]);
    // The connection may be closed while this is under way.
    let _ = connection.try_send_raw(&request);
    assert_eq!(connection.receive_until_closed(), b"");
    let info = Info::fetch(&mut server.connect(), "stats");
    // Redis counts that from 7.2 on.
    if server.is_thermocline() {
        assert_eq!(info.count("client_query_buffer_limit_disconnections"), 1);
    }
}

#[test]
fn memory_of_large_requests_and_replies_is_given_back() {
    let server = ServerOptions::subject().start();
    let mut connection = server.connect();
    let value = payload(1, 32 * 1024 * 1024, Texture::Incompressible);
    connection.call(&[&b"SET"[..], b"k", &value]);
    assert!(connection.line("GET k") == Reply::Bulk(value));
    connection.line("DEL k");
    wait_until("memory to come back", SOON, || server.memory_bytes("VmRSS") < 60 * 1024 * 1024);
}

#[test]
fn clients_that_take_most_are_disconnected_above_maxmemory_clients() {
    let server = ServerOptions::subject().start();
    let mut operator = server.connect();
    let [mut small, mut large, mut spared] = [server.connect(), server.connect(), server.connect()];
    spared.text("CLIENT NO-EVICT ON");
    for (client, bytes) in [(&mut small, 100_000), (&mut large, 900_000), (&mut spared, 2_000_000)] {
        client.send_raw(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", bytes + 1).as_bytes());
        client.send_raw(&vec![b'x'; bytes]);
    }
    let client_bytes =
        |operator: &mut Connection| Info::fetch(operator, "memory").count("mem_clients_normal");
    wait_until("the requests to arrive", SOON, || client_bytes(&mut operator) > 3_000_000);
    assert_eq!(operator.text("CONFIG SET maxmemory-clients 2500000"), "OK");
    assert!(large.is_closed_by_server());
    wait_until("the client to be gone", SOON, || client_bytes(&mut operator) < 2_500_000);
    assert_eq!(Info::fetch(&mut operator, "stats").count("evicted_clients"), 1);
    for client in [&mut small, &mut spared] {
        client.send_raw(b"x\r\n");
        assert_eq!(client.receive(), Reply::Simple(b"OK".to_vec()));
    }
    assert_eq!(operator.text("CONFIG SET maxmemory-clients 5%"), "OK");
    assert_eq!(operator.text("PING"), "PONG");
}

#[test]
fn a_long_transaction_counts_as_its_clients_memory() {
    let server = ServerOptions::subject().with("maxmemory-clients", "1mb").start();
    let mut operator = server.connect();
    let mut client = server.connect();
    client.text("MULTI");
    let value = payload(1, 100_000, Texture::Incompressible);
    for _ in 0..30 {
        if client.try_send_raw(&request(&[b"SET", b"k", &value])).is_err() {
            break;
        }
    }
    wait_until("an eviction", SOON, || Info::fetch(&mut operator, "stats").count("evicted_clients") == 1);
    assert_eq!(operator.line("GET k"), Reply::NullBulk);
}

#[test]
fn a_request_that_takes_all_of_the_clients_memory_is_not_run() {
    let server = ServerOptions::subject().with("maxmemory-clients", "1mb").start();
    let [mut small, mut large, mut spared] = [server.connect(), server.connect(), server.connect()];
    spared.text("CLIENT NO-EVICT ON");
    let set = |key: &[u8], bytes| request(&[b"SET", key, &payload(1, bytes, Texture::Incompressible)]);
    small.send_raw(&set(b"small", 900_000));
    assert_eq!(small.receive(), Reply::Simple(b"OK".to_vec()));
    let _ = large.try_send_raw(&set(b"large", 2_000_000));
    assert!(large.is_closed_by_server());
    assert_eq!(Info::fetch(&mut server.connect(), "stats").count("evicted_clients"), 1);
    // Meanwhile others may have to go.
    spared.send_raw(&set(b"spared", 2_000_000));
    assert_eq!(spared.receive(), Reply::Simple(b"OK".to_vec()));
    let mut later = server.connect();
    assert_eq!(later.line("EXISTS small spared").as_integer(), Some(2));
    assert_eq!(later.line("EXISTS large").as_integer(), Some(0));
}

fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_request(&mut bytes, words);
    bytes
}

#[test]
fn a_subscriber_that_reads_nothing_is_disconnected_though_nobody_publishes_any_more() {
    let server = ServerOptions::subject().with("client-output-buffer-limit", "pubsub 0 100kb 1").start();
    let mut other = server.connect();
    let mut subscriber = server.connect();
    subscriber.line("SUBSCRIBE news");
    let name = format!(":{} ", subscriber.local_port());
    let message = "m".repeat(64 << 10);
    let waits = |list: &str| {
        let line = list.lines().find(|line| line.contains(&name)).expect("it is still there").to_owned();
        line.split("omem=").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or(0)
            > 200_000
    };
    // Until the socket takes no more.
    wait_until("messages to be left", SOON, || {
        other.call(&["PUBLISH", "news", &message]);
        waits(&other.text("CLIENT LIST"))
    });
    wait_until("the server to close the connection", SOON, || !other.text("CLIENT LIST").contains(&name));
    assert_eq!(output_limit_closings(&server), 1);
}
