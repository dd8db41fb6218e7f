//! The replies of the server commands, which are redis-server's where both can do what is asked.

use thermocline_protocol::{ArgumentRanges, Limits, RequestParser};

use super::COMMANDS;
use crate::command::fixture::{Fixture, START};
use crate::command::server::slowlog::SlowDuration;
use crate::command::string;

fn fixture() -> Fixture {
    Fixture::new(&[COMMANDS, string::COMMANDS])
}

#[test]
fn config_get_finds_names_patterns_and_older_names() {
    fixture().expect(&[
        ("CONFIG GET maxmemory", "*2\\r\\n$9\\r\\nmaxmemory\\r\\n$1\\r\\n0"),
        ("CONFIG GET MaxMemory", "*2\\r\\n$9\\r\\nMaxMemory\\r\\n$1\\r\\n0"),
        ("CONFIG GET nonsense", "*0"),
        ("CONFIG GET save save", "*2\\r\\n$4\\r\\nsave\\r\\n$0\\r\\n"),
        (
            "CONFIG GET *-priority",
            "*4\\r\\n$16\\r\\nreplica-priority\\r\\n$3\\r\\n100\\r\\n$14\\r\\nslave-priority\\r\\n$3\\r\\n100",
        ),
    ]);
}

#[test]
fn config_set_reaches_the_engine_or_changes_nothing() {
    let mut fixture = fixture();
    fixture.expect(&[
        ("CONFIG SET maxmemory 10mb maxmemory-policy allkeys-lru", "+OK"),
        (
            "CONFIG SET maxmemory 5mb timeout never",
            "-ERR CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an \
             integer",
        ),
        ("CONFIG SET nonsense 1", "-ERR Unknown option or number of arguments for CONFIG SET - 'nonsense'"),
        ("CONFIG SET timeout 1 maxclients", "-ERR syntax error"),
        ("CONFIG REWRITE", "-ERR The server is running without a config file"),
    ]);
    let settings = fixture.server.engine.settings();
    assert_eq!((settings.max_memory_bytes, settings.eviction_policy.name()), (10 << 20, "allkeys-lru"));
}

#[test]
fn databases_are_counted_swapped_and_flushed() {
    fixture().expect(&[
        ("SET a 1", "+OK"),
        ("DBSIZE", ":1"),
        ("SWAPDB 0 1", "+OK"),
        ("DBSIZE", ":0"),
        ("SWAPDB x 1", "-ERR invalid first DB index"),
        ("SWAPDB 0 x", "-ERR invalid second DB index"),
        ("SWAPDB 0 99", "-ERR DB index is out of range"),
        ("FLUSHDB SYNC", "+OK"),
        ("SWAPDB 0 1", "+OK"),
        ("DBSIZE", ":1"),
        ("FLUSHALL NEVER", "-ERR syntax error"),
        ("FLUSHALL ASYNC", "+OK"),
        ("DBSIZE", ":0"),
    ]);
}

