//! The RESP server.

pub mod net;
