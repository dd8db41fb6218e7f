//! Lua scripts and functions: every reply next to redis-server's, on both tiers, and what becomes of scripts that run for
//! too long.

use std::time::Duration;

use thermocline_protocol::Reply;
use thermocline_tests::compat::pair::Pair;
use thermocline_tests::compat::request::Request;
use thermocline_tests::compat::script;
use thermocline_tests::tiers::{disk_reads, make_cold};
use thermocline_tests::waiting::wait_until;
use thermocline_tests::{Connection, Server, ServerOptions};

const PATIENCE: Duration = Duration::from_secs(20);

/// The scripts of a file: what is between empty lines.
fn scripts() -> Vec<String> {
    let text = include_str!("../compat/lua.txt");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("# ")).collect();
    let text = lines.join("\n");
    let trim = |script: &str| script.trim_matches('\n').to_owned();
    text.split("\n\n").map(trim).filter(|script| !script.is_empty()).collect()
}

#[test]
fn scripts_reply_as_redis_does_whether_their_keys_are_cold_or_not() {
    let pair = Pair::start();
    let mut demoter = pair.demoter();
    let keys = ["{a}", "{b}", "list", "hash", "zset", "set", "n", "counter", "sum", "co", "stream", "geo"];
    let keys = keys.map(|key| key.as_bytes().to_vec());
    let mut differences = Vec::new();
    let scripts = scripts();
    assert!(scripts.len() > 600, "{} scripts", scripts.len());
    for protocol in ["2", "3"] {
        let mut client = pair.connect();
        client.exchange(&[Request::new("FLUSHALL"), Request::new("HELLO").arg(protocol)]);
        for (number, text) in scripts.iter().enumerate() {
            if let Some(demoter) = &mut demoter
                && number % 3 == 0
            {
                demoter.demote(0, &keys);
            }
            let words = ["EVAL", text, "2", "{a}", "{b}", "one", "2"];
            let request = Request(words.iter().map(|word| word.as_bytes().to_vec()).collect());
            let (reference, subject) = client.exchange(&[request]).remove(0);
            if reference != subject {
                differences.push(format!(
                    "{text}\n  redis: {}\n  ours:  {}",
                    reference.escape_ascii(),
                    subject.escape_ascii()
                ));
            }
        }
    }
    assert!(differences.is_empty(), "{} differences\n\n{}", differences.len(), differences.join("\n\n"));
}

#[test]
fn commands_about_scripts_and_functions_reply_as_redis_does() {
    let differences = script::run(&Pair::start(), include_str!("../compat/functions.txt"));
    assert!(differences.is_empty(), "{} differences\n\n{}", differences.len(), differences.join("\n\n"));
}

fn start(threads: &str, options: &[(&str, &str)]) -> Server {
    let base = ServerOptions::thermocline().with("threads", threads);
    options.iter().fold(base, |server, (name, value)| server.with(name, value)).start()
}

fn eval(connection: &mut Connection, script: &str, keys: &[&str]) -> Reply {
    let count = keys.len().to_string();
    connection.call(&[&["EVAL", script, &count], keys].concat())
}

#[test]
fn declared_keys_are_read_at_once_and_others_when_they_are_needed() {
    let server = start("1", &[]);
    let mut connection = server.connect();
    let keys = ["a", "b", "c", "d"];
    for key in keys {
        connection.text(&format!("SET {key} {}", key.repeat(300)));
    }
    let sum = "local n = 0 for i = 1, #KEYS do n = n + #redis.call('get', KEYS[i]) end return n";
    make_cold(&mut connection, &keys);
    let (reads, reply) = disk_reads(&mut connection, |connection| eval(connection, sum, &keys));
    assert_eq!((reads, reply), (4, Reply::Integer(1200)));
    let undeclared =
        "local n = 0 for _, k in ipairs({'a', 'b', 'c', 'd'}) do n = n + #redis.call('get', k) end return n";
    make_cold(&mut connection, &keys);
    let (reads, reply) = disk_reads(&mut connection, |connection| eval(connection, undeclared, &[]));
    assert_eq!((reads, reply), (4, Reply::Integer(1200)));
    let after_a_write = "redis.call('set', 'e', 1) return #redis.call('get', 'a') + redis.call('incr', 'e')";
    make_cold(&mut connection, &keys);
    let (reads, reply) = disk_reads(&mut connection, |connection| eval(connection, after_a_write, &[]));
    assert_eq!((reads, reply), (1, Reply::Integer(302)));
    let blind = "redis.call('set', KEYS[1], 'x') return redis.call('strlen', KEYS[2])";
    assert_eq!(eval(&mut connection, blind, &["a", "b"]), Reply::Integer(300));
    assert_eq!(connection.text("GET a"), "x");
}

