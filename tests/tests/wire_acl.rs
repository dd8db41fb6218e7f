//! Users and what they may do.

use std::fs;
use std::time::Duration;

use thermocline_protocol::Reply;
use thermocline_tests::info::Info;
use thermocline_tests::server::ServerDirectory;
use thermocline_tests::waiting::wait_until;
use thermocline_tests::{Connection, Server, ServerOptions};

const SOON: Duration = Duration::from_secs(20);
const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";
const NO_KEY: &str = "NOPERM No permissions to access a key";

/// A server, an operator's connection to it, and one of the user `u`, whom these rules make.
fn start(rules: &str) -> (Server, Connection, Connection) {
    let server = ServerOptions::subject().start();
    let mut operator = server.connect();
    assert_eq!(operator.text(&format!("ACL SETUSER u on >secret {rules}")), "OK");
    let mut user = server.connect();
    assert_eq!(user.text("AUTH u secret"), "OK");
    (server, operator, user)
}

/// A field of the newest entry of ACL LOG.
fn newest_log_entry(operator: &mut Connection, field: &str) -> String {
    let log = operator.line("ACL LOG 1");
    let entry = log.as_elements().expect("an array")[0].as_elements().expect("fields").to_vec();
    let pair = entry.chunks(2).find(|pair| pair[0].as_bytes() == Some(field.as_bytes()));
    String::from_utf8_lossy(pair.expect("the field")[1].as_bytes().expect("a text")).into_owned()
}

#[test]
fn a_user_may_do_what_its_rules_say_and_nothing_else() {
    let (_server, mut operator, mut user) = start("~a* +get +set +config|get +select|1");
    assert_eq!(user.text("SET a1 x"), "OK");
    assert_eq!(user.text("GET a1"), "x");
    assert_eq!(user.error("GET b"), NO_KEY);
    assert_eq!(user.error("DEL a1"), "NOPERM User u has no permissions to run the 'del' command");
    assert!(matches!(user.line("CONFIG GET port"), Reply::Array(_)));
    assert_eq!(
        user.error("CONFIG SET maxclients 1"),
        "NOPERM User u has no permissions to run the 'config|set' command"
    );
    assert_eq!(user.error("SELECT 0"), "NOPERM User u has no permissions to run the 'select' command");
    assert_eq!(user.text("SELECT 1"), "OK");
    // What everybody may do, and what is no command at all.
    assert_eq!(user.text("AUTH u secret"), "OK");
    assert!(user.error("NOTHING").starts_with("ERR unknown command"));
    assert!(operator.text("CLIENT LIST").contains(" user=u "));
}

#[test]
fn keys_may_be_given_for_reading_or_for_writing_only() {
    let (_server, mut operator, mut user) = start("%R~r* %W~w* +@all");
    operator.text("MSET r 1 w 1");
    assert_eq!(user.text("GET r"), "1");
    assert_eq!(user.error("GET w"), NO_KEY);
    assert_eq!(user.text("SET w 2"), "OK");
    assert_eq!(user.error("SET r 2"), NO_KEY);
    assert_eq!(user.error("SET w 2 GET"), NO_KEY);
    // To look at a value without reading it needs any permission at all.
    assert_eq!((user.integer("STRLEN w"), user.integer("EXISTS r w")), (1, 2));
    assert_eq!(user.integer("COPY r w2"), 1);
    assert_eq!(user.error("COPY w r2"), NO_KEY);
    assert_eq!(user.error("RENAME w w3"), NO_KEY);
    assert_eq!(user.line("BITFIELD r GET u8 0"), Reply::Array(vec![Reply::Integer(0x31)]));
    assert_eq!(user.error("BITFIELD r SET u8 0 1"), NO_KEY);
    assert_eq!(user.error("MGET r x"), NO_KEY);
}

#[test]
fn one_selector_must_permit_all_of_a_command() {
    let (_server, mut operator, mut user) = start("(%R~r* +@all) (%W~w* +@all) (+mget ~a)");
    operator.text("MSET r 1 w 1");
    assert_eq!(user.text("GET r"), "1");
    assert_eq!(user.text("SET w 1"), "OK");
    assert_eq!(user.error("COPY r w2"), NO_KEY);
    user.error("MGET a r b");
    // The selector that came closest says what was missing.
    assert_eq!(newest_log_entry(&mut operator, "object"), "r");
}

