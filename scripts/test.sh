#!/usr/bin/env bash
# Checks everything: format, lints, tests, documentation, clients. The last line says whether all is well.
#
# As root on a Debian or Ubuntu machine it installs what is missing; elsewhere it says what is. Needs no terminal, no
# configuration, and a disk under the target directory that allows direct I/O.
set -euo pipefail
cd "$(dirname "$0")/.."

export LC_ALL=C.UTF-8
export CARGO_TERM_COLOR=never
export DEBIAN_FRONTEND=noninteractive
exec </dev/null

# A step that hangs is a step that failed. Generous: the longest takes a few minutes on two cores.
readonly STEP_TIMEOUT_SECONDS=2400
readonly TARGET=${CARGO_TARGET_DIR:-$PWD/target}
readonly VENV=$TARGET/test-venv
readonly REDIS_PY=redis==8.1.0
readonly STARTED=$SECONDS

step() {
    echo
    echo "=== $* [$((SECONDS - STARTED)) s]"
}

fail() {
    echo
    echo "FAILED: $* (after $((SECONDS - STARTED)) s)"
    exit 1
}

run() {
    timeout --kill-after=30 "$STEP_TIMEOUT_SECONDS" "$@" || fail "$*"
}

# --- What the tests need ------------------------------------------------------------------------------------------

# command:package pairs. redis-server is the reference that replies are compared with.
readonly NEEDED=(
    redis-server:redis-server
    redis-cli:redis-tools
    memcached:memcached
    cc:build-essential
    make:build-essential
    python3:python3
    node:nodejs
    npm:npm
)

missing_packages() {
    local pair
    for pair in "${NEEDED[@]}"; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || echo "${pair##*:}"
    done
    # Debian splits venv off from python3; its import works where the package is missing, ensurepip's does not.
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || echo python3-venv
}

install_packages() {
    # Packages of servers start them; ours is to have the port to itself.
    local policy=/usr/sbin/policy-rc.d
    local is_ours=no
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        is_ours=yes
    fi
    local outcome=0
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"; } >"$TARGET/apt.log" 2>&1 || outcome=$?
    if [ "$is_ours" = yes ]; then
        rm -f "$policy"
    fi
    if [ "$outcome" != 0 ]; then
        tail -n 20 "$TARGET/apt.log"
        return 1
    fi
}

step "what the tests need"
mkdir -p "$TARGET"
command -v cargo >/dev/null 2>&1 || fail "cargo is missing: install Rust from https://rustup.rs"
mapfile -t missing < <(missing_packages | sort -u)
if [ "${#missing[@]}" -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing ${missing[*]}"
        install_packages "${missing[@]}" || fail "could not install ${missing[*]}"
    else
        fail "these packages are missing, and only root can install them: ${missing[*]}"
    fi
fi
for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 || fail "cargo $component is missing: rustup component add rustfmt clippy"
done
if [ ! -x "$VENV/bin/python" ] || ! "$VENV/bin/python" -m pip freeze 2>/dev/null | grep -qx "$REDIS_PY"; then
    rm -rf "$VENV"
    run python3 -m venv "$VENV"
    run "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "$REDIS_PY"
fi
# Versions and hashes are pinned by package-lock.json.
run npm --prefix tests/clients/node ci --silent --no-audit --no-fund
redis-server --version
cargo --version

# --- The checks ---------------------------------------------------------------------------------------------------

step "format"
run cargo fmt --all --check

step "lints"
run cargo clippy --quiet --workspace --all-targets -- -D warnings

step "build"
run cargo build --quiet --workspace --bins
THERMOCLINE_BINARY="$TARGET/debug/thermocline"
export THERMOCLINE_BINARY

step "tests"
if cargo nextest --version >/dev/null 2>&1; then
    run cargo nextest run --workspace --no-fail-fast
    run cargo test --quiet --workspace --doc
else
    run cargo test --workspace --no-fail-fast
fi

step "documentation"
RUSTDOCFLAGS="-D warnings" run cargo doc --quiet --workspace --no-deps --document-private-items

step "clients"
run "$VENV/bin/python" -m unittest discover -s tests/clients
run node --test tests/clients/node/*.test.js

echo
echo "ALL CHECKS PASSED in $((SECONDS - STARTED)) s"
