//! Client-side caching: who hears of which keys, and when.

use std::time::Duration;

use thermocline_protocol::Reply;
use thermocline_tests::info::Info;
use thermocline_tests::tiers::{make_cold, tier_of};
use thermocline_tests::waiting::wait_until;
use thermocline_tests::{Connection, Server, ServerOptions};

const SOON: Duration = Duration::from_secs(30);

fn start() -> Server {
    ServerOptions::subject().with("threads", "2").start()
}

/// A client of RESP3 that tracks.
fn tracker(server: &Server, options: &str) -> Connection {
    let mut connection = server.connect();
    connection.line("HELLO 3");
    assert_eq!(connection.text(&format!("CLIENT TRACKING ON {options}")), "OK");
    connection
}

/// The keys of the next message, which must be an invalidation; `*` for all.
fn invalidated(connection: &mut Connection) -> String {
    let message = connection.receive();
    let Reply::Push(parts) = &message else { panic!("{message:?} is no invalidation") };
    assert_eq!(parts[0], Reply::Bulk(b"invalidate".to_vec()));
    keys(&parts[1])
}

fn keys(reply: &Reply) -> String {
    let Some(keys) = reply.as_elements() else { return "*".to_owned() };
    let text = |key: &Reply| String::from_utf8_lossy(key.as_bytes().expect("a key")).into_owned();
    keys.iter().map(text).collect::<Vec<_>>().join(" ")
}

/// Checks that there is no message: what there is comes before the reply to a PING.
fn assert_hears_nothing(connection: &mut Connection) {
    assert_eq!(connection.line("PING"), Reply::Simple(b"PONG".to_vec()));
}

#[test]
fn a_client_hears_once_of_each_key_that_it_has_read() {
    let server = start();
    let mut other = server.connect();
    other.line("MSET a 1 b 2 c 3");
    let mut client = tracker(&server, "");
    client.line("GET a");
    client.line("MGET b missing");
    client.line("SET c 4");
    let info = Info::fetch(&mut other, "stats");
    assert_eq!(["tracking_total_keys", "tracking_total_items"].map(|field| info.count(field)), [3, 3]);
    other.line("SET a 2");
    other.line("SET a 3");
    assert_eq!(invalidated(&mut client), "a");
    other.line("SET c 5");
    other.line("EXPIRE b 100");
    assert_eq!(invalidated(&mut client), "b");
    other.line("SET missing 1");
    assert_eq!(invalidated(&mut client), "missing");
    client.line("STRLEN a");
    other.line("DEL a");
    assert_eq!(invalidated(&mut client), "a");
    assert_hears_nothing(&mut client);
}

#[test]
fn moves_between_the_tiers_are_no_changes() {
    let server = start();
    if !server.is_thermocline() {
        return;
    }
    let mut other = server.connect();
    other.line("MSET a 1 b 2");
    let mut client = tracker(&server, "");
    client.line("MGET a b");
    make_cold(&mut other, &["a", "b"]);
    // Reading it twice brings it back.
    for _ in 0..3 {
        other.line("GET a");
    }
    assert_ne!(tier_of(&mut other, "a").as_deref(), Some("ssd"));
    assert_hears_nothing(&mut client);
    // A cold key is tracked when it was read, and its change is told although nobody reads it.
    make_cold(&mut other, &["a"]);
    assert_eq!(client.text("GET a"), "1");
    make_cold(&mut other, &["a"]);
    other.line("SET a 2");
    assert_eq!(invalidated(&mut client), "a");
    other.line("DEL b");
    assert_eq!(invalidated(&mut client), "b");
    assert_hears_nothing(&mut client);
}

#[test]
fn a_client_hears_of_its_own_changes_behind_the_reply_unless_it_does_not_want_to() {
    let server = start();
    let mut client = tracker(&server, "");
    client.line("GET a");
    assert_eq!(client.text("SET a 1"), "OK");
    assert_eq!(invalidated(&mut client), "a");
    client.line("GET a");
    for command in ["MULTI", "SET a 2", "GET a", "SET a 3"] {
        client.line(command);
    }
    assert_eq!(client.line("EXEC").as_elements().map(<[Reply]>::len), Some(3));
    assert_eq!([invalidated(&mut client), invalidated(&mut client)], ["a", "a"]);
    let mut quiet = tracker(&server, "NOLOOP");
    quiet.line("GET a");
    quiet.line("SET a 4");
    assert_hears_nothing(&mut quiet);
    quiet.line("GET a");
    client.line("SET a 5");
    assert_eq!(invalidated(&mut quiet), "a");
}

