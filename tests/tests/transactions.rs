//! Transactions across threads and tiers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use thermocline_protocol::Reply;
use thermocline_tests::tiers::{disk_reads, make_cold};
use thermocline_tests::{Connection, Server, ServerOptions};

fn start() -> Server {
    ServerOptions::thermocline().with("threads", "2").start()
}

/// Sends commands between MULTI and EXEC in one piece; the reply to EXEC.
fn transact(connection: &mut Connection, commands: &[String]) -> Reply {
    let text: String = commands.iter().flat_map(|command| [command.as_str(), "\r\n"]).collect();
    connection.send_raw(format!("MULTI\r\n{text}EXEC\r\n").as_bytes());
    for _ in 0..=commands.len() {
        connection.receive();
    }
    connection.receive()
}

#[test]
fn cold_keys_of_a_whole_transaction_are_read_once_each() {
    let server = start();
    let mut connection = server.connect();
    let keys: Vec<String> = (0..100).map(|number| format!("key:{number}")).collect();
    for key in &keys {
        connection.text(&format!("SET {key} {}", "x".repeat(500)));
    }
    make_cold(&mut connection, &keys);
    let commands: Vec<String> =
        keys.iter().flat_map(|key| [format!("GET {key}"), format!("STRLEN {key}")]).collect();
    let (reads, reply) = disk_reads(&mut connection, |connection| transact(connection, &commands));
    let replies = reply.as_elements().expect("an array");
    assert_eq!(reads, 100);
    assert_eq!(replies.len(), 200);
    assert!(replies.iter().step_by(2).all(|reply| reply.as_bytes().is_some_and(|value| value.len() == 500)));
}

#[test]
fn a_transaction_that_overwrites_cold_keys_reads_none() {
    let server = start();
    let mut connection = server.connect();
    connection.text(&format!("SET a {}", "x".repeat(500)));
    make_cold(&mut connection, &["a"]);
    let commands = ["SET a new", "EXPIRE a 100", "TYPE a"].map(String::from);
    let (reads, reply) = disk_reads(&mut connection, |connection| transact(connection, &commands));
    assert_eq!((reads, reply.as_elements().map(<[Reply]>::len)), (0, Some(3)));
    assert_eq!(connection.text("GET a"), "new");
}

const ACCOUNTS: usize = 8;
const BALANCE: i64 = 1000;

/// Moves money between accounts with WATCH, as often as it takes.
fn transfer(connection: &mut Connection, from: usize, to: usize, amount: i64) {
    loop {
        connection.line(&format!("WATCH account:{from} account:{to}"));
        let balance = |connection: &mut Connection, account: usize| -> i64 {
            connection.text(&format!("GET account:{account}")).parse().expect("a balance")
        };
        let (source, target) = (balance(connection, from), balance(connection, to));
        let commands = [
            format!("SET account:{from} {}", source - amount),
            format!("SET account:{to} {}", target + amount),
        ];
        if transact(connection, &commands).as_elements().is_some() {
            return;
        }
    }
}

#[test]
fn no_client_sees_a_transaction_half_done_and_no_watched_change_is_missed() {
    let server = start();
    let mut connection = server.connect();
    for account in 0..ACCOUNTS {
        connection.text(&format!("SET account:{account} {BALANCE}"));
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let movers: Vec<_> = (0..3)
            .map(|mover| {
                let mut connection = server.connect();
                scope.spawn(move || {
                    for number in 0..300 {
                        let from = (mover * 3 + number) % ACCOUNTS;
                        let to = (from + 1 + number % (ACCOUNTS - 1)) % ACCOUNTS;
                        transfer(&mut connection, from, to, 1 + number as i64 % 7);
                    }
                })
            })
            .collect();
        let mut demoter = server.connect();
        let is_over_now = &is_over;
        scope.spawn(move || {
            let keys: Vec<String> = (0..ACCOUNTS).map(|account| format!("account:{account}")).collect();
            while !is_over_now.load(Ordering::Relaxed) {
                demoter.line(&format!("TIER DEMOTE {}", keys.join(" ")));
            }
        });
        let mut auditor = server.connect();
        let audit: Vec<String> = (0..ACCOUNTS).map(|account| format!("GET account:{account}")).collect();
        let auditor = scope.spawn(move || {
            let mut audits = 0;
            while !is_over_now.load(Ordering::Relaxed) {
                let reply = transact(&mut auditor, &audit);
                let balances = reply.as_elements().expect("an array").iter();
                let sum: i64 = balances
                    .map(|balance| {
                        let text = balance.as_bytes().expect("a balance");
                        std::str::from_utf8(text).expect("digits").parse::<i64>().expect("a number")
                    })
                    .sum();
                assert_eq!(sum, ACCOUNTS as i64 * BALANCE);
                audits += 1;
            }
            audits
        });
        movers.into_iter().for_each(|mover| mover.join().expect("a mover"));
        is_over.store(true, Ordering::Relaxed);
        assert!(auditor.join().expect("the auditor") > 0);
    });
}
