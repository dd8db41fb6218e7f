//! Stream commands in process: replies, errors, the order of checks, what waits and what is told to whom.

use thermocline_protocol::Protocol;

use crate::command::fixture::{Fixture, START};
use crate::command::{generic, stream, string};

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const SYNTAX: &str = "-ERR syntax error";
const INVALID_ID: &str = "-ERR Invalid stream ID specified as stream command argument";

fn fixture() -> Fixture {
    Fixture::new(&[stream::COMMANDS, string::COMMANDS, generic::COMMANDS])
}

/// A stream `s` of the entries 1-0, 2-0 and 3-0, and a group `g` that has read nothing.
fn with_group() -> Fixture {
    let mut fixture = fixture();
    for command in ["XADD s 1-0 f a", "XADD s 2-0 f b", "XADD s 3-0 f c", "XGROUP CREATE s g 0"] {
        fixture.run(command);
    }
    fixture
}

/// A reply without what tells types and lengths: its words.
fn words(reply: &str) -> String {
    let is_text =
        |word: &&str| !word.is_empty() && !word.starts_with(['*', '$', '%']) || word.starts_with("$-1");
    reply.split("\\r\\n").filter(is_text).collect::<Vec<_>>().join(" ")
}

fn expect_words(fixture: &mut Fixture, table: &[(&str, &str)]) {
    for (command, expected) in table {
        assert_eq!(words(&fixture.run(command)), *expected, "{command}");
    }
}

#[test]
fn xadd_gives_out_ids_that_ascend() {
    let mut fixture = fixture();
    let start = START.0;
    for (command, id) in [
        ("XADD s 0-* f v", "0-1".to_owned()),
        ("XADD s 5 f v", "5-0".to_owned()),
        ("XADD s 5-* f v", "5-1".to_owned()),
        ("XADD s 7-3 f v", "7-3".to_owned()),
        ("XADD s * f v", format!("{start}-0")),
        ("XADD s * f v", format!("{start}-1")),
        ("XADD s 9999999999999-9 f v", "9999999999999-9".to_owned()),
        ("XADD s * f v", "9999999999999-10".to_owned()),
    ] {
        assert_eq!(words(&fixture.run(command)), id, "{command}");
    }
    let too_low = "-ERR The ID specified in XADD is equal or smaller than the target stream top item";
    fixture.expect(&[
        ("XADD s 7-3 f v", too_low),
        ("XADD s 6-* f v", too_low),
        ("XADD s 0-0 f v", "-ERR The ID specified in XADD must be greater than 0-0"),
        ("XADD s a f v", INVALID_ID),
        ("XLEN s", ":8"),
        (
            "XADD t 18446744073709551615-18446744073709551615 f v",
            r"$41\r\n18446744073709551615-18446744073709551615",
        ),
        ("XADD t * f v", "-ERR The stream has exhausted the last possible ID, unable to add more items"),
    ]);
}

#[test]
fn xadd_checks_in_redis_order() {
    let mut fixture = fixture();
    fixture.run("SET string 1");
    fixture.expect(&[
        ("XADD string * f", "-ERR wrong number of arguments for 'xadd' command"),
        ("XADD string * f v g", "-ERR wrong number of arguments for 'xadd' command"),
        ("XADD string x f v", INVALID_ID),
        ("XADD string MAXLEN -1 * f v", "-ERR The MAXLEN argument must be >= 0."),
        (
            "XADD string MAXLEN 1 MINID 1 * f v",
            "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
        ),
        (
            "XADD string MAXLEN 1 LIMIT 5 * f v",
            "-ERR syntax error, LIMIT cannot be used without the special ~ option",
        ),
        ("XADD string * f v", WRONG_TYPE),
        ("XADD none NOMKSTREAM * f v", "$-1"),
        ("EXISTS none", ":0"),
    ]);
}

