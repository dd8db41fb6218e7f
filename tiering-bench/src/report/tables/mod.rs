//! Which figures stand in which table.
//!
//! * `runs`, `comparison`, `types`, `economics`: the tables of each kind of report

mod comparison;
mod economics;
mod runs;
mod types;

use super::table::Table;
use super::{Body, Report};

/// Stands where a figure is not known.
const ABSENT: &str = "-";

/// All tables of a report.
pub fn tables(report: &Report) -> Vec<Table> {
    match &report.body {
        Body::Runs { runs } => runs::tables(runs),
        Body::Comparison(comparison) => comparison::tables(comparison),
        Body::Types(types) => types::tables(types),
        Body::Capacity(capacity) => economics::capacity_tables(capacity),
        Body::Cost(cost) => economics::cost_tables(cost),
    }
}

fn optional<T>(value: Option<T>, format: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| ABSENT.to_owned(), format)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A figure over another; absent if either is nothing.
fn ratio(figure: f64, other: f64) -> String {
    optional((figure > 0.0 && other > 0.0).then(|| figure / other), |ratio| format!("{ratio:.2}"))
}
