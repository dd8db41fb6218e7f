//! What all server threads share, and what each has of its own.

use std::sync::Arc;

use thermocline_engine::Engine;

/// Shared by all server threads.
pub struct Server {
    /// The data.
    pub engine: Arc<Engine>,
}

/// What one server thread has of its own.
pub struct Thread {}
