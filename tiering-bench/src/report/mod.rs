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

use crate::measure::compare::Comparison;
use crate::measure::environment::Environment;
use crate::measure::run::RunResult;

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
}

impl Report {
    /// False if a check found a value that is wrong or lost.
    pub fn is_sound(&self) -> bool {
        match &self.body {
            Body::Runs { runs } => runs.iter().all(|run| run.counts.corrupt + run.counts.lost == 0),
            Body::Comparison(_) => true,
        }
    }
}
