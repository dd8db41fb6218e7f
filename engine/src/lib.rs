//! The two-tier storage engine.
