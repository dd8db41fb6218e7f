//! Clients that wait for keys: who is served, what ends a wait, and that nothing is lost on the way.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use thermocline_protocol::Reply;
use thermocline_tests::info::Info;
use thermocline_tests::tiers::{make_cold, tier_of};
use thermocline_tests::waiting::wait_until;
use thermocline_tests::{Connection, Server, ServerOptions};

const PATIENCE: Duration = Duration::from_secs(20);

fn start() -> Server {
    ServerOptions::thermocline().with("threads", "2").start()
}

fn wait_for_waiters(connection: &mut Connection, count: u64) {
    wait_until(&format!("{count} clients to wait"), PATIENCE, || {
        Info::fetch(connection, "clients").count("blocked_clients") == count
    });
}

/// A client that waits for the least member of a sorted set, with its id.
fn waiter(server: &Server, key: &str) -> (Connection, i64) {
    let mut connection = server.connect();
    let id = connection.integer("CLIENT ID");
    connection.send(&["BZPOPMIN", key, "0"]);
    (connection, id)
}

fn member(reply: &Reply) -> String {
    let elements = reply.as_elements().unwrap_or_else(|| panic!("an array: {reply:?}"));
    String::from_utf8_lossy(elements[1].as_bytes().expect("a member")).into_owned()
}

#[test]
fn clients_on_all_threads_are_served_in_the_order_in_which_they_began_to_wait() {
    let server = start();
    let mut connection = server.connect();
    let mut waiters: Vec<Connection> = (0..40)
        .map(|number| {
            let (waiter, _) = waiter(&server, "z");
            wait_for_waiters(&mut connection, number + 1);
            waiter
        })
        .collect();
    for number in 0..40 {
        assert_eq!(connection.integer(&format!("ZADD z {number} member:{number}")), 1);
        assert_eq!(connection.integer("EXISTS z"), 0, "it was taken before the next command ran");
    }
    for (number, waiter) in waiters.iter_mut().enumerate() {
        assert_eq!(member(&waiter.receive()), format!("member:{number}"));
    }
}

#[test]
fn a_wait_is_ended_by_client_unblock_with_null_or_an_error() {
    let server = start();
    let mut connection = server.connect();
    let (mut first, first_id) = waiter(&server, "z");
    let (mut second, second_id) = waiter(&server, "z");
    wait_for_waiters(&mut connection, 2);
    assert_eq!(connection.integer(&format!("CLIENT UNBLOCK {first_id}")), 1);
    assert_eq!(first.receive(), Reply::NullArray);
    assert_eq!(connection.integer(&format!("CLIENT UNBLOCK {second_id} ERROR")), 1);
    assert_eq!(second.receive(), Reply::Error(b"UNBLOCKED client unblocked via CLIENT UNBLOCK".to_vec()));
    assert_eq!(connection.integer(&format!("CLIENT UNBLOCK {second_id}")), 0);
    connection.integer("ZADD z 1 a");
    assert_eq!(connection.integer("ZCARD z"), 1, "nobody waits any more");
    assert_eq!(first.text("PING"), "PONG");
}

#[test]
fn a_client_that_is_gone_takes_nothing() {
    let server = start();
    let mut connection = server.connect();
    let (gone, _) = waiter(&server, "z");
    wait_for_waiters(&mut connection, 1);
    drop(gone);
    wait_for_waiters(&mut connection, 0);
    connection.integer("ZADD z 1 a");
    assert_eq!(connection.integer("ZCARD z"), 1);
}

#[test]
fn what_waits_behind_a_blocking_command_runs_after_it() {
    let server = start();
    let mut connection = server.connect();
    let mut waiter = server.connect();
    waiter.send_raw(b"BZPOPMIN z 0\r\nECHO after\r\nBZPOPMIN z 0.01\r\nECHO last\r\n");
    wait_for_waiters(&mut connection, 1);
    connection.integer("ZADD z 1 a");
    assert_eq!(member(&waiter.receive()), "a");
    assert_eq!(waiter.receive(), Reply::Bulk(b"after".to_vec()));
    assert_eq!(waiter.receive(), Reply::NullArray);
    assert_eq!(waiter.receive(), Reply::Bulk(b"last".to_vec()));
}

