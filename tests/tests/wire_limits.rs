//! What a client may make the server hold for it.

use std::time::Duration;

use thermocline_protocol::{Reply, encode_request};
use thermocline_tests::ServerOptions;
use thermocline_tests::payload::{Texture, payload};
use thermocline_tests::waiting::wait_until;

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

#[test]
fn a_request_longer_than_the_query_buffer_limit_ends_the_connection() {
    let server = ServerOptions::subject().with("client-query-buffer-limit", "1mb").start();
    let mut connection = server.connect();
    let mut request = Vec::new();
    encode_request(&mut request, &[b"SET".to_vec(), b"k".to_vec(), vec![b'x'; 3 * 1024 * 1024]]);
    // The connection may be closed while this is under way.
    let _ = connection.try_send_raw(&request);
    assert_eq!(connection.receive_until_closed(), b"");
    assert_eq!(server.connect().text("PING"), "PONG");
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
