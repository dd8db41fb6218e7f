//! Requests in arbitrary bytes, whole and in pieces. The first input byte is the size of the pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "each target runs one of the checks")]
#[path = "../../tests/invariants/mod.rs"]
mod invariants;

fuzz_target!(|data: &[u8]| {
    if let Some((&piece_bytes, bytes)) = data.split_first() {
        invariants::check_requests(bytes, usize::from(piece_bytes));
    }
});
