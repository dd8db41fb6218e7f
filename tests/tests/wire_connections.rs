//! Connections: how many, how long, and what CLIENT tells and does about them.

use std::time::{Duration, Instant};

use thermocline_protocol::Reply;
use thermocline_tests::info::Info;
use thermocline_tests::waiting::wait_until;
use thermocline_tests::{Connection, Server, ServerOptions};

const SOON: Duration = Duration::from_secs(20);

fn start() -> (Server, Connection) {
    let server = ServerOptions::subject().start();
    let connection = server.connect();
    (server, connection)
}

/// The line of CLIENT LIST that has `field=value`.
fn client_line(connection: &mut Connection, field: &str) -> Option<String> {
    let list = connection.text("CLIENT LIST");
    list.lines().find(|line| line.split(' ').any(|word| word == field)).map(str::to_owned)
}

fn field<'a>(line: &'a str, name: &str) -> &'a str {
    line.split(' ')
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        .unwrap_or_else(|| panic!("no {name} in {line}"))
}

#[test]
fn more_clients_than_maxclients_are_turned_away() {
    let server = ServerOptions::subject().with("maxclients", "5").start();
    let mut admitted: Vec<Connection> = (0..5).map(|_| server.connect()).collect();
    for connection in &mut admitted {
        assert_eq!(connection.text("PING"), "PONG");
    }
    let mut refused = server.connect();
    assert_eq!(refused.receive_until_closed(), b"-ERR max number of clients reached\r\n");
    admitted.pop();
    // Room again, once the server has noticed that one left.
    wait_until("a place for another client", SOON, || {
        let mut connection = server.connect();
        connection.try_send_raw(b"PING\r\n").is_ok()
            && matches!(connection.try_receive_raw(), Ok(Some(reply)) if reply == b"+PONG\r\n")
    });
}

#[test]
fn idle_clients_are_disconnected_after_the_timeout() {
    let server = ServerOptions::subject().with("timeout", "1").start();
    let mut connection = server.connect();
    assert_eq!(connection.text("PING"), "PONG");
    assert!(connection.is_closed_by_server());
}

#[test]
fn clients_are_listed_with_what_they_are_and_do() {
    let (server, mut connection) = start();
    connection.text("CLIENT SETNAME tester");
    connection.text("SELECT 3");
    let line = client_line(&mut connection, "name=tester").expect("a client lists itself");
    assert_eq!(field(&line, "db"), "3");
    assert_eq!(field(&line, "cmd"), "client|list");
    assert_eq!(field(&line, "addr"), format!("127.0.0.1:{}", connection.local_port()));
    assert_eq!(field(&line, "laddr"), format!("127.0.0.1:{}", server.port()));
    assert_eq!(field(&line, "id"), connection.integer("CLIENT ID").to_string());
    assert_eq!(field(&line, "user"), "default");
    assert_eq!(field(&line, "resp"), "2");
    for name in
        ["age", "idle", "flags", "sub", "psub", "multi", "qbuf", "qbuf-free", "obl", "oll", "omem", "events"]
    {
        field(&line, name);
    }
    let info = connection.text("CLIENT INFO");
    assert_eq!(field(&info, "name"), "tester");
    assert_eq!(field(&info, "cmd"), "client|info");
}

#[test]
fn client_list_can_be_limited_to_some() {
    let (server, mut connection) = start();
    let id = connection.integer("CLIENT ID");
    let mut other = server.connect();
    let other_id = other.integer("CLIENT ID");
    assert!(other_id > id);
    assert_eq!(connection.text(&format!("CLIENT LIST ID {other_id}")).lines().count(), 1);
    assert_eq!(connection.text(&format!("CLIENT LIST ID {id} {other_id} 999999")).lines().count(), 2);
    // The connection that found out whether the server is up may still be going.
    wait_until("two clients", SOON, || connection.text("CLIENT LIST TYPE normal").lines().count() == 2);
    assert_eq!(connection.text("CLIENT LIST TYPE replica"), "");
}

#[test]
fn a_client_can_be_killed_by_id_and_by_address() {
    let (server, mut connection) = start();
    let mut victims: Vec<Connection> = (0..3).map(|_| server.connect()).collect();
    let ids: Vec<i64> = victims.iter_mut().map(|victim| victim.integer("CLIENT ID")).collect();
    assert_eq!(connection.integer(&format!("CLIENT KILL ID {}", ids[0])), 1);
    assert!(victims[0].is_closed_by_server());
    assert_eq!(connection.text(&format!("CLIENT KILL 127.0.0.1:{}", victims[1].local_port())), "OK");
    assert!(victims[1].is_closed_by_server());
    assert_eq!(connection.integer(&format!("CLIENT KILL ADDR 127.0.0.1:{}", victims[2].local_port())), 1);
    assert!(victims[2].is_closed_by_server());
    assert_eq!(connection.integer("CLIENT KILL ID 999999"), 0);
    assert_eq!(connection.error("CLIENT KILL 1.2.3.4:5"), "ERR No such client");
}

