//! The network layer over real sockets, in this process, on port 0.

mod closing;
mod flow;
mod streams;

use super::{
    BindOptions, BoundAddress, CompletionSource, Connection, ShutdownSignal, ThreadOptions, bind_listeners,
    run_thread,
};
use std::future::Future;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;

/// No wait of a test is meant to reach this; it turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// One server thread with a handler for its connections; stopped when dropped.
struct Server {
    address: SocketAddr,
    shutdown: ShutdownSignal,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Server {
    fn start<C, F>(handler: C) -> Self
    where
        C: Fn(Connection) -> F + Send + 'static,
        F: Future<Output = ()> + 'static,
    {
        Self::start_with(ThreadOptions::default(), Vec::new, handler)
    }

    /// `sources` is called on the server's thread.
    fn start_with<C, F>(
        mut options: ThreadOptions,
        sources: impl FnOnce() -> Vec<Rc<dyn CompletionSource>> + Send + 'static,
        handler: C,
    ) -> Self
    where
        C: Fn(Connection) -> F + Send + 'static,
        F: Future<Output = ()> + 'static,
    {
        let bind = BindOptions { addresses: vec!["127.0.0.1".into()], port: 0, ..BindOptions::default() };
        let (mut listeners, bound) = bind_listeners(&bind, 1).expect("bind");
        let BoundAddress::Tcp(address) = bound[0] else { panic!("a TCP address was asked for") };
        options.listeners = listeners.remove(0);
        let shutdown = ShutdownSignal::new();
        let signal = shutdown.clone();
        let thread = std::thread::spawn(move || run_thread(options, sources(), handler, signal));
        Self { address, shutdown, thread: Some(thread) }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("timeout");
        stream
    }

    fn stop(&mut self) {
        self.shutdown.request();
        self.join();
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server thread does not panic").expect("the server thread ends well");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.request();
        if !std::thread::panicking() {
            self.join();
        }
    }
}

/// Sends back what comes.
async fn echo(connection: Connection) {
    while let Ok(Some(input)) = connection.recv().await {
        let mut output = connection.output_buffer();
        output.extend_from_slice(&input);
        drop(input);
        if connection.send(&mut output).await.is_err() {
            return;
        }
    }
}

/// Bytes in which a lost, doubled or moved piece shows.
fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state ^ state >> 32).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn read_exactly(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).expect("read");
    bytes
}

fn assert_echo(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).expect("write");
    assert!(read_exactly(stream, bytes.len()) == bytes, "the echo differs");
}
