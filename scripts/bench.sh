#!/usr/bin/env bash
# Runs a benchmark on the private servers, its peers in a Python environment of their own.
#   scripts/bench.sh ingest|serving [options of the benchmark]
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

VENV=$LOCAL/bench-venv

cd "$ROOT"
"$ROOT/scripts/servers.sh" start
cargo build --release --locked --workspace --bins
if [ "$1" = serving ]; then cargo build --release --locked --workspace --example echo; fi
if [ ! -x "$VENV/bin/python" ]; then python3 -m venv "$VENV"; fi
"$VENV/bin/pip" install --quiet --requirement "bench/peers/$1.txt"
set -a
# shellcheck disable=SC1090
. <(grep '^LAPIDARY_TEST_' "$LOCAL/servers.env")
set +a
mkdir -p bench/results
CARGO_MANIFEST_DIR=$ROOT/bench "${CARGO_TARGET_DIR:-target}/release/bench" "$1" --python "$VENV/bin/python" "${@:2}" |
  tee "bench/results/$1.md"
