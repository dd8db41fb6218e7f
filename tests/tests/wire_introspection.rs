//! What the server says about itself: CONFIG, INFO, COMMAND, MEMORY, SLOWLOG, LATENCY, TIME, DEBUG.

use std::fs;
use std::time::Duration;

use thermocline_protocol::Reply;
use thermocline_tests::info::Info;
use thermocline_tests::waiting::wait_until;
use thermocline_tests::{Connection, Server, ServerOptions};

const SOON: Duration = Duration::from_secs(20);

fn start() -> (Server, Connection) {
    let server = ServerOptions::subject().start();
    let connection = server.connect();
    (server, connection)
}

/// One setting's value.
fn setting(connection: &mut Connection, name: &str) -> String {
    let reply = connection.line(&format!("CONFIG GET {name}"));
    let elements = reply.as_elements().expect("an array");
    assert_eq!(elements.len(), 2, "CONFIG GET {name}: {reply:?}");
    String::from_utf8_lossy(elements[1].as_bytes().expect("text")).into_owned()
}

#[test]
fn settings_are_read_back_as_they_were_set() {
    let (_server, mut connection) = start();
    let cases = [
        ("maxmemory", "100mb", "104857600"),
        ("maxmemory", "1g", "1000000000"),
        ("maxmemory", "0", "0"),
        ("maxmemory-policy", "allkeys-lfu", "allkeys-lfu"),
        ("timeout", "123", "123"),
        ("maxclients", "200", "200"),
        ("slowlog-log-slower-than", "-1", "-1"),
        ("slowlog-max-len", "7", "7"),
        ("latency-monitor-threshold", "100", "100"),
        ("proto-max-bulk-len", "64mb", "67108864"),
        ("client-query-buffer-limit", "128mb", "134217728"),
        ("lfu-decay-time", "5", "5"),
        ("lfu-log-factor", "12", "12"),
        ("requirepass", "", ""),
    ];
    for (name, value, expected) in cases {
        assert_eq!(connection.text(&format!("CONFIG SET {name} '{value}'")), "OK", "{name} {value}");
        assert_eq!(setting(&mut connection, name), expected, "{name} {value}");
    }
}

#[test]
fn several_settings_are_set_together_or_not_at_all() {
    let (_server, mut connection) = start();
    assert_eq!(connection.text("CONFIG SET timeout 11 slowlog-max-len 12"), "OK");
    assert_eq!(setting(&mut connection, "timeout"), "11");
    assert_eq!(setting(&mut connection, "slowlog-max-len"), "12");
    assert!(
        connection.error("CONFIG SET timeout 21 slowlog-max-len abc").starts_with("ERR CONFIG SET failed")
    );
    assert_eq!(setting(&mut connection, "timeout"), "11");
    assert_eq!(setting(&mut connection, "slowlog-max-len"), "12");
}

#[test]
fn settings_of_a_start_cannot_be_changed_later() {
    let (_server, mut connection) = start();
    for name in ["databases", "daemonize"] {
        let error = connection.error(&format!("CONFIG SET {name} 3"));
        assert_eq!(
            error,
            format!(
                "ERR CONFIG SET failed (possibly related to argument '{name}') - can't set immutable config"
            )
        );
    }
}

#[test]
fn the_port_changes_at_once_or_not_at_all() {
    let (server, mut connection) = start();
    let other = ServerOptions::subject().start();
    assert_eq!(
        connection.error(&format!("CONFIG SET timeout 9 port {}", other.port())),
        "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server \
         logs."
    );
    assert_eq!(setting(&mut connection, "port"), server.port().to_string());
    assert_eq!(setting(&mut connection, "timeout"), "0");
    assert_eq!(server.connect().text("PING"), "PONG");

    let port = other.port();
    drop(other);
    // The kernel takes a moment to close the sockets of a process that was killed.
    let set = format!("CONFIG SET port {port}");
    wait_until("the port to be free", SOON, || connection.line(&set) == Reply::Simple(b"OK".to_vec()));
    assert!(Connection::open(server.port()).is_err(), "the old port is closed");
    // Enough for every server thread to get some.
    let mut clients: Vec<Connection> =
        (0..20).map(|_| Connection::open(port).expect("the new port is open")).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.text("PING"), "PONG"));
    assert_eq!(connection.text("PING"), "PONG", "present connections stay");
    assert_eq!(Info::fetch(&mut connection, "server").count("tcp_port"), u64::from(port));

    assert_eq!(connection.text("CONFIG SET port 0"), "OK");
    assert!(Connection::open(port).is_err());
    assert_eq!(connection.text(&format!("CONFIG SET port {}", server.port())), "OK");
    assert_eq!(server.connect().text("PING"), "PONG");
}

