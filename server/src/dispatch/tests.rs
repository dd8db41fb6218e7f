//! Whole servers on a port of their own: what clients see of dispatch, hot and cold.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use thermocline_engine::device::fault::{Fault, FaultDevice, FaultPlan, ScriptedFault};
use thermocline_engine::device::memory::MemoryDevice;
use thermocline_engine::device::{Device, Operation};
use thermocline_engine::{Background, Components, Engine, EngineConfig, NoMemoryGauge};

use super::{ColdReads, serve};
use crate::config::Config;
use crate::net::{BindOptions, BoundAddress, ThreadOptions, bind_listeners, run_thread};
use crate::process::SystemClock;
use crate::server::{Server, Thread};

/// Long enough for a loaded machine; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server with one thread, which ends with this.
struct Running {
    server: Arc<Server>,
    address: SocketAddr,
    stop_background: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    fn new(options: &[(&str, &str)], device: Option<Arc<dyn Device>>) -> Self {
        let clock = Arc::new(SystemClock::new());
        let components =
            Components { device, clock: clock.clone(), memory: Arc::new(NoMemoryGauge), seed: [1, 2, 3, 4] };
        let engine_config = EngineConfig { segment_bytes: 64 << 10, ..EngineConfig::default() };
        let engine = Arc::new(Engine::new(engine_config, components).expect("an engine"));
        let config = Config::new();
        config.set(options, true).expect("options");
        let server = Arc::new(Server::new(engine, config, clock));
        let bind = BindOptions { addresses: vec!["127.0.0.1".to_owned()], port: 0, ..BindOptions::default() };
        let (mut listeners, bound) = bind_listeners(&bind, 1).expect("a free port");
        let BoundAddress::Tcp(address) = bound[0] else { panic!("a TCP address") };
        let stop_background = Arc::new(AtomicBool::new(false));
        let threads = vec![
            std::thread::spawn({
                let (engine, stop) = (Arc::clone(&server.engine), Arc::clone(&stop_background));
                move || Background::new(engine).expect("background").run(&stop)
            }),
            std::thread::spawn({
                let server = Arc::clone(&server);
                move || {
                    let shutdown = server.shutdown.clone();
                    let thread = Rc::new(Thread::new(server).expect("a thread"));
                    let reads = Rc::new(ColdReads(Rc::clone(&thread.reader)));
                    let options =
                        ThreadOptions { listeners: listeners.remove(0), ..ThreadOptions::default() };
                    let serve = move |connection| serve(connection, Rc::clone(&thread));
                    run_thread(options, vec![reads], serve, shutdown).expect("a server thread");
                }
            }),
        ];
        Self { server, address, stop_background, threads }
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).expect("the server listens");
        client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        client
    }

    /// Moves all values to the SSD; returns how many are there.
    fn drain(&self) -> u64 {
        let mut outcome = pin!(self.server.engine.drain());
        let mut context = Context::from_waker(Waker::noop());
        while outcome.as_mut().poll(&mut context).is_pending() {
            std::thread::yield_now();
        }
        self.server.engine.metrics().items_ssd
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.shutdown.request();
        self.stop_background.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "no thread of the server panicked");
        }
    }
}

/// Sends a request and compares the bytes that come back.
#[track_caller]
fn exchange(client: &mut TcpStream, request: &[u8], reply: &[u8]) {
    client.write_all(request).expect("the server reads");
    expect(client, reply);
}

#[track_caller]
fn expect(client: &mut TcpStream, reply: &[u8]) {
    let mut received = vec![0; reply.len()];
    let mut length = 0;
    while length < reply.len() {
        match client.read(&mut received[length..]) {
            Ok(0) | Err(_) => break,
            Ok(bytes) => length += bytes,
        }
    }
    assert_eq!(received[..length].escape_ascii().to_string(), reply.escape_ascii().to_string());
}

