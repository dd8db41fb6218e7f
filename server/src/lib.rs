//! The RESP server.

pub mod command;
pub mod server;
pub mod session;