#[test]
fn command_counts_lists_and_finds_keys() {
    fixture().expect(&[
        ("COMMAND LIST FILTERBY MODULE x", "*0"),
        ("COMMAND LIST FILTERBY PATTERN getr*", "*1\\r\\n$8\\r\\ngetrange"),
        ("COMMAND LIST FILTERBY NOTHING x", "-ERR syntax error"),
        ("COMMAND GETKEYS MSET a 1 b 2", "*2\\r\\n$1\\r\\na\\r\\n$1\\r\\nb"),
        ("COMMAND GETKEYS MEMORY USAGE a", "*1\\r\\n$1\\r\\na"),
        ("COMMAND GETKEYS TIME", "-ERR The command has no key arguments"),
        ("COMMAND GETKEYS GET a b", "-ERR Invalid number of arguments specified for command"),
        ("COMMAND GETKEYS NONSENSE a", "-ERR Invalid command specified"),
        ("COMMAND GETKEYSANDFLAGS GET a", "*1\\r\\n*2\\r\\n$1\\r\\na\\r\\n*2\\r\\n+RO\\r\\n+access"),
        ("COMMAND INFO nonsense", "*1\\r\\n$-1"),
        (
            "COMMAND INFO get",
            "*1\\r\\n*10\\r\\n$3\\r\\nget\\r\\n:2\\r\\n*2\\r\\n+readonly\\r\\n+fast\\r\\n:1\\r\\n:1\\r\\n:1\\r\\n\
             *3\\r\\n+@read\\r\\n+@string\\r\\n+@fast\\r\\n*0\\r\\n*1\\r\\n*6\\r\\n$5\\r\\nflags\\r\\n*2\\r\\n+RO\\r\\n+access\\r\\n\
             $12\\r\\nbegin_search\\r\\n*4\\r\\n$4\\r\\ntype\\r\\n$5\\r\\nindex\\r\\n$4\\r\\nspec\\r\\n*2\\r\\n$5\\r\\nindex\\r\\n:1\\r\\n\
             $9\\r\\nfind_keys\\r\\n*4\\r\\n$4\\r\\ntype\\r\\n$5\\r\\nrange\\r\\n$4\\r\\nspec\\r\\n*6\\r\\n$7\\r\\nlastkey\\r\\n:0\\r\\n\
             $7\\r\\nkeystep\\r\\n:1\\r\\n$5\\r\\nlimit\\r\\n:0\\r\\n*0",
        ),
    ]);
}

#[test]
fn memory_usage_counts_key_and_value() {
    let mut fixture = fixture();
    fixture.run_words(&["SET", "a", &"x".repeat(1000)]);
    fixture.expect(&[
        ("MEMORY USAGE nothing", "$-1"),
        ("MEMORY USAGE a SAMPLES -1", "-ERR syntax error"),
        ("MEMORY USAGE a SAMPLES x", "-ERR value is not an integer or out of range"),
    ]);
    let usage: usize =
        fixture.run("MEMORY USAGE a").trim_matches([':', '\\', 'r', 'n']).parse().expect("a number");
    assert!((1000..1200).contains(&usage), "{usage}");
}

#[test]
fn slow_commands_are_kept_newest_first_and_without_secrets() {
    let mut fixture = fixture();
    for (line, duration_us) in
        [("GET a", 5), ("AUTH secret", 7), ("CONFIG SET requirepass secret timeout 1", 9)]
    {
        let (bytes, mut ranges) = (format!("{line}\r\n"), ArgumentRanges::new());
        RequestParser::new().parse(bytes.as_bytes(), &Limits::REDIS, &mut ranges).expect("an inline request");
        let arguments = ranges.in_buffer(bytes.as_bytes());
        let duration = SlowDuration { total_us: duration_us, waited_us: 0 };
        fixture.server.slowlog.record(START, duration, arguments, &fixture.session, 2);
    }
    fixture.expect(&[
        ("SLOWLOG LEN", ":2"),
        (
            "SLOWLOG GET",
            "*2\\r\\n*6\\r\\n:2\\r\\n:1700000000\\r\\n:9\\r\\n*6\\r\\n$6\\r\\nCONFIG\\r\\n$3\\r\\nSET\\r\\n$11\\r\\nrequirepass\\r\\n\
             $10\\r\\n(redacted)\\r\\n$7\\r\\ntimeout\\r\\n$1\\r\\n1\\r\\n$12\\r\\nunixsocket:0\\r\\n$0\\r\\n\\r\\n\
             *6\\r\\n:1\\r\\n:1700000000\\r\\n:7\\r\\n*2\\r\\n$4\\r\\nAUTH\\r\\n$10\\r\\n(redacted)\\r\\n$12\\r\\nunixsocket:0\\r\\n$0\\r\\n",
        ),
        ("SLOWLOG GET -2", "-ERR count should be greater than or equal to -1"),
        ("SLOWLOG RESET", "+OK"),
        ("SLOWLOG GET -1", "*0"),
    ]);
}

