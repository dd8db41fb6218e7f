//! A server for tests: a map behind RESP or memcached's text protocol, which can be told to misbehave.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thermocline_protocol::{ArgumentRanges, Limits, Parsed, RequestParser};
use tiering_bench::target::Endpoint;
use tiering_bench::target::wire::Wire;

/// What the server does wrong, and when. Commands on data are counted from 1.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// Before the reply to this command, nobody is served for so long.
    pub(super) stall: Option<(u64, Duration)>,
    /// Every so many writes one is acknowledged and forgotten.
    pub(super) lose_every: Option<u64>,
    /// Every so many reads one has a flipped bit.
    pub(super) corrupt_every: Option<u64>,
    /// Every so many writes one is refused.
    pub(super) refuse_every: Option<u64>,
    /// Never reply to this command or a later one.
    pub(super) silent_from: Option<u64>,
    /// Close the connection instead of the reply to this command.
    pub(super) close_at: Option<u64>,
    /// Claim to be Thermocline, with the odd keys on SSD.
    pub(super) has_tiers: bool,
}

/// Serves until the test's process ends.
pub(super) struct StubServer {
    pub(super) endpoint: Endpoint,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    faults: Faults,
    values: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
    commands: AtomicU64,
    reads: AtomicU64,
    writes: AtomicU64,
    hits_memory: AtomicU64,
    hits_ssd: AtomicU64,
    probes: AtomicU64,
}

impl StubServer {
    pub(super) fn start(wire: Wire, faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(State { faults, ..State::default() });
        let shared = state.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let (socket, state) = (socket.expect("accepted"), shared.clone());
                std::thread::spawn(move || serve(wire, socket, &state));
            }
        });
        Self { endpoint: Endpoint { wire, address }, state }
    }

    pub(super) fn commands(&self) -> u64 {
        self.state.commands.load(Ordering::SeqCst)
    }

    pub(super) fn probes(&self) -> u64 {
        self.state.probes.load(Ordering::SeqCst)
    }

    pub(super) fn keys(&self) -> usize {
        self.state.values.lock().expect("no panic").len()
    }
}

fn serve(wire: Wire, mut socket: TcpStream, state: &State) {
    let (mut input, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let mut output = Vec::new();
        let mut is_over = false;
        while let Some((words, bytes)) = parse(wire, &input) {
            input.drain(..bytes);
            match reply(wire, &words, state) {
                Some(reply) => output.extend(reply),
                None => is_over = true,
            }
        }
        if socket.write_all(&output).is_err() || is_over {
            return;
        }
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(bytes) => input.extend_from_slice(&buffer[..bytes]),
        }
    }
}

fn parse(wire: Wire, input: &[u8]) -> Option<(Vec<Vec<u8>>, usize)> {
    match wire {
        Wire::Resp => {
            let mut arguments = ArgumentRanges::new();
            match RequestParser::new().parse(input, &Limits::REDIS, &mut arguments).expect("valid RESP") {
                Parsed::Complete { consumed_bytes } => {
                    let words = arguments.in_buffer(input).iter().map(<[u8]>::to_vec).collect();
                    Some((words, consumed_bytes))
                }
                _ => None,
            }
        }
        Wire::Memcached => {
            let line = input.windows(2).position(|pair| pair == b"\r\n")?;
            let mut words: Vec<Vec<u8>> = input[..line].split(|&b| b == b' ').map(<[u8]>::to_vec).collect();
            let mut end = line + 2;
            if words[0] == b"set" {
                let bytes: usize = std::str::from_utf8(&words[4]).expect("digits").parse().expect("digits");
                if input.len() < end + bytes + 2 {
                    return None;
                }
                words.push(input[end..end + bytes].to_vec());
                end += bytes + 2;
            }
            Some((words, end))
        }
    }
}

