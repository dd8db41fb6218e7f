#!/usr/bin/env bash
# The canonical comparison: builds in release mode and puts Thermocline, redis-server and memcached with extstore (as
# many of them as are installed) through the same load, in alternating rounds; then commands of every data type and what
# the types cost in memory, beside redis-server where that is installed. Takes some twenty minutes and needs no flags.
#
# Results go to bench-results/<time>-<commit>/: JSON files with everything, and an HTML page to look at. What is given on
# the command line is handed on to the first comparison, e.g. `scripts/bench.sh --scenarios cold --rounds 5`. See
# docs/operating/benchmarking.md.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release -p thermocline-server -p tiering-bench

commit=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
results="bench-results/$(date -u +%Y%m%d-%H%M%S)-$commit"
mkdir -p "$results"
# Data of the servers is gone at the end, however it comes.
work="bench-results/work"

target/release/tiering-bench compare --work "$work" --json "$results/compare.json" --html "$results/compare.html" "$@"
echo "written: $results/compare.json $results/compare.html"

if command -v redis-server >/dev/null 2>&1; then
    target/release/tiering-bench types --work "$work" --json "$results/types.json"
    echo "written: $results/types.json"
fi