const ENDLESS: &str = "while true do pcall(function() while true do end end) end";
const FUNCTION: &str =
    "#!lua name=endless\nredis.register_function('endless', function() while true do end end)";

#[test]
fn a_script_that_runs_for_too_long_is_killed_and_all_clients_are_told_meanwhile() {
    for threads in ["1", "2"] {
        let server = start(threads, &[("busy-reply-threshold", "50")]);
        let mut runner = server.connect();
        let mut others: Vec<Connection> = (0..4).map(|_| server.connect()).collect();
        runner.send(&["EVAL", ENDLESS, "0"]);
        let busy = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
        for other in &mut others {
            wait_until("the server is busy", PATIENCE, || {
                other.line("PING") != Reply::Simple(b"PONG".to_vec())
            });
            assert_eq!(other.error("GET x"), busy);
            assert_eq!(other.error("FUNCTION STATS"), busy);
        }
        assert_eq!(others[0].error("FUNCTION KILL"), busy);
        assert_eq!(others[3].text("SCRIPT KILL"), "OK");
        let Reply::Error(text) = runner.receive() else { panic!("it was killed") };
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(text.contains("Script killed by user with SCRIPT KILL."), "{text}");
        for other in &mut others {
            assert_eq!(other.text("PING"), "PONG");
            assert_eq!(other.error("SCRIPT KILL"), "NOTBUSY No scripts in execution right now.");
        }
        assert_eq!(eval(&mut runner, "return 1", &[]), Reply::Integer(1));
    }
}

#[test]
fn a_function_that_runs_for_too_long_is_shown_and_killed() {
    let server = start("1", &[("busy-reply-threshold", "50")]);
    let (mut runner, mut other) = (server.connect(), server.connect());
    runner.call(&["FUNCTION", "LOAD", FUNCTION]);
    runner.send(&["FCALL", "endless", "1", "key", "argument"]);
    wait_until("the server is busy", PATIENCE, || other.line("PING") != Reply::Simple(b"PONG".to_vec()));
    let busy = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
    assert_eq!(other.error("SCRIPT KILL"), busy);
    let stats = other.line("FUNCTION STATS");
    let running = stats.as_elements().expect("a map")[1].as_elements().expect("a map").to_vec();
    assert_eq!(running[1], Reply::Bulk(b"endless".to_vec()));
    assert_eq!(running[3].as_elements().map(<[Reply]>::len), Some(5));
    assert!(running[5].as_integer().is_some_and(|duration_ms| duration_ms >= 50));
    assert_eq!(other.text("FUNCTION KILL"), "OK");
    let Reply::Error(text) = runner.receive() else { panic!("it was killed") };
    assert!(String::from_utf8_lossy(&text).contains("Script killed by user with SCRIPT KILL..."));
}

#[test]
fn a_script_that_has_written_is_not_killed() {
    let server = start("2", &[("busy-reply-threshold", "50")]);
    let (mut runner, mut other) = (server.connect(), server.connect());
    runner.send(&[
        "EVAL",
        "redis.call('set', 'written', 1) local began = os.clock() while os.clock() - began < 1 do end return 'end'",
        "0",
    ]);
    wait_until("the server is busy", PATIENCE, || other.line("PING") != Reply::Simple(b"PONG".to_vec()));
    assert!(other.error("SCRIPT KILL").starts_with("UNKILLABLE "));
    assert_eq!(runner.receive(), Reply::Bulk(b"end".to_vec()));
    assert_eq!(other.text("GET written"), "1");
}

#[test]
fn scripts_of_several_threads_are_atomic() {
    let server = start("2", &[]);
    let script = "local a, b = redis.call('get', KEYS[1]), redis.call('get', KEYS[2])
                  if a ~= b then return redis.error_reply('ERR seen halfway') end
                  redis.call('incr', KEYS[1]) return redis.call('incr', KEYS[2])";
    let undeclared = script.replace("KEYS[1]", "'one'").replace("KEYS[2]", "'two'");
    server.connect().call(&["MSET", "one", "0", "two", "0"]);
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (server, undeclared) = (&server, &undeclared);
            scope.spawn(move || {
                let mut connection = server.connect();
                for _ in 0..200 {
                    let reply = match number % 2 {
                        0 => eval(&mut connection, script, &["one", "two"]),
                        _ => eval(&mut connection, undeclared, &[]),
                    };
                    assert!(reply.as_integer().is_some(), "{reply:?}");
                }
            });
        }
    });
    assert_eq!(server.connect().text("GET one"), "800");
    assert_eq!(server.connect().text("GET two"), "800");
}
