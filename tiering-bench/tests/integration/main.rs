//! Tests that need a server: a stub of this crate's own, or redis-server and memcached where they are installed.

mod compare;
mod driver;
mod engine;
mod report;
mod support;
mod types;
