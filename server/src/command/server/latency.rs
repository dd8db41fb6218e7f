//! LATENCY: slow events of the last minutes, and how long commands take.

use thermocline_protocol::Arguments;

use super::latency_monitor::Event;
use super::{HELP, OPERATOR, SERVER};
use crate::command::help::{Entry, reply_help};
use crate::command::{Command, Context, Failure, Flags, Handler};
use crate::server::metrics::{CommandSummary, Durations};

/// Width of LATENCY GRAPH's lines.
const GRAPH_COLUMNS: usize = 80;
/// Height of its bars.
const GRAPH_ROWS: usize = 4;

pub(super) const LATENCY: Command = Command {
    name: "latency",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for latency diagnostics commands.",
    since: "2.8.13",
    complexity: "Depends on subcommand.",
    subcommands: SUBCOMMANDS,
    ..SERVER
};

const LATENCY_COMMAND: Command = Command { flags: OPERATOR, since: "2.8.13", ..SERVER };

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "latest",
        arity: 2,
        summary: "Returns the latest latency samples for all events.",
        handler: Handler::Server(latest),
        ..LATENCY_COMMAND
    },
    Command {
        name: "history",
        arity: 3,
        summary: "Returns timestamp-latency samples for an event.",
        handler: Handler::Server(history),
        ..LATENCY_COMMAND
    },
    Command {
        name: "reset",
        arity: -2,
        summary: "Resets the latency data for one or more events.",
        handler: Handler::Server(reset),
        ..LATENCY_COMMAND
    },
    Command {
        name: "graph",
        arity: 3,
        summary: "Returns a latency graph for an event.",
        handler: Handler::Server(graph),
        ..LATENCY_COMMAND
    },
    Command {
        name: "doctor",
        arity: 2,
        summary: "Returns a human-readable latency analysis report.",
        handler: Handler::Server(doctor),
        ..LATENCY_COMMAND
    },
    Command {
        name: "histogram",
        arity: -2,
        summary: "Returns the cumulative distribution of latencies of a subset or all commands.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands with latency information being retrieved.",
        handler: Handler::Server(histogram),
        ..LATENCY_COMMAND
    },
    Command { handler: Handler::Server(help), since: "2.8.13", ..HELP },
];

const ENTRIES: &[Entry] = &[
    ("DOCTOR", &["Return what is known of slow events as a text."]),
    ("GRAPH <event>", &["Return a graph of a class of events."]),
    ("HISTORY <event>", &["Return the samples of a class of events."]),
    ("LATEST", &["Return the latest sample of each class of events."]),
    ("RESET [<event> ...]", &["Forget the samples of these classes of events, or of all."]),
    (
        "HISTOGRAM [COMMAND ...]",
        &["Return how long calls of these commands took, or of all that were called."],
    ),
];

fn latest(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let events = context.server.latency.events();
    context.reply.array(events.len());
    for (name, event) in events {
        let last = event.samples.back().copied();
        context.reply.array(4);
        context.reply.bulk(name.as_bytes());
        context.reply.integer(last.map_or(0, |sample| sample.at_s as i64));
        context.reply.integer(last.map_or(0, |sample| sample.duration_ms as i64));
        context.reply.integer(event.max_ms as i64);
    }
    Ok(())
}

fn history(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let event = context.server.latency.event(arguments.get(2)).map(|(_, event)| event).unwrap_or_default();
    context.reply.array(event.samples.len());
    for sample in event.samples {
        context.reply.array(2);
        context.reply.integer(sample.at_s as i64);
        context.reply.integer(sample.duration_ms as i64);
    }
    Ok(())
}

fn reset(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let names: Vec<&[u8]> = arguments.iter().skip(2).collect();
    let forgets =
        |event: &str| names.is_empty() || names.iter().any(|n| n.eq_ignore_ascii_case(event.as_bytes()));
    let forgotten = context.server.latency.reset(forgets);
    context.reply.integer(forgotten as i64);
    Ok(())
}

