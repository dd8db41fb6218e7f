//! TIER without a tier; what it does with one is tested over the wire.

use super::COMMANDS;
use crate::command::fixture::Fixture;
use crate::command::string;

#[test]
fn where_looks_at_the_index() {
    Fixture::new(&[COMMANDS, string::COMMANDS]).expect(&[
        ("SET a 1", "+OK"),
        ("TIER WHERE a", "$4\\r\\ndram"),
        ("TIER WHERE nothing", "$-1"),
    ]);
}

#[test]
fn latency_has_a_summary_for_each_kind_of_read() {
    let mut fixture = Fixture::new(&[COMMANDS]);
    fixture.server.engine.note_dram_read(1500);
    let reply = fixture.run("TIER LATENCY");
    assert!(reply.starts_with("*6\\r\\n$4\\r\\ndram\\r\\n*12\\r\\n$5\\r\\ncount\\r\\n:1\\r\\n"), "{reply}");
    fixture.expect(&[("TIER LATENCY RESET", "+OK"), ("TIER LATENCY NONSENSE", "-ERR syntax error")]);
    assert!(fixture.run("TIER LATENCY").contains("count\\r\\n:0"));
}
