//! RESP2 and RESP3 as pure functions of bytes: no I/O, no commands, no clock.
//!
//! ```text
//!  client's side                                        server's side
//!  encode_request ── bytes ──> RequestParser ──> Arguments (slices of the receive buffer)
//!  ReplyDecoder, Reply <── bytes ── ReplyEncoder <── handlers
//! ```
//!
//! * [`request`]: finds one request in a receive buffer, multibulk or inline, a piece at a time.
//! * [`arguments`]: the parsed request: ranges into that buffer, nothing copied.
//! * [`inline`]: the quoting rules of inline commands (and of configuration files).
//! * [`integer`]: Redis' strict reading of decimal integers.
//! * [`reply`]: appends replies to a `Vec<u8>`, in the connection's protocol version.
//! * [`double`]: how replies print floating-point numbers.
//! * [`client`]: the other end of the wire, for benchmarks, tests, and a server that is another one's client.
//!
//! **Invariant:** nothing here panics, loops or allocates without bound on account of the bytes it is given.

pub mod arguments;
pub mod client;
pub mod double;
pub mod inline;
pub mod integer;
pub mod reply;
pub mod request;

pub use arguments::{ArgumentRanges, Arguments, OwnedArguments};
pub use client::{DecodeError, Frame, FrameKind, Reply, ReplyDecoder, encode_request, skip_reply};
pub use integer::parse_integer;
pub use reply::{LengthMark, Protocol, ReplyEncoder};
pub use request::{Limits, Parsed, ProtocolError, RequestParser};