#[test]
fn the_addresses_change_at_once_or_not_at_all() {
    let (server, mut connection) = start();
    let at = |address: &str| Connection::open_at(address.parse().expect("an address"), server.port());
    // No machine has this address: it is reserved for documentation.
    assert_eq!(
        connection.error("CONFIG SET bind '127.0.0.2 203.0.113.77'"),
        "ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified addresses."
    );
    assert_eq!(setting(&mut connection, "bind"), "127.0.0.1");
    assert!(at("127.0.0.2").is_err());
    assert_eq!(connection.text("CONFIG SET bind '127.0.0.2 -203.0.113.77'"), "OK");
    assert_eq!(at("127.0.0.2").expect("it listens there").text("PING"), "PONG");
    assert!(at("127.0.0.1").is_err());
    assert_eq!(connection.text("CONFIG SET bind *"), "OK");
    for address in ["127.0.0.1", "127.0.0.2"] {
        assert_eq!(at(address).expect("it listens everywhere").text("PING"), "PONG");
    }
}

#[test]
fn the_log_level_changes_at_once() {
    let (server, mut connection) = start();
    if !server.is_thermocline() {
        // Redis knows `nothing` from 7.2 on.
        return;
    }
    let fail = |connection: &mut Connection| {
        connection.error(&format!("CONFIG SET bind '203.0.113.77' port {}", server.port()));
    };
    let lines = || server.log().lines().count();
    connection.text("CONFIG SET loglevel nothing");
    let before = lines();
    fail(&mut connection);
    assert_eq!(lines(), before, "{}", server.log());
    connection.text("CONFIG SET loglevel warning");
    fail(&mut connection);
    assert!(lines() > before);
}

#[test]
fn keepalive_changes_for_clients_that_connect_later() {
    let (server, mut connection) = start();
    assert_eq!(connection.text("CONFIG SET tcp-keepalive 7777"), "OK");
    assert_eq!(setting(&mut connection, "tcp-keepalive"), "7777");
    let timer_s = |port: u16| keepalive_timer_s(server.port(), port);
    let later = server.connect();
    // The kernel shows the time until the next probe.
    wait_until("the server to accept", SOON, || timer_s(later.local_port()).is_some());
    assert!((7000..=7777).contains(&timer_s(later.local_port()).expect("it was there")));
    // Until a reply was acknowledged, another timer runs.
    let present = connection.local_port();
    wait_until("an old timer", SOON, || timer_s(present).is_some_and(|seconds| seconds <= 300));
    connection.text("CONFIG SET tcp-keepalive 0");
    let mut without = server.connect();
    without.text("PING");
    assert_eq!(timer_s(without.local_port()), None);
}

/// Seconds until the server's kernel probes a client, by `/proc/net/tcp`; `None` where it never will.
fn keepalive_timer_s(server_port: u16, client_port: u16) -> Option<u64> {
    let connections = fs::read_to_string("/proc/net/tcp").expect("Linux tells of its connections");
    let port = |address: &str| u16::from_str_radix(address.split_once(':')?.1, 16).ok();
    connections.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (timer, expires) = fields[5].split_once(':')?;
        let is_it = port(fields[1]) == Some(server_port) && port(fields[2]) == Some(client_port);
        // 2 is the keepalive timer; it counts in ticks of 10 ms.
        (is_it && timer == "02").then(|| u64::from_str_radix(expires, 16).expect("hexadecimal") / 100)
    })
}

#[test]
fn every_setting_is_listed_once() {
    let (_server, mut connection) = start();
    let reply = connection.line("CONFIG GET *");
    let elements = reply.as_elements().expect("an array");
    let mut names: Vec<&[u8]> = elements.chunks(2).map(|pair| pair[0].as_bytes().expect("a name")).collect();
    assert!(names.len() >= 30, "{} settings", names.len());
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    for name in [
        "port",
        "bind",
        "dir",
        "maxmemory",
        "maxmemory-policy",
        "appendonly",
        "appendfsync",
        "requirepass",
        "save",
    ] {
        assert!(names.contains(&name.as_bytes()), "{name}");
    }
}

