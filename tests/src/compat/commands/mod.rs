//! Random requests, one generator per family of commands.

pub mod bits;
pub mod connection;
pub mod expiry;
pub mod geo;
pub mod hyperloglogs;
pub mod keyspace;
pub mod sorted_sets;
pub mod strings;