fn graph(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let Some((name, event)) = context.server.latency.event(arguments.get(2)) else {
        let name = String::from_utf8_lossy(arguments.get(2));
        return Err(Failure::error(format!("ERR No samples available for event '{name}'")));
    };
    let text = draw(name, &event, context.server.clock.now().0 / 1000);
    context.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

/// A bar for each sample, highest line first, and below each how long ago it was.
fn draw(name: &str, event: &Event, now_s: u64) -> String {
    let skipped = event.samples.len().saturating_sub(GRAPH_COLUMNS);
    let samples: Vec<_> = event.samples.iter().skip(skipped).collect();
    let high = samples.iter().map(|sample| sample.duration_ms).max().unwrap_or(0);
    let low = samples.iter().map(|sample| sample.duration_ms).min().unwrap_or(0);
    let mut text = format!("{name} - high {high} ms, low {low} ms (all time high {} ms)\n", event.max_ms);
    text.push_str(&"-".repeat(GRAPH_COLUMNS));
    text.push('\n');
    let height = |duration_ms: u64| match high - low {
        0 => 0,
        range => (duration_ms - low) as usize * (GRAPH_ROWS - 1) / range as usize,
    };
    for row in (0..GRAPH_ROWS).rev() {
        text.extend(samples.iter().map(|sample| match height(sample.duration_ms) {
            top if top == row => '_',
            top if top > row => '|',
            _ => ' ',
        }));
        text.push('\n');
    }
    text.push('\n');
    let ages: Vec<String> = samples.iter().map(|sample| age(now_s.saturating_sub(sample.at_s))).collect();
    for row in 0..ages.iter().map(String::len).max().unwrap_or(0) {
        text.extend(ages.iter().map(|age| age.chars().nth(row).unwrap_or(' ')));
        text.push('\n');
    }
    text
}

fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn doctor(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let threshold_ms = context.server.config.latency_monitor_threshold_ms();
    let events = context.server.latency.events();
    let mut text = String::new();
    if threshold_ms == 0 {
        text.push_str(
            "Slow events are not remembered. CONFIG SET latency-monitor-threshold <milliseconds> turns that on.\n",
        );
    } else if events.is_empty() {
        text.push_str(&format!("Nothing took {threshold_ms} ms or longer.\n"));
    }
    for (name, event) in events {
        let count = event.samples.len() as u64;
        let total_ms: u64 = event.samples.iter().map(|sample| sample.duration_ms).sum();
        text.push_str(&format!(
            "{name}: slow in {count} seconds, {} ms on average, {} ms at worst.\n",
            total_ms.checked_div(count).unwrap_or(0),
            event.max_ms
        ));
    }
    text.push_str("TIER LATENCY tells what reads of the SSD cost, SLOWLOG GET which commands were slow.\n");
    context.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn histogram(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_histograms(context, arguments.skip(2), |summary| summary.histogram);
    Ok(())
}

/// Replies how long something about these commands took, or about all: a map of how often it was and how often it took
/// at most so many microseconds.
pub(crate) fn reply_histograms(
    context: &mut Context<'_>,
    names: Arguments<'_>,
    what: fn(CommandSummary) -> Durations,
) {
    let (table, metrics) = (context.server.commands, &context.server.metrics);
    let mut found: Vec<(&str, Durations)> = Vec::new();
    let mut add = |id: usize| {
        let durations = what(metrics.command(id));
        if !durations.is_empty() {
            found.push((&table.entry(id).full_name, durations));
        }
    };
    if names.is_empty() {
        (0..table.len()).for_each(add);
    } else {
        for entry in names.iter().filter_map(|name| table.find_full_name(name)) {
            add(entry.id);
            entry.subcommands.clone().for_each(&mut add);
        }
    }
    let reply = &mut context.reply;
    reply.map(found.len());
    for (name, durations) in found {
        let steps = cumulative_by_power_of_two(&durations);
        reply.bulk(name.as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        reply.integer(durations.count() as i64);
        reply.bulk(b"histogram_usec");
        reply.map(steps.len());
        for (limit_us, count) in steps {
            reply.integer(limit_us as i64);
            reply.integer(count as i64);
        }
    }
}

/// How many calls took at most 1, 2, 4, ... microseconds, where that changes.
fn cumulative_by_power_of_two(durations: &Durations) -> Vec<(u64, u64)> {
    let mut steps: Vec<(u64, u64)> = Vec::new();
    let mut total = 0;
    for (end_ns, count) in &durations.0 {
        total += count;
        let limit_us = (end_ns / 1000).max(1).next_power_of_two();
        match steps.last_mut() {
            Some((last, sum)) if *last == limit_us => *sum = total,
            _ => steps.push((limit_us, total)),
        }
    }
    steps
}

fn help(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    reply_help(&mut context.reply, "LATENCY", ENTRIES);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::latency_monitor::Sample;
    use super::*;

    #[test]
    fn a_graph_shows_ages_below_bars() {
        let samples = [Sample { at_s: 10, duration_ms: 1 }, Sample { at_s: 95, duration_ms: 40 }];
        let text = draw("command", &Event { max_ms: 50, samples: samples.into() }, 100);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "command - high 40 ms, low 1 ms (all time high 50 ms)");
        assert_eq!(lines[2..], [" _", " |", " |", "_|", "", "15", "ms"]);
    }

    #[test]
    fn histograms_are_cumulative_over_powers_of_two() {
        let durations = Durations(vec![(500, 3), (1_900, 2), (2_000, 1), (9_000, 4)]);
        assert_eq!(cumulative_by_power_of_two(&durations), [(1, 5), (2, 6), (16, 10)]);
    }
}
