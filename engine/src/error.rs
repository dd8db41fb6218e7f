//! Errors, by what the caller can do about them.

/// Why an engine could not be built: change the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// A setting is out of its range.
    #[error("{0}")]
    Configuration(String),
    /// The tier files hold too few segments.
    #[error(
        "the SSD tier needs at least {least_bytes} bytes in each of its files for segments of {segment_bytes} bytes"
    )]
    TierTooSmall {
        /// The least capacity.
        least_bytes: u64,
        /// The segment size it follows from.
        segment_bytes: u64,
    },
}
