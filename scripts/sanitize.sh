#!/usr/bin/env bash
# Runs the engine's and the server's tests under AddressSanitizer: the unsafe code is exercised, and every access checked.
#
# Needs a nightly toolchain (rustup toolchain install nightly). Not part of scripts/test.sh, which must do without. Run it
# when one of the files that may be unsafe changes; tests/tests/tidy.rs lists them.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly HOST=$(rustc -vV | sed -n 's/^host: //p')

# Its own folder: nothing built so can be shared. The process' allocator is replaced by the checking one, as tests use none
# of their own.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/sanitize
export RUSTFLAGS="-Zsanitizer=address"
cargo +nightly test --workspace --exclude thermocline-tests --lib --tests --target "$HOST" "$@"