#[test]
fn the_configuration_file_is_rewritten() {
    let directory = thermocline_tests::server::ServerDirectory::new();
    let path = directory.path().join("test.conf");
    fs::write(&path, "# keep this comment\nmaxclients 123\n").expect("writable");
    let arguments = [path.to_str().expect("a plain path")];
    let server = ServerOptions::subject().start_with(&arguments);
    let mut connection = server.connect();
    connection.text("CONFIG SET timeout 77 maxclients 124");
    assert_eq!(connection.text("CONFIG REWRITE"), "OK");
    let written = fs::read_to_string(&path).expect("readable");
    assert!(written.contains("# keep this comment"), "{written}");
    assert!(written.lines().any(|line| line == "timeout 77"), "{written}");
    assert!(written.lines().any(|line| line == "maxclients 124"), "{written}");
    assert!(!written.contains("maxclients 123"), "{written}");
    let server = server.restart();
    assert_eq!(setting(&mut server.connect(), "timeout"), "77");
}

#[test]
fn without_a_file_there_is_nothing_to_rewrite() {
    let (_server, mut connection) = start();
    assert_eq!(connection.error("CONFIG REWRITE"), "ERR The server is running without a config file");
}

#[test]
fn info_has_redis_sections_and_fields() {
    let (server, mut connection) = start();
    let info = Info::fetch(&mut connection, "everything");
    for section in [
        "Server",
        "Clients",
        "Memory",
        "Persistence",
        "Stats",
        "Replication",
        "CPU",
        "Keyspace",
        "Commandstats",
    ] {
        assert!(info.sections().iter().any(|name| name == section), "{section} in {:?}", info.sections());
    }
    for field in [
        "redis_version",
        "redis_mode",
        "os",
        "arch_bits",
        "process_id",
        "run_id",
        "tcp_port",
        "uptime_in_seconds",
        "uptime_in_days",
        "executable",
        "config_file",
        "connected_clients",
        "maxclients",
        "blocked_clients",
        "used_memory",
        "used_memory_human",
        "used_memory_rss",
        "used_memory_peak",
        "maxmemory",
        "maxmemory_human",
        "maxmemory_policy",
        "mem_fragmentation_ratio",
        "loading",
        "total_connections_received",
        "total_commands_processed",
        "instantaneous_ops_per_sec",
        "total_net_input_bytes",
        "total_net_output_bytes",
        "rejected_connections",
        "expired_keys",
        "evicted_keys",
        "keyspace_hits",
        "keyspace_misses",
        "role",
        "connected_slaves",
        "used_cpu_sys",
        "used_cpu_user",
    ] {
        assert!(info.has(field), "no {field}");
    }
    assert_eq!(info.count("tcp_port"), u64::from(server.port()));
    assert_eq!(info.text("role"), "master");
    assert_eq!(info.text("run_id").len(), 40);
}

#[test]
fn info_counts_what_happens() {
    let (_server, mut connection) = start();
    let before = Info::fetch(&mut connection, "everything");
    connection.text("SET k v");
    connection.text("GET k");
    connection.line("GET none");
    connection.line("GET none");
    connection.error("GET");
    connection.text("SET e v PX 100000");
    connection.text("SELECT 3");
    connection.text("SET k v");
    let after = Info::fetch(&mut connection, "everything");
    let grown = |field: &str| after.count(field) - before.count(field);
    assert_eq!(grown("keyspace_hits"), 1);
    assert_eq!(grown("keyspace_misses"), 2);
    assert!(grown("total_commands_processed") >= 7);
    assert!(grown("total_net_input_bytes") > 100);
    assert!(grown("total_net_output_bytes") > 20);
    assert!(after.text("db0").starts_with("keys=2,expires=1,avg_ttl="), "{}", after.text("db0"));
    assert!(after.text("db3").starts_with("keys=1,expires=0,avg_ttl=0"), "{}", after.text("db3"));
    assert!(after.text("cmdstat_get").starts_with("calls=3,usec="), "{}", after.text("cmdstat_get"));
    assert!(
        after.text("cmdstat_get").contains("rejected_calls=1,failed_calls=0"),
        "{}",
        after.text("cmdstat_get")
    );
    assert_eq!(after.text("errorstat_ERR"), "count=1");
    assert_eq!(connection.text("CONFIG RESETSTAT"), "OK");
    let reset = Info::fetch(&mut connection, "everything");
    assert_eq!((reset.count("keyspace_hits"), reset.count("keyspace_misses")), (0, 0));
    assert!(!reset.has("cmdstat_get"));
}

