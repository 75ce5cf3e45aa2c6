#!/usr/bin/env bash
# Attacks the API of a system of its own, with a database and a vhost that are deleted afterwards, from 127.0.0.2 on: slow
# bodies, floods, long heads, big lists, redaction bombs, event streams, slow readers, batches, all at once. An honest
# client measures beside it. Prints a table, and fails when a bound is missed.
#   scripts/check-hostile.sh [options of the program, such as --seconds 20]
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

cd "$ROOT"
with_servers
"${CARGO_TARGET_DIR:-$ROOT/target}/release/hostile" "$@"
