//! The replies of ACL, which are redis-server 7.2's.

use super::super::COMMANDS;
use crate::command::connection;
use crate::command::fixture::Fixture;

fn fixture() -> Fixture {
    Fixture::new(&[COMMANDS, connection::COMMANDS])
}

/// What ACL LIST says of a user that was made by these rules.
fn listed(rules: &str) -> String {
    let mut fixture = fixture();
    fixture.expect(&[(&*format!("ACL SETUSER u {rules}"), "+OK")]);
    let reply = fixture.run("ACL LIST");
    let line = reply.split("\\r\\n").find(|line| line.starts_with("user u ")).expect("it is listed");
    line["user u ".len()..].to_owned()
}

/// The error for a rule.
fn refused(rules: &str) -> String {
    let reply = fixture().run(&format!("ACL SETUSER u {rules}"));
    let error = reply.strip_prefix("-ERR Error in ACL SETUSER modifier ").expect("an error");
    error.strip_suffix("\\r\\n").expect("a line").to_owned()
}

#[test]
fn users_are_listed_as_the_rules_that_make_them() {
    const NEW: &str = "off sanitize-payload resetchannels -@all";
    assert_eq!(listed(""), NEW);
    assert_eq!(listed("on nopass ~* &* +@all reset"), NEW);
    assert_eq!(listed("ON NoPass AllKeys AllChannels AllCommands"), "on nopass sanitize-payload ~* &* +@all");
    assert_eq!(
        listed(">p >p skip-sanitize-payload %R~a %W~a %R~b %w~c ~d &x &x"),
        "off skip-sanitize-payload #148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940 \
         ~a %R~b %W~c ~d resetchannels &x -@all"
    );
    assert_eq!(listed(">p nopass"), "off nopass sanitize-payload resetchannels -@all");
    assert_eq!(listed("nopass >p resetpass"), NEW);
    assert_eq!(
        listed("(~x +get) ( ~y  allchannels ) ()"),
        "off sanitize-payload resetchannels -@all (~x resetchannels -@all +get) (~y &* -@all) (resetchannels -@all)"
    );
    assert_eq!(listed("(~x +get) clearselectors"), NEW);
    assert_eq!(listed("%R %rW~y"), "off sanitize-payload %R~ ~y resetchannels -@all");
}

#[test]
fn rules_of_commands_stay_in_order_and_replace_those_about_the_same() {
    let commands = |rules: &str| {
        let line = listed(rules);
        line.split_once("resetchannels ").expect("no channels").1.to_owned()
    };
    for (rules, shown) in [
        ("+@all -@bitmap -@slow +getbit", "+@all -@bitmap -@slow +getbit"),
        ("+@all -@bitmap -@slow +getbit -@bitmap", "+@all -@slow +getbit -@bitmap"),
        ("+@all -@bitmap -@slow +@BITMAP", "+@all -@slow +@bitmap"),
        ("+@all -get -@all", "-@all"),
        ("-@string -@slow +@all", "+@all"),
        ("+GET +get +gEt", "-@all +get"),
        ("+get -set +set -get", "-@all +set -get"),
        ("+client|list +client|list +config|get +config +acl|list -acl", "-@all +client|list +config -acl"),
        ("+select|0 +SELECT|0 +SELECT|1", "-@all +select|0 +select|1"),
        ("+select|0 -select", "-@all -select"),
        ("-@dangerous", "-@all -@dangerous"),
        ("+config +config|get -config|set +config", "-@all +config"),
    ] {
        assert_eq!(commands(rules), shown, "{rules}");
    }
}

