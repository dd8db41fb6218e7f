//! TIER: where a value is, and what the boundary between DRAM and SSD costs.
//!
//! TIER WHERE looks at the index only. TIER DEMOTE, DRAIN and GC ask the engine's background thread and wait for it.

#[cfg(test)]
mod tests;

use thermocline_engine::{LatencySummary, Tier};
use thermocline_protocol::{Arguments, ReplyEncoder};

use super::arguments::{is_word, wrong_arity};
use super::help::{Entry, reply_help};
use super::server::latency::reply_histograms;
use super::server::slowlog::{count, reply_newest};
use super::{Command, Context, Failure, Flags, Handler, KeyContext, KeyPositions, Waiting};
use crate::server::Server;

/// A command of this group.
const TIER: Command = Command { group: "tier", since: "7.2.4", arity: 2, ..Command::NEW };

/// For operators only.
const OPERATOR: Flags = Flags::ADMIN.with(Flags::NOSCRIPT);

/// The commands of this group.
pub const COMMANDS: &[Command] = &[Command {
    name: "tier",
    arity: -2,
    summary: "A container for commands about the SSD tier.",
    complexity: "Depends on subcommand.",
    subcommands: SUBCOMMANDS,
    ..TIER
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "where",
        arity: 3,
        flags: Flags::READONLY.with(Flags::FAST),
        keys: KeyPositions::Range { first: 2, last: 2, step: 1 },
        categories: &["keyspace"],
        summary: "Returns which tiers hold a key's value: dram, ssd or both.",
        handler: Handler::Keys(whereabouts),
        ..TIER
    },
    Command {
        name: "demote",
        arity: -3,
        flags: OPERATOR,
        keys: KeyPositions::Range { first: 2, last: -1, step: 1 },
        summary: "Moves the values of keys to the SSD and returns how many were moved.",
        complexity: "O(N) where N is the number of keys; one write to the SSD for each",
        handler: Handler::Waiting(demote),
        ..TIER
    },
    Command {
        name: "drain",
        flags: OPERATOR,
        summary: "Moves all values to the SSD and returns how many were moved.",
        complexity: "O(N) where N is the number of values in DRAM",
        handler: Handler::Waiting(drain),
        ..TIER
    },
    Command {
        name: "gc",
        flags: OPERATOR,
        summary: "Collects every segment of the log that gains anything and returns how many were.",
        complexity: "O(N) where N is the number of records in these segments",
        handler: Handler::Waiting(collect),
        ..TIER
    },
    Command {
        name: "latency",
        arity: -2,
        flags: OPERATOR,
        summary: "Returns how long reads from DRAM and from the SSD take, and what requests waited for the SSD.",
        handler: Handler::Server(latency),
        ..TIER
    },
    Command {
        name: "slowlog",
        arity: -2,
        flags: OPERATOR,
        summary: "Returns the slow log's entries, each with what it waited for the SSD.",
        complexity: "O(N) where N is the number of entries returned",
        handler: Handler::Server(slow_commands),
        ..TIER
    },
    Command {
        name: "help",
        flags: Flags::LOADING.with(Flags::STALE),
        summary: "Returns helpful text about the different subcommands.",
        handler: Handler::Server(help),
        ..TIER
    },
];

const ENTRIES: &[Entry] = &[
    ("DEMOTE <key> [<key> ...]", &["Move values to the SSD, wait until they are there; return how many."]),
    ("DRAIN", &["Move all values to the SSD, wait until they are there; return how many."]),
    ("GC", &["Collect garbage in the log; return how many segments were collected."]),
    (
        "LATENCY [RESET]",
        &["Return percentiles of reads from DRAM, from the SSD, and of added latency in us."],
    ),
    (
        "LATENCY HISTOGRAM [<command> ...]",
        &["Return how long these commands waited for the SSD, or all, as LATENCY HISTOGRAM does."],
    ),
    ("SLOWLOG [<count>]", &["Return SLOWLOG GET's entries, and what each waited for the SSD in us."]),
    ("WHERE <key>", &["Return dram, ssd or both, nil where there is no such key."]),
];

const NO_TIER: &str = "ERR there is no SSD tier: set tier-capacity";

fn whereabouts(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    match context.keys.peek(arguments.get(2)).map(|info| info.tier) {
        Some(Tier::Dram) => context.reply.bulk(b"dram"),
        Some(Tier::Ssd) => context.reply.bulk(b"ssd"),
        Some(Tier::Both) => context.reply.bulk(b"both"),
        None => context.reply.null(),
    }
    Ok(())
}

fn demote<'a>(context: &'a mut Context<'_>, arguments: Arguments<'a>) -> Waiting<'a> {
    Box::pin(async move {
        check_tier(context.server)?;
        let database = context.session.database();
        // All are asked for before the first is waited for.
        let requests: Vec<_> =
            arguments.iter().skip(2).map(|key| context.server.engine.demote(database, key)).collect();
        let mut moved = 0;
        for request in requests {
            moved += request.await;
        }
        context.reply.integer(moved as i64);
        Ok(())
    })
}

fn drain<'a>(context: &'a mut Context<'_>, _: Arguments<'a>) -> Waiting<'a> {
    Box::pin(async move {
        check_tier(context.server)?;
        let moved = context.server.engine.drain().await;
        context.reply.integer(moved as i64);
        Ok(())
    })
}

fn collect<'a>(context: &'a mut Context<'_>, _: Arguments<'a>) -> Waiting<'a> {
    Box::pin(async move {
        check_tier(context.server)?;
        let collected = context.server.engine.collect_garbage().await;
        context.reply.integer(collected as i64);
        Ok(())
    })
}

fn check_tier(server: &Server) -> Result<(), Failure> {
    if server.config.tier_capacity_bytes() == 0 { Err(Failure::error(NO_TIER)) } else { Ok(()) }
}

fn latency(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    match arguments.len() {
        2 => {}
        3 if is_word(arguments.get(2), "RESET") => {
            context.server.engine.reset_latencies();
            context.reply.ok();
            return Ok(());
        }
        _ if is_word(arguments.get(2), "HISTOGRAM") => {
            reply_histograms(context, arguments.skip(3), |summary| summary.wait_histogram);
            return Ok(());
        }
        3 => return Err(Failure::SYNTAX),
        _ => return Err(wrong_arity("tier|latency")),
    }
    let metrics = context.databases.metrics();
    context.reply.map(3);
    for (name, summary) in
        [("dram", metrics.dram_latency), ("ssd", metrics.ssd_latency), ("added", metrics.added_latency)]
    {
        context.reply.bulk(name.as_bytes());
        reply_latency(&mut context.reply, &summary);
    }
    Ok(())
}

fn slow_commands(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    if arguments.len() > 3 {
        return Err(wrong_arity("tier|slowlog"));
    }
    reply_newest(context, count(arguments)?, true);
    Ok(())
}

/// Microseconds, but for the count.
fn reply_latency(reply: &mut ReplyEncoder<'_>, summary: &LatencySummary) {
    reply.map(6);
    reply.bulk(b"count");
    reply.integer(summary.count as i64);
    for (name, us) in [
        ("mean_us", summary.mean_us),
        ("p50_us", summary.p50_us),
        ("p99_us", summary.p99_us),
        ("p999_us", summary.p999_us),
        ("max_us", summary.max_us),
    ] {
        reply.bulk(name.as_bytes());
        // A hundredth of a microsecond is below what is measured.
        reply.double((us * 100.0).round() / 100.0);
    }
}

fn help(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    reply_help(&mut context.reply, "TIER", ENTRIES);
    Ok(())
}
