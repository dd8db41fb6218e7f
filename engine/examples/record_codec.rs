//! What a record costs: checksum, encoding, decoding, and zstd at several levels and value sizes.
//!
//! Usage: `record_codec [FILE]`: values are cut from the file, or from JSON made up here.

// A measuring program talks to its terminal.
#![allow(clippy::print_stdout)]

use std::env;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use thermocline_engine::compression::{Compressor, Decompressor};
use thermocline_engine::record::{RecordHead, RecordKind, RecordSalt, Stored, decode, encode, encoded_len};
use thermocline_engine::value::{Encoding, ValueType};

const TIME_PER_FIGURE: Duration = Duration::from_millis(150);

fn main() -> Result<(), Box<dyn Error>> {
    let data = match env::args().nth(1) {
        Some(file) => fs::read(file)?,
        None => json(4 << 20),
    };
    checksum_and_record();
    for level in [-5, -1, 1, 3] {
        for size in [64, 128, 256, 512, 1024, 4096, 65536] {
            compression(&data, level, size)?;
        }
    }
    Ok(())
}

/// Runs `work` for a while and returns the time of one run in nanoseconds.
fn time(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut runs = 0_u32;
    while start.elapsed() < TIME_PER_FIGURE {
        for _ in 0..16 {
            work();
        }
        runs += 16;
    }
    start.elapsed().as_nanos() as f64 / f64::from(runs)
}

fn checksum_and_record() {
    let head = RecordHead {
        kind: RecordKind::Value,
        value_type: ValueType::String,
        encoding: Encoding::Raw,
        keyspace: 0,
        sequence: 1,
        expiry: None,
        stored: Stored::Plain,
    };
    let salt = RecordSalt(1);
    for size in [100, 1024, 4096, 65536] {
        let payload = vec![7; size];
        let crc_ns = time(|| {
            black_box(crc32c::crc32c(black_box(&payload)));
        });
        let mut out = vec![0; encoded_len(16, size, false).expect("it fits")];
        let encode_ns = time(|| {
            black_box(encode(&mut out, salt, &head, b"a key of 16 byte", black_box(&payload)));
        });
        let decode_ns = time(|| {
            black_box(decode(black_box(&out), salt).is_ok());
        });
        println!(
            "value {size:6}: crc32c {crc_ns:7.0} ns ({:5.1} GB/s), encode {encode_ns:7.0} ns, decode {decode_ns:7.0} ns",
            size as f64 / crc_ns
        );
    }
}

fn compression(data: &[u8], level: i32, size: usize) -> Result<(), Box<dyn Error>> {
    let values: Vec<&[u8]> = data.chunks_exact(size).step_by(7).take(1000).collect();
    if values.is_empty() {
        return Err(format!("the file is shorter than a value of {size} bytes").into());
    }
    let mut compressor = Compressor::new(level)?;
    let mut stored_bytes = 0;
    let mut kept = 0;
    let mut frames = Vec::new();
    for value in &values {
        if let Some(frame) = compressor.compress(value) {
            kept += 1;
            stored_bytes += frame.len();
            frames.push(frame.to_vec());
        } else {
            stored_bytes += value.len();
        }
    }
    let mut next = values.iter().cycle();
    let compress_ns = time(|| {
        black_box(compressor.compress(next.next().expect("a cycle")));
    });
    let mut decompressor = Decompressor::new()?;
    let mut out = Vec::new();
    let mut next = frames.iter().cycle();
    let decompress_ns = if frames.is_empty() {
        0.0
    } else {
        time(|| {
            out.clear();
            let result = decompressor.decompress(next.next().expect("a cycle"), size, &mut out);
            assert!(result.is_ok());
        })
    };
    println!(
        "level {level:2} value {size:6}: kept {:5.1} %, stored {:5.1} %, compress {:8.2} us, decompress {:7.2} us",
        100.0 * f64::from(kept) / values.len() as f64,
        100.0 * stored_bytes as f64 / (values.len() * size) as f64,
        compress_ns / 1000.0,
        decompress_ns / 1000.0,
    );
    Ok(())
}

/// Records of made-up users.
fn json(len: usize) -> Vec<u8> {
    let mut text = String::new();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    while text.len() < len {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let written = write!(
            text,
            "{{\"id\":{},\"name\":\"user-{:x}\",\"session\":\"{random:016x}\",\"active\":{},\"visits\":{},\"country\":\"{}\"}}",
            random >> 20,
            random as u32,
            random & 1 == 0,
            random % 1000,
            ["de", "fr", "us", "jp", "br"][(random % 5) as usize],
        );
        written.expect("a String takes everything");
    }
    text.into_bytes()
}
