//! Which plots and key figures stand in which report.

use super::chart::{Bar, BarChart, Color, LineChart, Series};
use super::scale::Scale;
use crate::driver::recorder::Class;
use crate::measure::compare::{Comparison, ScenarioResult, ServerResult, median};
use crate::measure::latency::LatencySummary;
use crate::measure::run::RunResult;
use crate::measure::timeline::TimelinePoint;
use crate::measure::usage::CpuPerRequest;
use crate::report::{Body, CapacityReport, CostReport, Report};
use crate::units::{format_bytes, format_count, format_us};

/// A key figure.
pub(super) struct Tile {
    pub(super) figure: String,
    pub(super) unit: String,
    pub(super) text: String,
}

/// Plots under a heading.
pub(super) struct Section {
    pub(super) title: String,
    pub(super) plots: Vec<String>,
}

/// Colours of the palette that mean something.
const MEMORY_COLOR: Color = 3;
const SSD_COLOR: Color = 4;
/// Colours for whatever comes first, second, ...
const PALETTE: [Color; 6] = [0, 3, 2, 4, 5, 1];

pub(super) fn title(report: &Report) -> String {
    match &report.body {
        Body::Runs { runs } => {
            let server = runs.first().map(|run| format!("{} {}", run.server.name, run.server.version));
            format!("Load on {}", server.unwrap_or_default())
        }
        Body::Comparison(comparison) => {
            let servers =
                comparison.scenarios.first().map(|scenario| &scenario.servers[..]).unwrap_or_default();
            let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
            names.join(", ") + ", side by side"
        }
        Body::Types(types) => types.servers.join(", ") + ", command by command",
        Body::Capacity(_) => "DRAM per key, and what fits a node".to_owned(),
        Body::Cost(_) => "What data costs, with and without a second tier".to_owned(),
    }
}

pub(super) fn tiles(report: &Report) -> Vec<Tile> {
    match &report.body {
        Body::Runs { runs } => runs.last().map(run_tiles).unwrap_or_default(),
        Body::Comparison(comparison) => comparison_tiles(comparison),
        Body::Types(_) => Vec::new(),
        Body::Capacity(capacity) => capacity_tiles(capacity),
        Body::Cost(cost) => cost_tiles(cost),
    }
}

pub(super) fn sections(report: &Report) -> Vec<Section> {
    let section = |title: &str, plots: Vec<String>| Section { title: title.to_owned(), plots };
    match &report.body {
        Body::Runs { runs } => vec![
            section("Latency", vec![run_latency(runs), run_cpu(runs)]),
            section("Over time", over_time(runs)),
        ],
        Body::Comparison(comparison) => {
            let curves = comparison.scenarios.iter().map(scenario_latency).collect();
            vec![section("Throughput and CPU", comparison_bars(comparison)), section("Latency", curves)]
        }
        // Its tables say it all.
        Body::Types(_) => Vec::new(),
        Body::Capacity(capacity) => {
            vec![section("Resident set size", vec![rss_over_keys(capacity), key_bars(capacity)])]
        }
        Body::Cost(cost) => vec![section("Price", cost_bars(cost))],
    }
}

fn tile(figure: impl Into<String>, unit: &str, text: impl Into<String>) -> Tile {
    Tile { figure: figure.into(), unit: unit.to_owned(), text: text.into() }
}

// ---- runs

fn run_tiles(run: &RunResult) -> Vec<Tile> {
    let mut tiles = vec![tile(format_count(run.requests_per_s), "/s", "requests answered")];
    let main = run.latency_of(Class::Read).or_else(|| run.latency_of(Class::Write));
    if let Some(latency) = main {
        tiles.push(tile(format_us(latency.p50_us), "µs", "median latency"));
        tiles.push(tile(format_us(latency.p99_us), "µs", "99th percentile"));
    }
    if let Some(ratio) = run.hit_ratio.server {
        tiles.push(tile(format!("{:.1}", ratio * 100.0), "%", "of the hits from memory"));
    }
    if let Some(cpu) = run.server_cpu {
        tiles.push(tile(format_us(cpu.total_us()), "µs", "of server CPU per request"));
    }
    if let Some(rss) = run.peak_rss_bytes {
        tiles.push(tile(format_bytes(rss as f64), "", "peak resident set size"));
    }
    tiles
}