#[test]
fn xadd_trims_what_is_too_much() {
    let mut fixture = with_group();
    fixture.expect(&[
        ("XADD s MAXLEN 2 4-0 f d", r"$3\r\n4-0"),
        ("XLEN s", ":2"),
        ("XADD s MINID = 4 5-0 f e", r"$3\r\n5-0"),
        ("XLEN s", ":2"),
        ("XADD s MAXLEN ~ 0 6-0 f e", r"$3\r\n6-0"),
        ("XLEN s", ":0"),
        ("XADD s MAXLEN ~ 0 LIMIT 1 7-0 f e", r"$3\r\n7-0"),
        ("XADD s NOMKSTREAM MAXLEN ~ 1 LIMIT 0 8-0 f e", r"$3\r\n8-0"),
        ("EXISTS s", ":1"),
    ]);
}

#[test]
fn approximate_trimming_takes_whole_nodes_only() {
    let mut fixture = fixture();
    for number in 1..=350 {
        fixture.run(&format!("XADD s {number}-0 f v"));
    }
    fixture.expect(&[
        ("XTRIM s MAXLEN ~ 299", ":0"),
        ("XTRIM s MAXLEN ~ 200 LIMIT 99", ":0"),
        ("XTRIM s MAXLEN ~ 200", ":100"),
        ("XTRIM s MINID ~ 250", ":100"),
        ("XTRIM s MINID 250", ":49"),
        ("XTRIM s MAXLEN 1000", ":0"),
        ("XLEN s", ":101"),
        ("XTRIM none MAXLEN 0", ":0"),
        ("XTRIM s MAXLEN ~", "-ERR value is not an integer or out of range"),
        ("XTRIM s LIMIT 0 x", SYNTAX),
    ]);
}

#[test]
fn a_stream_that_lost_its_entries_stays() {
    let mut fixture = with_group();
    fixture.expect(&[
        ("XDEL s 1-0 3-0 9-0 3-0", ":2"),
        ("XDEL s 2", ":1"),
        ("XLEN s", ":0"),
        ("EXISTS s", ":1"),
        ("OBJECT ENCODING s", r"$6\r\nstream"),
        ("TYPE s", "+stream"),
        (
            "XADD s 3-0 f v",
            "-ERR The ID specified in XADD is equal or smaller than the target stream top item",
        ),
        ("XDEL s x", INVALID_ID),
        ("XDEL none x", ":0"),
    ]);
}

#[test]
fn ranges_are_read_in_either_direction() {
    let mut fixture = with_group();
    expect_words(
        &mut fixture,
        &[
            ("XRANGE s - +", "1-0 f a 2-0 f b 3-0 f c"),
            ("XRANGE s (1-0 3", "2-0 f b 3-0 f c"),
            ("XRANGE s 2 (3-0", "2-0 f b"),
            ("XRANGE s 2 (3", "2-0 f b 3-0 f c"),
            ("XRANGE s - + COUNT 1", "1-0 f a"),
            ("XREVRANGE s + - COUNT 2", "3-0 f c 2-0 f b"),
            ("XREVRANGE s (3-0 2", "2-0 f b"),
            ("XRANGE s 3 1", ""),
            ("XRANGE none - +", ""),
            ("XRANGE none - + COUNT 1 COUNT", SYNTAX),
            ("XRANGE s - + COUNT x", "-ERR value is not an integer or out of range"),
        ],
    );
    fixture.expect(&[("XRANGE s - + COUNT 0", "*-1"), ("XRANGE none - + COUNT 0", "*0")]);
    fixture.session.protocol = Protocol::Resp3;
    fixture.expect(&[
        ("XRANGE s 1 1", r"*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nf\r\n$1\r\na"),
        ("XRANGE s - + COUNT 0", "_"),
    ]);
}

#[test]
fn xread_replies_streams_that_have_more() {
    let mut fixture = with_group();
    fixture.run("XADD t 1-0 x y");
    fixture.expect(&[
        (
            "XREAD COUNT 1 STREAMS s none t 2 0 1-0",
            r"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n3-0\r\n*2\r\n$1\r\nf\r\n$1\r\nc",
        ),
        ("XREAD STREAMS s t $ $", "*-1"),
        ("XREAD STREAMS t +", r"*1\r\n*2\r\n$1\r\nt\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nx\r\n$1\r\ny"),
        (
            "XREAD STREAMS s none +",
            "-ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.",
        ),
        ("XREAD BLOCK -1 STREAMS s 0", "-ERR timeout is negative"),
        ("XREAD BLOCK x STREAMS s 0", "-ERR timeout is not an integer or out of range"),
        ("XREAD COUNT 1 s 0", SYNTAX),
    ]);
    fixture.session.protocol = Protocol::Resp3;
    fixture.expect(&[
        ("XREAD STREAMS t 0", r"%1\r\n$1\r\nt\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nx\r\n$1\r\ny"),
        ("XREAD STREAMS t 5", "_"),
    ]);
}

