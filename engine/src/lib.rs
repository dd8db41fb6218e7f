//! The two-tier storage engine.

mod access;
mod admission;
mod background;
mod components;
mod config;
pub mod device;
mod engine;
mod error;
mod fetch;
mod hash;
pub mod index;
mod keys;
mod metrics;
mod shard;
mod tier;
mod time;
pub mod value;
mod warming;

pub use admission::{Admission, Room};
pub use background::Background;
pub use components::{Clock, Components, ManualClock, MemoryGauge, MemoryUsage, NoMemoryGauge};
pub use config::{EngineConfig, EvictionPolicy, MAX_DATABASES, Settings};
pub use engine::Engine;
pub use error::EngineError;
pub use fetch::Fetched;
pub use index::Cursor;
pub use keys::{Cold, Keys, SetExpiry};
pub use metrics::{EngineMetrics, LatencySummary};
pub use shard::keyspace::{KeyInfo, Tier};
pub use tier::requests::Outcome;
pub use tier::ssd::reader::{Fetch, FetchError, Reader};
pub use tier::ssd::{compression, record, record_iter, segment_header};
pub use time::UnixMillis;
pub use warming::{WARMED_KEYS_MAX, Warming};