/// `None` closes the connection.
fn reply(wire: Wire, words: &[Vec<u8>], state: &State) -> Option<Vec<u8>> {
    let word = |at: usize| words.get(at).map(Vec::as_slice).unwrap_or_default();
    match (wire, word(0)) {
        (Wire::Resp, b"INFO") => return Some(bulk(info(word(1), state).as_bytes())),
        (Wire::Resp, b"CONFIG") => return Some(b"*2\r\n$9\r\nmaxmemory\r\n$3\r\n100\r\n".to_vec()),
        (Wire::Resp, b"TIER") if word(1) == b"LATENCY" => return Some(b"+OK\r\n".to_vec()),
        (Wire::Resp, b"TIER") if word(1) == b"WHERE" => {
            state.probes.fetch_add(1, Ordering::SeqCst);
            return Some(bulk(if is_on_ssd(word(2)) { b"ssd" } else { b"dram" }));
        }
        (Wire::Memcached, b"stats") => {
            let reads = state.reads.load(Ordering::SeqCst);
            return Some(format!("STAT version 1\r\nSTAT get_hits {reads}\r\nEND\r\n").into_bytes());
        }
        _ => {}
    }
    let command = state.commands.fetch_add(1, Ordering::SeqCst) + 1;
    let faults = &state.faults;
    if let Some((at, length)) = faults.stall
        && at == command
    {
        // The lock keeps every other connection waiting, too.
        let _values = state.values.lock().expect("no panic");
        std::thread::sleep(length);
    }
    if faults.silent_from.is_some_and(|from| command >= from) {
        return Some(Vec::new());
    }
    if faults.close_at == Some(command) {
        return None;
    }
    match word(0) {
        b"GET" | b"get" => Some(read(wire, word(1), state)),
        b"SET" | b"set" => Some(write(wire, word(1), words.last().expect("a value"), state)),
        other => Some(format!("-ERR unknown command '{}'\r\n", other.escape_ascii()).into_bytes()),
    }
}

fn read(wire: Wire, key: &[u8], state: &State) -> Vec<u8> {
    let read = state.reads.fetch_add(1, Ordering::SeqCst) + 1;
    let mut value = state.values.lock().expect("no panic").get(key).cloned();
    if let Some(value) = &mut value {
        let hits = if is_on_ssd(key) { &state.hits_ssd } else { &state.hits_memory };
        hits.fetch_add(1, Ordering::SeqCst);
        if is_turn(state.faults.corrupt_every, read) {
            *value.last_mut().expect("not empty") ^= 1;
        }
    }
    match (wire, value) {
        (Wire::Resp, Some(value)) => bulk(&value),
        (Wire::Resp, None) => b"$-1\r\n".to_vec(),
        (Wire::Memcached, Some(value)) => {
            let mut out = format!("VALUE {} 0 {}\r\n", key.escape_ascii(), value.len()).into_bytes();
            out.extend(value);
            out.extend(b"\r\nEND\r\n");
            out
        }
        (Wire::Memcached, None) => b"END\r\n".to_vec(),
    }
}

fn write(wire: Wire, key: &[u8], value: &[u8], state: &State) -> Vec<u8> {
    let write = state.writes.fetch_add(1, Ordering::SeqCst) + 1;
    if is_turn(state.faults.refuse_every, write) {
        return match wire {
            Wire::Resp => b"-OOM command not allowed\r\n".to_vec(),
            Wire::Memcached => b"SERVER_ERROR out of memory storing object\r\n".to_vec(),
        };
    }
    if !is_turn(state.faults.lose_every, write) {
        state.values.lock().expect("no panic").insert(key.to_vec(), value.to_vec());
    }
    match wire {
        Wire::Resp => b"+OK\r\n".to_vec(),
        Wire::Memcached => b"STORED\r\n".to_vec(),
    }
}

fn is_turn(every: Option<u64>, number: u64) -> bool {
    every.is_some_and(|every| number.is_multiple_of(every))
}

fn is_on_ssd(key: &[u8]) -> bool {
    key.last().is_some_and(|digit| digit % 2 == 1)
}

fn info(section: &[u8], state: &State) -> String {
    match section {
        b"server" if state.faults.has_tiers => {
            "server_name:thermocline\r\nthermocline_version:0.0\r\n".to_owned()
        }
        b"server" => "redis_version:0.0\r\n".to_owned(),
        b"tiering" => {
            let load = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
            format!(
                "tier_hits_memory:{}\r\ntier_hits_ssd:{}\r\ntier_misses:0\r\ntier_items_memory:{}\r\n",
                load(&state.hits_memory),
                load(&state.hits_ssd),
                state.values.lock().expect("no panic").len() / 2,
            )
        }
        b"stats" => format!("keyspace_hits:{}\r\n", state.reads.load(Ordering::SeqCst)),
        _ => String::new(),
    }
}

fn bulk(bytes: &[u8]) -> Vec<u8> {
    let mut out = format!("${}\r\n", bytes.len()).into_bytes();
    out.extend(bytes);
    out.extend(b"\r\n");
    out
}