#[test]
fn a_blocked_xread_knows_what_the_last_entry_was() {
    let mut fixture = with_group();
    let block = fixture.blocked("XREAD BLOCK 100 COUNT 2 STREAMS s none $ $").expect("it waits");
    assert_eq!(block.deadline.map(|at| at.0), Some(START.0 + 100));
    assert!(!block.wakes_when_gone);
    let arguments = block.arguments.expect("they are rewritten");
    let text: Vec<_> = arguments.iter().map(|word| String::from_utf8_lossy(word)).collect();
    assert_eq!(text.join(" "), "XREAD BLOCK 100 COUNT 2 STREAMS s none 3-0 0-0");
    assert!(fixture.blocked("XREAD BLOCK 0 STREAMS s 2").is_none());
    // An entry that was trimmed at once is none to wake up for.
    fixture.run("XADD s MAXLEN 0 4-0 f v");
    assert!(fixture.blocked("XREAD BLOCK 0 STREAMS s 3-0").is_some());
}

#[test]
fn a_blocked_xreadgroup_makes_its_consumer_and_waits_for_the_group_to_go_too() {
    let mut fixture = with_group();
    fixture.run("XREADGROUP GROUP g c STREAMS s >");
    let block = fixture.blocked("XREADGROUP GROUP g d BLOCK 0 STREAMS s >").expect("it waits");
    assert_eq!((block.deadline, block.arguments), (None, None));
    assert!(block.wakes_when_gone);
    fixture.expect(&[("XGROUP CREATECONSUMER s g d", ":0")]);
    assert!(fixture.blocked("XREADGROUP GROUP g d BLOCK 0 STREAMS s 0").is_none());
}

#[test]
fn xreadgroup_delivers_each_entry_once_and_again_on_demand() {
    let mut fixture = with_group();
    expect_words(
        &mut fixture,
        &[
            ("XREADGROUP GROUP g c COUNT 2 STREAMS s >", "s 1-0 f a 2-0 f b"),
            ("XREADGROUP GROUP g d NOACK STREAMS s >", "s 3-0 f c"),
            ("XREADGROUP GROUP g d STREAMS s >", ""),
            ("XREADGROUP GROUP g c STREAMS s 1", "s 2-0 f b"),
            ("XREADGROUP GROUP g d STREAMS s 0", "s"),
            ("XDEL s 1-0", ":1"),
            ("XREADGROUP GROUP g c STREAMS s 0", "s 1-0 2-0 f b"),
            ("XPENDING s g", ":2 1-0 2-0 c 2"),
            ("XPENDING s g - + 10", "1-0 c :0 :1 2-0 c :0 :3"),
            ("XACK s g 1-0 2-0 3-0", ":2"),
            ("XPENDING s g", ":0 $-1 $-1"),
        ],
    );
    fixture.expect(&[
        (
            "XREADGROUP GROUP none c STREAMS s >",
            "-NOGROUP No such key 's' or consumer group 'none' in XREADGROUP with GROUP option",
        ),
        ("XREADGROUP COUNT 1 COUNT 2 STREAMS s >", "-ERR Missing GROUP option for XREADGROUP"),
        (
            "XREADGROUP GROUP g c STREAMS s s >",
            "-ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.",
        ),
        ("XREADGROUP GROUP streams c STREAMS s s 0 x", "-NOGROUP No such key 's' or consumer group 'streams' in XREADGROUP with GROUP option"),
    ]);
}