#[test]
fn a_cold_value_that_comes_by_rename_is_read_for_who_waits() {
    let server = start();
    let mut connection = server.connect();
    for number in 0..1000 {
        connection.integer(&format!("ZADD source {number} member:{number:0100}"));
    }
    let (mut first, _) = waiter(&server, "target");
    wait_for_waiters(&mut connection, 1);
    let (mut second, _) = waiter(&server, "target");
    wait_for_waiters(&mut connection, 2);
    make_cold(&mut connection, &["source"]);
    assert_eq!(tier_of(&mut connection, "source").as_deref(), Some("ssd"));
    assert_eq!(connection.text("RENAME source target"), "OK");
    let taken = [&mut first, &mut second].map(|waiter| member(&waiter.receive()));
    assert_eq!(taken, [0, 1].map(|number| format!("member:{number:0100}")));
    assert_eq!(connection.integer("ZCARD target"), 998);
}

#[test]
fn who_waits_for_a_cold_value_behind_one_that_leaves_it_is_served_all_the_same() {
    let server = start();
    let mut connection = server.connect();
    let mut readers: Vec<Connection> = Vec::new();
    connection.text("XADD target 1-1 field value");
    connection.integer("XDEL target 1-1");
    for number in 1..=5 {
        let mut reader = server.connect();
        // None of them takes anything away from those behind it.
        reader.send(&["XREAD", "BLOCK", "0", "STREAMS", "target", "0"]);
        wait_for_waiters(&mut connection, number);
        readers.push(reader);
    }
    connection.text(&format!("XADD source 5-1 field {}", "v".repeat(5000)));
    make_cold(&mut connection, &["source"]);
    assert_eq!(tier_of(&mut connection, "source").as_deref(), Some("ssd"));
    assert_eq!(connection.text("RENAME source target"), "OK");
    for reader in &mut readers {
        assert!(reader.receive().as_elements().is_some_and(|streams| streams.len() == 1));
    }
}

#[test]
fn every_element_goes_to_exactly_one_of_those_who_wait() {
    const PRODUCERS: usize = 3;
    const CONSUMERS: usize = 6;
    const EACH: usize = 2_000;
    let server = start();
    let taken: Vec<Vec<String>> = thread::scope(|scope| {
        let consumers: Vec<_> = (0..CONSUMERS)
            .map(|number| {
                let mut connection = server.connect();
                scope.spawn(move || {
                    let mut taken = Vec::new();
                    loop {
                        let keys = if number % 2 == 0 { ["q1", "q2"] } else { ["q2", "q1"] };
                        let member = member(&connection.call(&["BZPOPMIN", keys[0], keys[1], "0"]));
                        if member == "end" {
                            return taken;
                        }
                        taken.push(member);
                    }
                })
            })
            .collect();
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|producer| {
                let mut connection = server.connect();
                scope.spawn(move || {
                    for number in 0..EACH {
                        let key = if number % 3 == 0 { "q1" } else { "q2" };
                        connection.integer(&format!("ZADD {key} {number} {producer}:{number}"));
                        if number % 50 == 0 {
                            connection.line("TIER DEMOTE q1 q2");
                        }
                    }
                })
            })
            .collect();
        producers.into_iter().for_each(|producer| producer.join().expect("a producer"));
        let mut connection = server.connect();
        for number in 0..CONSUMERS {
            wait_until("room for an end", PATIENCE, || {
                connection.integer(&format!("ZADD q1 1000000{number} end")) == 1
            });
        }
        consumers.into_iter().map(|consumer| consumer.join().expect("a consumer")).collect()
    });
    let all: Vec<String> = taken.into_iter().flatten().collect();
    assert_eq!(all.len(), PRODUCERS * EACH, "none is lost and none comes twice");
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), PRODUCERS * EACH);
}
