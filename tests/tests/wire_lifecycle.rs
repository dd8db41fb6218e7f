//! How the server starts, refuses to start, and stops.

use std::fs;
use std::net::TcpListener;
use std::process::ExitStatus;

use rustix::process::Signal;
use thermocline_tests::{Product, ServerOptions};

/// A failure that the server reported itself: 1 where it could not start, and ours 2 for options that make no sense.
fn is_failure(status: ExitStatus) -> bool {
    matches!(status.code(), Some(1 | 2))
}

#[test]
fn sigterm_ends_it_with_success() {
    let mut server = ServerOptions::subject().start();
    let mut connection = server.connect();
    connection.text("SET k v");
    server.signal(Signal::TERM);
    assert!(connection.is_closed_by_server());
    let status = server.wait_for_exit();
    assert_eq!(status.code(), Some(0), "{}", server.log());
}

#[test]
fn sigint_ends_it_with_success() {
    let mut server = ServerOptions::subject().start();
    server.signal(Signal::INT);
    let status = server.wait_for_exit();
    assert_eq!(status.code(), Some(0), "{}", server.log());
}

#[test]
fn shutdown_ends_it_with_success() {
    for command in ["SHUTDOWN", "SHUTDOWN NOSAVE", "SHUTDOWN NOSAVE NOW FORCE"] {
        let mut server = ServerOptions::subject().start();
        let mut connection = server.connect();
        assert_eq!(connection.text("SET k v"), "OK");
        connection.send_raw(format!("{command}\r\n").as_bytes());
        assert!(connection.is_closed_by_server(), "{command}");
        assert_eq!(server.wait_for_exit().code(), Some(0), "{command}: {}", server.log());
    }
}

#[test]
fn sigterm_waits_for_no_idle_client_and_drops_no_reply() {
    let mut server = ServerOptions::subject().start();
    let _idle = server.connect();
    let mut connection = server.connect();
    assert_eq!(connection.text("PING"), "PONG");
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn options_may_come_from_a_file_and_the_command_line_wins() {
    let directory = thermocline_tests::server::ServerDirectory::new();
    let path = directory.path().join("test.conf");
    fs::write(&path, "# a comment\n\nmaxclients 123\ntimeout 77\nmaxmemory-policy \"allkeys-lru\"\n")
        .expect("writable");
    let arguments = [path.to_str().expect("a plain path")];
    let server = ServerOptions::subject().with("timeout", "88").start_with(&arguments);
    let mut connection = server.connect();
    let mut setting = |name: &str| {
        let reply = connection.line(&format!("CONFIG GET {name}"));
        String::from_utf8_lossy(reply.as_elements().expect("an array")[1].as_bytes().expect("text"))
            .into_owned()
    };
    assert_eq!(setting("maxclients"), "123");
    assert_eq!(setting("timeout"), "88");
    assert_eq!(setting("maxmemory-policy"), "allkeys-lru");
}

#[test]
fn wrong_options_are_explained_and_end_it_with_failure() {
    let cases: [(&[&str], &str); 5] = [
        (&["--no-such-option", "1"], "no-such-option"),
        (&["--maxmemory", "lots"], "maxmemory"),
        (&["--maxmemory-policy", "forget-everything"], "maxmemory-policy"),
        (&["--timeout", "-1"], "timeout"),
        (&["--maxclients"], "maxclients"),
    ];
    for (arguments, mentioned) in cases {
        let (status, output) = ServerOptions::subject().run_to_end(arguments);
        assert!(is_failure(status), "{arguments:?}: {status}: {output}");
        assert!(output.contains(mentioned), "{arguments:?}: {output}");
        assert!(!output.contains("panicked"), "{arguments:?}: {output}");
    }
}

#[test]
fn a_configuration_file_that_is_not_there_is_named() {
    let (status, output) = ServerOptions::subject().run_to_end(&["/no/such/file.conf"]);
    assert!(is_failure(status), "{status}: {output}");
    assert!(output.contains("/no/such/file.conf"), "{output}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("bound").port().to_string();
    let (status, output) = ServerOptions::subject().run_to_end(&["--port", &port]);
    assert!(is_failure(status), "{status}: {output}");
    assert!(output.contains(&port), "{output}");
    assert!(output.to_lowercase().contains("in use"), "{output}");
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let (status, output) = ServerOptions::subject().run_to_end(&["--dir", "/no/such/directory"]);
    assert!(is_failure(status), "{status}: {output}");
    assert!(output.contains("/no/such/directory"), "{output}");
}

#[test]
fn version_and_help_are_printed() {
    for option in ["--version", "--help"] {
        let (_, output) = ServerOptions::subject().run_bare(&[option]);
        let name = match Product::subject() {
            Product::Thermocline => "thermocline",
            Product::Redis => "redis",
        };
        assert!(output.to_lowercase().contains(name), "{option}: {output}");
    }
}
