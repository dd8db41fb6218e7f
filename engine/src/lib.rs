//! The two-tier storage engine: values in DRAM over a log on NVMe, keys and index always in memory.
//!
//! ```text
//! command ──> Keys      the shards of its keys, locked                 keys
//!               │ hot   value in DRAM                                  shard, index, tier::lru
//!               └ cold  Cold: unlock, Reader::fetch, run again         fetch, tier::ssd::reader
//!
//! Background ─ demotes ─> log ─ collects garbage ─> free segments      background, tier, device
//! ```
//!
//! The modules, in the order in which a request meets them:
//!
//! - [`Engine`]: shards, and requests to the background work. [`Databases`]: whole-database commands. `admission`: whether a write may go ahead.
//! - [`Keys`]: what a command sees of the data. [`KeyObserver`]: who hears of changes. [`Fetched`]: what was read for it.
//! - `shard`, [`index`]: what one lock guards, and how a key is found. `access`: when it was used. `hash`: the keyed hash.
//! - [`value`]: the values themselves.
//! - `tier`: DRAM's budget and order, the SSD's log, and the ways between them. [`Reader`] reads cold values.
//! - [`device`]: storage behind a trait. [`Components`]: everything else that comes from outside.
//! - [`Background`]: demotion, gc, expiry and the ceiling, one bounded step at a time. [`EngineMetrics`]: what all of it counts.
//!
//! The engine knows no RESP, no socket and no runtime; `docs/architecture.md` explains how it is used.

mod access;
mod admission;
mod background;
mod components;
mod config;
mod databases;
pub mod device;
mod engine;
mod error;
mod fetch;
mod hash;
pub mod index;
mod keys;
mod metrics;
mod observer;
mod prefetch;
mod shard;
mod tier;
mod time;
pub mod value;
mod warming;

pub use admission::{Admission, Room};
pub use background::Background;
pub use components::{Clock, Components, ManualClock, MemoryGauge, MemoryUsage, NoMemoryGauge};
pub use config::{EngineConfig, EvictionPolicy, MAX_DATABASES, Settings};
pub use databases::Databases;
pub use engine::{Engine, HeldUp, HoldUp};
pub use error::EngineError;
pub use fetch::Fetched;
pub use index::Cursor;
pub use keys::{Cold, Keys, SetExpiry};
pub use metrics::{EngineMetrics, LatencySummary};
pub use observer::{Change, KeyObserver};
pub use shard::keyspace::{KeyInfo, Tier};
pub use tier::requests::Outcome;
pub use tier::ssd::decoding::Decoder;
pub use tier::ssd::reader::{Fetch, FetchError, Reader};
pub use tier::ssd::{compression, record, record_iter, segment_header};
pub use time::UnixMillis;
pub use warming::{WARMED_KEYS_MAX, Warming};
