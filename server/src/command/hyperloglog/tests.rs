//! Every HyperLogLog command in process: replies, bytes, errors.

use crate::command::fixture::Fixture;
use crate::command::{generic, hyperloglog, list, string};

const CORRUPTED: &str = "-INVALIDOBJ Corrupted HLL object detected";
const NO_SKETCH: &str = "-WRONGTYPE Key is not a valid HyperLogLog string value.";

fn fixture() -> Fixture {
    Fixture::new(&[string::COMMANDS, hyperloglog::COMMANDS, generic::COMMANDS, list::COMMANDS])
}

/// A string that begins as a sketch does.
fn sketch(form: u8, cardinality: u64, registers: &[u8]) -> Vec<u8> {
    [b"HYLL", &[form, 0, 0, 0][..], &cardinality.to_le_bytes(), registers].concat()
}

fn add_numbers(fixture: &mut Fixture, key: &str, numbers: std::ops::Range<u32>) {
    for number in numbers {
        fixture.run(&format!("PFADD {key} {number}"));
    }
}

#[test]
fn pfadd_replies_whether_a_register_changed() {
    fixture().expect(&[
        ("PFADD h", ":1"),
        ("PFADD h", ":0"),
        ("PFADD h a b", ":1"),
        ("PFADD h a", ":0"),
        ("PFADD h b c", ":1"),
        ("PFADD h c b a", ":0"),
        ("PFCOUNT h", ":3"),
        ("PFCOUNT none", ":0"),
        ("PFCOUNT none h none", ":3"),
    ]);
}

#[test]
fn a_sketch_is_the_string_that_redis_would_store() {
    let mut fixture = fixture();
    fixture.run("PFADD e");
    let mut empty = sketch(1, 0x80 << 56, &[0x7f, 0xff]);
    let reply = |bytes: &[u8]| [b"$18\r\n", bytes, b"\r\n"].concat();
    assert_eq!(fixture.run_words(&["GET", "e"]), reply(&empty));
    fixture.run("PFCOUNT e");
    empty[15] = 0;
    assert_eq!(fixture.run_words(&["GET", "e"]), reply(&empty));
    fixture.expect(&[
        ("PFADD e", ":0"),
        ("PFADD e a b c", ":1"),
        ("PFDEBUG DECODE e", r"$44\r\nZ:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603"),
        ("OBJECT ENCODING e", r"$3\r\nraw"),
    ]);
}

#[test]
fn a_sparse_sketch_becomes_dense_when_it_outgrows_its_limit() {
    let mut fixture = fixture();
    fixture.server.config.set(&[("hll-sparse-max-bytes", "30")], false).unwrap();
    add_numbers(&mut fixture, "h", 0..4);
    fixture.expect(&[("STRLEN h", ":30"), ("PFDEBUG ENCODING h", "+sparse")]);
    add_numbers(&mut fixture, "h", 4..5);
    fixture.expect(&[
        ("STRLEN h", ":12304"),
        ("PFDEBUG ENCODING h", "+dense"),
        ("PFADD h 0 1 2 3 4", ":0"),
        ("PFCOUNT h", ":5"),
        ("PFADD h 5", ":1"),
        ("PFCOUNT h", ":6"),
    ]);
}

/// The counts are redis-server 7.0's.
#[test]
fn counts_are_those_of_redis() {
    let mut fixture = fixture();
    let mut added = 0;
    for (numbers, count) in COUNTS {
        add_numbers(&mut fixture, "h", added..numbers);
        added = numbers;
        assert_eq!(fixture.run("PFCOUNT h"), format!(":{count}\\r\\n"), "{numbers}");
    }
}

const COUNTS: [(u32, u32); 6] =
    [(10, 10), (100, 100), (1_000, 1_001), (1_500, 1_512), (5_000, 4_985), (30_000, 29_850)];

#[test]
fn pfmerge_takes_the_highest_value_of_each_register() {
    let mut fixture = fixture();
    add_numbers(&mut fixture, "a", 0..40);
    add_numbers(&mut fixture, "b", 20..60);
    add_numbers(&mut fixture, "all", 0..60);
    fixture.expect(&[
        ("PFMERGE m a none b", "+OK"),
        ("PFMERGE a b", "+OK"),
        ("PFDEBUG ENCODING m", "+sparse"),
        ("PFDEBUG TODENSE b", ":1"),
        ("PFDEBUG TODENSE b", ":0"),
        ("PFMERGE d a b", "+OK"),
        ("PFDEBUG ENCODING d", "+dense"),
        ("PFMERGE nothing none", "+OK"),
        ("PFCOUNT nothing", ":0"),
    ]);
    let count = fixture.run("PFCOUNT all");
    for keys in ["m", "a", "d", "a b d", "b all"] {
        assert_eq!(fixture.run(&format!("PFCOUNT {keys}")), count, "{keys}");
    }
    assert_eq!(fixture.run("PFDEBUG GETREG m"), fixture.run("PFDEBUG GETREG all"));
}

