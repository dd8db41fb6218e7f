//! A client's session: what the server remembers of a connection between commands.

use thermocline_protocol::Protocol;

/// One client's state.
#[derive(Debug)]
pub struct Session {
    /// The client's id, unique since the server started.
    pub id: u64,
    /// RESP2 or RESP3.
    pub protocol: Protocol,
    /// The selected database.
    pub database: usize,
    /// Whether the client may run commands.
    pub is_authenticated: bool,
    /// Whether the connection is to be closed after the replies were sent.
    pub is_closing: bool,
    /// Whether accesses leave no trace in LRU and LFU: `CLIENT NO-TOUCH`.
    pub no_touch: bool,
}