fn run_latency(runs: &[RunResult]) -> String {
    let several = runs.len() > 1;
    let mut series = Vec::new();
    for run in runs {
        for latency in &run.latency {
            let name =
                if several { format!("{}: {}", run.label, latency.class) } else { latency.class.clone() };
            let color = match latency.class.as_str() {
                class if class == Class::ReadMemory.name() => MEMORY_COLOR,
                class if class == Class::ReadSsd.name() => SSD_COLOR,
                _ => PALETTE[series.len() % PALETTE.len()],
            };
            series.push(curve(name, color, &latency.summary));
        }
    }
    latency_chart("Latency by percentile, by the tier that answered", series)
}

fn curve(name: String, color: Color, summary: &LatencySummary) -> Series {
    let points = summary.curve.iter().map(|point| (point.percentile, point.us)).collect();
    Series { name, color, points }
}

fn latency_chart(title: &str, series: Vec<Series>) -> String {
    let values = || series.iter().flat_map(|series| &series.points).map(|&(_, us)| us).filter(|us| *us > 0.0);
    let y = Scale::log_around(values().fold(f64::INFINITY, f64::min).min(1e9), values().fold(1.0, f64::max));
    LineChart {
        title: title.to_owned(),
        x_label: "percentile of requests".to_owned(),
        x: Scale::Percentile(5.0),
        x_text: |percentile| {
            if percentile >= 99.999_99 {
                "max".to_owned()
            } else {
                format!("{}", (percentile * 1e4).round() / 1e4)
            }
        },
        y,
        y_text: latency_text,
        series,
    }
    .render()
}

/// A number without the zeros that a fixed precision would add: ticks are round.
fn plain(value: f64) -> String {
    format!("{}", (value * 100.0).round() / 100.0)
}

fn count_text(count: f64) -> String {
    match count {
        c if c < 1e3 => plain(c),
        c if c < 1e6 => format!("{} k", plain(c / 1e3)),
        c => format!("{} M", plain(c / 1e6)),
    }
}

fn bytes_text(bytes: f64) -> String {
    const MIB: f64 = 1024.0 * 1024.0;
    if bytes < 1024.0 * MIB {
        format!("{} MiB", plain(bytes / MIB))
    } else {
        format!("{} GiB", plain(bytes / MIB / 1024.0))
    }
}

fn latency_text(us: f64) -> String {
    match us {
        us if us < 1e3 => format!("{} µs", plain(us)),
        us if us < 1e6 => format!("{} ms", plain(us / 1e3)),
        us => format!("{} s", plain(us / 1e6)),
    }
}

fn run_cpu(runs: &[RunResult]) -> String {
    let bar = |name: &str, color: Color, cpu: Option<CpuPerRequest>| {
        cpu.map(|cpu| Bar {
            name: name.to_owned(),
            color,
            parts: vec![cpu.user_us, cpu.system_us],
            text: format!("{} µs", format_us(cpu.total_us())),
        })
    };
    let groups = runs
        .iter()
        .map(|run| {
            let bars = [bar("server", 0, run.server_cpu), bar("client", 2, run.client_cpu)];
            (run.label.clone(), bars.into_iter().flatten().collect())
        })
        .collect();
    let part_names = Some(("user space", "the kernel"));
    BarChart { title: "CPU per request".to_owned(), groups, part_names }.render()
}