#[test]
fn changes_are_in_force_with_the_next_command() {
    let (_server, mut operator, mut user) = start("~* +get");
    assert_eq!(user.line("GET a"), Reply::NullBulk);
    operator.text("ACL SETUSER u -get +set");
    assert!(user.error("GET a").starts_with("NOPERM"));
    assert_eq!(user.text("SET a 1"), "OK");
    operator.text("ACL SETUSER u allcommands allkeys allchannels");
    assert_eq!(user.text("GET a"), "1");
    // Who is in stays in, even if the user is off.
    operator.text("ACL SETUSER u off");
    assert_eq!(user.text("GET a"), "1");
    assert_eq!(user.error("AUTH u secret"), WRONGPASS);
}

#[test]
fn the_connections_of_a_deleted_user_are_closed() {
    let (server, mut operator, mut user) = start("~* +@all");
    let mut own = server.connect();
    own.text("AUTH u secret");
    assert_eq!(own.integer("ACL DELUSER u"), 1);
    assert!(own.is_closed_by_server() && user.is_closed_by_server());
    assert_eq!(operator.text("PING"), "PONG");
    assert_eq!(operator.error("AUTH u secret"), WRONGPASS);
}

#[test]
fn the_default_user_may_be_restricted_too() {
    let server = ServerOptions::subject().start();
    let mut operator = server.connect();
    operator.text("ACL SETUSER admin on >secret ~* &* +@all");
    operator.text("AUTH admin secret");
    let mut client = server.connect();
    assert_eq!(client.text("PING"), "PONG");
    operator.text("ACL SETUSER default off");
    // As in Redis, who was let in stays.
    assert_eq!(client.text("PING"), "PONG");
    assert_eq!(server.connect().error("PING"), "NOAUTH Authentication required.");
    operator.text("ACL SETUSER default on -ping");
    assert_eq!(client.error("PING"), "NOPERM User default has no permissions to run the 'ping' command");
    assert_eq!(operator.text("RESET"), "RESET");
    assert!(operator.error("PING").starts_with("NOPERM User default"));
    operator.text("AUTH admin secret");
    operator.text("ACL SETUSER default >x");
    let mut client = server.connect();
    assert_eq!(client.error("GET a"), "NOAUTH Authentication required.");
    assert_eq!(client.text("AUTH x"), "OK");
    assert_eq!(client.line("GET a"), Reply::NullBulk);
}

#[test]
fn refusals_are_logged_and_counted() {
    let (_server, mut operator, mut user) = start("~a* +get");
    for command in ["GET b", "GET b", "SET a 1", "GET c"] {
        user.error(command);
    }
    user.error("AUTH u wrong");
    let mut field = |field: &str| newest_log_entry(&mut operator, field);
    assert_eq!([field("reason"), field("object"), field("username")], ["auth", "AUTH", "u"]);
    assert!(field("client-info").contains(" cmd=auth user=u "));
    operator.text("ACL LOG RESET");
    user.error("GET b");
    let mut field = |field: &str| newest_log_entry(&mut operator, field);
    assert_eq!([field("reason"), field("context"), field("object")], ["key", "toplevel", "b"]);
    assert!(field("client-info").contains(" cmd=get user=u "), "{}", field("client-info"));
    let stats = Info::fetch(&mut operator, "stats");
    let counts =
        ["auth", "cmd", "key", "channel"].map(|kind| stats.count(&format!("acl_access_denied_{kind}")));
    assert_eq!(counts, [1, 1, 4, 0]);
    operator.text("CONFIG RESETSTAT");
    assert_eq!(Info::fetch(&mut operator, "stats").count("acl_access_denied_key"), 0);
}

#[test]
fn passwords_are_kept_out_of_slowlog() {
    let (_server, mut operator, _) = start("");
    operator.text("CONFIG SET slowlog-log-slower-than 0");
    operator.text("ACL SETUSER hidden >swordfish");
    let log = format!("{:?}", operator.line("SLOWLOG GET"));
    assert!(log.contains("(redacted)") && !log.contains("swordfish") && !log.contains("hidden"), "{log}");
}

