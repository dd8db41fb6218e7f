//! Passwords.

use thermocline_protocol::Reply;
use thermocline_tests::connection::foreign_address;
use thermocline_tests::info::Info;
use thermocline_tests::{Connection, Server, ServerOptions};

fn start() -> Server {
    ServerOptions::subject().with("requirepass", "secret").start()
}

const NOAUTH: &str = "NOAUTH Authentication required.";
const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";

#[test]
fn nothing_works_before_the_password() {
    let server = start();
    let mut connection = server.connect();
    for command in
        ["GET k", "SET k v", "PING", "INFO", "CONFIG GET *", "SELECT 1", "CLIENT LIST", "FLUSHALL", "COMMAND"]
    {
        assert_eq!(connection.error(command), NOAUTH, "{command}");
    }
    assert_eq!(connection.error("AUTH wrong"), WRONGPASS);
    assert_eq!(connection.error("GET k"), NOAUTH);
    assert_eq!(connection.text("AUTH secret"), "OK");
    assert_eq!(connection.line("GET k"), Reply::NullBulk);
}

#[test]
fn the_password_may_come_with_a_user_or_with_hello() {
    let server = start();
    let mut connection = server.connect();
    assert_eq!(connection.error("AUTH nobody secret"), WRONGPASS);
    assert_eq!(connection.text("AUTH default secret"), "OK");
    let mut connection = server.connect();
    assert!(
        connection
            .error("HELLO 3")
            .starts_with("NOAUTH HELLO must be called with the client already authenticated")
    );
    assert_eq!(connection.error("HELLO 3 AUTH default wrong"), WRONGPASS);
    assert!(matches!(connection.line("HELLO 3 AUTH default secret"), Reply::Map(_)));
    assert_eq!(connection.line("GET k"), Reply::Null);
}

#[test]
fn a_failed_auth_does_not_take_back_an_earlier_one() {
    let server = start();
    let mut connection = server.connect();
    connection.text("AUTH secret");
    assert_eq!(connection.error("AUTH wrong"), WRONGPASS);
    assert_eq!(connection.line("GET k"), Reply::NullBulk);
}

#[test]
fn without_a_password_auth_says_so() {
    let server = ServerOptions::subject().start();
    let error = server.connect().error("AUTH x");
    assert_eq!(
        error,
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
         configuration is correct?"
    );
}

#[test]
fn a_password_can_be_set_while_running() {
    let server = ServerOptions::subject().start();
    let mut connection = server.connect();
    assert_eq!(connection.text("CONFIG SET requirepass secret"), "OK");
    // Who was in stays in.
    assert_eq!(connection.text("PING"), "PONG");
    let mut other = server.connect();
    assert_eq!(other.error("PING"), NOAUTH);
    assert_eq!(other.text("AUTH secret"), "OK");
    assert_eq!(connection.text("CONFIG SET requirepass ''"), "OK");
    assert_eq!(server.connect().text("PING"), "PONG");
}

#[test]
fn reset_asks_for_the_password_again() {
    let server = start();
    let mut connection = server.connect();
    connection.text("AUTH secret");
    connection.text("RESET");
    assert_eq!(connection.error("GET k"), NOAUTH);
}

#[test]
fn strangers_may_send_little() {
    let server = start();
    for (request, error) in [
        (&b"*11\r\n"[..], "unauthenticated multibulk length"),
        (b"*1\r\n$16385\r\n", "unauthenticated bulk length"),
    ] {
        let mut connection = server.connect();
        connection.send_raw(request);
        let received = connection.receive_until_closed();
        assert_eq!(String::from_utf8_lossy(&received), format!("-ERR Protocol error: {error}\r\n"));
    }
}

/// Where a machine has no address but the loopback interface's, nobody can be refused.
#[test]
fn without_a_password_only_this_machine_is_let_in() {
    let server = ServerOptions::subject().with("bind", "*").with("protected-mode", "yes").start();
    let mut local = server.connect();
    let Some(address) = foreign_address() else { return };
    let foreign = || Connection::open_at(address, server.port()).expect("the server listens everywhere");
    let refused_before = Info::fetch(&mut local, "stats").count("rejected_connections");
    let text = foreign().receive_until_closed();
    let text = String::from_utf8_lossy(&text);
    assert!(text.starts_with("-DENIED Redis is running in protected mode because "), "{text}");
    assert!(text.ends_with("accepting connections from the outside.\r\n"), "{text}");
    assert_eq!(Info::fetch(&mut local, "stats").count("rejected_connections"), refused_before + 1);

    // Both ways out work at once.
    local.text("CONFIG SET requirepass secret");
    assert!(foreign().error("PING").starts_with("NOAUTH"));
    local.text("CONFIG SET requirepass ''");
    assert!(foreign().receive_until_closed().starts_with(b"-DENIED"));
    local.text("CONFIG SET protected-mode no");
    assert_eq!(foreign().text("PING"), "PONG");
}
