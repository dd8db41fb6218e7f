//! Bytes arrive complete and in order.

use super::*;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

#[test]
fn pieces_of_any_size_come_back_in_order() {
    let server = Server::start(echo);
    let mut client = server.connect();
    let bytes = pattern(300_000, 1);
    let mut at = 0;
    for step in [1, 2, 3, 7, 100, 4096, 16_384, 16_385, 65_537].into_iter().cycle() {
        let end = bytes.len().min(at + step);
        assert_echo(&mut client, &bytes[at..end]);
        at = end;
        if at == bytes.len() {
            break;
        }
    }
}

#[test]
fn sixty_four_megabytes_pass_in_both_directions_at_once() {
    let server = Server::start(echo);
    let mut client = server.connect();
    let bytes = pattern(64 << 20, 2);
    let mut writer = client.try_clone().expect("clone");
    std::thread::scope(|scope| {
        scope.spawn(|| writer.write_all(&bytes).expect("write"));
        assert!(read_exactly(&mut client, bytes.len()) == bytes, "the echo differs");
    });
}

#[test]
fn one_reply_of_sixty_four_megabytes_is_one_send() {
    let server = Server::start(|connection| async move {
        let mut output = pattern(64 << 20, 3);
        connection.send(&mut output).await.expect("send");
        assert_eq!(output.capacity(), 0, "the bytes were taken, not copied");
        connection.flush().await.expect("flush");
    });
    let mut client = server.connect();
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).expect("read");
    assert!(bytes == pattern(64 << 20, 3), "the reply differs");
}

#[test]
fn two_thousand_connections_are_served_at_once() {
    let server = Server::start(echo);
    let mut clients: Vec<TcpStream> = (0..2000).map(|_| server.connect()).collect();
    for round in 0..3_u64 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.write_all(&pattern(100, round << 32 | number as u64)).expect("write");
        }
        for (number, client) in clients.iter_mut().enumerate() {
            assert!(
                read_exactly(client, 100) == pattern(100, round << 32 | number as u64),
                "client {number}"
            );
        }
    }
}

#[test]
fn a_peer_that_has_finished_sending_still_gets_its_answers() {
    let server = Server::start(|connection| async move {
        let mut all = Vec::new();
        while let Some(input) = connection.recv().await.expect("recv") {
            all.extend_from_slice(&input);
        }
        connection.send(&mut all).await.expect("send");
    });
    let mut client = server.connect();
    let bytes = pattern(200_000, 4);
    client.write_all(&bytes).expect("write");
    client.shutdown(Shutdown::Write).expect("shutdown");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("read");
    assert!(answer == bytes, "the answer differs");
}

#[test]
fn output_sent_just_before_the_connection_is_dropped_arrives() {
    let server = Server::start(|connection| async move {
        connection.send(&mut b"+OK\r\n".to_vec()).await.expect("send");
    });
    for _ in 0..100 {
        let mut answer = Vec::new();
        server.connect().read_to_end(&mut answer).expect("read");
        assert_eq!(answer, b"+OK\r\n");
    }
}

#[test]
fn a_connection_knows_its_addresses_and_has_an_id_of_its_own() {
    let server = Server::start(|connection| async move {
        let text = format!(
            "{} {} {}",
            connection.peer_addr().expect("peer"),
            connection.local_addr().expect("local"),
            connection.id()
        );
        connection.send(&mut text.into_bytes()).await.expect("send");
    });
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut client = server.connect();
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("read");
        let words: Vec<&str> = answer.split(' ').collect();
        assert_eq!(words[0], client.local_addr().expect("address").to_string());
        assert_eq!(words[1], server.address.to_string());
        ids.push(words[2].to_owned());
    }
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_unix_socket_serves_with_the_mode_asked_for_and_replaces_a_left_over_one() {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::temp_dir().join(format!("thermocline-net-{}.sock", std::process::id()));
    let bind = BindOptions {
        addresses: Vec::new(),
        unix_path: Some(path.clone()),
        unix_mode: Some(0o700),
        ..BindOptions::default()
    };
    drop(bind_listeners(&bind, 1).expect("bind"));
    let (mut listeners, _) = bind_listeners(&bind, 1).expect("bind over a left-over socket");
    let options = ThreadOptions { listeners: listeners.remove(0), ..ThreadOptions::default() };
    let shutdown = ShutdownSignal::new();
    let signal = shutdown.clone();
    let thread = std::thread::spawn(move || run_thread(options, Vec::new(), echo, signal));
    let mode = std::fs::metadata(&path).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let mut client = UnixStream::connect(&path).expect("connect");
    client.set_read_timeout(Some(PATIENCE)).expect("timeout");
    client.write_all(b"hello").expect("write");
    let mut answer = [0; 5];
    client.read_exact(&mut answer).expect("read");
    assert_eq!(&answer, b"hello");
    shutdown.request();
    thread.join().expect("join").expect("end");
    std::fs::remove_file(path).expect("remove");
}
