//! The report as one HTML page that opens without a network: style, plots and figures are in the file.
//!
//! * `page`: the frame: title, facts, key figures, plots, tables
//! * `plots`: which plots and key figures stand in which report
//! * `chart`, `scale`: plots as inline SVG

mod chart;
mod page;
mod plots;
mod scale;

use super::Report;

/// The whole page.
pub fn render(report: &Report) -> String {
    page::render(report)
}

/// Text that may stand between tags and in attributes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
