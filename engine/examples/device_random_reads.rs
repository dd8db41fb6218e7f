//! Random reads through the production device: reads per second, CPU per read and latency at a fixed depth.
//!
//! Compare with fio on the same file: `fio --filename=F --size=S --direct=1 --ioengine=io_uring
//! --registerfiles --rw=randread --bs=4k --iodepth=32 ...`
//!
//! Usage: `device_random_reads FILE FILE_BYTES READ_BYTES ALIGN_BYTES DEPTH SECONDS [FLUSH_EVERY [FIRST_OFFSET_BYTES]]`
//!
//! FLUSH_EVERY 1 hands every read to the kernel by a call of its own, as fio does; a large number hands over as many as
//! completed together. The first keeps the disk busier, the second costs less CPU.

// A measuring program talks to its terminal.
#![allow(clippy::print_stdout)]

use std::env;
use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thermocline_engine::device::buffer::{BufferGauge, BufferPool, DEFAULT_IDLE_LIMIT_BYTES};
use thermocline_engine::device::uring::UringDevice;
use thermocline_engine::device::{Device, TierFile};

/// How long a wait for a completion may take before the program looks at the clock again.
const WAIT: Duration = Duration::from_millis(100);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, numbers @ ..] = arguments.as_slice() else { return Err("see the head of the source".into()) };
    let numbers = numbers.iter().map(|number| number.parse()).collect::<Result<Vec<u64>, _>>()?;
    let [file_bytes, read_bytes, align_bytes, depth, seconds, rest @ ..] = numbers.as_slice() else {
        return Err("see the head of the source".into());
    };
    let flush_every = rest.first().copied().unwrap_or(1);
    let first_offset_bytes = rest.get(1).copied().unwrap_or(0);
    let tier_file = TierFile { path: file.into(), capacity_bytes: *file_bytes, keep_contents: true };
    let device = UringDevice::open(&[tier_file])?;
    let mut queue = device.open_queue(usize::try_from(*depth)?)?;
    let mut pool = BufferPool::new(DEFAULT_IDLE_LIMIT_BYTES, Arc::new(BufferGauge::default()));
    let places = (file_bytes - read_bytes - first_offset_bytes) / align_bytes;
    let read_bytes = usize::try_from(*read_bytes)?;

    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut submitted_at = vec![Instant::now(); queue.depth()];
    let mut idle_slots: Vec<u64> = (0..*depth).collect();
    let mut latencies_us: Vec<u32> = Vec::with_capacity(1 << 22);
    let mut completions = Vec::with_capacity(queue.depth());
    let cpu_before = cpu_ticks()?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(*seconds) {
        let now = Instant::now();
        let mut unflushed = 0;
        while let Some(slot) = idle_slots.pop() {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            submitted_at[usize::try_from(slot)?] = now;
            let offset_bytes = first_offset_bytes + random % places * align_bytes;
            queue.submit_read(slot, 0, offset_bytes, pool.take(read_bytes))?;
            unflushed += 1;
            if unflushed >= flush_every {
                queue.flush()?;
                unflushed = 0;
            }
        }
        queue.wait(WAIT)?;
        queue.poll(&mut completions);
        let now = Instant::now();
        for completion in completions.drain(..) {
            let waited = now - submitted_at[usize::try_from(completion.token)?];
            latencies_us.push(u32::try_from(waited.as_micros())?);
            idle_slots.push(completion.token);
            pool.give_back(completion.into_complete().map_err(|(error, _)| error)?);
        }
    }
    let elapsed_s = start.elapsed().as_secs_f64();
    let cpu_us = (cpu_ticks()? - cpu_before) as f64 * 10_000.0;
    latencies_us.sort_unstable();
    let count = latencies_us.len();
    println!(
        "depth {depth:3} read {read_bytes:5}: {:8.0} reads/s, {:5.2} us CPU per read, p50 {} us, p99 {} us",
        count as f64 / elapsed_s,
        cpu_us / count as f64,
        latencies_us[count / 2],
        latencies_us[count * 99 / 100],
    );
    Ok(())
}

/// User and system time of this process in hundredths of a second, the kernel's unit in /proc.
fn cpu_ticks() -> Result<u64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
}
