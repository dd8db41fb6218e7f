//! How connections and threads end.

use super::*;
use crate::net::Remote;
use socket2::SockRef;
use std::sync::mpsc::{self, Receiver, Sender};

/// What a task saw: how its connection ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    NoMoreInput,
    RecvFailed,
    SendFailed,
}

/// A server whose tasks read until the end and report it, after handing out their remote.
fn reporting_server() -> (Server, Receiver<Remote>, Receiver<Ended>) {
    let (remotes, remote) = mpsc::channel();
    let (reports, report) = mpsc::channel();
    let server =
        Server::start(move |connection| read_and_report(connection, remotes.clone(), reports.clone()));
    (server, remote, report)
}

async fn read_and_report(connection: Connection, remotes: Sender<Remote>, reports: Sender<Ended>) {
    remotes.send(connection.remote()).expect("report");
    loop {
        match connection.recv().await {
            Ok(Some(_)) => {}
            Ok(None) => return reports.send(Ended::NoMoreInput).expect("report"),
            Err(_) => return reports.send(Ended::RecvFailed).expect("report"),
        }
    }
}

#[test]
fn a_closed_peer_ends_the_input() {
    let (server, _remote, report) = reporting_server();
    drop(server.connect());
    assert_eq!(report.recv_timeout(PATIENCE), Ok(Ended::NoMoreInput));
}

#[test]
fn a_reset_is_an_error_and_leaves_the_other_connections_alone() {
    let (server, remote, report) = reporting_server();
    let _other = server.connect();
    remote.recv_timeout(PATIENCE).expect("accepted");
    let client = server.connect();
    remote.recv_timeout(PATIENCE).expect("accepted");
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("linger");
    drop(client);
    assert_eq!(report.recv_timeout(PATIENCE), Ok(Ended::RecvFailed));
    assert!(report.try_recv().is_err());
}

#[test]
fn another_thread_closes_a_connection_that_waits_for_input() {
    let (server, remote, report) = reporting_server();
    let mut client = server.connect();
    let remote = remote.recv_timeout(PATIENCE).expect("accepted");
    remote.close();
    assert_eq!(report.recv_timeout(PATIENCE), Ok(Ended::NoMoreInput));
    assert_eq!(client.read(&mut [0]).expect("read"), 0, "the client sees the end");
}

#[test]
fn a_remote_that_outlives_its_connection_spares_the_next_one_in_its_slot() {
    let (remotes, remote) = mpsc::channel();
    let server = Server::start(move |connection| {
        remotes.send(connection.remote()).expect("report");
        echo(connection)
    });
    let mut first = server.connect();
    let outlived = remote.recv_timeout(PATIENCE).expect("accepted");
    outlived.close();
    assert_eq!(first.read(&mut [0]).expect("read"), 0, "the client sees the end");
    drop(first);
    // The slot is free only when the server has seen the socket's end; until then newcomers get others.
    let mut others = Vec::new();
    let mut next = loop {
        let mut next = server.connect();
        assert_echo(&mut next, b"before");
        let remote = remote.recv_timeout(PATIENCE).expect("accepted");
        assert_ne!(remote.connection_id(), outlived.connection_id());
        if remote.connection.slot == outlived.connection.slot {
            break next;
        }
        others.push(next);
        assert!(others.len() < 1000, "the slot is never used again");
    };
    outlived.close();
    assert_echo(&mut next, b"after");
}

#[test]
fn another_thread_closes_a_connection_whose_peer_does_not_read() {
    let (remotes, remote) = mpsc::channel();
    let (reports, report) = mpsc::channel();
    let server = Server::start(move |connection| {
        let (remotes, reports) = (remotes.clone(), reports.clone());
        async move {
            remotes.send(connection.remote()).expect("report");
            while connection.send(&mut vec![0; 1 << 20]).await.is_ok() {}
            reports.send(Ended::SendFailed).expect("report");
        }
    });
    let _client = server.connect();
    remote.recv_timeout(PATIENCE).expect("accepted").close();
    assert_eq!(report.recv_timeout(PATIENCE), Ok(Ended::SendFailed));
}

#[test]
fn closed_completes_when_the_peer_leaves_while_its_task_waits_for_something_else() {
    let (reports, report) = mpsc::channel();
    let server = Server::start(move |connection| {
        let reports = reports.clone();
        async move {
            connection.closed().await;
            assert!(connection.is_closed());
            reports.send(Ended::NoMoreInput).expect("report");
        }
    });
    drop(server.connect());
    assert_eq!(report.recv_timeout(PATIENCE), Ok(Ended::NoMoreInput));
}

#[test]
fn shutdown_lets_the_batch_at_hand_be_answered_and_refuses_newcomers() {
    let (started, has_started) = mpsc::channel();
    let (finish, may_finish) = mpsc::channel::<()>();
    let may_finish = std::sync::Arc::new(std::sync::Mutex::new(may_finish));
    let mut server = Server::start(move |connection| {
        let (started, may_finish) = (started.clone(), may_finish.clone());
        async move {
            while let Some(input) = connection.recv().await.expect("recv") {
                let mut output = input.to_vec();
                started.send(()).expect("report");
                while may_finish.lock().expect("lock").try_recv().is_err() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                connection.send(&mut output).await.expect("send");
            }
        }
    });
    let mut client = server.connect();
    client.write_all(b"batch").expect("write");
    has_started.recv_timeout(PATIENCE).expect("the batch is at hand");
    let idle = server.connect();
    server.shutdown.request();
    // Only the reactor's round closes the listener; from then on nobody gets in.
    let deadline = std::time::Instant::now() + PATIENCE;
    while TcpStream::connect(server.address).is_ok() {
        assert!(std::time::Instant::now() < deadline, "the listener stays open");
    }
    finish.send(()).expect("send");
    assert_eq!(read_exactly(&mut client, 5), b"batch");
    assert_eq!(client.read(&mut [0]).expect("read"), 0);
    server.join();
    drop(idle);
}

#[test]
fn shutdown_cuts_off_what_does_not_end_within_the_grace_period() {
    let options = ThreadOptions { shutdown_grace_ms: 50, ..ThreadOptions::default() };
    let (started, has_started) = mpsc::channel();
    let mut server = Server::start_with(options, Vec::new, move |connection| {
        let started = started.clone();
        async move {
            started.send(()).expect("report");
            // Sends to a client that does not read, and never looks whether the connection is closed.
            loop {
                let _ = connection.send(&mut vec![0; 1 << 20]).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let _client = server.connect();
    has_started.recv_timeout(PATIENCE).expect("accepted");
    server.stop();
}

#[test]
fn a_shutdown_requested_before_the_thread_starts_is_not_missed() {
    let shutdown = ShutdownSignal::new();
    shutdown.request();
    run_thread(ThreadOptions::default(), Vec::new(), echo, shutdown).expect("ends at once");
}
