//! The RESP server.

pub mod command;
pub mod config;
pub mod net;
pub mod server;
pub mod session;
