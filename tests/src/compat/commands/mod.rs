//! Random requests, one generator per family of commands.

pub mod bits;
pub mod connection;
pub mod expiry;
pub mod geo;
pub mod hashes;
pub mod hyperloglogs;
pub mod keyspace;
pub mod lists;
pub mod scripts;
pub mod sets;
pub mod sorted_sets;
pub mod sorting;
pub mod streams;
pub mod strings;