#[test]
fn rules_that_make_no_sense_are_refused_in_redis_words() {
    const UNKNOWN: &str = "Unknown command or category name in ACL";
    for rule in ["+nope", "-nope", "+@nope", "+", "-", "+@", "+config|nope", "-get|x", "+get|a|b", "+|get"] {
        assert_eq!(refused(rule), format!("'{rule}': {UNKNOWN}"));
    }
    for rule in ["foo", "%X~foo", "%~foo", "%", "%RR~x", "+config|", "+get|", ")", "(on)", "(~x", "(nopass)"]
    {
        let rule = if rule == "(~x" { "(+get (+set))" } else { rule };
        assert_eq!(refused(rule), format!("'{rule}': Syntax error"));
    }
    assert_eq!(
        refused("+client|id|x"),
        "'+client|id|x': Allowing first-arg of a subcommand is not supported"
    );
    assert!(
        refused("allkeys ~foo").starts_with("'~foo': Adding a pattern after the * pattern (or the 'allkeys'")
    );
    assert!(
        refused("(&* &foo)").starts_with("'(&* &foo)': Adding a pattern after the * pattern (or the 'allch")
    );
    assert!(refused("<nope").ends_with("The password you are trying to remove from the user does not exist"));
    for rule in ["#abc", "!abc"] {
        let hash = "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters";
        assert_eq!(refused(rule), format!("'{rule}': {hash}"));
    }
    let mut fixture = fixture();
    fixture.expect(&[
        ("ACL SETUSER u on (+get ~x", "-ERR Unmatched parenthesis in acl selector starting at '(+get'."),
        ("ACL SETUSER u on nope", "-ERR Error in ACL SETUSER modifier 'nope': Syntax error"),
        ("ACL GETUSER u", "$-1"),
    ]);
    let refused = fixture.run_words(&["ACL", "SETUSER", "a b"]);
    assert_eq!(refused, b"-ERR Usernames can't contain spaces or null characters\r\n");
}

#[test]
fn a_user_is_described_field_by_field() {
    let mut fixture = fixture();
    fixture.run("HELLO 3");
    fixture.run("ACL SETUSER u on >p ~a &c +get (%R~b -@all +@bitmap)");
    fixture.expect(&[(
        "ACL GETUSER u",
        "%6\\r\\n$5\\r\\nflags\\r\\n~2\\r\\n$2\\r\\non\\r\\n$16\\r\\nsanitize-payload\\r\\n$9\\r\\npasswords\\r\\n*1\\r\\n$64\\r\\n\
         148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940\\r\\n\
         $8\\r\\ncommands\\r\\n$10\\r\\n-@all +get\\r\\n$4\\r\\nkeys\\r\\n$2\\r\\n~a\\r\\n$8\\r\\nchannels\\r\\n$2\\r\\n&c\\r\\n\
         $9\\r\\nselectors\\r\\n*1\\r\\n%3\\r\\n$8\\r\\ncommands\\r\\n$14\\r\\n-@all +@bitmap\\r\\n$4\\r\\nkeys\\r\\n$4\\r\\n%R~b\\r\\n\
         $8\\r\\nchannels\\r\\n$0\\r\\n",
    )]);
}

#[test]
fn the_default_user_stays_and_others_go() {
    fixture().expect(&[
        ("ACL WHOAMI", "$7\\r\\ndefault"),
        ("ACL SETUSER b", "+OK"),
        ("ACL SETUSER a", "+OK"),
        ("ACL USERS", "*3\\r\\n$1\\r\\na\\r\\n$1\\r\\nb\\r\\n$7\\r\\ndefault"),
        ("ACL DELUSER a default", "-ERR The 'default' user cannot be removed"),
        ("ACL DELUSER a nobody b", ":2"),
        ("ACL USERS", "*1\\r\\n$7\\r\\ndefault"),
    ]);
}

#[test]
fn who_deletes_its_own_user_gets_the_reply_and_is_closed() {
    let mut fixture = fixture();
    fixture.run("ACL SETUSER u on nopass +@all");
    fixture.expect(&[("AUTH u x", "+OK"), ("ACL WHOAMI", "$1\\r\\nu"), ("ACL DELUSER u", ":1")]);
    assert!(fixture.session.is_closing);
}

