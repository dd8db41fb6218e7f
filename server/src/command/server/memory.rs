//! MEMORY: where the process' memory went.

use thermocline_engine::{EngineMetrics, MemoryGauge};
use thermocline_protocol::Arguments;

use super::{HELP, SERVER};
use crate::command::arguments::{integer, is_word};
use crate::command::help::{Entry, reply_help};
use crate::command::{Command, Context, Failure, Flags, Handler, KeyContext, KeyPositions};
use crate::process::ProcessMemory;

/// What a key takes in the index beside its own bytes, about: the entry's head, its slot and the table's slack.
const ENTRY_BYTES: usize = 32;

/// MEMORY DOCTOR says nothing of a server that holds less than this. Redis' number.
const DOCTOR_LEAST_BYTES: u64 = 5 << 20;

pub(super) const MEMORY: Command = Command {
    name: "memory",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for memory diagnostics commands.",
    since: "4.0.0",
    complexity: "Depends on subcommand.",
    subcommands: SUBCOMMANDS,
    ..SERVER
};

const MEMORY_COMMAND: Command = Command { flags: Flags::NONE, since: "4.0.0", arity: 2, ..SERVER };

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "usage",
        arity: -3,
        flags: Flags::READONLY,
        keys: KeyPositions::Range { first: 2, last: 2, step: 1 },
        summary: "Estimates the memory usage of a key.",
        complexity: "O(N) where N is the number of samples.",
        handler: Handler::Keys(usage),
        ..MEMORY_COMMAND
    },
    Command {
        name: "stats",
        summary: "Returns details about memory usage.",
        handler: Handler::Server(stats),
        ..MEMORY_COMMAND
    },
    Command {
        name: "doctor",
        summary: "Outputs a memory problems report.",
        handler: Handler::Server(doctor),
        ..MEMORY_COMMAND
    },
    Command {
        name: "purge",
        summary: "Asks the allocator to release memory.",
        complexity: "Depends on how much memory is allocated, could be slow",
        handler: Handler::Server(purge),
        ..MEMORY_COMMAND
    },
    Command {
        name: "malloc-stats",
        summary: "Returns the allocator statistics.",
        complexity: "Depends on how much memory is allocated, could be slow",
        handler: Handler::Server(malloc_stats),
        ..MEMORY_COMMAND
    },
    Command { handler: Handler::Server(help), since: "4.0.0", ..HELP },
];

const ENTRIES: &[Entry] = &[
    ("DOCTOR", &["Return what seems to be wrong with the memory."]),
    ("MALLOC-STATS", &["Return what the allocator tells of itself."]),
    ("PURGE", &["Ask the allocator to give unused memory back."]),
    ("STATS", &["Return where the memory went."]),
    (
        "USAGE <key> [SAMPLES <count>]",
        &[
            "Return the DRAM that a key and its value take, in bytes. A value on the SSD takes none and is not read.",
        ],
    ),
];

fn usage(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    match arguments.len() {
        3 => {}
        5 if is_word(arguments.get(3), "SAMPLES") => {
            // Sizes are known exactly, so nothing is sampled.
            if integer(arguments.get(4))? < 0 {
                return Err(Failure::SYNTAX);
            }
        }
        _ => return Err(Failure::SYNTAX),
    }
    let key = arguments.get(2);
    match context.keys.peek(key) {
        Some(info) => context.reply.integer((ENTRY_BYTES + key.len() + info.value_dram_bytes) as i64),
        None => context.reply.null(),
    }
    Ok(())
}

fn stats(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let metrics = context.databases.metrics();
    let allocator = Allocator::read();
    let keys: u64 = metrics.items_memory + metrics.items_ssd;
    let dataset = metrics.dram_index_bytes + metrics.dram_values_bytes;
    let overhead = allocator.allocated.saturating_sub(dataset);
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let rows: [(&str, Number); 21] = [
        ("peak.allocated", Number::Integer(metrics.resident_set_peak_bytes)),
        ("total.allocated", Number::Integer(allocator.allocated)),
        ("startup.allocated", Number::Integer(0)),
        ("replication.backlog", Number::Integer(0)),
        ("clients.slaves", Number::Integer(0)),
        ("clients.normal", Number::Integer(client_bytes(context))),
        ("aof.buffer", Number::Integer(0)),
        ("overhead.total", Number::Integer(overhead)),
        ("keys.count", Number::Integer(keys)),
        ("keys.bytes-per-key", Number::Integer(dataset.checked_div(keys).unwrap_or(0))),
        ("dataset.bytes", Number::Integer(dataset)),
        ("dataset.percentage", Number::Fraction(100.0 * share(dataset, allocator.allocated))),
        ("allocator.allocated", Number::Integer(allocator.allocated)),
        ("allocator.active", Number::Integer(allocator.active)),
        ("allocator.resident", Number::Integer(allocator.resident)),
        ("allocator-fragmentation.ratio", Number::Fraction(share(allocator.active, allocator.allocated))),
        ("fragmentation", Number::Fraction(share(metrics.resident_set_bytes, allocator.allocated))),
        ("tier.dram.index.bytes", Number::Integer(metrics.dram_index_bytes)),
        ("tier.dram.values.bytes", Number::Integer(metrics.dram_values_bytes)),
        ("tier.dram.buffers.bytes", Number::Integer(metrics.dram_buffers_bytes)),
        ("tier.ssd.bytes", Number::Integer(metrics.bytes_ssd)),
    ];
    context.reply.map(rows.len());
    for (name, number) in rows {
        context.reply.bulk(name.as_bytes());
        match number {
            Number::Integer(value) => context.reply.integer(value as i64),
            Number::Fraction(value) => context.reply.double(value),
        }
    }
    Ok(())
}

