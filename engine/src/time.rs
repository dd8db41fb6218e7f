//! Points in time as the engine counts them.

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Default)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Whether this moment has come at `now`.
    pub fn is_due(self, now: Self) -> bool {
        self <= now
    }
}