#[test]
fn info_can_be_asked_for_sections() {
    let (_server, mut connection) = start();
    let sections = |connection: &mut Connection, asked: &[&str]| {
        let reply = connection.call(&[&["INFO"], asked].concat());
        let text = String::from_utf8_lossy(reply.as_bytes().expect("text")).into_owned();
        Info::parse(&text).sections().to_vec()
    };
    assert_eq!(sections(&mut connection, &["server"]), ["Server"]);
    assert_eq!(sections(&mut connection, &["CLIENTS", "memory"]), ["Clients", "Memory"]);
    let default = sections(&mut connection, &[]);
    assert_eq!(sections(&mut connection, &["default"]), default);
    assert!(!default.contains(&"Commandstats".to_owned()));
    assert!(sections(&mut connection, &["all"]).contains(&"Commandstats".to_owned()));
}

#[test]
fn commands_are_described() {
    let (_server, mut connection) = start();
    let count = connection.integer("COMMAND COUNT");
    assert!(count >= 80, "{count} commands");
    assert_eq!(connection.line("COMMAND").as_elements().expect("an array").len() as i64, count);
    // Subcommands are listed too.
    assert!(connection.line("COMMAND LIST").as_elements().expect("an array").len() as i64 >= count);
    let info = connection.line("COMMAND INFO get");
    let get = info.as_elements().expect("an array")[0].as_elements().expect("a description");
    assert_eq!(get[0], Reply::Bulk(b"get".to_vec()));
    assert_eq!(get[1], Reply::Integer(2));
    assert_eq!(&get[3..6], [Reply::Integer(1), Reply::Integer(1), Reply::Integer(1)]);
    let docs = connection.line("COMMAND DOCS get");
    assert_eq!(docs.as_elements().expect("an array")[0], Reply::Bulk(b"get".to_vec()));
    assert_eq!(
        connection.line("COMMAND GETKEYS MSET a 1 b 2"),
        Reply::Array(vec![Reply::Bulk(b"a".to_vec()), Reply::Bulk(b"b".to_vec())])
    );
}

#[test]
fn memory_usage_grows_with_the_value() {
    let (_server, mut connection) = start();
    connection.call(&["SET", "small", "x"]);
    connection.call(&["SET", "large", &"x".repeat(100_000)]);
    let (small, large) = (connection.integer("MEMORY USAGE small"), connection.integer("MEMORY USAGE large"));
    assert!(0 < small && small < 200, "{small}");
    assert!((100_000..140_000).contains(&large), "{large}");
    assert_eq!(connection.line("MEMORY USAGE none"), Reply::NullBulk);
    let stats = connection.line("MEMORY STATS");
    assert!(stats.as_elements().expect("an array").contains(&Reply::Bulk(b"peak.allocated".to_vec())));
    assert!(!connection.text("MEMORY DOCTOR").is_empty());
}

#[test]
fn slow_commands_are_logged() {
    let (_server, mut connection) = start();
    connection.text("CONFIG SET slowlog-log-slower-than 10000");
    connection.text("CLIENT SETNAME slow");
    connection.text("DEBUG SLEEP 0.05");
    assert_eq!(connection.integer("SLOWLOG LEN"), 1);
    let log = connection.line("SLOWLOG GET");
    let entry = log.as_elements().expect("an array")[0].as_elements().expect("an entry").to_vec();
    assert_eq!(entry.len(), 6);
    assert!(entry[2].as_integer().expect("microseconds") >= 50_000);
    let words = ["DEBUG", "SLEEP", "0.05"].map(|word| Reply::Bulk(word.as_bytes().to_vec()));
    assert_eq!(entry[3], Reply::Array(words.to_vec()));
    assert_eq!(entry[4].as_bytes(), Some(format!("127.0.0.1:{}", connection.local_port()).as_bytes()));
    assert_eq!(entry[5].as_bytes(), Some(&b"slow"[..]));
    assert_eq!(connection.text("SLOWLOG RESET"), "OK");
    assert_eq!(connection.integer("SLOWLOG LEN"), 0);
}