#[test]
fn groups_are_made_moved_and_removed() {
    let mut fixture = with_group();
    fixture.expect(&[
        ("XGROUP CREATE s g 0", "-BUSYGROUP Consumer Group name already exists"),
        (
            "XGROUP CREATE none g 0",
            "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the \
             MKSTREAM option to create an empty stream automatically.",
        ),
        ("XGROUP CREATE none g $ MKSTREAM", "+OK"),
        ("XLEN none", ":0"),
        ("XGROUP SETID s g $ ENTRIESREAD 2", "+OK"),
        ("XGROUP SETID s h 0", "-NOGROUP No such consumer group 'h' for key name 's'"),
        ("XGROUP SETID s g 0 ENTRIESREAD -2", "-ERR value for ENTRIESREAD must be positive or -1"),
        (
            "XGROUP SETID s g 0 MKSTREAM",
            "-ERR unknown subcommand or wrong number of arguments for 'SETID'. Try XGROUP HELP.",
        ),
        ("XGROUP CREATECONSUMER s g c", ":1"),
        ("XGROUP CREATECONSUMER s g c", ":0"),
        ("XGROUP SETID s g 1", "+OK"),
        ("XGROUP DELCONSUMER s g c", ":0"),
        ("XGROUP DELCONSUMER s g none", ":0"),
        ("XGROUP DESTROY s g", ":1"),
        ("XGROUP DESTROY s g", ":0"),
    ]);
}

#[test]
fn what_is_pending_can_be_asked_for_by_age_and_consumer() {
    let mut fixture = with_group();
    fixture.run("XREADGROUP GROUP g c COUNT 1 STREAMS s >");
    fixture.advance_ms(50);
    fixture.run("XREADGROUP GROUP g d STREAMS s >");
    fixture.advance_ms(50);
    expect_words(
        &mut fixture,
        &[
            ("XPENDING s g", ":3 1-0 3-0 c 1 d 2"),
            ("XPENDING s g IDLE 60 - + 10", "1-0 c :100 :1"),
            ("XPENDING s g (1-0 + 1", "2-0 d :50 :1"),
            ("XPENDING s g - + 10 d", "2-0 d :50 :1 3-0 d :50 :1"),
            ("XPENDING s g - + 10 nobody", ""),
            ("XPENDING s g - + 0", ""),
            ("XPENDING s g - +", SYNTAX),
            ("XPENDING s g IDLE 5 - +", SYNTAX),
            ("XPENDING s none", "-NOGROUP No such key 's' or consumer group 'none'"),
        ],
    );
}

#[test]
fn entries_are_claimed_from_consumers_that_are_idle() {
    let mut fixture = with_group();
    fixture.run("XREADGROUP GROUP g c COUNT 2 STREAMS s >");
    fixture.advance_ms(100);
    expect_words(
        &mut fixture,
        &[
            ("XCLAIM s g d 200 1-0", ""),
            ("XCLAIM s g d 100 1-0 2-0 3-0 JUSTID", "1-0 2-0"),
            ("XCLAIM s g d 0 3-0 FORCE RETRYCOUNT 7 IDLE 30", "3-0 f c"),
            ("XPENDING s g - + 10", "1-0 d :0 :1 2-0 d :0 :1 3-0 d :30 :7"),
            ("XCLAIM s g e 0 1-0", "1-0 f a"),
            ("XDEL s 2-0", ":1"),
            ("XCLAIM s g e 0 2-0", ""),
            ("XPENDING s g - + 10", "1-0 e :0 :2 3-0 d :30 :7"),
            ("XCLAIM s g e 0 1-0 LASTID 9-0 JUSTID", "1-0"),
            ("XCLAIM s g e x 1-0", "-ERR Invalid min-idle-time argument for XCLAIM"),
            ("XCLAIM s g e 0 x", "-ERR Unrecognized XCLAIM option 'x'"),
            ("XCLAIM none g e x 1-0", "-NOGROUP No such key 'none' or consumer group 'g'"),
        ],
    );
}

#[test]
fn claiming_makes_the_consumer_even_if_there_is_nothing_to_claim() {
    let mut fixture = with_group();
    fixture.run("XCLAIM s g c 0 1-0");
    fixture.run("XAUTOCLAIM s g d 0 0");
    fixture.run("XREADGROUP GROUP g e STREAMS s 5");
    fixture.expect(&[
        ("XGROUP CREATECONSUMER s g c", ":0"),
        ("XGROUP CREATECONSUMER s g d", ":0"),
        ("XGROUP CREATECONSUMER s g e", ":0"),
    ]);
}

