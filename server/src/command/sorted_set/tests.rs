//! Every sorted set command in process: replies, errors, the order of checks.

use thermocline_protocol::Protocol;

use crate::command::fixture::Fixture;
use crate::command::{sorted_set, string};

const SYNTAX: &str = "-ERR syntax error";
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_AN_INTEGER: &str = "-ERR value is not an integer or out of range";
const NOT_A_FLOAT: &str = "-ERR value is not a valid float";
const NO_SCORE_RANGE: &str = "-ERR min or max is not a float";
const NO_LEX_RANGE: &str = "-ERR min or max not valid string range item";
const NUMKEYS: &str = "-ERR numkeys should be greater than 0";

fn fixture() -> Fixture {
    Fixture::new(&[sorted_set::COMMANDS, string::COMMANDS])
}

/// A fixture with `z`: a to e with scores 1 to 5, and a string `s`.
fn filled() -> Fixture {
    let mut fixture = fixture();
    fixture.expect(&[("ZADD z 1 a 2 b 3 c 4 d 5 e", ":5"), ("SET s text", "+OK")]);
    fixture
}

/// Replies to ZRANGE and its kin as the members with blanks between them.
fn expect_members(fixture: &mut Fixture, table: &[(&str, &str)]) {
    for (command, expected) in table {
        let reply = fixture.run(command);
        let bulk = |text: &&str| !text.is_empty() && !text.starts_with(['*', '$']);
        let members: Vec<&str> = reply.split("\\r\\n").filter(bulk).collect();
        assert_eq!(members.join(" "), *expected, "{command}: {reply}");
    }
}

#[test]
fn zadd_counts_new_members_and_with_ch_changed_ones() {
    fixture().expect(&[
        ("ZADD z 1 a 2 b", ":2"),
        ("ZADD z 1 a 3 b 4 c", ":1"),
        ("ZADD z CH 1 a 2 b 5 d", ":2"),
        ("ZADD z 7 x 8 x", ":1"),
        ("ZSCORE z x", r"$1\r\n8"),
        ("ZCARD z", ":5"),
    ]);
}

#[test]
fn zadd_heeds_its_conditions() {
    filled().expect(&[
        ("ZADD z NX CH 9 a 9 f", ":1"),
        ("ZSCORE z a", r"$1\r\n1"),
        ("ZADD z XX CH 7 a 7 g", ":1"),
        ("ZSCORE z g", "$-1"),
        ("ZADD z GT CH 6 a 8 b 1 h", ":2"),
        ("ZADD z LT CH 8 a 1 b 1 i", ":2"),
        ("ZMSCORE z a b h i", r"*4\r\n$1\r\n7\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1"),
        ("ZADD none XX 1 a", ":0"),
        ("ZCARD none", ":0"),
    ]);
}

#[test]
fn zadd_increments_one_member() {
    filled().expect(&[
        ("ZADD z INCR 0.5 a", r"$3\r\n1.5"),
        ("ZADD z INCR NX 1 a", "$-1"),
        ("ZADD z INCR XX 1 none", "$-1"),
        ("ZADD z INCR GT -1 a", "$-1"),
        ("ZADD new INCR 5 a", r"$1\r\n5"),
        ("ZINCRBY z 1e3 a", r"$6\r\n1001.5"),
        ("ZINCRBY z inf a", r"$3\r\ninf"),
        ("ZINCRBY z -inf a", "-ERR resulting score is not a number (NaN)"),
        ("ZINCRBY z 1 s", r"$1\r\n1"),
        ("ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair"),
    ]);
}

#[test]
fn zadd_refuses_what_makes_no_sense_and_adds_nothing() {
    fixture().expect(&[
        ("ZADD z NX", "-ERR wrong number of arguments for 'zadd' command"),
        ("ZADD z NX CH", SYNTAX),
        ("ZADD z 1 a 2", SYNTAX),
        ("ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are not compatible"),
        ("ZADD z GT LT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible"),
        ("ZADD z NX LT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible"),
        ("ZADD z 1 a x b", NOT_A_FLOAT),
        ("ZADD z nan a", NOT_A_FLOAT),
        ("ZADD z 1e400 a", NOT_A_FLOAT),
        ("ZINCRBY z NX a", SYNTAX),
        ("ZCARD z", ":0"),
        ("SET s text", "+OK"),
        ("ZADD s x a", NOT_A_FLOAT),
        ("ZADD s 1 a", WRONG_TYPE),
    ]);
}