#[test]
fn channels_are_permitted_one_by_one() {
    const NO_CHANNEL: &str = "NOPERM No permissions to access a channel";
    let (_server, mut operator, mut user) = start("+@all &news &sports.*");
    assert_eq!(user.integer("PUBLISH news x"), 0);
    assert_eq!(user.error("PUBLISH other x"), NO_CHANNEL);
    assert_eq!(user.error("SPUBLISH other x"), NO_CHANNEL);
    assert_eq!(user.error("SUBSCRIBE sports.golf other"), NO_CHANNEL);
    assert_eq!(user.error("SSUBSCRIBE other"), NO_CHANNEL);
    // A pattern has to be the very pattern of a rule.
    assert_eq!(user.error("PSUBSCRIBE sports.g*"), NO_CHANNEL);
    assert!(matches!(user.line("PSUBSCRIBE sports.*"), Reply::Array(_)));
    assert_eq!(newest_log_entry(&mut operator, "object"), "sports.g*");
    assert_eq!(newest_log_entry(&mut operator, "reason"), "channel");
}

#[test]
fn who_hears_what_it_may_not_hear_any_more_is_closed() {
    let (server, mut operator, mut user) = start("+@all &news &sports.*");
    user.line("SUBSCRIBE news");
    let mut other = server.connect();
    other.text("AUTH u secret");
    other.line("PSUBSCRIBE sports.*");
    operator.text("ACL SETUSER u resetchannels &n* &sports.*");
    assert_eq!(operator.integer("PUBLISH news x"), 1);
    user.receive();
    operator.text("ACL SETUSER u resetchannels &n* &sports");
    assert!(other.is_closed_by_server());
    assert_eq!(operator.integer("PUBLISH news x"), 1);
    operator.text("ACL SETUSER u resetchannels");
    user.receive();
    assert!(user.is_closed_by_server());
}

#[test]
fn a_transaction_is_checked_when_it_is_queued_and_when_it_runs() {
    let (_server, mut operator, mut user) = start("~* +@all");
    assert_eq!(user.text("MULTI"), "OK");
    assert_eq!(user.text("INCR a"), "QUEUED");
    assert_eq!(user.text("INCR b"), "QUEUED");
    operator.text("ACL SETUSER u resetkeys ~a");
    let replies = user.line("EXEC");
    let replies = replies.as_elements().expect("an array");
    assert_eq!(replies[0], Reply::Integer(1));
    let Reply::Error(text) = &replies[1] else { panic!("{replies:?}") };
    assert!(text.starts_with(b"NOPERM ACLs rules changed between the moment"), "{replies:?}");
    assert_eq!(newest_log_entry(&mut operator, "context"), "multi");
    assert!(newest_log_entry(&mut operator, "client-info").contains(" cmd=exec "));
    user.text("MULTI");
    assert_eq!(user.error("INCR b"), NO_KEY);
    assert!(user.error("EXEC").starts_with("EXECABORT"));
}

#[test]
fn a_command_that_waits_is_checked_again_when_it_can_go_on() {
    let (_server, mut operator, mut user) = start("~* +@all");
    user.send(&["BZPOPMIN", "z", "0"]);
    wait_until("a waiting client", SOON, || {
        Info::fetch(&mut operator, "clients").count("blocked_clients") == 1
    });
    operator.text("ACL SETUSER u resetkeys");
    operator.integer("ZADD z 1 m");
    assert_eq!(user.receive(), Reply::Error(NO_KEY.as_bytes().to_vec()));
    assert_eq!(operator.integer("ZCARD z"), 1);
}

