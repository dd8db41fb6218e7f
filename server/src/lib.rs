//! The RESP server.
//!
//! ```text
//! run          startup      from a configuration to running threads, and to a clean end
//!   net        net          sockets: bytes in, bytes out
//!   dispatch   dispatch     requests of a connection, one after another
//!   command    command      the table of commands, and their handlers
//!   session    session      what is remembered of one client
//!   access     access       who may do what: users and their rules
//!   server     server       what all threads share
//!   scripting  scripting    Lua scripts and functions
//!   config     config       settings
//!   info       info         what the server tells of itself: INFO, Prometheus
//!   log          log          where the log goes, and how much goes there
//!   process    process      the clock and memory of this process, for the engine
//! ```

pub mod access;
pub mod command;
pub mod config;
pub mod dispatch;
pub mod info;
mod log;
pub mod net;
pub mod process;
pub mod scripting;
pub mod server;
pub mod session;
mod startup;

pub use startup::{RunError, run};
