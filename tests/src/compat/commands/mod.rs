//! Random requests, one generator per family of commands.

pub mod bits;
pub mod connection;
pub mod expiry;
pub mod hyperloglogs;
pub mod keyspace;
pub mod streams;
pub mod strings;
