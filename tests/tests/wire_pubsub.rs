//! Publishing and subscribing over the wire, in both versions of the protocol, between server threads.

use std::time::Duration;

use thermocline_protocol::{Reply, encode_request};
use thermocline_tests::info::Info;
use thermocline_tests::waiting::wait_until;
use thermocline_tests::{Connection, Server, ServerOptions};

const SOON: Duration = Duration::from_secs(30);

/// More clients than these need a raised limit of descriptors, on both sides.
const SUBSCRIBERS: usize = 10_000;

fn start() -> Server {
    ServerOptions::subject().with("threads", "2").start()
}

/// The strings and numbers of a message, with blanks between them.
fn words(reply: &Reply) -> String {
    let (Reply::Array(parts) | Reply::Push(parts)) = reply else { panic!("{reply:?} is no message") };
    let word = |part: &Reply| match part {
        Reply::Integer(number) => number.to_string(),
        part => part.as_bytes().map_or("nil".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned()),
    };
    parts.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// The next message, which must be pushed.
fn pushed(connection: &mut Connection) -> String {
    let message = connection.receive();
    assert!(matches!(message, Reply::Push(_)), "{message:?}");
    words(&message)
}

fn resp3(server: &Server) -> Connection {
    let mut connection = server.connect();
    connection.line("HELLO 3");
    connection
}

#[test]
fn a_message_reaches_subscribers_of_both_protocols_on_all_threads() {
    let server = start();
    let mut old: Vec<Connection> = (0..8).map(|_| server.connect()).collect();
    let mut new: Vec<Connection> = (0..8).map(|_| resp3(&server)).collect();
    for connection in &mut old {
        assert_eq!(words(&connection.line("SUBSCRIBE news")), "subscribe news 1");
    }
    for connection in &mut new {
        assert_eq!(words(&connection.line("PSUBSCRIBE n?ws")), "psubscribe n?ws 1");
    }
    let mut publisher = server.connect();
    for number in 0..50 {
        assert_eq!(publisher.integer(&format!("PUBLISH news {number}")), 16);
    }
    for number in 0..50 {
        for connection in &mut old {
            assert_eq!(words(&connection.receive()), format!("message news {number}"));
        }
        for connection in &mut new {
            assert_eq!(pushed(connection), format!("pmessage n?ws news {number}"));
        }
    }
}

#[test]
fn a_subscriber_of_resp2_may_do_little_and_one_of_resp3_all() {
    let server = start();
    let mut old = server.connect();
    old.line("SUBSCRIBE a");
    assert_eq!(
        old.error("CLIENT LIST"),
        "ERR Can't execute 'client|list': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in \
         this context"
    );
    assert_eq!(words(&old.line("PING")), "pong ");
    assert_eq!(words(&old.line("UNSUBSCRIBE")), "unsubscribe a 0");
    assert_eq!(old.text("PING"), "PONG");
    let mut new = resp3(&server);
    new.line("SUBSCRIBE a");
    assert_eq!(new.text("SET k v"), "OK");
    assert_eq!(new.text("PING"), "PONG");
}

#[test]
fn who_publishes_to_itself_gets_the_reply_before_the_message() {
    let server = start();
    let mut client = resp3(&server);
    client.line("SUBSCRIBE a");
    assert_eq!(client.integer("PUBLISH a 1"), 1);
    assert_eq!(pushed(&mut client), "message a 1");
    // In a transaction the messages come behind all replies.
    for command in ["MULTI", "PING x", "PUBLISH a 2", "PUBLISH a 3", "SUBSCRIBE b"] {
        client.line(command);
    }
    let replies = client.line("EXEC");
    let replies = replies.as_elements().expect("replies").to_vec();
    assert_eq!(replies[..3], [Reply::Bulk(b"x".to_vec()), Reply::Integer(1), Reply::Integer(1)]);
    assert_eq!(words(&replies[3]), "subscribe b 2");
    assert_eq!([pushed(&mut client), pushed(&mut client)], ["message a 2", "message a 3"]);
    // And in a pipeline each behind the reply of its command.
    let mut requests = Vec::new();
    for words in [&["PUBLISH", "a", "4"][..], &["ECHO", "x"], &["PUBLISH", "b", "5"]] {
        encode_request(&mut requests, words);
    }
    client.send_raw(&requests);
    assert_eq!(client.receive(), Reply::Integer(1));
    assert_eq!(pushed(&mut client), "message a 4");
    assert_eq!(client.receive(), Reply::Bulk(b"x".to_vec()));
    assert_eq!(client.receive(), Reply::Integer(1));
    assert_eq!(pushed(&mut client), "message b 5");
}

#[test]
fn a_script_that_publishes_to_its_client_replies_first() {
    let server = start();
    let mut client = resp3(&server);
    client.line("SUBSCRIBE a");
    let script = "EVAL \"redis.call('publish', 'a', '1') redis.call('publish', 'a', '2') return 'done'\" 0";
    assert_eq!(client.text(script), "done");
    assert_eq!([pushed(&mut client), pushed(&mut client)], ["message a 1", "message a 2"]);
}

#[test]
fn messages_and_confirmations_are_sent_whatever_client_reply_says() {
    let server = start();
    let mut client = resp3(&server);
    client.send(&["CLIENT", "REPLY", "OFF"]);
    client.send(&["SUBSCRIBE", "a"]);
    assert_eq!(pushed(&mut client), "subscribe a 1");
    client.send(&["PING"]);
    client.send(&["PUBLISH", "a", "1"]);
    assert_eq!(pushed(&mut client), "message a 1");
}

#[test]
fn subscriptions_end_with_the_connection_and_with_reset() {
    let server = start();
    let mut client = server.connect();
    for command in ["SUBSCRIBE a b", "PSUBSCRIBE a*", "SSUBSCRIBE a"] {
        client.line(command);
    }
    client.receive();
    let mut other = server.connect();
    let figures = |other: &mut Connection| {
        let info = Info::fetch(other, "stats");
        ["pubsub_channels", "pubsub_patterns", "pubsubshard_channels"].map(|field| info.count(field))
    };
    assert_eq!(figures(&mut other), [2, 1, 1]);
    let list = other.text("CLIENT LIST TYPE pubsub");
    assert!(list.contains("flags=P ") && list.contains(" sub=2 psub=1 ssub=1 "), "{list}");
    assert_eq!(client.text("RESET"), "RESET");
    assert_eq!(figures(&mut other), [0, 0, 0]);
    client.line("SUBSCRIBE a");
    assert_eq!(figures(&mut other), [1, 0, 0]);
    drop(client);
    wait_until("the subscription to end", SOON, || figures(&mut other) == [0, 0, 0]);
    assert_eq!(other.integer("PUBLISH a x"), 0);
}

#[test]
fn a_subscriber_that_does_not_read_is_cut_off_and_others_are_not() {
    let server = ServerOptions::subject()
        .with("threads", "2")
        .with("client-output-buffer-limit", "pubsub 8mb 0 0")
        .start();
    let (mut slow, mut quick) = (server.connect(), server.connect());
    for connection in [&mut slow, &mut quick] {
        connection.line("SUBSCRIBE a");
    }
    let message = "x".repeat(256 * 1024);
    let mut publisher = server.connect();
    let mut published = 0;
    wait_until("the slow subscriber to be closed", SOON, || {
        publisher.call(&["PUBLISH", "a", &message]);
        published += 1;
        assert_eq!(words(&quick.receive()).len(), "message a ".len() + message.len());
        publisher.integer("PUBLISH a x");
        assert_eq!(words(&quick.receive()), "message a x");
        !publisher.text("CLIENT LIST TYPE pubsub").trim_end().contains('\n')
    });
    assert!(published > 8 << 20 >> 18, "not before the limit");
    if server.is_thermocline() {
        let closings =
            Info::fetch(&mut publisher, "stats").count("client_output_buffer_limit_disconnections");
        assert_eq!(closings, 1);
        assert!(server.memory_bytes("VmHWM") < 200 << 20, "what was published is held once");
    }
}

#[test]
fn a_user_who_may_no_longer_hear_a_channel_is_disconnected() {
    let server = start();
    let mut operator = server.connect();
    operator.text("ACL SETUSER u on nopass +@all resetchannels &a* &b*");
    let mut clients = ["a1", "b*"].map(|name| {
        let mut client = server.connect();
        assert_eq!(client.text("AUTH u x"), "OK");
        let command = if name == "a1" { "SUBSCRIBE" } else { "PSUBSCRIBE" };
        client.line(&format!("{command} {name}"));
        client
    });
    let refused = clients[0].error("SUBSCRIBE c");
    assert_eq!(refused, "NOPERM No permissions to access a channel");
    operator.text("ACL SETUSER u resetchannels &a*");
    assert!(clients[1].is_closed_by_server());
    assert_eq!(operator.integer("PUBLISH a1 x"), 1);
    assert_eq!(words(&clients[0].receive()), "message a1 x");
}

#[test]
fn a_client_that_waits_in_a_blocking_command_gets_its_messages() {
    let server = start();
    let mut waiter = resp3(&server);
    waiter.line("SUBSCRIBE a");
    waiter.send(&["BZPOPMIN", "z", "0"]);
    let mut other = server.connect();
    wait_until("the client to wait", SOON, || {
        Info::fetch(&mut other, "clients").count("blocked_clients") == 1
    });
    assert_eq!(other.integer("PUBLISH a 1"), 1);
    assert_eq!(pushed(&mut waiter), "message a 1");
    other.line("ZADD z 1 m");
    assert!(matches!(waiter.receive(), Reply::Array(_)));
}

#[test]
fn ten_thousand_subscribers_of_one_channel_get_every_message_in_order() {
    raise_descriptor_limit();
    let server = ServerOptions::subject().with("threads", "2").with("maxclients", "11000").start();
    let mut subscribers: Vec<Connection> = Vec::with_capacity(SUBSCRIBERS);
    while subscribers.len() < SUBSCRIBERS {
        let mut batch: Vec<Connection> = (0..500).map(|_| server.connect()).collect();
        batch.iter_mut().for_each(|connection| connection.send(&["SUBSCRIBE", "c"]));
        batch.iter_mut().for_each(|connection| assert_eq!(words(&connection.receive()), "subscribe c 1"));
        subscribers.append(&mut batch);
    }
    let mut publisher = server.connect();
    let rounds = 5;
    for round in 0..rounds {
        assert_eq!(publisher.integer(&format!("PUBLISH c {round}")), SUBSCRIBERS as i64);
    }
    for connection in &mut subscribers {
        for round in 0..rounds {
            assert_eq!(words(&connection.receive()), format!("message c {round}"));
        }
    }
    drop(subscribers);
    wait_until("all to be gone", SOON, || publisher.integer("PUBLISH c x") == 0);
}

/// The test holds one descriptor for each subscriber.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = SUBSCRIBERS as u64 + 1_000;
    let current = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if limit.current.is_some_and(|now| now < current) {
        let raised = Rlimit { current: Some(current), maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised).expect("below the maximum");
    }
}
