//! The replies of the connection commands, which are redis-server's.

use super::COMMANDS;
use crate::command::fixture::Fixture;
use crate::session::ReplyMode;

fn fixture() -> Fixture {
    Fixture::new(&[COMMANDS])
}

fn with_password() -> Fixture {
    let mut fixture = fixture();
    fixture.server.access.set_default_password(Some(b"secret"));
    fixture.session.is_authenticated = false;
    fixture
}

#[test]
fn ping_echo_and_select() {
    fixture().expect(&[
        ("PING", "+PONG"),
        ("PING hello", "$5\\r\\nhello"),
        ("PING a b", "-ERR wrong number of arguments for 'ping' command"),
        ("ECHO x", "$1\\r\\nx"),
        ("SELECT 15", "+OK"),
        ("SELECT 16", "-ERR DB index is out of range"),
        ("SELECT -1", "-ERR DB index is out of range"),
        ("SELECT one", "-ERR value is not an integer or out of range"),
    ]);
}

#[test]
fn a_failed_select_leaves_the_database() {
    let mut fixture = fixture();
    fixture.run("SELECT 3");
    fixture.run("SELECT 99");
    assert_eq!(fixture.session.database(), 3);
}

#[test]
fn without_a_password_auth_says_so_and_the_default_user_may_give_any() {
    fixture().expect(&[
        (
            "AUTH x",
            "-ERR AUTH <password> called without any password configured for the default user. Are you sure your \
             configuration is correct?",
        ),
        ("AUTH default x", "+OK"),
        ("AUTH nobody x", "-WRONGPASS invalid username-password pair or user is disabled."),
        ("AUTH a b c", "-ERR syntax error"),
    ]);
}

#[test]
fn only_the_right_password_lets_in() {
    for wrong in ["x", "secre", "secrets", "secretsecret", "Secret"] {
        let mut fixture = with_password();
        let reply = fixture.run(&format!("AUTH {wrong}"));
        assert!(reply.starts_with("-WRONGPASS"), "{wrong}: {reply}");
        assert!(!fixture.session.is_authenticated);
    }
    let mut fixture = with_password();
    fixture.run_words(&["AUTH", ""]);
    assert!(!fixture.session.is_authenticated, "an empty password is wrong");
    fixture.expect(&[("AUTH secret", "+OK")]);
    assert!(fixture.session.is_authenticated);
}

#[test]
fn hello_switches_the_protocol_and_describes_the_server() {
    fixture().expect(&[
        (
            "HELLO",
            "*14\\r\\n$6\\r\\nserver\\r\\n$5\\r\\nredis\\r\\n$7\\r\\nversion\\r\\n$5\\r\\n7.2.4\\r\\n$5\\r\\nproto\\r\\n:2\\r\\n\
             $2\\r\\nid\\r\\n:1\\r\\n$4\\r\\nmode\\r\\n$10\\r\\nstandalone\\r\\n$4\\r\\nrole\\r\\n$6\\r\\nmaster\\r\\n\
             $7\\r\\nmodules\\r\\n*0",
        ),
        (
            "HELLO 3 SETNAME me",
            "%7\\r\\n$6\\r\\nserver\\r\\n$5\\r\\nredis\\r\\n$7\\r\\nversion\\r\\n$5\\r\\n7.2.4\\r\\n$5\\r\\nproto\\r\\n:3\\r\\n\
             $2\\r\\nid\\r\\n:1\\r\\n$4\\r\\nmode\\r\\n$10\\r\\nstandalone\\r\\n$4\\r\\nrole\\r\\n$6\\r\\nmaster\\r\\n\
             $7\\r\\nmodules\\r\\n*0",
        ),
        ("CLIENT GETNAME", "$2\\r\\nme"),
        ("HELLO 4", "-NOPROTO unsupported protocol version"),
        ("HELLO two", "-ERR Protocol version is not an integer or out of range"),
        ("HELLO 3 AUTH a", "-ERR Syntax error in HELLO option 'AUTH'"),
        ("HELLO 3 nonsense", "-ERR Syntax error in HELLO option 'nonsense'"),
    ]);
}

#[test]
fn hello_without_credentials_is_refused_before_auth() {
    let mut fixture = with_password();
    assert!(fixture.run("HELLO 3").starts_with("-NOAUTH HELLO must be called"));
    assert!(fixture.run("HELLO 3 AUTH default wrong").starts_with("-WRONGPASS"));
    assert_eq!(fixture.session.protocol.version(), 2, "a refused HELLO changes nothing");
    assert!(fixture.run("HELLO 3 AUTH default secret").starts_with("%7"));
}