fn over_time(runs: &[RunResult]) -> Vec<String> {
    let chart = |title: &str,
                 figure: fn(&TimelinePoint) -> Option<f64>,
                 y: fn(f64) -> Scale,
                 y_text: fn(f64) -> String| {
        let series: Vec<Series> = runs
            .iter()
            .enumerate()
            .map(|(at, run)| Series {
                name: run.label.clone(),
                color: PALETTE[at % PALETTE.len()],
                points: run.timeline.iter().filter_map(|point| Some((point.at_s, figure(point)?))).collect(),
            })
            .filter(|series| !series.points.is_empty())
            .collect();
        if series.is_empty() {
            return None;
        }
        let highest =
            |of: fn(&(f64, f64)) -> f64| series.iter().flat_map(|s| &s.points).map(of).fold(0.0, f64::max);
        let (end_s, top) = (highest(|point| point.0), highest(|point| point.1));
        let chart = LineChart {
            title: title.to_owned(),
            x_label: "seconds".to_owned(),
            // The last interval ends a little after the last round second.
            x: Scale::linear_to(end_s * 0.98),
            x_text: |seconds| format!("{}", (seconds * 100.0).round() / 100.0),
            y: y(top),
            y_text,
            series,
        };
        Some(chart.render())
    };
    [
        chart("Requests per second", |point| Some(point.requests_per_s), Scale::linear_to, count_text),
        chart("99th percentile of the latency", |point| point.p99_us, Scale::linear_to, latency_text),
        chart(
            "Memory hit ratio",
            |point| point.memory_hit_ratio,
            |_| Scale::Linear(1.0),
            |share| format!("{:.0} %", share * 100.0),
        ),
        chart(
            "Resident set size",
            |point| point.rss_bytes.map(|bytes| bytes as f64),
            Scale::bytes_to,
            bytes_text,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

// ---- comparison

fn server_color(name: &str, at: usize) -> Color {
    match name {
        "thermocline" => 0,
        "redis-server" => 1,
        "memcached" => 2,
        _ => PALETTE[at % PALETTE.len()],
    }
}

fn comparison_tiles(comparison: &Comparison) -> Vec<Tile> {
    let mut tiles = Vec::new();
    for scenario in &comparison.scenarios {
        let [first, others @ ..] = &scenario.servers[..] else { continue };
        for other in others {
            if scenario.name.starts_with("cold") && other.name == "redis-server" {
                // It has the whole data set in DRAM: the plot shows it, a ratio would say nothing.
                continue;
            }
            let rate = first.median.requests_per_s / other.median.requests_per_s.max(1e-9);
            let cpu = first.median.cpu_us.zip(other.median.cpu_us).map(|(ours, theirs)| ours / theirs);
            let cpu = cpu.map(|cpu| format!(", {cpu:.2} × its CPU per request")).unwrap_or_default();
            let text = format!("{}: {} beside {}{cpu}", scenario.name, first.name, other.name);
            tiles.push(tile(format!("{rate:.2} ×"), "the rate", text));
        }
    }
    tiles
}

/// The parts of a server's bar and what is written beside it.
type BarOf = fn(&ServerResult) -> Option<(Vec<f64>, String)>;

fn comparison_bars(comparison: &Comparison) -> Vec<String> {
    let groups = |bar: BarOf| {
        comparison
            .scenarios
            .iter()
            .map(|scenario| {
                let bars = scenario.servers.iter().enumerate().filter_map(|(at, server)| {
                    let (parts, text) = bar(server)?;
                    Some(Bar {
                        name: server.name.clone(),
                        color: server_color(&server.name, at),
                        parts,
                        text,
                    })
                });
                (format!("{}: {}", scenario.name, scenario.description), bars.collect())
            })
            .collect()
    };
    let rate = |server: &ServerResult| {
        let rate = server.median.requests_per_s;
        Some((vec![rate], format!("{}/s", format_count(rate))))
    };
    let cpu = |server: &ServerResult| {
        let of = |part: fn(&CpuPerRequest) -> f64| {
            median(server.rounds.iter().filter_map(|r| Some(part(r.server_cpu.as_ref()?))))
        };
        let (user, system) = (of(|cpu| cpu.user_us)?, of(|cpu| cpu.system_us)?);
        Some((vec![user, system], format!("{} µs", format_us(user + system))))
    };
    vec![
        BarChart { title: "Requests per second".to_owned(), groups: groups(rate), part_names: None }.render(),
        BarChart {
            title: "Server CPU per request".to_owned(),
            groups: groups(cpu),
            part_names: Some(("user space", "the kernel")),
        }
        .render(),
    ]
}

fn scenario_latency(scenario: &ScenarioResult) -> String {
    let series = scenario.servers.iter().enumerate().filter_map(|(at, server)| {
        let run = median_round(&server.rounds)?;
        let summary = run.latency_of(Class::Read).or_else(|| run.latency_of(Class::Write))?;
        Some(curve(server.name.clone(), server_color(&server.name, at), summary))
    });
    latency_chart(&format!("{}: {}", scenario.name, scenario.description), series.collect())
}

/// The round in the middle by its rate.
fn median_round(rounds: &[RunResult]) -> Option<&RunResult> {
    let mut rounds: Vec<&RunResult> = rounds.iter().collect();
    rounds.sort_by(|a, b| a.requests_per_s.total_cmp(&b.requests_per_s));
    rounds.get(rounds.len() / 2).copied()
}

// ---- capacity and cost

fn capacity_tiles(capacity: &CapacityReport) -> Vec<Tile> {
    let servers = capacity.servers.iter();
    let tiles = servers.flat_map(|server| {
        let text =
            format!("of DRAM per key: {}, {} keys", server.name, format_count(server.workload.keys as f64));
        [
            tile(format!("{:.1}", server.growth_bytes_per_key), "bytes", text),
            tile(
                format!("{:.1}", server.overhead_bytes()),
                "bytes",
                format!("of it beside the data: {}", server.name),
            ),
        ]
    });
    tiles.collect()
}

fn rss_over_keys(capacity: &CapacityReport) -> String {
    let points = || capacity.servers.iter().flat_map(|server| &server.points);
    let series = capacity.servers.iter().enumerate().map(|(at, server)| Series {
        name: server.name.clone(),
        color: server_color(&server.name, at),
        points: server.points.iter().map(|point| (point.keys as f64, point.rss_bytes as f64)).collect(),
    });
    LineChart {
        title: "Resident set size over keys".to_owned(),
        x_label: "keys".to_owned(),
        x: Scale::linear_to(points().map(|point| point.keys as f64).fold(0.0, f64::max)),
        x_text: count_text,
        y: Scale::bytes_to(points().map(|point| point.rss_bytes as f64).fold(0.0, f64::max)),
        y_text: bytes_text,
        series: series.collect(),
    }
    .render()
}

fn key_bars(capacity: &CapacityReport) -> String {
    let bars = capacity.servers.iter().enumerate().map(|(at, server)| Bar {
        name: server.name.clone(),
        color: server_color(&server.name, at),
        parts: vec![
            server.overhead_bytes().max(0.0),
            server.growth_bytes_per_key - server.overhead_bytes().max(0.0),
        ],
        text: format!("{:.1} bytes", server.growth_bytes_per_key),
    });
    BarChart {
        title: "DRAM per key".to_owned(),
        groups: vec![(String::new(), bars.collect())],
        part_names: Some(("overhead", "the data itself")),
    }
    .render()
}

fn cost_tiles(cost: &CostReport) -> Vec<Tile> {
    let cheapest = |is_tiered: bool| {
        let prices = cost.prices.iter().filter(|price| price.is_tiered == is_tiered);
        prices.min_by(|a, b| a.per_gb_month.total_cmp(&b.per_gb_month))
    };
    let (Some(one), Some(two)) = (cheapest(false), cheapest(true)) else { return Vec::new() };
    let price = |price: &crate::cost::price::NodePrice| {
        tile(
            format!("{:.2}", price.per_gb_month),
            &cost.nodes.currency,
            format!("per GB of data and month: {} on {}", price.store, price.node),
        )
    };
    let factor = one.per_gb_month / two.per_gb_month;
    vec![
        price(one),
        price(two),
        tile(format!("{factor:.2} ×"), "the data", "for the same money, with the second tier"),
    ]
}

fn cost_bars(cost: &CostReport) -> Vec<String> {
    let chart = |title: &str, figure: fn(&crate::cost::price::NodePrice) -> f64| {
        let bars = cost.prices.iter().map(|price| Bar {
            name: price.node.clone(),
            color: if price.is_tiered { SSD_COLOR } else { MEMORY_COLOR },
            parts: vec![figure(price)],
            text: format!("{:.2} {}", figure(price), cost.nodes.currency),
        });
        BarChart { title: title.to_owned(), groups: vec![(String::new(), bars.collect())], part_names: None }
            .render()
    };
    vec![
        chart("Price of a GB of keys and values for a month", |price| price.per_gb_month),
        chart("Price of a million keys for a month", |price| price.per_million_keys_month),
    ]
}
