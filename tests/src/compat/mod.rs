//! The same commands to two servers, compared reply by reply.
//!
//! ```text
//!  generator ──> Step ──> runner ──┬──> redis-server ──┐
//!  (a seed)                        └──> the subject ───┴──> comparison ──> a Difference, with its history
//!                                          ^ TIER DEMOTE, so that values are cold when the next command comes
//! ```
//!
//! * [`request`]: a command as its arguments.
//! * [`values`]: the keys, values and numbers that streams are made of.
//! * [`commands`]: one generator of requests per family of commands.
//! * [`generator`]: the stream of steps that a seed stands for.
//! * [`comparison`]: when two replies count as the same. The only place with tolerances.
//! * [`stream_replies`]: the same for replies about streams that tell times.
//! * [`known_differences`]: where 7.2, which we build, departs from the 7.0 that we compare with.
//! * [`rdb_payload`]: enough of `DUMP`'s format to carry a value from one server to the other.
//! * [`pair`]: the two servers and their clients.
//! * [`runner`]: executes steps, keeps the history, reports the first difference.
//! * [`script`]: the same comparison for commands that people wrote down.

pub mod commands;
pub mod comparison;
pub mod generator;
pub mod known_differences;
pub mod pair;
pub mod rdb_payload;
pub mod request;
pub mod runner;
pub mod script;
pub mod stream_replies;
pub mod values;
