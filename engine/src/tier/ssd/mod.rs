//! The SSD tier: the format of what lies in the log.

pub mod compression;
pub mod record;
pub mod record_iter;
pub mod segment_header;
