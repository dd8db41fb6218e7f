//! Results, and how they are shown.
//!
//! * [`Report`]: everything, as plain data: the JSON file is exactly this
//! * [`table`]: a table of text; [`terminal`] and [`html`] show the same ones
//! * [`tables`]: which figures stand in them
//! * [`html`]: one self-contained page with plots

pub mod html;
pub mod table;
pub mod tables;
pub mod terminal;

use serde::{Deserialize, Serialize};

use crate::cost::footprint::Footprint;
use crate::cost::nodes::NodeTable;
use crate::cost::price::{Demand, NodePrice, RequestCosts};
use crate::measure::capacity::KeyCost;
use crate::measure::compare::Comparison;
use crate::measure::environment::Environment;
use crate::measure::run::RunResult;
use crate::measure::types::TypesReport;

/// The results of one command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Where they were measured.
    pub environment: Environment,
    /// What was measured.
    #[serde(flatten)]
    pub body: Body,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Body {
    /// `load` and `run`.
    Runs {
        /// One after the other.
        runs: Vec<RunResult>,
    },
    /// `compare`.
    Comparison(Comparison),
    /// `types`.
    Types(TypesReport),
    /// `capacity`.
    Capacity(CapacityReport),
    /// `cost`.
    Cost(CostReport),
}

/// DRAM per key, and the nodes to apply it to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CapacityReport {
    /// What was measured.
    pub servers: Vec<KeyCost>,
    /// The node types of the table.
    pub nodes: NodeTable,
    /// Its value sizes.
    pub table_value_bytes: Vec<f64>,
}

/// Prices, and everything they follow from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostReport {
    /// What is to be stored and served.
    pub demand: Demand,
    /// What a request costs.
    pub costs: RequestCosts,
    /// What a key costs: the store of nodes without SSD, and that of nodes with one.
    pub footprints: Vec<Footprint>,
    /// The node types.
    pub nodes: NodeTable,
    /// One per node type, in their order.
    pub prices: Vec<NodePrice>,
}

impl Report {
    /// False if a check found a value that is wrong or lost.
    pub fn is_sound(&self) -> bool {
        match &self.body {
            Body::Runs { runs } => runs.iter().all(|run| run.counts.corrupt + run.counts.lost == 0),
            Body::Comparison(_) | Body::Types(_) | Body::Capacity(_) | Body::Cost(_) => true,
        }
    }
}