enum Number {
    Integer(u64),
    Fraction(f64),
}

fn client_bytes(context: &Context<'_>) -> u64 {
    context.server.client_memory_bytes()
}

fn doctor(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let report = diagnose(&context.databases.metrics(), context.server.config.max_memory_bytes());
    context.reply.verbatim(b"txt", report.as_bytes());
    Ok(())
}

fn diagnose(metrics: &EngineMetrics, limit_bytes: u64) -> String {
    if metrics.resident_set_bytes < DOCTOR_LEAST_BYTES {
        return "The server holds too little to say anything about its memory.\n".to_owned();
    }
    let mut findings = Vec::new();
    if limit_bytes > 0 && metrics.dram_index_bytes > limit_bytes / 2 {
        findings.push(format!(
            "The index of keys takes {} of {limit_bytes} bytes of maxmemory. Keys stay in DRAM, so more of them leave \
             less for values: raise maxmemory, or use fewer and larger values.",
            metrics.dram_index_bytes
        ));
    }
    if metrics.has_tier && metrics.bytes_ssd > metrics.capacity_bytes / 10 * 9 {
        findings.push(format!(
            "The SSD tier is nearly full: {} of {} bytes. Raise tier-capacity, or choose a maxmemory-policy that \
             deletes.",
            metrics.bytes_ssd, metrics.capacity_bytes
        ));
    }
    if metrics.throttled_clients > 0 || metrics.refused_writes > 0 {
        findings.push(format!(
            "{} clients wait for room in memory, and {} writes were refused: data comes in faster than the SSD takes \
             it.",
            metrics.throttled_clients, metrics.refused_writes
        ));
    }
    if metrics.read_errors + metrics.write_errors + metrics.checksum_errors > 0 {
        findings.push(format!(
            "The SSD tier had {} read errors, {} write errors and {} checksum errors: look at the log and the device.",
            metrics.read_errors, metrics.write_errors, metrics.checksum_errors
        ));
    }
    if findings.is_empty() {
        return "Nothing is wrong with the memory.\n".to_owned();
    }
    findings.iter().map(|finding| format!(" * {finding}\n")).collect()
}

fn purge(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    ProcessMemory::new().give_back_unused();
    context.reply.ok();
    Ok(())
}

fn malloc_stats(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let Allocator { allocated, active, resident, mapped, retained } = Allocator::read();
    let text = format!(
        "jemalloc: allocated {allocated}, active {active}, resident {resident}, mapped {mapped}, retained {retained}\n"
    );
    context.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

/// What jemalloc tells of itself, in bytes.
pub(crate) struct Allocator {
    /// Handed out.
    pub(crate) allocated: u64,
    /// In pages that hold something handed out.
    pub(crate) active: u64,
    /// In pages that are resident.
    pub(crate) resident: u64,
    /// In pages that are mapped.
    pub(crate) mapped: u64,
    /// In pages that were given back and may be taken again.
    pub(crate) retained: u64,
}

impl Allocator {
    /// The figures of this moment; zeros where jemalloc is not the allocator.
    pub(crate) fn read() -> Self {
        use tikv_jemalloc_ctl::{epoch, stats};
        // The figures are those of the last time the epoch advanced; that it cannot leaves them as they are.
        let _ = epoch::advance();
        let bytes = |result: Result<usize, tikv_jemalloc_ctl::Error>| result.unwrap_or(0) as u64;
        Self {
            allocated: bytes(stats::allocated::read()),
            active: bytes(stats::active::read()),
            resident: bytes(stats::resident::read()),
            mapped: bytes(stats::mapped::read()),
            retained: bytes(stats::retained::read()),
        }
    }
}

fn help(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    reply_help(&mut context.reply, "MEMORY", ENTRIES);
    Ok(())
}