#[test]
fn dryrun_names_what_is_denied() {
    let mut fixture = fixture();
    fixture.run("ACL SETUSER u +config|get +select|1 +client +memory|usage ~a* -client|kill +ping|x");
    let text = |text: &str| format!("${}\\r\\n{text}", text.len());
    fixture.expect(&[
        ("ACL DRYRUN nobody ping", "-ERR User 'nobody' not found"),
        ("ACL DRYRUN u nope", "-ERR Command 'nope' not found"),
        ("ACL DRYRUN u echo", "-ERR wrong number of arguments for 'echo' command"),
        ("ACL DRYRUN default memory usage b", "+OK"),
        ("ACL DRYRUN u memory usage a1", "+OK"),
        ("ACL DRYRUN u memory usage b", &text("User u has no permissions to access the 'b' key")),
        ("ACL DRYRUN u config get x", "+OK"),
        ("ACL DRYRUN u config set x y", &text("User u has no permissions to run the 'config|set' command")),
        ("ACL DRYRUN u select 1", "+OK"),
        ("ACL DRYRUN u select 2", &text("User u has no permissions to run the 'select' command")),
        ("ACL DRYRUN u ping X", "+OK"),
        ("ACL DRYRUN u ping", &text("User u has no permissions to run the 'ping' command")),
        ("ACL DRYRUN u client id", "+OK"),
        ("ACL DRYRUN u client kill x", &text("User u has no permissions to run the 'client|kill' command")),
        ("ACL DRYRUN u auth x", "+OK"),
    ]);
}

#[test]
fn failed_log_ins_are_logged() {
    let mut fixture = fixture();
    fixture.run("AUTH nobody x");
    fixture.run("AUTH nobody x");
    fixture.run("HELLO 3 AUTH nobody x");
    let entries = fixture.run("ACL LOG");
    for part in [
        "*2\\r\\n*20\\r\\n$5\\r\\ncount\\r\\n:1\\r\\n$6\\r\\nreason\\r\\n$4\\r\\nauth\\r\\n$7\\r\\ncontext\\r\\n$8\\r\\ntoplevel\\r\\n",
        "$6\\r\\nobject\\r\\n$5\\r\\nHELLO\\r\\n$8\\r\\nusername\\r\\n$6\\r\\nnobody\\r\\n$11\\r\\nage-seconds\\r\\n$1\\r\\n0\\r\\n",
        "count\\r\\n:2\\r\\n",
        "$6\\r\\nobject\\r\\n$4\\r\\nAUTH\\r\\n",
        "entry-id\\r\\n:1\\r\\n$17\\r\\ntimestamp-created\\r\\n:1700000000000\\r\\n",
    ] {
        assert!(entries.contains(part), "{part} in {entries}");
    }
    fixture.expect(&[
        ("ACL LOG x", "-ERR value is not an integer or out of range"),
        ("ACL LOG -1", "*0"),
        ("ACL LOG 1 2", "-ERR unknown subcommand or wrong number of arguments for 'LOG'. Try ACL HELP."),
        ("ACL LOG RESET", "+OK"),
        ("ACL LOG", "*0"),
    ]);
}

#[test]
fn passwords_are_as_long_as_asked_for() {
    let mut fixture = fixture();
    assert!(fixture.run("ACL GENPASS").starts_with("$64\\r\\n"));
    assert!(fixture.run("ACL GENPASS 5").starts_with("$2\\r\\n"));
    assert_ne!(fixture.run("ACL GENPASS"), fixture.run("ACL GENPASS"));
    for bits in ["0", "-236", "4097"] {
        assert!(fixture.run(&format!("ACL GENPASS {bits}")).starts_with("-ERR ACL GENPASS argument must be"));
    }
    fixture.expect(&[
        ("ACL GENPASS x", "-ERR value is not an integer or out of range"),
        (
            "ACL GENPASS 1 2",
            "-ERR unknown subcommand or wrong number of arguments for 'GENPASS'. Try ACL HELP.",
        ),
    ]);
}

#[test]
fn categories_are_listed_and_so_are_their_commands() {
    let mut fixture = fixture();
    assert!(fixture.run("ACL CAT").starts_with("*21\\r\\n$8\\r\\nkeyspace\\r\\n"));
    assert!(fixture.run("ACL CAT ADMIN").contains("\\r\\n$11\\r\\nacl|setuser\\r\\n"));
    fixture.expect(&[
        ("ACL CAT nope", "-ERR Unknown category 'nope'"),
        ("ACL CAT admin x", "-ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP."),
    ]);
}

#[test]
fn without_a_file_of_users_there_is_nothing_to_load_or_save() {
    let mut fixture = fixture();
    for command in ["ACL LOAD", "ACL SAVE"] {
        assert!(
            fixture
                .run(command)
                .starts_with("-ERR This Redis instance is not configured to use an ACL file.")
        );
    }
}
