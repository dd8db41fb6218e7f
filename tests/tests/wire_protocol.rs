//! Requests as bytes: every way to cut, pipeline and misspell them.

use thermocline_protocol::{Reply, encode_request};
use thermocline_tests::payload::{Texture, payload};
use thermocline_tests::{Connection, Server, ServerOptions};

fn start() -> (Server, Connection) {
    let server = ServerOptions::subject().start();
    let connection = server.connect();
    (server, connection)
}

#[test]
fn inline_commands_are_understood() {
    let (_server, mut connection) = start();
    connection.send_raw(b"PING\r\nSET key \"a \\x41\\n\" \nGET key\r\nset 'sq' 'it\\'s'\r\nGET sq\r\n");
    let expected: [&[u8]; 5] = [b"+PONG\r\n", b"+OK\r\n", b"$4\r\na A\n\r\n", b"+OK\r\n", b"$4\r\nit's\r\n"];
    for reply in expected {
        assert_eq!(connection.receive_raw(), reply);
    }
}

#[test]
fn requests_without_arguments_get_no_reply() {
    let (_server, mut connection) = start();
    connection.send_raw(b"\r\n\n  \r\n*0\r\n*-1\r\nPING\r\n");
    assert_eq!(connection.receive_raw(), b"+PONG\r\n");
}

#[test]
fn ten_thousand_pipelined_commands_are_answered_in_order() {
    let (_server, mut connection) = start();
    let mut bytes = Vec::new();
    for number in 0..10_000 {
        encode_request(&mut bytes, &["SET".to_owned(), format!("key:{number}"), format!("value:{number}")]);
        encode_request(&mut bytes, &["GET".to_owned(), format!("key:{number}")]);
    }
    // The replies are not read before everything was sent: a server that waits for that would wait for ever.
    connection.send_raw(&bytes);
    for number in 0..10_000 {
        assert_eq!(connection.receive_raw(), b"+OK\r\n");
        assert_eq!(connection.receive(), Reply::Bulk(format!("value:{number}").into_bytes()));
    }
}

#[test]
fn a_command_may_be_cut_at_every_byte() {
    let (_server, mut connection) = start();
    let mut request = Vec::new();
    encode_request(&mut request, &[&b"SET"[..], b"key", b"some\r\nvalue"]);
    for cut in 1..request.len() {
        let (head, tail) = request.split_at(cut);
        connection.send_raw(head);
        // Without the round trip of another connection, both pieces could arrive as one.
        let mut other = _server.connect();
        assert_eq!(other.text("PING"), "PONG");
        connection.send_raw(tail);
        assert_eq!(connection.receive_raw(), b"+OK\r\n", "cut at {cut}");
    }
}

#[test]
fn a_pipeline_may_come_byte_by_byte() {
    let (_server, mut connection) = start();
    for &byte in b"*1\r\n$4\r\nPING\r\nPING hello\r\n*2\r\n$4\r\nECHO\r\n$3\r\na\r\n\r\n" {
        connection.send_raw(&[byte]);
    }
    assert_eq!(connection.receive_raw(), b"+PONG\r\n");
    assert_eq!(connection.receive_raw(), b"$5\r\nhello\r\n");
    assert_eq!(connection.receive_raw(), b"$3\r\na\r\n\r\n");
}

#[test]
fn a_huge_value_comes_back_whole() {
    let (_server, mut connection) = start();
    let value = payload(1, 64 * 1024 * 1024, Texture::Incompressible);
    assert_eq!(connection.call(&[&b"SET"[..], b"huge", &value]), Reply::Simple(b"OK".to_vec()));
    assert_eq!(connection.integer("STRLEN huge"), value.len() as i64);
    assert!(connection.line("GET huge") == Reply::Bulk(value));
}