#[test]
fn reset_forgets_what_the_connection_was_told() {
    let mut fixture = fixture();
    for command in ["HELLO 3 SETNAME me", "SELECT 5", "CLIENT NO-TOUCH ON", "CLIENT REPLY ON"] {
        fixture.run(command);
    }
    fixture.expect(&[("RESET", "+RESET"), ("CLIENT GETNAME", "$-1")]);
    let session = &fixture.session;
    assert_eq!((session.database(), session.no_touch, session.protocol.version()), (0, false, 2));
}

#[test]
fn quit_closes_after_its_reply() {
    let mut fixture = fixture();
    fixture.expect(&[("QUIT", "+OK")]);
    assert!(fixture.session.is_closing);
}

#[test]
fn names_are_plain_words() {
    let mut fixture = fixture();
    fixture.expect(&[
        ("CLIENT GETNAME", "$-1"),
        ("CLIENT SETNAME worker-1", "+OK"),
        ("CLIENT GETNAME", "$8\\r\\nworker-1"),
        ("CLIENT SETINFO LIB-NAME redis-py", "+OK"),
        ("CLIENT SETINFO lib-ver 5.0", "+OK"),
        ("CLIENT SETINFO LIB-COLOR blue", "-ERR Unrecognized option 'LIB-COLOR'"),
    ]);
    let refused = fixture.run_words(&["CLIENT", "SETNAME", "a b"]);
    assert_eq!(refused, b"-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
    let refused = fixture.run_words(&["CLIENT", "SETINFO", "lib-ver", "a b"]);
    assert_eq!(refused, b"-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n");
    let line = fixture.run("CLIENT INFO");
    assert!(line.contains("name=worker-1 ") && line.contains("lib-name=redis-py lib-ver=5.0"), "{line}");
}

#[test]
fn client_list_knows_what_it_is_asked_for() {
    fixture().expect(&[
        ("CLIENT LIST ID 1 x", "-ERR Invalid client ID"),
        ("CLIENT LIST ID 999", "$0\\r\\n"),
        ("CLIENT LIST TYPE pubsub", "$0\\r\\n"),
        ("CLIENT LIST TYPE nonsense", "-ERR Unknown client type 'nonsense'"),
        ("CLIENT LIST nonsense", "-ERR syntax error"),
    ]);
}

#[test]
fn client_kill_reads_filters_as_redis_does() {
    fixture().expect(&[
        ("CLIENT KILL 1.2.3.4:5", "-ERR No such client"),
        ("CLIENT KILL ID 999", ":0"),
        ("CLIENT KILL ID 0", "-ERR client-id should be greater than 0"),
        ("CLIENT KILL USER nobody", "-ERR No such user 'nobody'"),
        ("CLIENT KILL TYPE nonsense", "-ERR Unknown client type 'nonsense'"),
        ("CLIENT KILL SKIPME maybe", "-ERR syntax error"),
        ("CLIENT KILL ID 1 TYPE", "-ERR syntax error"),
    ]);
}

#[test]
fn reply_modes_are_kept_in_the_session() {
    let mut fixture = fixture();
    fixture.run("CLIENT REPLY SKIP");
    assert_eq!(fixture.session.reply_mode, ReplyMode::SkipNext);
    fixture.run("CLIENT REPLY OFF");
    assert_eq!(fixture.session.reply_mode, ReplyMode::Off);
    fixture.run("CLIENT REPLY SKIP");
    assert_eq!(fixture.session.reply_mode, ReplyMode::Off, "nothing is skipped where nothing is sent");
    fixture.expect(&[("CLIENT REPLY maybe", "-ERR syntax error")]);
}

#[test]
fn pauses_are_checked_and_end() {
    fixture().expect(&[
        ("CLIENT PAUSE x", "-ERR timeout is not an integer or out of range"),
        ("CLIENT PAUSE -1", "-ERR timeout is negative"),
        ("CLIENT PAUSE 1 READ", "-ERR CLIENT PAUSE mode must be WRITE or ALL"),
        ("CLIENT PAUSE 1 WRITE", "+OK"),
        ("CLIENT UNPAUSE", "+OK"),
    ]);
}

#[test]
fn what_does_not_exist_yet_is_refused_or_answers_that_there_is_none() {
    fixture().expect(&[
        ("CLIENT TRACKING OFF", "+OK"),
        ("CLIENT GETREDIR", ":-1"),
        ("CLIENT TRACKINGINFO", "*6\\r\\n$5\\r\\nflags\\r\\n*1\\r\\n$3\\r\\noff\\r\\n$8\\r\\nredirect\\r\\n:-1\\r\\n$8\\r\\nprefixes\\r\\n*0"),
        ("CLIENT UNBLOCK 5", ":0"),
        ("CLIENT UNBLOCK 5 NOW", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
    ]);
}
