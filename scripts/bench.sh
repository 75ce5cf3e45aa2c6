#!/usr/bin/env bash
# Runs a benchmark, its peers in a Python environment of their own, and keeps what it prints.
#   scripts/bench.sh ingest|memory|serving|training [options of the benchmark]
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

VENV=$LOCAL/bench-venv
RELEASE=${CARGO_TARGET_DIR:-target}/release

with_peers() { # REQUIREMENTS
  [ -x "$VENV/bin/python" ] || python3 -m venv "$VENV"
  "$VENV/bin/pip" install --quiet --requirement "$1"
}

ingest() {
  with_servers
  cargo build --release --locked --workspace --bins
  with_peers bench/peers/ingest.txt
  CARGO_MANIFEST_DIR=$ROOT/bench "$RELEASE/bench" ingest --python "$VENV/bin/python" "$@" | tee bench/results/ingest.md
}

serving() {
  with_servers
  cargo build --release --locked --workspace --bins
  cargo build --release --locked --workspace --example echo
  with_peers bench/peers/serving.txt
  # What was built and installed is on the disk before commits are measured there.
  sync
  CARGO_MANIFEST_DIR=$ROOT/bench "$RELEASE/bench" serving --python "$VENV/bin/python" "$@" | tee bench/results/serving.md
}

memory() {
  with_servers
  cargo build --release --locked --workspace --bins --examples
  {
    printf '`make bench-memory`\n\n'
    CARGO_MANIFEST_DIR=$ROOT/bench "$RELEASE/bench" memory --bare "$RELEASE/examples/bare_fit" "$@"
  } | tee bench/results/memory.md
}

training() {
  cargo build --release --locked --workspace --bins --examples
  with_peers bench/peers/training.txt
  find_training_data
  {
    printf '`make bench-training`, on `%s`, with %s.\n\n' "$(basename "$DATA")" "$(paste -sd ' ' bench/peers/training.txt)"
    "$RELEASE/bench" training --data "$DATA" --split "$SPLIT" --search "$RELEASE/examples/search" \
      --python "$VENV/bin/python" --peer bench/peers/optuna_search.py --plot bench/results/training.svg "$@"
    printf '\n![time and test error of each search](training.svg)\n'
  } | tee bench/results/training.md
}

# The challenge's file with the notebook's split where it is there, else every tenth of the bundled samples, every fifth
# of these for the test.
find_training_data() {
  DATA=$ROOT/../shared/data/diamonds.csv SPLIT=$ROOT/../shared/data/notebook-reference.json
  if [ -r "$DATA" ] && [ -r "$SPLIT" ]; then return; fi
  DATA=$LOCAL/bench/diamonds.csv SPLIT=$LOCAL/bench/split.json
  mkdir -p "$LOCAL/bench"
  gzip -dc data/diamonds.csv.gz | awk 'NR == 1 || (NR % 10 == 2 && ++kept <= 5000)' >"$DATA"
  python3 -c 'import json; print(json.dumps({"test_lines": list(range(2, 5002, 5))}))' >"$SPLIT"
}

cd "$ROOT"
make_local_folders
mkdir -p bench/results
case ${1:-} in
ingest | memory | serving | training) "$@" ;;
*) fail "there is no benchmark ${1:-without a name}" "scripts/bench.sh ingest|memory|serving|training" ;;
esac
