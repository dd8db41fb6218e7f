//! What the commands of this group reply.

use std::sync::Arc;

use thermocline_engine::UnixMillis;

use crate::command::fixture::Fixture;
use crate::command::{connection, pubsub};
use crate::server::clients::ClientShared;
use crate::server::pubsub::TopicKind;

fn fixture() -> Fixture {
    Fixture::new(&[pubsub::COMMANDS, connection::COMMANDS])
}

fn confirmation(kind: char, command: &str, name: &str, count: usize) -> String {
    let (command_length, name_length) = (command.len(), name.len());
    format!(
        "{kind}3\\r\\n${command_length}\\r\\n{command}\\r\\n${name_length}\\r\\n{name}\\r\\n:{count}\\r\\n"
    )
}

#[test]
fn each_name_is_confirmed_with_how_many_there_are() {
    let mut fixture = fixture();
    let confirm = |command, name, count| confirmation('*', command, name, count);
    assert_eq!(
        fixture.run("SUBSCRIBE a a b"),
        confirm("subscribe", "a", 1) + &confirm("subscribe", "a", 1) + &confirm("subscribe", "b", 2)
    );
    assert_eq!(fixture.run("PSUBSCRIBE x*"), confirm("psubscribe", "x*", 3));
    assert_eq!(fixture.run("SSUBSCRIBE a"), confirm("ssubscribe", "a", 1));
    assert_eq!(
        fixture.run("UNSUBSCRIBE zz a"),
        confirm("unsubscribe", "zz", 3) + &confirm("unsubscribe", "a", 2)
    );
    assert_eq!(fixture.run("PUNSUBSCRIBE"), confirm("punsubscribe", "x*", 1));
    assert_eq!(fixture.run("UNSUBSCRIBE"), confirm("unsubscribe", "b", 0));
    assert_eq!(fixture.run("UNSUBSCRIBE"), "*3\\r\\n$11\\r\\nunsubscribe\\r\\n$-1\\r\\n:0\\r\\n");
    assert_eq!(fixture.run("SUNSUBSCRIBE"), confirm("sunsubscribe", "a", 0));
    assert!(fixture.session.hearing.is_none(), "who hears nothing has nothing to remember");
}

#[test]
fn confirmations_are_pushed_to_clients_of_resp3() {
    let mut fixture = fixture();
    fixture.run("HELLO 3");
    assert_eq!(fixture.run("SUBSCRIBE a"), confirmation('>', "subscribe", "a", 1));
    assert_eq!(fixture.run("PUNSUBSCRIBE"), ">3\\r\\n$12\\r\\npunsubscribe\\r\\n_\\r\\n:1\\r\\n");
    fixture.expect(&[("PING", "+PONG")]);
}

#[test]
fn what_was_published_before_comes_before_the_end_of_a_subscription() {
    let mut fixture = fixture();
    fixture.run("SUBSCRIBE a");
    fixture.server.pubsub.publish(b"a", b"m");
    let message = "*3\\r\\n$7\\r\\nmessage\\r\\n$1\\r\\na\\r\\n$1\\r\\nm\\r\\n";
    assert_eq!(fixture.run("UNSUBSCRIBE a"), message.to_owned() + &confirmation('*', "unsubscribe", "a", 0));
    fixture.run("SUBSCRIBE a");
    fixture.server.pubsub.publish(b"a", b"m");
    assert_eq!(fixture.run("RESET"), message.to_owned() + "+RESET\\r\\n");
    assert_eq!(fixture.server.pubsub.topic_count(TopicKind::Channel), 0);
}

#[test]
fn a_subscriber_of_resp2_is_ponged_with_an_array() {
    let mut fixture = fixture();
    fixture.run("SSUBSCRIBE a");
    fixture.expect(&[
        ("PING", "*2\\r\\n$4\\r\\npong\\r\\n$0\\r\\n"),
        ("PING x", "*2\\r\\n$4\\r\\npong\\r\\n$1\\r\\nx"),
        ("PING x y", "-ERR wrong number of arguments for 'ping' command"),
    ]);
}

#[test]
fn topics_are_listed_and_counted() {
    let mut fixture = fixture();
    let client = |id| Arc::new(ClientShared::new(id, UnixMillis(0), None));
    let pubsub = &fixture.server.pubsub;
    for id in [7, 8] {
        pubsub.subscribe(TopicKind::Channel, b"ab", &client(id));
    }
    pubsub.subscribe(TopicKind::Pattern, b"a*", &client(7));
    pubsub.subscribe(TopicKind::ShardChannel, b"s", &client(7));
    fixture.expect(&[
        ("PUBSUB CHANNELS", "*1\\r\\n$2\\r\\nab"),
        ("PUBSUB CHANNELS a?", "*1\\r\\n$2\\r\\nab"),
        ("PUBSUB CHANNELS b*", "*0"),
        ("PUBSUB NUMSUB", "*0"),
        ("PUBSUB NUMSUB ab x", "*4\\r\\n$2\\r\\nab\\r\\n:2\\r\\n$1\\r\\nx\\r\\n:0"),
        ("PUBSUB NUMPAT", ":1"),
        ("PUBSUB SHARDCHANNELS", "*1\\r\\n$1\\r\\ns"),
        ("PUBSUB SHARDNUMSUB s ab", "*4\\r\\n$1\\r\\ns\\r\\n:1\\r\\n$2\\r\\nab\\r\\n:0"),
        (
            "PUBSUB CHANNELS a b",
            "-ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.",
        ),
        ("PUBLISH ab x", ":3"),
        ("SPUBLISH s x", ":1"),
        ("SPUBLISH ab x", ":0"),
    ]);
}
