//! What commands waited for the SSD is told apart from how long they ran.

use thermocline_protocol::Reply;
use thermocline_tests::info::Info;
use thermocline_tests::tiers::make_cold;
use thermocline_tests::{Connection, ServerOptions};

/// How many calls a reply in the form of LATENCY HISTOGRAM knows of a command.
fn calls(connection: &mut Connection, request: &str, command: &str) -> i64 {
    let reply = connection.line(request);
    let pairs = reply.as_elements().expect("a map").to_vec();
    let found = pairs.chunks(2).find(|pair| pair[0].as_bytes() == Some(command.as_bytes()));
    found.map_or(0, |pair| pair[1].as_elements().expect("a map")[1].as_integer().expect("a number"))
}

#[test]
fn histograms_of_waits_know_the_calls_that_waited() {
    let server = ServerOptions::thermocline().start();
    let mut connection = server.connect();
    connection.line("MSET a 1111 b 2222 c 3333");
    for command in ["GET a", "GET b", "MGET a b c"] {
        make_cold(&mut connection, &["a", "b", "c"]);
        connection.line(command);
    }
    connection.line("GET none");
    for (command, all, waited) in [("get", 3, 2), ("mget", 1, 1), ("mset", 1, 0)] {
        assert_eq!(calls(&mut connection, "LATENCY HISTOGRAM", command), all, "{command}");
        assert_eq!(calls(&mut connection, "TIER LATENCY HISTOGRAM", command), waited, "{command}");
    }
    assert_eq!(calls(&mut connection, "TIER LATENCY HISTOGRAM get", "mget"), 0);
    let stats = Info::fetch(&mut connection, "commandstats");
    let [get, mset] = ["get", "mset"].map(|name| stats.text(&format!("cmdstat_{name}")).to_owned());
    assert!(get.contains(",cold_calls=2,cold_usec=") && !mset.contains("cold"), "{get} {mset}");
    connection.text("CONFIG RESETSTAT");
    assert_eq!(calls(&mut connection, "TIER LATENCY HISTOGRAM", "get"), 0);
}

#[test]
fn a_slow_command_shows_what_it_waited_for_the_ssd() {
    let server = ServerOptions::thermocline().with("slowlog-log-slower-than", "0").start();
    let mut connection = server.connect();
    connection.text("SET k vvvv");
    make_cold(&mut connection, &["k"]);
    connection.text("SLOWLOG RESET");
    connection.text("GET k");
    connection.text("GET k");
    let entries = connection.line("TIER SLOWLOG 2");
    let entries = entries.as_elements().expect("entries");
    let waited: Vec<(i64, i64)> = entries
        .iter()
        .map(|entry| {
            let entry = entry.as_elements().expect("fields");
            assert_eq!(entry.len(), 7);
            (entry[2].as_integer().expect("a duration"), entry[6].as_integer().expect("a wait"))
        })
        .collect();
    let [(_, hot_wait), (cold_total, cold_wait)] = waited[..] else { panic!("{waited:?}") };
    assert_eq!(hot_wait, 0);
    assert!(cold_wait > 0 && cold_wait <= cold_total, "{waited:?}");
    // What clients know is as they know it.
    let Reply::Array(entries) = connection.line("SLOWLOG GET 1") else { panic!("entries") };
    assert_eq!(entries[0].as_elements().expect("fields").len(), 6);
}
