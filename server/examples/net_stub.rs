//! A server with nothing behind its sockets but a hash map: measures what the network layer alone costs.
//!
//! Understands just enough of RESP for GET, SET and PING from a load generator; anything malformed closes the
//! connection. Not a Redis server. `net_stub PORT [BUSY_POLL_US [THREADS]]`

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use thermocline_server::net::{
    BindOptions, Connection, ShutdownSignal, ThreadOptions, bind_listeners, probe, run_thread,
};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Store = Rc<RefCell<HashMap<Box<[u8]>, Vec<u8>, ahash::RandomState>>>;

const ARGUMENTS_MAX: usize = 4;

fn main() -> io::Result<()> {
    probe()?;
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u32>().map_err(io::Error::other));
    let port = arguments.next().transpose()?.unwrap_or(7000);
    let busy_poll_us = arguments.next().transpose()?.unwrap_or(50);
    let threads = arguments.next().transpose()?.unwrap_or(1) as usize;
    let bind = BindOptions {
        addresses: vec!["127.0.0.1".into()],
        port: u16::try_from(port).map_err(io::Error::other)?,
        ..BindOptions::default()
    };
    let (mut listeners, _) = bind_listeners(&bind, threads)?;
    let shutdown = ShutdownSignal::new();
    let options = |listeners| ThreadOptions { listeners, busy_poll_us, ..ThreadOptions::default() };
    std::thread::scope(|scope| {
        for own in listeners.split_off(1) {
            let shutdown = shutdown.clone();
            scope.spawn(move || serve(options(own), shutdown));
        }
        serve(options(listeners.remove(0)), shutdown.clone())
    })
}

fn serve(options: ThreadOptions, shutdown: ShutdownSignal) -> io::Result<()> {
    let hasher = ahash::RandomState::with_seeds(1, 2, 3, 4);
    let store: Store = Rc::new(RefCell::new(HashMap::with_hasher(hasher)));
    run_thread(options, Vec::new(), move |connection| answer(connection, Rc::clone(&store)), shutdown)
}

async fn answer(connection: Connection, store: Store) {
    let mut unparsed = Vec::new();
    while let Ok(Some(input)) = connection.recv().await {
        let mut output = connection.output_buffer();
        let rest = if unparsed.is_empty() {
            run(&input, &store, &mut output)
        } else {
            unparsed.extend_from_slice(&input);
            run(&unparsed, &store, &mut output)
        };
        match rest {
            Some(0) => unparsed.clear(),
            Some(rest) if unparsed.is_empty() => unparsed.extend_from_slice(&input[input.len() - rest..]),
            Some(rest) => drop(unparsed.drain(..unparsed.len() - rest)),
            None => return,
        }
        drop(input);
        if connection.send(&mut output).await.is_err() {
            return;
        }
    }
}

/// Runs all complete commands; returns how many bytes at the end are not one yet, or nothing if they cannot be.
fn run(mut input: &[u8], store: &Store, output: &mut Vec<u8>) -> Option<usize> {
    let mut store = store.borrow_mut();
    while !input.is_empty() {
        let mut words: [&[u8]; ARGUMENTS_MAX] = [&[]; ARGUMENTS_MAX];
        let used = if input[0] == b'*' { parse(input, &mut words)? } else { parse_inline(input, &mut words) };
        if used == 0 {
            break;
        }
        input = &input[used..];
        match (words[0].first().map(u8::to_ascii_uppercase), words[0].len()) {
            (Some(b'G'), 3) => match store.get(words[1]) {
                Some(value) => {
                    output.push(b'$');
                    push_number(output, value.len());
                    output.extend_from_slice(b"\r\n");
                    output.extend_from_slice(value);
                    output.extend_from_slice(b"\r\n");
                }
                None => output.extend_from_slice(b"$-1\r\n"),
            },
            (Some(b'S'), 3) => {
                match store.get_mut(words[1]) {
                    Some(value) => {
                        value.clear();
                        value.extend_from_slice(words[2]);
                    }
                    None => drop(store.insert(words[1].into(), words[2].to_vec())),
                }
                output.extend_from_slice(b"+OK\r\n");
            }
            (Some(b'P'), 4) => output.extend_from_slice(b"+PONG\r\n"),
            _ => output.extend_from_slice(b"-ERR the stub knows GET, SET and PING\r\n"),
        }
    }
    Some(input.len())
}

fn parse_inline<'a>(input: &'a [u8], words: &mut [&'a [u8]; ARGUMENTS_MAX]) -> usize {
    let Some(end) = input.iter().position(|&byte| byte == b'\n') else { return 0 };
    words[0] = input[..end].trim_ascii();
    end + 1
}

/// Parses one array of bulk strings; returns its length, 0 if it is incomplete, nothing if it is malformed.
fn parse<'a>(input: &'a [u8], words: &mut [&'a [u8]; ARGUMENTS_MAX]) -> Option<usize> {
    let mut at = 1;
    let Some(count) = number(input, &mut at)? else { return Some(0) };
    for word in words.get_mut(..count)? {
        if input.get(at).is_some_and(|&byte| byte != b'$') {
            return None;
        }
        at += 1;
        let Some(len) = number(input, &mut at)? else { return Some(0) };
        let Some(bytes) = input.get(at..at + len + 2) else { return Some(0) };
        *word = &bytes[..len];
        at += len + 2;
    }
    Some(at)
}

/// The number at `at` and its line end; inner nothing if the line is incomplete.
fn number(input: &[u8], at: &mut usize) -> Option<Option<usize>> {
    let mut value = 0_usize;
    for (index, &byte) in input.get(*at..).unwrap_or_default().iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value.checked_mul(10)?.checked_add(usize::from(byte - b'0'))?,
            b'\r' => {
                *at += index + 2;
                return Some((*at <= input.len()).then_some(value));
            }
            _ => return None,
        }
    }
    Some(None)
}

fn push_number(output: &mut Vec<u8>, number: usize) {
    if number >= 10 {
        push_number(output, number / 10);
    }
    output.push(b'0' + (number % 10) as u8);
}
