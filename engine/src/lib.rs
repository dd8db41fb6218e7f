//! The two-tier storage engine.

pub mod device;
