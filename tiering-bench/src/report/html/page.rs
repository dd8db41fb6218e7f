//! The frame of the page.

use std::fmt::Write;

use super::escape;
use super::plots::{Section, Tile, sections, tiles, title};
use crate::report::Report;
use crate::report::table::Table;
use crate::report::tables::tables;
use crate::units::format_bytes;

const STYLE: &str = include_str!("style.css");

pub(super) fn render(report: &Report) -> String {
    let title = title(report);
    let environment = &report.environment;
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>{title}</h1>\n<p>tiering-bench {version}, {started_at}</p>\n",
        title = escape(&title),
        version = escape(&environment.tool_version),
        started_at = escape(&environment.started_at.replace('T', " ").replace('Z', " UTC")),
    );
    let facts = [
        ("CPU", format!("{} × {}", environment.cpus, environment.cpu)),
        ("memory", format_bytes(environment.memory_bytes as f64)),
        ("device", environment.device.clone()),
        ("kernel", environment.kernel.clone()),
        ("commit", environment.commit.clone()),
    ];
    html += "<dl class=\"facts\">\n";
    for (name, value) in facts {
        let _ = writeln!(html, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(&value));
    }
    html += "</dl>\n</header>\n";
    html += &render_tiles(&tiles(report));
    for Section { title, plots } in sections(report) {
        let _ = writeln!(html, "<h2>{}</h2>\n<div class=\"plots\">", escape(&title));
        html.extend(plots);
        html += "</div>\n";
    }
    html += "<h2>All figures</h2>\n";
    html.extend(tables(report).iter().map(render_table));
    let _ = writeln!(
        html,
        "<footer><code>{}</code></footer>\n</main>\n</body>\n</html>",
        escape(&environment.command_line)
    );
    html
}

fn render_tiles(tiles: &[Tile]) -> String {
    let mut html = String::from("<div class=\"tiles\">\n");
    for Tile { figure, unit, text } in tiles {
        let _ = writeln!(
            html,
            "<div class=\"tile\"><b>{}<small>{}</small></b><span>{}</span></div>",
            escape(figure),
            escape(unit),
            escape(text)
        );
    }
    html + "</div>\n"
}

fn render_table(table: &Table) -> String {
    let mut html = format!("<div class=\"table\">\n<h3>{}</h3>\n<table>\n<thead><tr>", escape(&table.title));
    for name in table.header() {
        let _ = write!(html, "<th>{}</th>", escape(name));
    }
    html += "</tr></thead>\n<tbody>\n";
    for row in table.rows() {
        html += "<tr>";
        for cell in row {
            let _ = write!(html, "<td>{}</td>", escape(cell));
        }
        html += "</tr>\n";
    }
    html += "</tbody>\n</table>\n";
    if !table.notes.is_empty() {
        html += "<ul>\n";
        for note in &table.notes {
            let _ = writeln!(html, "<li>{}</li>", escape(note));
        }
        html += "</ul>\n";
    }
    html + "</div>\n"
}
