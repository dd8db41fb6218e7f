//! What the tests that cross a crate boundary share: servers as processes, clients on the wire, and the differential
//! tester.
//!
//! * [`server`]: starts `thermocline` or `redis-server` on a free port and stops it when the test is over.
//! * [`connection`]: a blocking client.
//! * [`waiting`]: polls for a condition, with a bound.
//! * [`info`]: reads `INFO`.
//! * [`payload`]: values that can be told from one another, of any length and compressibility.
//! * [`tiers`]: where values are, and what it took to read them.
//! * [`compat`]: the same commands to two servers, reply by reply.
//!
//! The tests themselves are in `tests/tests`. What they start is `target/<profile>/thermocline`, built when a test needs
//! it first, or what `THERMOCLINE_BINARY` names. `THERMOCLINE_SUBJECT=redis` puts redis-server in its place, to check
//! tests of common behaviour against the reference itself.

pub mod compat;
pub mod connection;
pub mod info;
pub mod payload;
pub mod server;
pub mod tiers;
pub mod waiting;

pub use connection::Connection;
pub use server::{Product, Server, ServerOptions};