#[track_caller]
fn expect_end(client: &mut TcpStream) {
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("the server closes the connection");
    assert_eq!(rest.escape_ascii().to_string(), "");
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let running = Running::new(&[], None);
    let mut client = running.connect();
    exchange(
        &mut client,
        b"SET a 1\r\nGET a\r\nINCR a\r\nGET b\r\nMGET a b\r\n",
        b"+OK\r\n$1\r\n1\r\n:2\r\n$-1\r\n*2\r\n$1\r\n2\r\n$-1\r\n",
    );
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let running = Running::new(&[], None);
    let mut client = running.connect();
    client.set_nodelay(true).expect("a socket option");
    for byte in b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n*2\r\n$3\r\nget\r\n$1\r\nk\r\n" {
        client.write_all(&[*byte]).expect("the server reads");
    }
    expect(&mut client, b"+OK\r\n$5\r\nhello\r\n");
}

#[test]
fn a_request_that_cannot_be_run_is_refused_in_redis_words() {
    let running = Running::new(&[], None);
    let mut client = running.connect();
    exchange(
        &mut client,
        b"nope a b\r\n",
        b"-ERR unknown command 'nope', with args beginning with: 'a' 'b' \r\n",
    );
    exchange(&mut client, b"Get\r\n", b"-ERR wrong number of arguments for 'get' command\r\n");
    let long = "x".repeat(200);
    let expected = format!(
        "-ERR unknown command '{}', with args beginning with: '{}' '{}' \r\n",
        &long[..128],
        &long[..100],
        &long[..25]
    );
    exchange(&mut client, format!("{long} {} {long} z\r\n", &long[..100]).as_bytes(), expected.as_bytes());
    let errors = running.server.metrics.errors();
    assert_eq!(errors, [("ERR".to_owned(), 3)]);
    let get = running.server.commands.find(b"get").expect("GET").id;
    assert_eq!(running.server.metrics.command(get).rejected, 1);
}

#[test]
fn bytes_that_are_not_the_protocol_end_the_connection_after_what_came_before() {
    let running = Running::new(&[], None);
    let mut client = running.connect();
    exchange(
        &mut client,
        b"SET a 1\r\n*1\r\n:3\r\nGET a\r\n",
        b"+OK\r\n-ERR Protocol error: expected '$', got ':'\r\n",
    );
    expect_end(&mut client);
}

#[test]
fn without_the_password_nothing_runs_and_little_may_be_sent() {
    let running = Running::new(&[("requirepass", "secret")], None);
    let mut client = running.connect();
    exchange(
        &mut client,
        b"GET a\r\nnope\r\n",
        b"-NOAUTH Authentication required.\r\n-ERR unknown command 'nope', with args beginning with: \r\n",
    );
    exchange(
        &mut client,
        b"*2\r\n$3\r\nGET\r\n$20000\r\n",
        b"-ERR Protocol error: unauthenticated bulk length\r\n",
    );
    expect_end(&mut client);
}

#[test]
fn clients_beyond_maxclients_are_told_so() {
    let running = Running::new(&[("maxclients", "2")], None);
    let mut clients = [running.connect(), running.connect()];
    for client in &mut clients {
        exchange(client, b"GET a\r\n", b"$-1\r\n");
    }
    let mut refused = running.connect();
    expect(&mut refused, b"-ERR max number of clients reached\r\n");
    expect_end(&mut refused);
    assert_eq!(running.server.clients.len(), 2);
    assert_eq!(running.server.metrics.totals().refused_connections, 1);
}

#[test]
fn a_reader_that_is_slow_gets_every_byte() {
    let running = Running::new(&[], None);
    let mut client = running.connect();
    let value = vec![b'v'; 1 << 20];
    let mut request = format!("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n${}\r\n", value.len()).into_bytes();
    request.extend_from_slice(&value);
    request.extend_from_slice(b"\r\n");
    exchange(&mut client, &request, b"+OK\r\n");
    let gets = 40;
    client.write_all(&b"GET big\r\n".repeat(gets)).expect("the server reads");
    // Meanwhile others are served.
    exchange(&mut running.connect(), b"GET none\r\n", b"$-1\r\n");
    let mut reply = format!("${}\r\n", value.len()).into_bytes();
    reply.extend_from_slice(&value);
    reply.extend_from_slice(b"\r\n");
    expect(&mut client, &reply.repeat(gets));
}

