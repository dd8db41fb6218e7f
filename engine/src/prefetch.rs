//! The processor's prefetch instruction: asks for memory before it is needed, without waiting for it.

// The instruction has no safe form.
#![allow(unsafe_code)]

/// Asks for the cache line that something starts in.
#[inline(always)]
pub(crate) fn prefetch<T: ?Sized>(what: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and cannot fault, whatever the address; this one is of a live reference.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch(std::ptr::from_ref(what).cast(), _MM_HINT_T0);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = what;
}

/// As [`prefetch`], for what may lie in two cache lines.
#[inline(always)]
pub(crate) fn prefetch_both_ends<T: ?Sized>(what: &T) {
    prefetch(what);
    #[cfg(target_arch = "x86_64")]
    if size_of_val(what) > 8 {
        // SAFETY: as above; the address is that of the last byte of a live value.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch(std::ptr::from_ref(what).cast::<i8>().add(size_of_val(what) - 1), _MM_HINT_T0);
        }
    }
}
