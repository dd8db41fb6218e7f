//! The two-tier storage engine.

pub mod device;
pub mod index;
pub mod value;