#[test]
fn keys_that_expire_or_are_flushed_are_told_of() {
    let server = start();
    let mut other = server.connect();
    let mut client = tracker(&server, "");
    other.line("SET a 1 PX 20");
    client.line("GET a");
    assert_eq!(invalidated(&mut client), "a");
    for flush in ["FLUSHALL", "FLUSHDB"] {
        other.line(flush);
        assert_eq!(invalidated(&mut client), "*");
    }
    assert_eq!(client.text("FLUSHALL"), "OK");
    assert_eq!(invalidated(&mut client), "*");
}

#[test]
fn keys_that_are_evicted_are_told_of() {
    let server = ServerOptions::subject().with("threads", "2").with("tier-capacity", "0").start();
    if !server.is_thermocline() {
        return;
    }
    let mut other = server.connect();
    other.line("CONFIG SET maxmemory-policy allkeys-lru");
    let mut client = tracker(&server, "");
    let value = "x".repeat(10_000);
    for number in 0..200 {
        other.call(&["SET", &format!("k{number}"), &value]);
        client.line(&format!("GET k{number}"));
    }
    other.line("CONFIG SET maxmemory 1");
    wait_until("the keys to be evicted", SOON, || {
        other.line("SET more x");
        other.integer("DBSIZE") < 100
    });
    assert!(invalidated(&mut client).starts_with('k'));
}

#[test]
fn broadcasting_tells_of_prefixes_once_for_each_batch() {
    let server = start();
    let mut other = server.connect();
    let mut all = tracker(&server, "BCAST NOLOOP");
    let mut some = tracker(&server, "BCAST PREFIX user: PREFIX object:");
    other.line("MSET user:1 a thing:1 b user:2 c object:1 d user:1 e");
    assert_eq!(invalidated(&mut all), "object:1 thing:1 user:1 user:2");
    let both = [invalidated(&mut some), invalidated(&mut some)];
    assert!(both.contains(&"user:1 user:2".to_owned()) && both.contains(&"object:1".to_owned()), "{both:?}");
    all.line("SET mine 1");
    assert_hears_nothing(&mut all);
    other.line("SET user:3 1 PX 20");
    assert_eq!([invalidated(&mut some), invalidated(&mut all)], ["user:3", "user:3"]);
    // The server's own work is told of, too.
    assert_eq!([invalidated(&mut some), invalidated(&mut all)], ["user:3", "user:3"]);
    assert_eq!(Info::fetch(&mut other, "stats").count("tracking_total_prefixes"), 3);
    for command in ["MULTI", "INCR user:7", "INCR user:8", "EXEC"] {
        other.line(command);
    }
    assert_eq!([invalidated(&mut some), invalidated(&mut all)], ["user:7 user:8"; 2]);
    some.line("CLIENT TRACKING OFF");
    all.line("RESET");
    let info = Info::fetch(&mut other, "everything");
    assert_eq!(["tracking_clients", "tracking_total_prefixes"].map(|field| info.count(field)), [0, 0]);
}

#[test]
fn opting_in_and_out_is_for_the_next_command_or_transaction() {
    let server = start();
    let mut other = server.connect();
    let mut client = tracker(&server, "OPTIN");
    client.line("GET a");
    client.line("CLIENT CACHING YES");
    client.line("GET b");
    client.line("GET c");
    client.line("CLIENT CACHING YES");
    for command in ["MULTI", "GET d", "GET e", "EXEC", "GET f"] {
        client.line(command);
    }
    for key in ["a", "b", "c", "d", "e", "f"] {
        other.line(&format!("SET {key} 1"));
    }
    let heard: Vec<String> = (0..3).map(|_| invalidated(&mut client)).collect();
    assert_eq!(heard, ["b", "d", "e"]);
    assert_hears_nothing(&mut client);
    let mut client = tracker(&server, "OPTOUT");
    client.line("GET a");
    client.line("CLIENT CACHING NO");
    client.line("GET b");
    other.line("SET b 2");
    other.line("SET a 2");
    assert_eq!(invalidated(&mut client), "a");
    assert_hears_nothing(&mut client);
}

