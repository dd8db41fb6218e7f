//! The two-tier storage engine.

pub mod index;
pub mod value;
