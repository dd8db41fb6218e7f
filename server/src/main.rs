//! The `thermocline` binary: options in, exit code out.
//!
//! Exit codes: 0 after a clean end, 1 where the server could not start or broke, 2 for options that make no sense.

// jemalloc reads its options from a symbol of a fixed name.
#![allow(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use thermocline_server::config::Startup;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Options of jemalloc. Unused pages go back to the system after a second, so that the resident set follows what is
/// in use; `muzzy` pages would still count as resident.
// SAFETY: the name belongs to jemalloc, which reads a pointer to a string that ends with a zero byte; a reference to
// the first byte of such a string that lives for ever is one.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATOR_OPTIONS: &u8 = &b"dirty_decay_ms:1000,muzzy_decay_ms:0,narenas:8\0"[0];

fn main() -> ExitCode {
    let config = match Startup::from_arguments(std::env::args_os()) {
        Ok(Startup::Run(config)) => config,
        Ok(Startup::Print(text)) => return print(&text),
        Err(error) => return fail(2, &error.to_string()),
    };
    match thermocline_server::run(*config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error.to_string()),
    }
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn fail(code: u8, text: &str) -> ExitCode {
    // Where the standard error is closed, the code has to do.
    let _ = writeln!(std::io::stderr(), "thermocline: {}", text.trim_end());
    ExitCode::from(code)
}