#[test]
fn slow_events_are_shown_by_class() {
    let mut fixture = fixture();
    fixture.server.latency.note("command", START, 12);
    fixture.expect(&[
        ("LATENCY LATEST", "*1\\r\\n*4\\r\\n$7\\r\\ncommand\\r\\n:1700000000\\r\\n:12\\r\\n:12"),
        ("LATENCY HISTORY command", "*1\\r\\n*2\\r\\n:1700000000\\r\\n:12"),
        ("LATENCY HISTORY nothing", "*0"),
        ("LATENCY GRAPH nothing", "-ERR No samples available for event 'nothing'"),
        ("LATENCY RESET nothing", ":0"),
        ("LATENCY RESET", ":1"),
        ("LATENCY LATEST", "*0"),
    ]);
}

#[test]
fn debug_helpers_answer_as_tests_expect() {
    fixture().expect(&[
        ("DEBUG SLEEP 0", "+OK"),
        ("DEBUG OBJECT nothing", "-ERR no such key"),
        ("DEBUG ERROR BOOM", "-BOOM"),
        ("DEBUG STRINGMATCH-LEN 5 aaaaa", ":1"),
        ("DEBUG PROTOCOL attrib", "$39\\r\\nSome real reply following the attribute"),
        ("DEBUG PROTOCOL map", "*6\\r\\n:0\\r\\n:0\\r\\n:1\\r\\n:1\\r\\n:2\\r\\n:0"),
        ("DEBUG POPULATE 3 k 10", "+OK"),
        ("DBSIZE", ":3"),
        ("GET k:1", "$10\\r\\nvalue:1\\x00\\x00\\x00"),
        (
            "DEBUG NONSENSE",
            "-ERR unknown subcommand or wrong number of arguments for 'NONSENSE'. Try DEBUG HELP.",
        ),
    ]);
}

#[test]
fn what_does_not_exist_is_refused_in_so_many_words() {
    fixture().expect(&[
        ("SAVE", "-ERR snapshots are not supported yet: data does not survive a restart"),
        ("BGSAVE", "-ERR snapshots are not supported yet: data does not survive a restart"),
        ("BGREWRITEAOF", "-ERR an append-only log is not supported yet: data does not survive a restart"),
        ("REPLICAOF host 1", "-ERR replication is not supported yet"),
        ("REPLICAOF no one", "+OK"),
        ("FAILOVER", "-ERR FAILOVER requires connected replicas."),
        ("CLUSTER INFO", "-ERR This instance has cluster support disabled"),
        ("MODULE LIST", "*0"),
    ]);
}

#[test]
fn the_process_tells_time_role_and_users() {
    fixture().expect(&[
        ("TIME", "*2\\r\\n$10\\r\\n1700000000\\r\\n$1\\r\\n0"),
        ("LASTSAVE", ":1700000000"),
        ("ROLE", "*3\\r\\n$6\\r\\nmaster\\r\\n:0\\r\\n*0"),
        ("ACL WHOAMI", "$7\\r\\ndefault"),
        ("ACL USERS", "*1\\r\\n$7\\r\\ndefault"),
        ("ACL CAT nonsense", "-ERR Unknown category 'nonsense'"),
    ]);
}

#[test]
fn shutdown_asks_all_threads_to_end_unless_the_request_makes_no_sense() {
    let mut fixture = fixture();
    fixture.expect(&[
        ("SHUTDOWN NONSENSE", "-ERR syntax error"),
        ("SHUTDOWN SAVE NOSAVE", "-ERR syntax error"),
        ("SHUTDOWN ABORT", "-ERR No shutdown in progress."),
        ("SHUTDOWN SAVE", "-ERR snapshots are not supported yet: data does not survive a restart"),
    ]);
    assert!(!fixture.server.shutdown.is_requested());
    assert_eq!(fixture.run("SHUTDOWN NOSAVE NOW"), "");
    assert!(fixture.server.shutdown.is_requested() && fixture.session.is_closing);
}