#[test]
fn latency_spikes_are_recorded() {
    let (_server, mut connection) = start();
    connection.text("CONFIG SET latency-monitor-threshold 20");
    connection.text("DEBUG SLEEP 0.05");
    let latest = connection.line("LATENCY LATEST");
    let events = latest.as_elements().expect("an array");
    let command =
        events.iter().find(|event| event.as_elements().expect("an event")[0].as_bytes() == Some(b"command"));
    let command = command.unwrap_or_else(|| panic!("{latest:?}")).as_elements().expect("an event");
    assert!(command[2].as_integer().expect("milliseconds") >= 50);
    assert_eq!(connection.line("LATENCY HISTORY command").as_elements().expect("an array").len(), 1);
    assert!(connection.integer("LATENCY RESET") >= 1);
    assert_eq!(connection.line("LATENCY LATEST"), Reply::Array(Vec::new()));
}

#[test]
fn latencies_are_tracked_while_that_is_on() {
    let (_server, mut connection) = start();
    let calls = |connection: &mut Connection, command: &str| {
        let reply = connection.line(&format!("LATENCY HISTOGRAM {command}"));
        let elements = reply.as_elements().expect("an array");
        elements.get(1).map(|histogram| histogram.as_elements().expect("a map")[1].clone())
    };
    connection.text("SET k v");
    connection.text("CONFIG SET latency-tracking no");
    for _ in 0..3 {
        connection.text("SET k v");
        connection.text("GET k");
    }
    assert_eq!(calls(&mut connection, "SET"), Some(Reply::Integer(1)), "what was known stays known");
    assert_eq!(calls(&mut connection, "GET"), None);
    assert!(!Info::fetch(&mut connection, "latencystats").has("latency_percentiles_usec_set"));
    connection.text("CONFIG SET latency-tracking yes latency-tracking-info-percentiles '50 99.9'");
    connection.text("GET k");
    assert_eq!(calls(&mut connection, "GET"), Some(Reply::Integer(1)));
    let info = Info::fetch(&mut connection, "everything");
    assert!(info.text("cmdstat_get").starts_with("calls=4,"), "{}", info.text("cmdstat_get"));
    let shown = info.text("latency_percentiles_usec_get");
    assert!(shown.starts_with("p50=") && shown.contains(",p99.9="), "{shown}");
}

#[test]
fn the_command_that_lowers_what_is_slow_is_measured_by_it() {
    let (_server, mut connection) = start();
    for value in ["100000", "0", "100000"] {
        connection.text(&format!("CONFIG SET slowlog-log-slower-than {value}"));
    }
    let log = connection.line("SLOWLOG GET");
    let [entry] = log.as_elements().expect("entries") else { panic!("{log:?} is not one entry") };
    let words = entry.as_elements().expect("an entry")[3].as_elements().expect("words");
    assert_eq!(words.last().and_then(Reply::as_bytes), Some(&b"0"[..]));
}

#[test]
fn time_is_now() {
    let (_server, mut connection) = start();
    let reply = connection.line("TIME");
    let number = |index: usize| {
        let text =
            String::from_utf8_lossy(reply.as_elements().expect("an array")[index].as_bytes().expect("text"))
                .into_owned();
        text.parse::<i64>().expect("a number")
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("past 1970").as_secs()
        as i64;
    assert!((number(0) - now).abs() <= 5);
    assert!((0..1_000_000).contains(&number(1)));
}

#[test]
fn containers_help() {
    let (_server, mut connection) = start();
    for container in ["CLIENT", "CONFIG", "COMMAND", "OBJECT", "MEMORY", "SLOWLOG", "LATENCY", "DEBUG"] {
        let help = connection.line(&format!("{container} HELP"));
        let lines = help.as_elements().unwrap_or_else(|| panic!("{container} HELP: {help:?}"));
        let first = String::from_utf8_lossy(lines[0].as_bytes().expect("text")).into_owned();
        assert!(first.starts_with(&format!("{container} <subcommand>")), "{first}");
        assert!(lines.len() >= 4);
    }
}