#[test]
fn a_pipeline_of_cold_keys_waits_for_the_ssd_once() {
    let running = Running::new(&[], Some(Arc::new(MemoryDevice::new(1, 16 << 20))));
    let mut client = running.connect();
    let (keys, value) = (100, "v".repeat(200));
    let (mut sets, mut gets, mut values) = (String::new(), String::new(), String::new());
    for key in 0..keys {
        sets += &format!("SET key:{key} {key}-{value}\r\n");
        gets += &format!("GET key:{key}\r\n");
        let expected = format!("{key}-{value}");
        values += &format!("${}\r\n{expected}\r\n", expected.len());
    }
    exchange(&mut client, sets.as_bytes(), &b"+OK\r\n".repeat(keys));
    assert_eq!(running.drain(), keys as u64);
    exchange(&mut client, gets.as_bytes(), values.as_bytes());
    assert_eq!(running.server.engine.metrics().items_read_from_disk, keys as u64);
    // A stream may be received in pieces, each of which is a batch.
    assert!(running.server.metrics.totals().cold_requests <= 3);
}

#[test]
fn a_command_with_many_cold_keys_and_one_that_changes_a_cold_value_run_as_if_they_were_hot() {
    let running = Running::new(&[], Some(Arc::new(MemoryDevice::new(1, 16 << 20))));
    let mut client = running.connect();
    let long = "x".repeat(100);
    exchange(&mut client, format!("MSET a {long} b {long} c {long}\r\n").as_bytes(), b"+OK\r\n");
    assert_eq!(running.drain(), 3);
    exchange(
        &mut client,
        b"APPEND a !\r\nMGET b none c\r\nSTRLEN a\r\n",
        format!(":101\r\n*3\r\n$100\r\n{long}\r\n$-1\r\n$100\r\n{long}\r\n:101\r\n").as_bytes(),
    );
}

#[test]
fn a_value_that_cannot_be_read_is_an_error_of_its_own_command_only() {
    let device =
        FaultDevice::new(Arc::new(MemoryDevice::new(1, 16 << 20)), FaultPlan::default()).expect("a device");
    let running = Running::new(&[], Some(Arc::new(device.clone())));
    let mut client = running.connect();
    let long = "x".repeat(100);
    exchange(&mut client, format!("SET a {long}\r\nSET b {long}\r\n").as_bytes(), &b"+OK\r\n".repeat(2));
    assert_eq!(running.drain(), 2);
    let eio = ScriptedFault {
        operation: Operation::Read,
        file: None,
        range: None,
        skip: 0,
        times: u64::MAX,
        fault: Fault::Error(5),
    };
    device.script(eio);
    client.write_all(b"GET a\r\nSET c 1\r\nGET c\r\n").expect("the server reads");
    let mut error = [0; 4];
    client.read_exact(&mut error).expect("a reply");
    assert_eq!(&error, b"-ERR");
    let mut byte = [0; 1];
    while byte[0] != b'\n' {
        client.read_exact(&mut byte).expect("the error has an end");
    }
    expect(&mut client, b"+OK\r\n$1\r\n1\r\n");
    device.heal();
    exchange(&mut client, b"GET a\r\nGET b\r\n", format!("$100\r\n{long}\r\n").repeat(2).as_bytes());
}

#[test]
fn a_closed_connection_leaves_the_registry() {
    let running = Running::new(&[], None);
    let mut client = running.connect();
    exchange(&mut client, b"GET a\r\n", b"$-1\r\n");
    let shared = running.server.clients.all().pop().expect("one client");
    assert_eq!(shared.peer, client.local_addr().ok());
    let get = running.server.commands.find(b"get").expect("GET").id;
    assert_eq!(shared.last_command(), Some(get));
    shared.close();
    expect_end(&mut client);
    while !running.server.clients.is_empty() {
        std::thread::yield_now();
    }
}

#[test]
fn a_pause_holds_writes_back_until_it_is_lifted() {
    let running = Running::new(&[], None);
    let now = running.server.clock.now();
    running.server.pause.pause(thermocline_engine::UnixMillis(now.0 + 60_000), true);
    let mut client = running.connect();
    exchange(&mut client, b"GET a\r\nSET a 1\r\nGET a\r\n", b"$-1\r\n");
    let mut other = running.connect();
    exchange(&mut other, b"GET a\r\n", b"$-1\r\n");
    running.server.pause.resume();
    expect(&mut client, b"+OK\r\n$1\r\n1\r\n");
}
