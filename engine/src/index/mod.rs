//! The index: every key of the keyspace, always in DRAM.
//!
//! ```text
//! hash ──> table  directory ─> segment ─> bucket of 12 (tag, handle)     ~9 bytes a key
//!             └──> entry       two words + [expiry] + key, in 4 KiB pages   16 bytes + key
//! ```
//!
//! - [`entry`]: the entries themselves and the pages they live in.
//! - [`table`]: extendible hashing from a key's hash to its entry; no growth step touches more than one
//!   segment, so no insert stalls.
//! - [`scan`]: cursors in hash order, stable while the table grows or shrinks.
//!
//! The index knows where a value is, never what it is.

pub(crate) mod entry;
pub(crate) mod location;
pub(crate) mod scan;
pub(crate) mod table;

pub use location::Location;
pub use scan::Cursor;