#[test]
fn what_changes_no_score_is_no_change() {
    let mut fixture = filled();
    let changes = fixture.changes();
    fixture.expect(&[
        ("ZADD z 1 a 2 b", ":0"),
        ("ZADD z NX 7 a", ":0"),
        ("ZADD z GT CH 0 a", ":0"),
        ("ZADD z INCR 0 a", r"$1\r\n1"),
        ("ZREM z none", ":0"),
        ("ZREMRANGEBYSCORE z 7 9", ":0"),
        ("ZPOPMIN z 0", "*0"),
    ]);
    assert_eq!(fixture.changes(), changes);
}

#[test]
fn scores_are_read_as_strtod_reads_them_and_printed_with_17_digits() {
    let mut fixture = fixture();
    for (written, printed) in [
        ("0x1p3", "8"),
        ("+inf", "inf"),
        ("-Infinity", "-inf"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1e-3", "0.001"),
        ("0.1", "0.10000000000000001"),
        ("1e20", "1e+20"),
        ("12345678901234567890", "1.2345678901234567e+19"),
        ("-0", "0"),
    ] {
        fixture.run("ZREM z m");
        fixture.expect(&[(&format!("ZADD z {written} m"), ":1")]);
        let reply = format!(r"${}\r\n{printed}", printed.len());
        fixture.expect(&[("ZSCORE z m", &reply)]);
    }
    fixture.session.protocol = Protocol::Resp3;
    fixture.expect(&[
        ("ZADD z 0.1 m -inf n", ":1"),
        ("ZSCORE z m", ",0.10000000000000001"),
        ("ZSCORE z n", ",-inf"),
        ("ZSCORE z none", "_"),
        ("ZMSCORE z m none", r"*2\r\n,0.10000000000000001\r\n_"),
    ]);
}

#[test]
fn zrem_deletes_the_key_with_its_last_member() {
    let mut fixture = filled();
    fixture.expect(&[
        ("ZREM z a none b a", ":2"),
        ("ZREM z c d e", ":3"),
        ("ZREM z c", ":0"),
        ("ZREM s a", WRONG_TYPE),
    ]);
    assert_eq!(fixture.info("z"), None);
}

#[test]
fn ranges_are_removed_by_rank_score_and_member() {
    let mut fixture = filled();
    expect_members(
        &mut fixture,
        &[
            ("ZREMRANGEBYRANK z 0 0", ":1"),
            ("ZREMRANGEBYRANK z -1 -1", ":1"),
            ("ZREMRANGEBYRANK z 5 9", ":0"),
            ("ZRANGE z 0 -1", "b c d"),
            ("ZREMRANGEBYSCORE z (2 3", ":1"),
            ("ZRANGE z 0 -1", "b d"),
            ("ZADD l 0 a 0 b 0 c", ":3"),
            ("ZREMRANGEBYLEX l (a [b", ":1"),
            ("ZRANGE l 0 -1", "a c"),
            ("ZREMRANGEBYLEX l - +", ":2"),
            ("ZREMRANGEBYRANK none 0 -1", ":0"),
        ],
    );
    assert_eq!(fixture.info("l"), None);
    fixture.expect(&[
        ("ZREMRANGEBYRANK s x 1", NOT_AN_INTEGER),
        ("ZREMRANGEBYSCORE s x 1", NO_SCORE_RANGE),
        ("ZREMRANGEBYLEX s x 1", NO_LEX_RANGE),
        ("ZREMRANGEBYRANK s 0 1", WRONG_TYPE),
    ]);
}

#[test]
fn counts_and_ranks() {
    filled().expect(&[
        ("ZCOUNT z -inf +inf", ":5"),
        ("ZCOUNT z (1 3", ":2"),
        ("ZCOUNT z 3 1", ":0"),
        ("ZCOUNT none 0 1", ":0"),
        ("ZCOUNT z x 1", NO_SCORE_RANGE),
        ("ZLEXCOUNT z - +", ":5"),
        ("ZLEXCOUNT z [b (d", ":2"),
        ("ZLEXCOUNT z b d", NO_LEX_RANGE),
        ("ZRANK z a", ":0"),
        ("ZREVRANK z a", ":4"),
        ("ZRANK z none", "$-1"),
        ("ZRANK none a", "$-1"),
        ("ZRANK z b WITHSCORE", r"*2\r\n:1\r\n$1\r\n2"),
        ("ZREVRANK z b withscore", r"*2\r\n:3\r\n$1\r\n2"),
        ("ZRANK z none WITHSCORE", "*-1"),
        ("ZRANK z a WITHSCORES", SYNTAX),
        ("ZRANK z a WITHSCORE x", "-ERR wrong number of arguments for 'zrank' command"),
        ("ZRANK s a", WRONG_TYPE),
        ("ZCARD s", WRONG_TYPE),
        ("ZSCORE s a", WRONG_TYPE),
        ("ZMSCORE none a b", r"*2\r\n$-1\r\n$-1"),
    ]);
}

#[test]
fn zrange_by_rank_score_and_member_both_ways() {
    let mut fixture = filled();
    expect_members(
        &mut fixture,
        &[
            ("ZRANGE z 0 -1", "a b c d e"),
            ("ZRANGE z -2 -1", "d e"),
            ("ZRANGE z 3 1", ""),
            ("ZRANGE z -9 -8", ""),
            ("ZRANGE z -9 0", "a"),
            ("ZRANGE z 9 10", ""),
            ("ZRANGE z 0 1 REV", "e d"),
            ("ZREVRANGE z 1 2", "d c"),
            ("ZRANGE z (1 3 BYSCORE", "b c"),
            ("ZRANGE z 3 (1 BYSCORE REV", "c b"),
            ("ZRANGE z -inf +inf BYSCORE LIMIT 1 2", "b c"),
            ("ZRANGE z +inf -inf BYSCORE REV LIMIT 1 2", "d c"),
            ("ZRANGE z -inf +inf BYSCORE LIMIT 3 -1", "d e"),
            ("ZRANGE z -inf +inf BYSCORE LIMIT -1 5", ""),
            ("ZRANGE z -inf +inf BYSCORE LIMIT 9 5", ""),
            ("ZRANGE z -inf +inf BYSCORE LIMIT 0 0", ""),
            ("ZRANGEBYSCORE z 2 3", "b c"),
            ("ZREVRANGEBYSCORE z 3 2", "c b"),
            ("ZRANGE z [b (e BYLEX", "b c d"),
            ("ZRANGE z (e [b BYLEX REV", "d c b"),
            ("ZRANGEBYLEX z - (c", "a b"),
            ("ZREVRANGEBYLEX z + (c LIMIT 1 1", "d"),
            ("ZRANGE none 0 -1", ""),
            ("ZRANGE z 0 0 WITHSCORES", "a 1"),
            ("ZRANGE z 0 -1 LIMIT 0 -1", "a b c d e"),
        ],
    );
    fixture.session.protocol = Protocol::Resp3;
    fixture.expect(&[
        ("ZRANGE z 0 1 WITHSCORES", r"*2\r\n*2\r\n$1\r\na\r\n,1\r\n*2\r\n$1\r\nb\r\n,2"),
        ("ZRANGE z 0 0", r"*1\r\n$1\r\na"),
    ]);
}

#[test]
fn zrange_refuses_options_that_do_not_fit() {
    filled().expect(&[
        (
            "ZRANGE z 0 -1 LIMIT 0 1",
            "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ),
        (
            "ZRANGE z - + BYLEX WITHSCORES",
            "-ERR syntax error, WITHSCORES not supported in combination with BYLEX",
        ),
        ("ZRANGE z 0 1 BYSCORE BYLEX", SYNTAX),
        ("ZRANGE z 0 1 LIMIT 1", SYNTAX),
        ("ZRANGE z 0 1 LIMIT x 1", NOT_AN_INTEGER),
        ("ZREVRANGE z 0 1 REV", SYNTAX),
        ("ZRANGEBYSCORE z 0 1 BYSCORE", SYNTAX),
        ("ZRANGE z x 1", NOT_AN_INTEGER),
        ("ZRANGE z x 1 BYSCORE", NO_SCORE_RANGE),
        ("ZRANGE z x 1 BYLEX", NO_LEX_RANGE),
        ("ZRANGE s 0 1", WRONG_TYPE),
        ("ZRANGESTORE d z 0 1 WITHSCORES", SYNTAX),
    ]);
}

#[test]
fn zrangestore_overwrites_or_deletes_its_target() {
    let mut fixture = filled();
    expect_members(
        &mut fixture,
        &[
            ("ZRANGESTORE s z 1 2 REV", ":2"),
            ("ZRANGE s 0 -1 WITHSCORES", "c 3 d 4"),
            ("ZRANGESTORE s none 0 -1", ":0"),
        ],
    );
    assert_eq!(fixture.info("s"), None);
}

#[test]
fn zpop_takes_from_either_end() {
    let mut fixture = filled();
    fixture.expect(&[
        ("ZPOPMIN z", r"*2\r\n$1\r\na\r\n$1\r\n1"),
        ("ZPOPMAX z 2", r"*4\r\n$1\r\ne\r\n$1\r\n5\r\n$1\r\nd\r\n$1\r\n4"),
        ("ZPOPMIN none", "*0"),
        ("ZPOPMIN z -1", "-ERR value is out of range, must be positive"),
        ("ZPOPMIN z x", "-ERR value is out of range, must be positive"),
        ("ZPOPMIN z 1 2", SYNTAX),
        ("ZPOPMIN s 0", WRONG_TYPE),
    ]);
    fixture.session.protocol = Protocol::Resp3;
    fixture.expect(&[("ZPOPMIN z", r"*2\r\n$1\r\nb\r\n,2"), ("ZPOPMIN z 9", r"*1\r\n*2\r\n$1\r\nc\r\n,3")]);
    assert_eq!(fixture.info("z"), None);
}

#[test]
fn zmpop_takes_from_the_first_key_that_has_members() {
    let mut fixture = filled();
    fixture.expect(&[
        ("ZMPOP 2 none z MIN", r"*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1"),
        (
            "ZMPOP 1 z max COUNT 2",
            r"*2\r\n$1\r\nz\r\n*2\r\n*2\r\n$1\r\ne\r\n$1\r\n5\r\n*2\r\n$1\r\nd\r\n$1\r\n4",
        ),
        ("ZMPOP 1 none MIN", "*-1"),
        ("ZMPOP 2 none s MIN", WRONG_TYPE),
        ("ZMPOP 0 z MIN", NUMKEYS),
        ("ZMPOP x z MIN", NUMKEYS),
        ("ZMPOP 2 z MIN", SYNTAX),
        ("ZMPOP 1 z BOTH", SYNTAX),
        ("ZMPOP 1 z MIN COUNT 0", "-ERR count should be greater than 0"),
        ("ZMPOP 1 z MIN COUNT 1 COUNT 1", SYNTAX),
        ("ZMPOP 1 z MIN COUNT", SYNTAX),
    ]);
}

#[test]
fn blocking_pops_take_what_is_there_and_otherwise_wait() {
    filled().expect(&[
        ("BZPOPMIN none z 0", r"*3\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\n1"),
        ("BZPOPMAX z 0", r"*3\r\n$1\r\nz\r\n$1\r\ne\r\n$1\r\n5"),
        ("BZMPOP 0 1 z MIN", r"*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\nb\r\n$1\r\n2"),
        ("BZPOPMIN none 0.1", "*-1"),
        ("BZMPOP 0.1 1 none MIN", "*-1"),
        ("BZPOPMIN none s z 0", WRONG_TYPE),
        ("BZPOPMIN z -1", "-ERR timeout is negative"),
        ("BZPOPMIN z x", "-ERR timeout is not a float or out of range"),
        ("BZMPOP x 0 z MIN", NUMKEYS),
    ]);
}

#[test]
fn zrandmember_draws_members_that_are_there() {
    let mut fixture = filled();
    for (count, members) in [("1", 1), ("4", 4), ("5", 5), ("50", 5), ("-7", 7), ("0", 0)] {
        let reply = fixture.run(&format!("ZRANDMEMBER z {count}"));
        let drawn: Vec<&str> =
            reply.split("\\r\\n").filter(|text| "abcde".contains(text) && text.len() == 1).collect();
        assert_eq!(drawn.len(), members, "{count}: {reply}");
        let mut different = drawn.clone();
        different.sort_unstable();
        different.dedup();
        assert!(count.starts_with('-') || different.len() == members, "{reply}");
    }
    fixture.expect(&[
        ("ZRANDMEMBER none", "$-1"),
        ("ZRANDMEMBER none 3", "*0"),
        ("ZRANDMEMBER s", WRONG_TYPE),
        ("ZRANDMEMBER z x", NOT_AN_INTEGER),
        ("ZRANDMEMBER z 1 SCORES", SYNTAX),
        ("ZRANDMEMBER z 9223372036854775807 WITHSCORES", "-ERR value is out of range"),
        (
            "ZRANDMEMBER z -9223372036854775808",
            "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ),
        ("ZADD one 1.5 m", ":1"),
        ("ZRANDMEMBER one -2 WITHSCORES", r"*4\r\n$1\r\nm\r\n$3\r\n1.5\r\n$1\r\nm\r\n$3\r\n1.5"),
    ]);
    fixture.session.protocol = Protocol::Resp3;
    fixture.expect(&[("ZRANDMEMBER one 1 WITHSCORES", r"*1\r\n*2\r\n$1\r\nm\r\n,1.5")]);
}

#[test]
fn zscan_shows_members_with_their_scores_as_strings() {
    let mut fixture = filled();
    let all = r"*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$1\r\n2";
    fixture.expect(&[
        ("ZSCAN z 0 MATCH b", all),
        ("ZSCAN z 0 MATCH b COUNT 1", all),
        ("ZSCAN none 0 nonsense", r"*2\r\n$1\r\n0\r\n*0"),
        ("ZSCAN z x", "-ERR invalid cursor"),
        ("ZSCAN z 0 COUNT 0", SYNTAX),
        ("ZSCAN z 0 TYPE x", SYNTAX),
        ("ZSCAN s 0", WRONG_TYPE),
    ]);
    fixture.session.protocol = Protocol::Resp3;
    fixture.expect(&[("ZSCAN z 0 MATCH b", all)]);
}

#[test]
fn a_whole_zscan_of_a_large_sorted_set_shows_every_member() {
    let mut fixture = fixture();
    for i in 0..500 {
        fixture.run(&format!("ZADD z {i} m{i}"));
    }
    let (mut cursor, mut seen) = ("0".to_owned(), std::collections::BTreeSet::new());
    loop {
        let reply = fixture.run(&format!("ZSCAN z {cursor} COUNT 20"));
        let words: Vec<&str> = reply.split("\\r\\n").filter(|text| !text.starts_with(['*', '$'])).collect();
        seen.extend(words[1..].iter().filter(|word| word.starts_with('m')).map(|word| (*word).to_owned()));
        cursor = words[0].to_owned();
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 500);
}

#[test]
fn unions_intersections_and_differences() {
    let mut fixture = filled();
    fixture.run("ZADD y 10 b 20 c 30 x");
    expect_members(
        &mut fixture,
        &[
            ("ZUNION 2 z y", "a d e b c x"),
            ("ZUNION 2 z y WITHSCORES", "a 1 d 4 e 5 b 12 c 23 x 30"),
            ("ZUNION 2 z y WEIGHTS 2 0 AGGREGATE MAX WITHSCORES", "x 0 a 2 b 4 c 6 d 8 e 10"),
            ("ZINTER 2 z y AGGREGATE MIN WITHSCORES", "b 2 c 3"),
            ("ZINTER 2 z none", ""),
            ("ZDIFF 2 z y WITHSCORES", "a 1 d 4 e 5"),
            ("ZDIFF 1 none", ""),
            ("ZINTERCARD 2 z y", ":2"),
            ("ZINTERCARD 2 z y LIMIT 1", ":1"),
            ("ZINTERCARD 2 z y LIMIT 0", ":2"),
            ("ZUNIONSTORE s 2 z y", ":6"),
            ("ZRANGE s -1 -1 WITHSCORES", "x 30"),
            ("ZINTERSTORE z 2 z y WEIGHTS 1 -1", ":2"),
            ("ZRANGE z 0 -1 WITHSCORES", "c -17 b -8"),
            ("ZDIFFSTORE z 2 z z", ":0"),
        ],
    );
    assert_eq!(fixture.info("z"), None);
    fixture.session.protocol = Protocol::Resp3;
    fixture.expect(&[(
        "ZINTER 2 y y WEIGHTS 1 0 WITHSCORES AGGREGATE MIN",
        r"*3\r\n*2\r\n$1\r\nb\r\n,0\r\n*2\r\n$1\r\nc\r\n,0\r\n*2\r\n$1\r\nx\r\n,0",
    )]);
}

#[test]
fn infinities_that_cancel_out_are_zero() {
    let mut fixture = fixture();
    fixture.expect(&[("ZADD a inf m", ":1"), ("ZADD b -inf m", ":1")]);
    expect_members(
        &mut fixture,
        &[
            ("ZUNION 2 a b WITHSCORES", "m 0"),
            ("ZINTER 2 a b WITHSCORES", "m 0"),
            ("ZUNION 1 a WEIGHTS 0 WITHSCORES", "m 0"),
            ("ZINTER 1 a WEIGHTS 0 WITHSCORES", "m 0"),
        ],
    );
}

#[test]
fn combining_commands_check_in_redis_order() {
    filled().expect(&[
        ("ZUNION 0 z", "-ERR at least 1 input key is needed for 'zunion' command"),
        ("ZINTERSTORE d -1 z", "-ERR at least 1 input key is needed for 'zinterstore' command"),
        ("ZUNION x z", NOT_AN_INTEGER),
        ("ZUNION 3 z s", SYNTAX),
        ("ZUNION 2 z s nonsense", WRONG_TYPE),
        ("ZUNION 1 z nonsense", SYNTAX),
        ("ZUNION 1 z WEIGHTS", SYNTAX),
        ("ZUNION 1 z WEIGHTS x", "-ERR weight value is not a float"),
        ("ZUNION 1 z AGGREGATE AVG", SYNTAX),
        ("ZUNIONSTORE d 1 z WITHSCORES", SYNTAX),
        ("ZDIFF 1 z WEIGHTS 1", SYNTAX),
        ("ZINTERCARD 1 z WITHSCORES", SYNTAX),
        ("ZINTERCARD 1 z LIMIT -1", "-ERR LIMIT can't be negative"),
        ("ZINTERCARD 1 z LIMIT x", "-ERR LIMIT can't be negative"),
    ]);
}

#[test]
fn sorted_sets_grow_beyond_the_settings() {
    let mut fixture = fixture();
    let encoding = |fixture: &Fixture| fixture.info("z").expect("it is there").encoding.name();
    fixture.server.config.set(&[("zset-max-listpack-entries", "2")], false).expect("a setting");
    fixture.run("ZADD z 1 a 2 b");
    assert_eq!(encoding(&fixture), "listpack");
    fixture.run("ZADD z 3 c");
    assert_eq!(encoding(&fixture), "skiplist");
    fixture.run("ZRANGESTORE z z 0 1");
    assert_eq!(encoding(&fixture), "listpack");
}
