//! MONITOR: what is shown to whom.

use thermocline_tests::{Connection, ServerOptions};

/// The next line, without its time.
fn shown(monitor: &mut Connection) -> String {
    let line = monitor.receive();
    let line = String::from_utf8(line.as_bytes().expect("a status").to_vec()).expect("escaped text");
    let (time, rest) = line.split_once(' ').expect("a time");
    let (seconds, micros) = time.split_once('.').expect("a fraction");
    assert!(
        seconds.parse::<u64>().is_ok_and(|seconds| seconds > 1_500_000_000) && micros.len() == 6,
        "{line}"
    );
    rest.to_owned()
}

#[test]
fn every_command_is_shown_but_those_of_operators() {
    let server = ServerOptions::subject().with("threads", "2").start();
    let mut monitor = server.connect();
    assert_eq!(monitor.text("MONITOR"), "OK");
    let mut client = server.connect();
    let address = format!("127.0.0.1:{}", client.local_port());
    for command in [
        "SET k \"a\\n\\x00\"",
        "CONFIG GET port",
        "NOPE",
        "GET",
        "AUTH secret",
        "SELECT 3",
        "MULTI",
        "GET k",
        "EXEC",
        "INCR k extra",
    ] {
        client.line(command);
    }
    client.line("PING");
    let expected = [
        "[0 A] \"SET\" \"k\" \"a\\n\\x00\"",
        "[0 A] \"AUTH\" \"(redacted)\"",
        "[3 A] \"SELECT\" \"3\"",
        "[3 A] \"MULTI\"",
        "[3 A] \"GET\" \"k\"",
        "[3 A] \"EXEC\"",
        "[3 A] \"PING\"",
    ];
    for line in expected {
        assert_eq!(
            shown(&mut monitor),
            line.replace("[0 A]", &format!("[0 {address}]")).replace("[3 A]", &format!("[3 {address}]"))
        );
    }
}

#[test]
fn a_monitor_sees_its_own_commands_behind_their_replies_until_it_ends() {
    let server = ServerOptions::subject().start();
    let mut monitor = server.connect();
    assert_eq!(monitor.text("MONITOR"), "OK");
    // A second time it is no news, and has no reply.
    monitor.send(&["MONITOR"]);
    assert_eq!(monitor.error("GET k"), "ERR Replica can't interact with the keyspace");
    assert_eq!(monitor.text("PING"), "PONG");
    assert!(shown(&mut monitor).ends_with("\"PING\""));
    let mut other = server.connect();
    assert!(other.text("CLIENT LIST").contains(" flags=O "));
    assert_eq!(monitor.text("RESET"), "RESET");
    other.line("PING");
    assert_eq!(monitor.text("PING"), "PONG");
    assert!(!other.text("CLIENT LIST").contains(" flags=O "));
}

#[test]
fn a_command_that_waits_is_shown_once_when_it_begins_to() {
    let server = ServerOptions::subject().start();
    let mut monitor = server.connect();
    assert_eq!(monitor.text("MONITOR"), "OK");
    let (mut waiter, mut other) = (server.connect(), server.connect());
    waiter.send(&["BLPOP", "l", "0"]);
    assert!(shown(&mut monitor).ends_with("\"BLPOP\" \"l\" \"0\""));
    other.line("RPUSH l x");
    assert!(shown(&mut monitor).ends_with("\"RPUSH\" \"l\" \"x\""));
    waiter.receive();
    waiter.line("PING");
    assert!(shown(&mut monitor).ends_with("\"PING\""));
}

/// A script is shown before what it runs, which is shown as the script's.
#[test]
fn a_script_is_shown_with_what_it_runs() {
    let server = ServerOptions::subject().start();
    let mut monitor = server.connect();
    assert_eq!(monitor.text("MONITOR"), "OK");
    let mut client = server.connect();
    client.line(
        "EVAL \"redis.call('select', 3) redis.call('set', KEYS[1], 'v') return redis.call('get', 'x')\" 1 k",
    );
    client.line("EVAL \"return redis.call('get', 'x')\" 0");
    for command in ["MULTI", "EVAL \"return redis.call('get', 'x')\" 0", "EXEC"] {
        client.line(command);
    }
    let lines: Vec<String> = (0..10).map(|_| shown(&mut monitor)).collect();
    let ends = [
        "\"EVAL\" \"redis.call('select', 3) redis.call('set', KEYS[1], 'v') return redis.call('get', 'x')\" \"1\" \"k\"",
        "[3 lua] \"select\" \"3\"",
        "[3 lua] \"set\" \"k\" \"v\"",
        "[3 lua] \"get\" \"x\"",
        "\"EVAL\" \"return redis.call('get', 'x')\" \"0\"",
        "[0 lua] \"get\" \"x\"",
        "\"MULTI\"",
        "\"EVAL\" \"return redis.call('get', 'x')\" \"0\"",
        "[0 lua] \"get\" \"x\"",
        "\"EXEC\"",
    ];
    for (line, end) in lines.iter().zip(ends) {
        assert!(line.ends_with(end), "{lines:#?}");
    }
}
