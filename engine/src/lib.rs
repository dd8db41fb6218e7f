//! The two-tier storage engine.

mod access;
mod components;
mod config;
pub mod device;
mod engine;
mod fetch;
mod hash;
pub mod index;
mod keys;
mod shard;
mod tier;
mod time;
pub mod value;

pub use components::{Clock, Components, ManualClock, MemoryGauge, NoMemoryGauge};
pub use config::{EngineConfig, EvictionPolicy, MAX_DATABASES, Settings};
pub use engine::Engine;
pub use fetch::Fetched;
pub use index::Cursor;
pub use keys::{Cold, Keys, SetExpiry};
pub use shard::keyspace::{KeyInfo, Tier};
pub use tier::ssd::{compression, record, record_iter, segment_header};
pub use time::UnixMillis;