#[test]
fn xautoclaim_goes_through_what_is_pending() {
    let mut fixture = with_group();
    fixture.run("XREADGROUP GROUP g c STREAMS s >");
    fixture.run("XDEL s 2-0");
    expect_words(
        &mut fixture,
        &[
            ("XAUTOCLAIM s g d 0 0 COUNT 1", "2-0 1-0 f a"),
            ("XAUTOCLAIM s g d 0 2-0 JUSTID", "0-0 3-0 2-0"),
            ("XPENDING s g - + 10", "1-0 d :0 :2 3-0 d :0 :1"),
            ("XAUTOCLAIM s g d 5 (1-0", "0-0"),
            ("XAUTOCLAIM s g d 0 0 COUNT 0", "-ERR COUNT must be > 0"),
            ("XAUTOCLAIM none g d 0 0", "-NOGROUP No such key 'none' or consumer group 'g'"),
        ],
    );
}

#[test]
fn xinfo_tells_when_consumers_asked_and_when_they_got_something() {
    let mut fixture = with_group();
    fixture.run("XREADGROUP GROUP g c STREAMS s >");
    fixture.advance_ms(100);
    fixture.run("XREADGROUP GROUP g c STREAMS s >");
    fixture.run("XGROUP CREATECONSUMER s g d");
    fixture.advance_ms(10);
    expect_words(
        &mut fixture,
        &[
            (
                "XINFO CONSUMERS s g",
                "name c pending :3 idle :10 inactive :110 name d pending :0 idle :10 inactive :-1",
            ),
            ("XINFO GROUPS s", "name g consumers :2 pending :3 last-delivered-id 3-0 entries-read :3 lag :0"),
            ("XINFO CONSUMERS s none", "-NOGROUP No such consumer group 'none' for key name 's'"),
            ("XINFO GROUPS none", "-ERR no such key"),
        ],
    );
}

#[test]
fn xinfo_stream_tells_all_in_either_version_of_the_protocol() {
    let mut fixture = with_group();
    fixture.run("XREADGROUP GROUP g c COUNT 1 STREAMS s >");
    fixture.run("XDEL s 3-0");
    let (log, now) = (
        "length :2 radix-tree-keys :1 radix-tree-nodes :2 last-generated-id 3-0 max-deleted-entry-id 3-0 \
         entries-added :3 recorded-first-entry-id 1-0",
        START.0,
    );
    let short = format!("{log} groups :1 first-entry 1-0 f a last-entry 2-0 f b");
    let full = format!(
        "{log} entries 1-0 f a groups name g last-delivered-id 1-0 entries-read :1 lag $-1 pel-count :1 pending 1-0 c \
         :{now} :1 consumers name c seen-time :{now} active-time :{now} pel-count :1 pending 1-0 :{now} :1"
    );
    expect_words(
        &mut fixture,
        &[
            ("XINFO STREAM s", &short),
            ("XINFO STREAM s FULL COUNT 1", &full),
            ("XINFO STREAM none", "-ERR no such key"),
            (
                "XINFO STREAM s FULL COUNT",
                "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.",
            ),
        ],
    );
    fixture.session.protocol = Protocol::Resp3;
    assert!(fixture.run("XINFO STREAM s").starts_with("%10\\r\\n$6\\r\\nlength\\r\\n:2"));
    assert!(fixture.run("XINFO STREAM s FULL").starts_with("%9\\r\\n"));
    assert!(fixture.run("XINFO GROUPS s").starts_with("*1\\r\\n%6\\r\\n"));
    assert!(fixture.run("XINFO CONSUMERS s g").starts_with("*1\\r\\n%4\\r\\n"));
}

