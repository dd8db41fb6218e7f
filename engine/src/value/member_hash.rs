//! The keyed hash of members: one secret for all collections, drawn when the engine starts.

use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

static STATE: OnceLock<ahash::RandomState> = OnceLock::new();

/// Gives the hash its secret, so that clients cannot choose members that collide. Only the first call in a process
/// counts: tables that exist already were built with that secret.
pub(crate) fn seed_member_hash(seed: [u64; 4]) {
    // Keys use the seed as it is; the same hashes for members would tell of one from the other.
    let [a, b, c, d] = seed.map(u64::reverse_bits);
    let _ = STATE.set(ahash::RandomState::with_seeds(a, b, c, d));
}

#[inline]
fn state() -> &'static ahash::RandomState {
    STATE.get_or_init(|| ahash::RandomState::with_seeds(1, 2, 3, 4))
}

/// The hash of a member, field or element, the same in all collections of this process.
#[inline]
pub(crate) fn member_hash(member: &[u8]) -> u64 {
    let mut hasher = state().build_hasher();
    hasher.write(member);
    hasher.finish()
}

/// The hash of an integer; another one than that of its digits.
#[inline]
pub(crate) fn integer_hash(integer: i64) -> u64 {
    state().hash_one(integer)
}
