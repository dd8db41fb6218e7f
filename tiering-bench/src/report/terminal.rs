//! The report as text.

use super::Report;
use super::tables::tables;

/// All tables of the report, one below the other.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    for table in tables(report) {
        text += &table.to_text();
        text.push('\n');
    }
    text
}
