//! The signal of a server thread: one eventfd that its rings and other threads write, and tokio watches.
//!
//! Nobody ever reads it. It is watched edge triggered, so every write is an event of its own, and the counter, which
//! is 64 bits wide, does not fill up.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub(super) fn create() -> io::Result<OwnedFd> {
    // SAFETY: eventfd takes no pointers.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Registers the eventfd with the runtime of the calling thread.
pub(super) fn watch(eventfd: BorrowedFd<'_>) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    // SAFETY: the descriptor is borrowed, hence open and the same, for as long as the result lives.
    unsafe { AsyncFd::register_with_interest(eventfd, Interest::READABLE) }.map_err(io::Error::from)
}
