#!/usr/bin/env bash
# Makes the profile that the project's own crates are compiled with, for this compiler: bench/profile/README.md.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

BUILT=${CARGO_TARGET_DIR:-$ROOT/target}/profile
RAW=$LOCAL/profile

# The tool of the compiler's own LLVM, or of a later one.
find_profdata() {
  local tool
  for tool in "${LLVM_PROFDATA:-}" "$(rustc --print target-libdir)/../bin/llvm-profdata" llvm-profdata; do
    if command -v "$tool"; then return; fi
  done
  fail "there is no llvm-profdata" "rustup component add llvm-tools" \
    "or LLVM_PROFDATA=… with the one of $(rustc -vV | grep '^LLVM') or later"
}

cd "$ROOT"
profdata=$(find_profdata)
with_servers
rm -rf "$RAW"
mkdir -p "$RAW"
# A target folder of its own: cargo does not see that these are other builds. scripts/rustc.sh does, and tells which
# crates it compiles; so none of them may be there already.
export CARGO_TARGET_DIR=$BUILT LAPIDARY_PROFILE_INTO=$RAW/others
cargo clean --quiet --release --locked --package api --package storage --package model --package domain --package bench
cargo build --release --locked --workspace --bins
cargo build --release --locked --workspace --example echo
CARGO_MANIFEST_DIR=$ROOT/bench "$BUILT/release/bench" profile "$RAW"
made=bench/profile/$(rustc --version | cut -d ' ' -f 2)
# Functions that never ran are left out: they are compiled as usual, not as what need not be fast.
"$profdata" merge --sparse --output "$made.profdata" "$RAW/api.profraw" "$RAW/echo.profraw"
sort -u "$LAPIDARY_PROFILE_INTO.crates" >"$made.crates"
say "$made.profdata: $(stat -c %s "$made.profdata") bytes"
