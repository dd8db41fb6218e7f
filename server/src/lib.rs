//! The RESP server.

pub mod command;
pub mod net;
pub mod server;
pub mod session;