#[test]
fn users_may_be_kept_in_a_file_of_their_own() {
    let directory = ServerDirectory::new();
    let path = directory.path().join("users.acl");
    fs::write(&path, "user alice on nopass ~* +@all\n\nuser bob off\n").expect("a file");
    let server = ServerOptions::subject().with("aclfile", "users.acl").start_in(directory);
    let mut operator = server.connect();
    let names = |connection: &mut Connection| {
        let names = connection.line("ACL USERS");
        let names = names.as_elements().expect("an array").iter();
        names
            .map(|name| String::from_utf8_lossy(name.as_bytes().expect("a name")).into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&mut operator), ["alice", "bob", "default"]);
    let [mut alice, mut carol] = [server.connect(), server.connect()];
    alice.text("AUTH alice x");
    operator.text("ACL SETUSER carol on nopass +@all");
    carol.text("AUTH carol x");
    operator.text("ACL SETUSER bob +get ~b");
    assert_eq!(operator.text("ACL SAVE"), "OK");
    let saved = fs::read_to_string(&path).expect("a file");
    assert_eq!(
        saved,
        "user alice on nopass sanitize-payload ~* resetchannels +@all\n\
         user bob off sanitize-payload ~b resetchannels -@all +get\n\
         user carol on nopass sanitize-payload resetchannels +@all\n\
         user default on nopass sanitize-payload ~* &* +@all\n"
    );

    // A file that makes no sense changes nothing.
    fs::write(&path, "user alice on nopass +get ~a*\nuser bob nonsense\n").expect("a file");
    let error = operator.error("ACL LOAD");
    assert_eq!(
        error,
        "ERR users.acl:2: Syntax error. WARNING: ACL errors detected, no change to the previously active ACL rules \
         was performed"
    );
    assert_eq!(names(&mut operator), ["alice", "bob", "carol", "default"]);

    // One that does replaces all: who is not in it is gone, and who is has its rules.
    fs::write(&path, "user alice on nopass +get ~a*\n").expect("a file");
    assert_eq!(operator.text("ACL LOAD"), "OK");
    assert_eq!(names(&mut operator), ["alice", "default"]);
    assert!(carol.is_closed_by_server());
    assert_eq!(alice.line("GET a"), Reply::NullBulk);
    assert_eq!(alice.error("GET b"), NO_KEY);
}

#[test]
fn users_may_be_said_at_start_and_are_rewritten() {
    let directory = ServerDirectory::new();
    let path = directory.path().join("test.conf");
    fs::write(&path, "user alice on >pw ~* +@all\nrequirepass secret\n").expect("a file");
    let file = path.to_str().expect("a path").to_owned();
    let mut options = ServerOptions::subject();
    let mut server = options.start_with(&[&file, "--user", "bob", "on", "nopass", "+ping"]);
    let mut connection = server.connect();
    assert_eq!(connection.text("AUTH bob x"), "OK");
    assert_eq!(connection.text("PING"), "PONG");
    assert_eq!(connection.text("AUTH alice pw"), "OK");
    connection.text("ACL SETUSER alice -flushall");
    assert_eq!(connection.text("CONFIG REWRITE"), "OK");
    let written = fs::read_to_string(&path).expect("a file");
    let hash = "30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4";
    let alice = format!("user alice on sanitize-payload #{hash} ~* resetchannels +@all -flushall\n");
    assert!(written.starts_with(&alice), "{written}");
    assert!(
        written.contains("\nuser bob on nopass sanitize-payload resetchannels -@all +ping\n"),
        "{written}"
    );
    assert!(!written.contains("user default"), "requirepass says all of it: {written}");

    options = ServerOptions::subject();
    server = options.start_with(&[&file]);
    let mut connection = server.connect();
    assert_eq!(connection.text("AUTH secret"), "OK");
    assert_eq!(connection.text("AUTH alice pw"), "OK");
    assert!(connection.error("FLUSHALL").starts_with("NOPERM"));
}

#[test]
fn what_makes_no_sense_of_users_is_told_at_start() {
    for (arguments, error) in [
        (&["--user", "foo", "on", "bar"][..], "user foo: Syntax error"),
        (&["--user", "foo", "--user", "foo"], "Duplicate user found"),
        (&["--user", "foo", "--aclfile", "users.acl"], "not in both"),
        (
            &["--aclfile", "users.acl"],
            "Error loading ACLs, opening file 'users.acl': No such file or directory",
        ),
    ] {
        let (status, log) = ServerOptions::subject().run_to_end(arguments);
        assert!(!status.success() && log.contains(error), "{arguments:?}: {log}");
    }
}
