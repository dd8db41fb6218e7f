//! Nothing grows without bound and nobody starves: buffers, slow readers, limits, other completion sources.

use super::*;
use std::cell::{Cell, RefCell};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};

fn tiny_buffers() -> ThreadOptions {
    ThreadOptions { recv_buffers: 2, recv_buffer_bytes: 64, ..ThreadOptions::default() }
}

#[test]
fn more_connections_than_input_buffers_all_get_their_turn() {
    let server = Server::start_with(tiny_buffers(), Vec::new, echo);
    let mut clients: Vec<TcpStream> = (0..50).map(|_| server.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.write_all(&pattern(10_000, number as u64)).expect("write");
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert!(read_exactly(client, 10_000) == pattern(10_000, number as u64), "client {number}");
    }
}

#[test]
fn tasks_that_do_not_read_cannot_keep_the_buffers_from_others() {
    // The first byte of a connection tells whether its task goes on reading or waits for the end.
    let server = Server::start_with(tiny_buffers(), Vec::new, |connection| async move {
        let mut first = connection.recv().await.expect("recv").expect("a byte").to_vec();
        let waits = first == b"w";
        connection.send(&mut first).await.expect("send");
        if waits {
            connection.closed().await;
        } else {
            echo(connection).await;
        }
    });
    let mut waiting: Vec<TcpStream> = (0..20).map(|_| server.connect()).collect();
    for client in &mut waiting {
        assert_echo(client, b"w");
        client.write_all(&pattern(1000, 5)).expect("write");
    }
    let mut reading = server.connect();
    assert_echo(&mut reading, b"r");
    for seed in 0..100 {
        assert_echo(&mut reading, &pattern(500, seed));
    }
}

#[test]
fn a_slow_reader_makes_send_wait_and_loses_nothing() {
    const BATCH_BYTES: usize = 1 << 20;
    const BATCHES: usize = 100;
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    let (stalled, is_stalled) = mpsc::channel();
    let server = Server::start(move |connection| {
        let (count, stalled) = (Arc::clone(&count), stalled.clone());
        async move {
            for seed in 0..BATCHES {
                let mut output = pattern(BATCH_BYTES, seed as u64);
                let mut send = std::pin::pin!(connection.send(&mut output));
                std::future::poll_fn(|cx| {
                    let ready = send.as_mut().poll(cx);
                    if ready.is_pending() {
                        let _ = stalled.send(count.load(Ordering::Relaxed));
                    }
                    ready
                })
                .await
                .expect("send");
                count.fetch_add(1, Ordering::Relaxed);
            }
            connection.flush().await.expect("flush");
        }
    });
    let mut client = server.connect();
    // Whenever the task waits, at most what fits into the sockets' buffers and one batch more was accepted.
    is_stalled.recv_timeout(PATIENCE).expect("the task waits for the reader");
    for seed in 0..BATCHES {
        assert!(read_exactly(&mut client, BATCH_BYTES) == pattern(BATCH_BYTES, seed as u64), "batch {seed}");
        let ahead = accepted.load(Ordering::Relaxed) - seed;
        assert!(ahead < 40, "{ahead} batches accepted that the client has not read");
    }
}

#[test]
fn a_sender_is_slowed_down_when_its_input_is_not_read() {
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Arc::new(std::sync::Mutex::new(may_go_on));
    let server = Server::start(move |connection| {
        let may_go_on = Arc::clone(&may_go_on);
        async move {
            while may_go_on.lock().expect("lock").try_recv().is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            echo(connection).await;
        }
    });
    let mut client = server.connect();
    client.set_nonblocking(true).expect("nonblocking");
    // Write until the pipe is full for a while: the server must not take 64 MiB from a client it does not serve.
    let bytes = pattern(64 << 20, 6);
    let mut written = 0;
    let mut refused_in_a_row = 0;
    while written < bytes.len() && refused_in_a_row < 200 {
        match client.write(&bytes[written..]) {
            Ok(count) => {
                written += count;
                refused_in_a_row = 0;
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                refused_in_a_row += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
    assert!(written < 32 << 20, "{written} bytes were taken without being read");
    go_on.send(()).expect("send");
    client.set_nonblocking(false).expect("blocking");
    let mut writer = client.try_clone().expect("clone");
    std::thread::scope(|scope| {
        scope.spawn(|| writer.write_all(&bytes[written..]).expect("write"));
        assert!(read_exactly(&mut client, bytes.len()) == bytes, "the echo differs");
    });
}

#[test]
fn connections_beyond_the_limit_are_closed_and_the_others_go_on() {
    let options = ThreadOptions { connections_max: 2, ..ThreadOptions::default() };
    let server = Server::start_with(options, Vec::new, echo);
    let mut first = server.connect();
    let mut second = server.connect();
    assert_echo(&mut first, b"1");
    assert_echo(&mut second, b"2");
    let refused = server.connect().read(&mut [0]);
    assert!(matches!(refused, Ok(0) | Err(_)), "{refused:?}");
    assert_echo(&mut first, b"1");
    drop(second);
    // The place is free as soon as the server has noticed; until then a newcomer is refused.
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let mut third = server.connect();
        if third.write_all(b"3").is_ok() && matches!(third.read(&mut [0]), Ok(1)) {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the place never became free");
    }
}

/// Completes every request at the next drain, once the eventfd was signalled.
#[derive(Default)]
struct EchoSource {
    eventfd: Cell<RawFd>,
    queued: Cell<usize>,
    flushed: Cell<usize>,
    completed: Cell<usize>,
    waiting: RefCell<Option<Waker>>,
}

impl CompletionSource for EchoSource {
    fn register_eventfd(&self, eventfd: BorrowedFd<'_>) -> io::Result<()> {
        self.eventfd.set(eventfd.as_raw_fd());
        Ok(())
    }

    fn flush(&self) {
        self.flushed.set(self.flushed.get() + self.queued.take());
    }

    fn drain(&self) -> usize {
        let count = self.flushed.take();
        if count > 0 {
            self.completed.set(self.completed.get() + count);
            if let Some(waker) = self.waiting.take() {
                waker.wake();
            }
        }
        count
    }

    fn outstanding(&self) -> usize {
        self.queued.get() + self.flushed.get()
    }
}

thread_local! {
    static SOURCE: Rc<EchoSource> = Rc::default();
}

#[test]
fn work_a_task_queues_with_another_source_is_flushed_and_drained_in_the_next_round() {
    let sources = || vec![SOURCE.with(Rc::clone) as Rc<dyn CompletionSource>];
    let server = Server::start_with(ThreadOptions::default(), sources, |connection| async move {
        let source = SOURCE.with(Rc::clone);
        while let Ok(Some(input)) = connection.recv().await {
            let mut output = input.to_vec();
            drop(input);
            let wanted = source.completed.get() + 1;
            source.queued.set(1);
            std::future::poll_fn(|cx| {
                if source.completed.get() >= wanted {
                    return Poll::Ready(());
                }
                *source.waiting.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            })
            .await;
            connection.send(&mut output).await.expect("send");
        }
    });
    let mut client = server.connect();
    for seed in 0..100 {
        assert_echo(&mut client, &pattern(100, seed));
    }
}