#[test]
fn killing_everyone_spares_oneself_unless_asked() {
    let (server, mut connection) = start();
    let mut others: Vec<Connection> = (0..4).map(|_| server.connect()).collect();
    for other in &mut others {
        assert_eq!(other.text("PING"), "PONG");
    }
    assert_eq!(connection.integer("CLIENT KILL TYPE normal"), 4);
    for other in &mut others {
        assert!(other.is_closed_by_server());
    }
    // They see the end of their connections before the server has forgotten them.
    wait_until("the others to be gone", SOON, || connection.text("CLIENT LIST").lines().count() == 1);
    // The reply to killing oneself still arrives.
    assert_eq!(connection.integer("CLIENT KILL TYPE normal SKIPME no"), 1);
    assert!(connection.is_closed_by_server());
}

#[test]
fn wait_waits_for_its_time_when_there_are_too_few_replicas() {
    let (_server, mut connection) = start();
    assert_eq!(connection.integer("WAIT 0 0"), 0);
    assert_eq!(connection.integer("WAIT -1 0"), 0);
    let before = Instant::now();
    assert_eq!(connection.integer("WAIT 1 50"), 0);
    assert!(before.elapsed() >= Duration::from_millis(50));
    assert_eq!(connection.error("WAIT x 0"), "ERR value is not an integer or out of range");
    assert_eq!(connection.error("WAIT 1 x"), "ERR timeout is not an integer or out of range");
    assert_eq!(connection.error("WAIT 1 -1"), "ERR timeout is negative");
}

#[test]
fn a_client_that_waits_is_unblocked_by_another_or_by_its_own_end() {
    let (server, mut connection) = start();
    let mut waiting = server.connect();
    let id = waiting.integer("CLIENT ID");
    let mut ended_by = |unblock: &str| {
        waiting.send_raw(b"WAIT 1 0\r\nPING\r\n");
        wait_until("the client to wait", SOON, || {
            client_line(&mut connection, &format!("id={id}")).is_some_and(|line| field(&line, "flags") == "b")
        });
        assert_eq!(Info::fetch(&mut connection, "clients").count("blocked_clients"), 1);
        assert_eq!(connection.integer(&format!("CLIENT UNBLOCK {id}{unblock}")), 1);
        let reply = waiting.receive();
        assert_eq!(waiting.receive(), Reply::Simple(b"PONG".to_vec()));
        assert_eq!(connection.integer(&format!("CLIENT UNBLOCK {id}")), 0);
        reply
    };
    assert_eq!(ended_by(""), Reply::Integer(0));
    assert_eq!(ended_by(" timeout"), Reply::Integer(0));
    let error = Reply::Error(b"UNBLOCKED client unblocked via CLIENT UNBLOCK".to_vec());
    assert_eq!(ended_by(" error"), error);
    assert_eq!(Info::fetch(&mut connection, "clients").count("blocked_clients"), 0);

    waiting.send_raw(b"WAIT 1 0\r\n");
    drop(waiting);
    wait_until("the server to notice", SOON, || client_line(&mut connection, &format!("id={id}")).is_none());
    let mut killed = server.connect();
    let id = killed.integer("CLIENT ID");
    killed.send_raw(b"WAIT 1 0\r\n");
    assert_eq!(connection.integer(&format!("CLIENT KILL ID {id}")), 1);
    assert!(killed.is_closed_by_server());
}

/// WAITAOF is of Redis 7.2.
#[test]
fn waitaof_needs_a_log() {
    let (server, mut connection) = start();
    if !server.is_thermocline() {
        return;
    }
    assert_eq!(
        connection.error("WAITAOF 1 0 0"),
        "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
    );
    assert_eq!(connection.error("WAITAOF 2 0 0"), "ERR value is out of range, must be between 0 and 1");
    assert_eq!(connection.error("WAITAOF 0 -1 0"), "ERR value is out of range, must be positive");
    for request in ["WAITAOF 0 0 0", "WAITAOF 0 1 20"] {
        assert_eq!(connection.line(request), Reply::Array(vec![Reply::Integer(0), Reply::Integer(0)]));
    }
}

#[test]
fn quit_replies_and_closes() {
    let (_server, mut connection) = start();
    connection.send_raw(b"SET k v\r\nQUIT\r\nSET k w\r\n");
    assert_eq!(connection.receive_until_closed(), b"+OK\r\n+OK\r\n");
    let mut connection = _server.connect();
    assert_eq!(connection.text("GET k"), "v");
}

