//! The SSD tier: a log of segments.
//!
//! - [`record`], [`record_iter`], [`segment_header`], [`compression`]: what lies in the log, byte for byte.
//! - [`segment`]: the pieces the log is made of, and their life.
//! - [`writer`]: appends records, chunk by chunk, for demotion and gc.
//! - [`decoding`]: from a record to its value.
//! - [`reader`]: reads records, for commands that need a cold value.

pub mod compression;
pub(crate) mod decoding;
pub(crate) mod reader;
pub mod record;
pub mod record_iter;
pub(crate) mod segment;
pub mod segment_header;
pub(crate) mod writer;
