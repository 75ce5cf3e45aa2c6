#!/usr/bin/env bash
# Runs every test, on the private servers. They stay up afterwards, so that the next run starts at once.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# Tests get servers to make their own databases and vhosts on, never the addresses of the data of this checkout.
export_test_addresses() {
  if [ -z "${LAPIDARY_TEST_POSTGRES_URL:-}" ] || [ -z "${LAPIDARY_TEST_RABBITMQ_URL:-}" ]; then
    [ -r "$LOCAL/servers.env" ] || fail "the tests need LAPIDARY_TEST_POSTGRES_URL, LAPIDARY_TEST_RABBITMQ_URL and LAPIDARY_TEST_RABBITMQ_MANAGEMENT_URL"
    set -a
    # shellcheck disable=SC1090
    . <(grep '^LAPIDARY_TEST_' "$LOCAL/servers.env")
    set +a
  fi
  unset LAPIDARY__POSTGRES__URL LAPIDARY__RABBITMQ__URL
}

cd "$ROOT"
scripts/servers.sh start
export_test_addresses
# The end-to-end tests run the services' binaries, and an ingest that they can stop at named places.
cargo build --release --locked --workspace --bin ingest --features ingest/failpoints
cp -f "${CARGO_TARGET_DIR:-target}/release/ingest" "${CARGO_TARGET_DIR:-target}/release/ingest-failpoints"
cargo build --release --locked --workspace --bins
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --release --locked --workspace "$@"
  cargo test --release --locked --workspace --doc
else
  cargo test --release --locked --workspace "$@"
fi