#[test]
fn commands_of_ten_thousand_keys_work() {
    let (_server, mut connection) = start();
    let keys: Vec<String> = (0..10_000).map(|number| format!("key:{number}")).collect();
    let mut mset = vec!["MSET".to_owned()];
    for key in &keys {
        mset.extend([key.clone(), format!("value of {key}")]);
    }
    assert_eq!(connection.call(&mset), Reply::Simple(b"OK".to_vec()));
    let with_keys = |name: &str| [vec![name.to_owned()], keys.clone()].concat();
    let reply = connection.call(&with_keys("MGET"));
    let values = reply.as_elements().expect("an array");
    assert_eq!(values.len(), keys.len());
    for (key, value) in keys.iter().zip(values) {
        assert_eq!(value.as_bytes(), Some(format!("value of {key}").as_bytes()));
    }
    assert_eq!(connection.call(&with_keys("EXISTS")), Reply::Integer(10_000));
    assert_eq!(connection.call(&with_keys("DEL")), Reply::Integer(10_000));
    assert_eq!(connection.integer("DBSIZE"), 0);
}

#[test]
fn keys_and_values_may_be_any_bytes() {
    let (_server, mut connection) = start();
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(connection.call(&[b"SET", &all[..], &all[..]]), Reply::Simple(b"OK".to_vec()));
    assert_eq!(connection.call(&[b"GET", &all[..]]), Reply::Bulk(all));
    assert_eq!(connection.line("SET '' ''"), Reply::Simple(b"OK".to_vec()));
    assert_eq!(connection.line("GET ''"), Reply::Bulk(Vec::new()));
}

#[test]
fn violations_of_the_protocol_are_named_and_end_the_connection() {
    let (server, _) = start();
    let long = "1".repeat(70_000);
    let cases: [(&[u8], &str); 12] = [
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*abc\r\n", "invalid multibulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$abc\r\n", "invalid bulk length"),
        (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
        (b"*2\r\n$3\r\nGET\r\n:1\r\n", "expected '$', got ':'"),
        (b"SET \"unbalanced\r\n", "unbalanced quotes in request"),
        (b"SET 'a'b\r\n", "unbalanced quotes in request"),
        (&[b"*", long.as_bytes()].concat(), "too big mbulk count string"),
        (&[b"*1\r\n$", long.as_bytes()].concat(), "too big bulk count string"),
        (long.as_bytes(), "too big inline request"),
    ];
    for (bytes, text) in cases {
        let mut connection = server.connect();
        // A command before the violation is still answered.
        connection.send_raw(b"PING\r\n");
        // The server may close before it has read everything.
        let _ = connection.try_send_raw(bytes);
        let received = String::from_utf8_lossy(&connection.receive_until_closed()).into_owned();
        assert_eq!(received, format!("+PONG\r\n-ERR Protocol error: {text}\r\n"));
    }
    assert_eq!(server.connect().text("PING"), "PONG");
}

#[test]
fn a_client_that_stops_sending_still_gets_its_replies() {
    let (_server, mut connection) = start();
    connection.send_raw(b"PING\r\nECHO bye\r\n");
    connection.finish_sending();
    assert_eq!(connection.receive_until_closed(), b"+PONG\r\n$3\r\nbye\r\n");
}

#[test]
fn a_request_that_is_never_finished_does_no_harm() {
    let (server, mut connection) = start();
    connection.send_raw(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$100\r\nabc");
    drop(connection);
    let mut connection = server.connect();
    assert_eq!(connection.integer("EXISTS key"), 0);
}

#[test]
fn resp3_replies_in_its_own_types() {
    let (_server, mut connection) = start();
    assert!(matches!(connection.line("HELLO 3"), Reply::Map(_)));
    assert_eq!(connection.line("GET none"), Reply::Null);
    assert!(matches!(connection.line("CONFIG GET maxclients"), Reply::Map(_)));
    assert!(matches!(connection.line("HELLO 2"), Reply::Array(_)));
    assert_eq!(connection.line("GET none"), Reply::NullBulk);
}
