//! The SSD tier.

use crate::config::option::OptionRow;
use crate::config::words;

pub(super) const ROWS: &[OptionRow] = &[
    OptionRow::size("tier-capacity", 0, 0)
        .at_start()
        .doc("Bytes of SSD for cold values, over all paths together. 0 has no SSD tier: a plain in-memory server."),
    OptionRow::words("tier-path", "", words::tier_path)
        .at_start()
        .doc("Folders for the tier's files; several, on several SSDs, share the load. Empty is `tier` in `dir`."),
    OptionRow::size_within("tier-segment-size", 16 << 20, 64 << 10, 16 << 20)
        .at_start()
        .doc("Bytes that are written, and later collected, together: a power of two."),
    OptionRow::integer("tier-compression", 1, 0, 19)
        .doc("zstd level for values on the SSD; 0 stores them as they are. Values that do not shrink are stored as \
              they are."),
    OptionRow::integer("tier-write-timeout", 10_000, 0, 3_600_000)
        .doc("Milliseconds that a writer waits for room in memory, while values move to the SSD, before it gets an \
              error."),
];