#[test]
fn reset_makes_a_connection_new() {
    let (_server, mut connection) = start();
    connection.line("HELLO 3");
    connection.text("SELECT 2");
    connection.text("CLIENT SETNAME x");
    connection.text("SET k v");
    assert_eq!(connection.text("RESET"), "RESET");
    assert_eq!(connection.line("GET k"), Reply::NullBulk);
    assert_eq!(connection.line("CLIENT GETNAME"), Reply::NullBulk);
}

#[test]
fn client_reply_off_and_skip_are_silent() {
    let (_server, mut connection) = start();
    connection.send_raw(b"CLIENT REPLY OFF\r\nSET k v\r\nPING\r\nCLIENT REPLY ON\r\n");
    assert_eq!(connection.receive_raw(), b"+OK\r\n");
    connection.send_raw(b"CLIENT REPLY SKIP\r\nSET k w\r\nGET k\r\n");
    assert_eq!(connection.receive_raw(), b"$1\r\nw\r\n");
}

#[test]
fn client_pause_holds_commands_back_until_unpaused() {
    let (server, mut connection) = start();
    let mut held = server.connect();
    assert_eq!(held.text("SET k 1"), "OK");
    assert_eq!(connection.text("CLIENT PAUSE 100000 WRITE"), "OK");
    assert_eq!(held.text("GET k"), "1");
    held.send(&["SET", "k", "2"]);
    wait_until("the write to be held back", SOON, || {
        let line = client_line(&mut connection, &format!("addr=127.0.0.1:{}", held.local_port()));
        line.is_some_and(|line| field(&line, "flags").contains('b'))
    });
    assert_eq!(connection.text("GET k"), "1");
    assert_eq!(connection.text("CLIENT UNPAUSE"), "OK");
    assert_eq!(held.receive_raw(), b"+OK\r\n");
    assert_eq!(connection.text("GET k"), "2");
}

#[test]
fn the_number_of_clients_is_reported() {
    let (server, mut connection) = start();
    let others: Vec<Connection> = (0..7).map(|_| server.connect()).collect();
    let connected = |connection: &mut Connection| {
        thermocline_tests::info::Info::fetch(connection, "clients").count("connected_clients")
    };
    wait_until("eight clients", SOON, || connected(&mut connection) == 8);
    drop(others);
    wait_until("one client", SOON, || connected(&mut connection) == 1);
}

#[test]
fn thousands_of_connections_come_and_go() {
    let (server, mut connection) = start();
    for _ in 0..20 {
        let mut crowd: Vec<Connection> = (0..100).map(|_| server.connect()).collect();
        for member in &mut crowd {
            member.send(&["PING"]);
        }
        for member in &mut crowd {
            assert_eq!(member.receive_raw(), b"+PONG\r\n");
        }
    }
    assert_eq!(connection.text("PING"), "PONG");
}

#[test]
fn client_list_shows_transactions_and_watched_keys() {
    let server = ServerOptions::subject().start();
    let (mut operator, mut client) = (server.connect(), server.connect());
    client.text("CLIENT SETNAME worker");
    let mut shown = |wanted: &str| {
        let list = operator.text("CLIENT LIST");
        let line = list.lines().find(|line| line.contains("name=worker")).expect("it is listed").to_owned();
        assert!(line.contains(wanted), "{wanted} in {line}");
    };
    shown(" flags=N ");
    shown(" multi=-1 watch=0 ");
    client.text("WATCH a b");
    shown(" multi=-1 watch=2 ");
    client.text("MULTI");
    client.text("PING");
    client.text("SET a 1");
    shown(" flags=x ");
    shown(" multi=2 watch=2 ");
    client.text("DISCARD");
    shown(" multi=-1 watch=0 ");
    client.text("WATCH a");
    server.connect().text("SET a 2");
    client.text("PING");
    shown(" flags=d ");
}

#[test]
fn who_asks_for_replies_again_is_told_so() {
    let server = ServerOptions::subject().start();
    let mut connection = server.connect();
    connection.send_raw(b"CLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nPING\r\n");
    assert_eq!(connection.receive(), Reply::Simple(b"OK".to_vec()));
    assert_eq!(connection.receive(), Reply::Simple(b"PONG".to_vec()));
}

#[test]
fn a_client_that_was_killed_is_not_listed_any_more() {
    let server = ServerOptions::subject().start();
    let mut killer = server.connect();
    for _ in 0..50 {
        let mut victim = server.connect();
        let id = victim.integer("CLIENT ID");
        assert_eq!(killer.integer(&format!("CLIENT KILL ID {id}")), 1);
        assert!(!killer.text("CLIENT LIST").contains(&format!("id={id} ")));
        assert_eq!(killer.integer(&format!("CLIENT KILL ID {id}")), 0);
    }
}
