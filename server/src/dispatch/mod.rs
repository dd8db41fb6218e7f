//! Between bytes and handlers: what happens to the requests of one connection.
//!
//! ```text
//! serve            connection    the task of one connection: receive, run, send
//!   who may come   admission   protected mode
//!   bytes          input         requests found in place; what came in part is kept
//!   batch          batch         runs every request that is there, until one has to wait
//!     one request  execute       look-up, checks, locks, handler, counters
//!       permission permission    what the client's user may not run
//!       refusals   refusal       what clients are told instead
//!       keys       key_positions where a command's keys are
//!       listeners  hearing       clients that watch commands or keep copies of keys
//!     many at once transaction   MULTI and EXEC
//!     scripts    script        on which keys, and when they are suspended
//!       each       held          one command on shards that are locked already
//!     who waited   serving       clients in blocking commands, served by those who change their keys
//!   what waits     waits         cold values, slow readers, full memory, handlers that wait
//!     how long     output_limit  for slow readers, as client-output-buffer-limit says
//!     cold values  cold          look ahead, fetch all at once
//!   many at once   preview       warms the caches for requests of several connections
//! ```
//!
//! A batch is all that a connection has sent and the server has received by the time its task runs. It runs
//! synchronously, [`batch::Batch::run`], with the thread's own scratch memory, and its replies go out in one send. Only
//! where a request must wait does the task take a boxed future for the rest of the batch, so that the future of an
//! idle connection stays small.
//!
//! **Invariant:** requests of a connection run one after another, in order, and so do their replies.
//!
//! **Invariant:** a request is taken off the input only when it was answered: whatever interrupts it, it is
//! found again and run anew from its start.

mod admission;
mod batch;
mod cold;
mod connection;
mod execute;
mod hearing;
mod held;
mod input;
pub mod key_positions;
mod output_limit;
pub mod permission;
mod preview;
mod refusal;
mod script;
mod serving;
mod transaction;
mod waits;
mod warming;

pub(crate) use batch::Scratch;
pub use cold::ColdReads;
pub use connection::serve;
pub use preview::Service;

#[cfg(test)]
mod tests;
