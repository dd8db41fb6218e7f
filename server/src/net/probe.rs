//! Whether this machine can run the server at all, said in one line.
//!
//! Owns the question "is io_uring here, allowed and new enough" and the advice for each way it is not.

use io_uring::{IoUring, Probe, opcode};
use std::io;

/// The oldest kernel with provided-buffer rings and multishot accept.
const OLDEST_KERNEL: (u32, u32) = (5, 19);

/// Checks that the kernel offers the parts of io_uring the server needs.
///
/// # Errors
/// An error whose text is one line for the operator: what is missing and what to do.
pub fn probe() -> io::Result<()> {
    let release = kernel_release();
    if let Some(version) = release.as_deref().and_then(parse_release)
        && version < OLDEST_KERNEL
    {
        let found = release.unwrap_or_default();
        let (major, minor) = OLDEST_KERNEL;
        return Err(required(
            io::ErrorKind::Unsupported,
            &format!("this kernel is {found}: use Linux {major}.{minor} or newer"),
        ));
    }
    let ring = IoUring::new(8).map_err(|error| required(error.kind(), setup_advice(&error)))?;
    let mut supported = Probe::new();
    ring.submitter()
        .register_probe(&mut supported)
        .map_err(|error| required(error.kind(), setup_advice(&error)))?;
    let needed = [
        opcode::Accept::CODE,
        opcode::Recv::CODE,
        opcode::Send::CODE,
        opcode::AsyncCancel::CODE,
        opcode::Read::CODE,
        opcode::Write::CODE,
    ];
    if needed.iter().any(|&code| !supported.is_supported(code)) {
        return Err(required(
            io::ErrorKind::Unsupported,
            "this kernel lacks some of its operations: use an unmodified Linux 5.19 or newer",
        ));
    }
    Ok(())
}

fn required(kind: io::ErrorKind, what_to_do: &str) -> io::Error {
    io::Error::new(kind, format!("io_uring is required, {what_to_do}"))
}

fn setup_advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ENOSYS) => {
            "but this kernel does not offer it: use Linux 5.19 or newer, built with CONFIG_IO_URING, outside of sandboxes \
             such as gVisor"
        }
        Some(libc::EPERM | libc::EACCES) => {
            "but it is forbidden here: set the sysctl kernel.io_uring_disabled to 0, and in a container allow \
             io_uring_setup, io_uring_enter and io_uring_register in its seccomp profile (docker run --security-opt \
             seccomp=unconfined)"
        }
        Some(libc::ENOMEM) => "but its memory is not granted: raise the limit on locked memory (ulimit -l)",
        _ => "but setting up a ring failed: see the kernel's log",
    }
}

fn kernel_release() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|text| text.trim().to_owned())
}

/// Major and minor of a release such as `6.1.0-18-amd64`.
fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version_out_of_a_release() {
        assert_eq!(parse_release("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(parse_release("5.19"), Some((5, 19)));
        assert_eq!(parse_release("unknown"), None);
        assert!(parse_release("5.4.0").is_some_and(|version| version < OLDEST_KERNEL));
    }

    #[test]
    fn every_refusal_is_one_line_that_names_io_uring_and_the_remedy() {
        for errno in [libc::ENOSYS, libc::EPERM, libc::ENOMEM, libc::EINVAL] {
            let error = io::Error::from_raw_os_error(errno);
            let text = required(error.kind(), setup_advice(&error)).to_string();
            assert!(text.starts_with("io_uring is required"), "{text}");
            assert!(!text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn passes_where_the_other_tests_of_this_folder_can_run() {
        probe().expect("io_uring");
    }
}