#[test]
fn another_connection_may_be_told_instead() {
    let server = start();
    let mut other = server.connect();
    let mut listener = server.connect();
    let id = listener.integer("CLIENT ID");
    listener.line("SUBSCRIBE __redis__:invalidate");
    let mut client = server.connect();
    assert_eq!(client.text(&format!("CLIENT TRACKING ON REDIRECT {id}")), "OK");
    assert_eq!(client.integer("CLIENT GETREDIR"), id);
    client.line("GET a");
    other.line("SET a 1");
    let message = listener.receive();
    let parts = message.as_elements().expect("a message").to_vec();
    assert_eq!(parts[..2], [Reply::Bulk(b"message".to_vec()), Reply::Bulk(b"__redis__:invalidate".to_vec())]);
    assert_eq!(keys(&parts[2]), "a");
    other.line("FLUSHALL");
    assert_eq!(keys(&listener.receive().as_elements().expect("a message")[2]), "*");
    drop(listener);
    wait_until("the listener to be gone", SOON, || {
        other.line(&format!("CLIENT LIST ID {id}")).as_bytes() == Some(b"")
    });
    client.line("HELLO 3");
    client.line("GET a");
    other.line("SET a 2");
    let Reply::Push(parts) = client.receive() else { panic!("no push") };
    assert_eq!(parts, [Reply::Bulk(b"tracking-redir-broken".to_vec()), Reply::Integer(id)]);
}

#[test]
fn no_more_keys_are_remembered_than_the_table_may_hold() {
    let server = start();
    let mut other = server.connect();
    let mut client = tracker(&server, "");
    for number in 0..300 {
        client.line(&format!("GET k{number}"));
    }
    assert_eq!(other.text("CONFIG SET tracking-table-max-keys 20"), "OK");
    let mut heard: Vec<String> = (0..280).map(|_| invalidated(&mut client)).collect();
    heard.sort();
    heard.dedup();
    assert_eq!(heard.len(), 280, "each is told of once");
    assert_hears_nothing(&mut client);
    client.send(&["GET", "another"]);
    client.receive();
    invalidated(&mut client);
    assert_eq!(Info::fetch(&mut other, "stats").count("tracking_total_keys"), 20);
}

#[test]
fn what_a_script_reads_is_tracked_for_its_client() {
    let server = start();
    let mut other = server.connect();
    let mut client = tracker(&server, "OPTIN");
    client.line("EVAL \"return redis.call('get', 'a')\" 0");
    client.line("CLIENT CACHING YES");
    client.line("EVAL \"redis.call('get', 'b') return redis.call('mget', KEYS[1], 'c')\" 1 d");
    client.line("CLIENT CACHING YES");
    client.line("EVAL_RO \"return 1\" 1 e");
    for key in ["a", "b", "c", "d", "e"] {
        other.line(&format!("SET {key} 1"));
    }
    let heard: Vec<String> = (0..3).map(|_| invalidated(&mut client)).collect();
    assert_eq!(heard, ["b", "c", "d"]);
    assert_hears_nothing(&mut client);
}

/// A value that a client has is never older than what it was last told of: two threads change keys while a client reads
/// them and believes its cache.
#[test]
fn a_cache_that_is_told_of_every_change_is_never_stale_for_long() {
    let server = start();
    let mut client = tracker(&server, "");
    let mut other = server.connect();
    other.line("SET k 0");
    let mut reads = 0;
    for round in 1..=300 {
        let mut cached = client.text("GET k");
        reads += 1;
        other.line(&format!("SET k {round}"));
        if cached != round.to_string() {
            assert_eq!(invalidated(&mut client), "k");
            cached = client.text("GET k");
            reads += 1;
        }
        assert_eq!(cached, round.to_string());
        other.line("TOUCH k");
        // Told of this change before the next round.
        other.line(&format!("SET k {round}"));
        assert_eq!(invalidated(&mut client), "k");
    }
    assert!(reads >= 600);
}

#[test]
fn who_is_served_after_a_wait_hears_of_its_own_change_behind_the_reply() {
    let server = start();
    // Some of them on the client's thread, and some not.
    let mut others: Vec<Connection> = (0..8).map(|_| server.connect()).collect();
    let mut client = tracker(&server, "");
    for round in 0..400 {
        let other = &mut others[round % 8];
        other.line("RPUSH target a");
        client.line("LRANGE target 0 -1");
        client.send(&["BLMOVE", "source", "target", "LEFT", "LEFT", "0"]);
        wait_until("the client to wait", SOON, || {
            Info::fetch(other, "clients").count("blocked_clients") == 1
        });
        other.line("RPUSH source element");
        assert_eq!(client.receive(), Reply::Bulk(b"element".to_vec()), "round {round}");
        assert_eq!(invalidated(&mut client), "target");
    }
}