#[test]
fn strings_that_are_no_sketch_are_refused() {
    let mut fixture = fixture();
    fixture.run_words(&[&b"SET"[..], b"dense", &sketch(0, 0, &[0; 100])]);
    fixture.run_words(&[&b"SET"[..], b"form", &sketch(2, 0, &[0x7f, 0xff])]);
    fixture.run_words(&[&b"SET"[..], b"magic", &[b"HYLX", &sketch(1, 0, &[0x7f, 0xff])[4..]].concat()]);
    fixture.expect(&[("SET short HYLL", "+OK"), ("SET number 1", "+OK")]);
    for key in ["dense", "form", "magic", "short", "number"] {
        for command in ["PFADD", "PFCOUNT", "PFCOUNT none", "PFMERGE", "PFMERGE none", "PFDEBUG DECODE"] {
            assert_eq!(
                fixture.run(&format!("{command} {key}")),
                format!("{NO_SKETCH}\\r\\n"),
                "{command} {key}"
            );
        }
    }
}

#[test]
fn corrupted_registers_are_noticed_and_left_alone() {
    let mut fixture = fixture();
    let (missing, surplus) = (sketch(1, 0x80 << 56, &[]), sketch(1, 0x80 << 56, &[0x7f, 0xff, 0]));
    fixture.run_words(&[&b"SET"[..], b"missing", &missing]);
    fixture.run_words(&[&b"SET"[..], b"surplus", &surplus]);
    fixture.expect(&[
        ("PFADD missing a", CORRUPTED),
        ("PFADD missing", ":0"),
        ("PFCOUNT missing", CORRUPTED),
        ("PFCOUNT missing none", CORRUPTED),
        ("PFMERGE m missing", CORRUPTED),
        ("PFMERGE missing", CORRUPTED),
        ("PFDEBUG GETREG missing", CORRUPTED),
        ("PFDEBUG TODENSE missing", CORRUPTED),
        ("PFDEBUG DECODE missing", r"$0\r\n"),
        ("PFCOUNT surplus", CORRUPTED),
        ("PFCOUNT surplus surplus", CORRUPTED),
        ("PFADD surplus a", ":1"),
        ("EXISTS m", ":0"),
    ]);
    assert_eq!(fixture.run_words(&["GET", "missing"]), [b"$16\r\n", &missing[..], b"\r\n"].concat());
}

#[test]
fn what_was_added_before_registers_turn_out_to_be_missing_stays() {
    let mut fixture = fixture();
    // The first 12800 registers only: "a" marks number 12711, "k" one of the last.
    let long_run = [0x40 | (12_799 >> 8) as u8, 12_799_u32 as u8];
    fixture.run_words(&[&b"SET"[..], b"cut", &sketch(1, 7, &long_run)]);
    fixture.expect(&[
        ("PFADD cut k", CORRUPTED),
        ("PFCOUNT cut", ":7"),
        ("PFADD cut a k", CORRUPTED),
        ("PFDEBUG DECODE cut", r"$18\r\nZ:12711 v:2,1 Z:88"),
        ("PFCOUNT cut", CORRUPTED),
    ]);
}

#[test]
fn a_cardinality_that_is_not_out_of_date_is_believed() {
    let mut fixture = fixture();
    fixture.run_words(&[&b"SET"[..], b"h", &sketch(1, 5, &[0x7f, 0xff])]);
    fixture.expect(&[
        ("OBJECT ENCODING h", r"$6\r\nembstr"),
        ("PFCOUNT h", ":5"),
        ("OBJECT ENCODING h", r"$3\r\nraw"),
        ("PFCOUNT h none", ":0"),
        ("PFADD h a", ":1"),
        ("PFCOUNT h", ":1"),
    ]);
}

#[test]
fn counting_changes_the_string_only_where_the_cardinality_is_out_of_date() {
    let mut fixture = fixture();
    fixture.run("PFADD h a");
    for (command, changes) in [("PFCOUNT h", 1), ("PFCOUNT h", 0), ("PFADD h a", 0), ("PFCOUNT h h", 0)] {
        let before = fixture.changes();
        fixture.run(command);
        assert_eq!(fixture.changes() - before, changes, "{command}");
    }
}

#[test]
fn pfdebug_and_pfselftest_answer_as_in_redis() {
    fixture().expect(&[
        ("PFDEBUG ENCODING none", "-ERR The specified key does not exist"),
        ("PFADD h a", ":1"),
        ("PFDEBUG foo h", "-ERR Unknown PFDEBUG subcommand 'foo'"),
        ("PFDEBUG decode h", r"$20\r\nZ:12711 v:2,1 Z:3672"),
        ("PFDEBUG todense h", ":1"),
        ("PFDEBUG DECODE h", "-ERR HLL encoding is not sparse"),
        ("PFSELFTEST", "+OK"),
        ("PFSELFTEST x", "-ERR wrong number of arguments for 'pfselftest' command"),
    ]);
}