#[test]
fn xsetid_may_not_go_below_what_is_there() {
    with_group().expect(&[
        ("XSETID s 2", "-ERR The ID specified in XSETID is smaller than the target stream top item"),
        (
            "XSETID s 5 ENTRIESADDED 2",
            "-ERR The entries_added specified in XSETID is smaller than the target stream length",
        ),
        ("XSETID s 5 ENTRIESADDED -1", "-ERR entries_added must be positive"),
        (
            "XSETID s 5 MAXDELETEDID 6",
            "-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
        ),
        ("XSETID s 5 ENTRIESADDED", SYNTAX),
        ("XSETID none 5", "-ERR no such key"),
        ("XSETID s 9 ENTRIESADDED 10 MAXDELETEDID 4", "+OK"),
        ("XSETID s 3", "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"),
        ("XADD s 9-* f v", r"$3\r\n9-1"),
    ]);
}

/// A lower last id is below an entry that was deleted, and whose place another one then takes.
#[test]
fn ids_of_deleted_entries_may_come_again_after_xsetid() {
    let mut fixture = with_group();
    fixture.expect(&[
        ("XDEL s 3-0", ":1"),
        ("XSETID s 3-0 MAXDELETEDID 1-0", "+OK"),
        ("XSETID s 2-0", "+OK"),
        ("XADD s 2-5 f again", r"$3\r\n2-5"),
        ("XADD s 3-0 f again", r"$3\r\n3-0"),
    ]);
    assert_eq!(words(&fixture.run("XRANGE s 2 +")), "2-0 f b 2-5 f again 3-0 f again");
}

#[test]
fn other_types_are_refused_by_all() {
    let mut fixture = fixture();
    fixture.run("SET k v");
    for command in [
        "XADD k * f v",
        "XLEN k",
        "XRANGE k - +",
        "XREVRANGE k + -",
        "XREAD STREAMS k 0",
        "XREADGROUP GROUP g c STREAMS k >",
        "XDEL k 1",
        "XTRIM k MAXLEN 1",
        "XSETID k 1",
        "XGROUP CREATE k g 0",
        "XGROUP SETID k g 0",
        "XGROUP DESTROY k g",
        "XGROUP CREATECONSUMER k g c",
        "XGROUP DELCONSUMER k g c",
        "XACK k g 1",
        "XPENDING k g",
        "XCLAIM k g c 0 1",
        "XAUTOCLAIM k g c 0 0",
        "XINFO STREAM k",
        "XINFO GROUPS k",
        "XINFO CONSUMERS k g",
    ] {
        assert_eq!(words(&fixture.run(command)), WRONG_TYPE, "{command}");
    }
}

#[test]
fn what_finds_nothing_to_do_changes_nothing() {
    let mut fixture = with_group();
    fixture.run("XREADGROUP GROUP g c COUNT 1 STREAMS s >");
    let before = fixture.changes();
    for command in [
        "XDEL s 9-0",
        "XTRIM s MAXLEN 3",
        "XTRIM s MINID 1",
        "XTRIM s MAXLEN ~ 2",
        "XACK s g 2-0",
        "XGROUP CREATECONSUMER s g c",
        "XGROUP DELCONSUMER s g d",
        "XGROUP DESTROY s h",
        "XPENDING s g - + 10",
        "XREAD STREAMS s 0",
    ] {
        fixture.run(command);
    }
    assert_eq!(fixture.changes(), before);
}

#[test]
fn a_stream_comes_back_from_its_dump() {
    let mut fixture = with_group();
    fixture.run("XREADGROUP GROUP g c COUNT 2 STREAMS s >");
    fixture.run("XDEL s 2-0");
    let dump = fixture.run_words(&["DUMP", "s"]);
    let start = dump.iter().position(|byte| *byte == b'\n').expect("a bulk string") + 1;
    let payload = &dump[start..dump.len() - 2];
    assert_eq!(fixture.run_words(&[b"RESTORE", &b"t"[..], b"0", payload]), b"+OK\r\n");
    for command in ["XRANGE * - +", "XINFO STREAM * FULL", "XINFO CONSUMERS * g", "XPENDING * g - + 10"] {
        let (s, t) = (fixture.run(&command.replace('*', "s")), fixture.run(&command.replace('*', "t")));
        assert_eq!(s, t, "{command}");
    }
}
