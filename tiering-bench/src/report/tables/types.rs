//! Tables of commands and memory by data type.

use super::ratio;
use crate::measure::compare::median;
use crate::measure::types::{CommandFigures, TypesReport};
use crate::report::table::Table;
use crate::units::{format_bytes, format_count, format_us};

pub(super) fn tables(types: &TypesReport) -> Vec<Table> {
    let mut pipelines: Vec<usize> = types.commands.iter().map(|command| command.pipeline).collect();
    pipelines.dedup();
    pipelines.sort_unstable();
    pipelines.dedup();
    let mut tables: Vec<Table> =
        pipelines.into_iter().map(|pipeline| command_table(types, pipeline)).collect();
    if !types.memory.is_empty() {
        tables.push(memory_table(types));
    }
    tables
}

/// A command's figures of each server, and the first's over each other's.
fn command_table(types: &TypesReport, pipeline: usize) -> Table {
    let (first, others) = types.servers.split_first().expect("a run has servers");
    let title = format!(
        "commands at pipeline {pipeline}: {} requests of {} clients, medians of {} rounds",
        format_count(types.requests as f64),
        types.clients,
        types.rounds
    );
    let mut header = vec!["command".to_owned()];
    header.extend(types.servers.iter().flat_map(|name| [format!("{name} req/s"), "CPU us/req".to_owned()]));
    header.extend(others.iter().flat_map(|name| [format!("x {name}'s rate"), "x its CPU".to_owned()]));
    let mut table = Table::new(&title, header);
    let mut cpu_ratios: Vec<Vec<f64>> = vec![Vec::new(); others.len()];
    for command in types.commands.iter().filter(|command| command.pipeline == pipeline) {
        let mut cells = vec![command.name.clone()];
        for figures in &command.servers {
            cells.extend([format!("{:.0}", figures.requests_per_s), format_us(figures.cpu_us)]);
        }
        let ours = command.servers[0];
        for (theirs, ratios) in std::iter::zip(&command.servers[1..], &mut cpu_ratios) {
            cells.extend([
                ratio(ours.requests_per_s, theirs.requests_per_s),
                ratio(ours.cpu_us, theirs.cpu_us),
            ]);
            ratios.extend(cpu_ratio(&ours, theirs));
        }
        table.row(cells);
    }
    for (name, ratios) in std::iter::zip(others, &cpu_ratios) {
        let most = ratios.iter().copied().fold(0.0, f64::max);
        if let Some(middle) = median(ratios.iter().copied()) {
            table.note(format!(
                "CPU per request of {first} over that of {name}: {middle:.2} in the median, {most:.2} at most"
            ));
        }
    }
    table
}

fn cpu_ratio(ours: &CommandFigures, theirs: &CommandFigures) -> Option<f64> {
    (ours.cpu_us > 0.0 && theirs.cpu_us > 0.0).then(|| ours.cpu_us / theirs.cpu_us)
}

fn memory_table(types: &TypesReport) -> Table {
    let (_, others) = types.servers.split_first().expect("a run has servers");
    let mut header = vec!["values".to_owned(), "entries".to_owned()];
    header.extend(types.servers.iter().flat_map(|name| [format!("{name} RSS"), "bytes/entry".to_owned()]));
    header.extend(others.iter().map(|name| format!("x {name}'s")));
    let mut table = Table::new("growth of the resident set size, everything in DRAM", header);
    for figures in &types.memory {
        let count = format_count(figures.count as f64);
        let mut cells = vec![
            match figures.is_large {
                true => format!("one {} of {count}", figures.name),
                false => format!("{count} small of {}", figures.name),
            },
            format_count(figures.entries as f64),
        ];
        for &bytes in &figures.rss_growth_bytes {
            let per_entry = bytes as f64 / figures.entries.max(1) as f64;
            cells.extend([format_bytes(bytes as f64), format!("{per_entry:.1}")]);
        }
        let ours = figures.rss_growth_bytes[0] as f64;
        cells.extend(figures.rss_growth_bytes[1..].iter().map(|&theirs| ratio(ours, theirs as f64)));
        table.row(cells);
    }
    table.note("small collections have 5 to 50 entries");
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::types::CommandResult;
    use crate::measure::types::memory::MemoryFigures;

    #[test]
    fn ratios_are_those_of_the_first_server_to_the_other() {
        let figures = |requests_per_s, cpu_us| CommandFigures { requests_per_s, cpu_us };
        let types = TypesReport {
            rounds: 3,
            clients: 50,
            requests: 1000,
            servers: vec!["ours".into(), "theirs".into()],
            command_lines: Vec::new(),
            commands: [1, 16]
                .map(|pipeline| CommandResult {
                    name: "GET".into(),
                    pipeline,
                    servers: vec![figures(200_000.0, 4.0), figures(100_000.0, 8.0)],
                })
                .to_vec(),
            memory: vec![MemoryFigures {
                name: "hash".into(),
                count: 10,
                is_large: false,
                entries: 100,
                rss_growth_bytes: vec![900, 1000],
            }],
        };
        let tables = tables(&types);
        assert_eq!(tables.len(), 3);
        assert_eq!(tables[0].rows()[0][5..], ["2.00", "0.50"]);
        assert!(tables[0].notes[0].contains("0.50 in the median"), "{:?}", tables[0].notes);
        assert_eq!(tables[2].rows()[0].last().map(String::as_str), Some("0.90"));
    }
}
