#!/usr/bin/env bash
# Lets schemathesis (PyPI) attack the API that its OpenAPI document describes, with an operator's key and without.
# The system attacked is one of its own, with other ports and other data, and deleted afterwards: in it models are
# promoted and rolled back, and files withdrawn.
#   scripts/check-api.sh [cases a route and phase, 100]
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

CASES=${1:-100}
# So many cases there have to be each way, or the check fails.
LEAST=2000
VENV=$LOCAL/schemathesis-venv
WORK=$(mktemp -d)
BIN=${CARGO_TARGET_DIR:-$ROOT/target}/release
PIDS=()
RESULTS=()
DATABASE=attacked_$$

clear_away() {
  local pid
  for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  "$VENV/bin/python" "$ROOT/scripts/database.py" drop "$DATABASE" || true
  rm -rf "$WORK"
}

start() { # NAME
  "$BIN/$1" >"$WORK/$1.log" 2>&1 &
  PIDS+=($!)
}

# Prints what schemathesis found, and remembers its count of cases.
attack() { # WHAT CONFIG
  local what=$1 config=$2 cases status=0
  say "schemathesis $what"
  PYTHONPATH=$ROOT/scripts SCHEMATHESIS_HOOKS=schemathesis_hooks PYTHONDONTWRITEBYTECODE=1 \
    "$VENV/bin/schemathesis" --config-file "$config" run "$URL/openapi.json" --checks all \
    --max-examples "$CASES" --exclude-path /v1/events/stream --workers 1 --seed 1 --no-color \
    >"$WORK/$what.txt" || status=1
  awk '/= (FAILURES|ERRORS|SUMMARY)/ { shown = 1 } shown' "$WORK/$what.txt"
  cases=$(sed -n 's/^ *\([0-9]* generated, .*\)/\1/p' "$WORK/$what.txt")
  [ "${cases%% *}" -ge "$LEAST" ] 2>/dev/null || { status=1 && cases="${cases:-none}; at least $LEAST generated were wanted"; }
  RESULTS+=("$(printf '%-14s %s' "$what" "$cases")")
  return "$status"
}

cd "$ROOT"
with_servers
[ -x "$VENV/bin/schemathesis" ] || { python3 -m venv "$VENV" && "$VENV/bin/pip" install --quiet 'schemathesis>=4,<5' 'psycopg[binary]'; }
trap clear_away EXIT
"$VENV/bin/python" scripts/database.py create "$DATABASE"
export LAPIDARY__POSTGRES__URL=${LAPIDARY_TEST_POSTGRES_URL%/*}/$DATABASE
export LAPIDARY__RABBITMQ__URL=$LAPIDARY_TEST_RABBITMQ_URL/lapidary
export LAPIDARY__STORE__URL=$WORK/store LAPIDARY__INGEST__INBOX=$WORK/inbox LAPIDARY__INGEST__SCRATCH=$WORK/scratch
export LAPIDARY__API__CACHE=$WORK/cache LAPIDARY__TRAFFIC__SPOOL=$WORK/spool LAPIDARY__TELEMETRY__FORMAT=text
export LAPIDARY__INGEST__LISTEN=127.0.0.1:0 LAPIDARY__TRAINER__LISTEN=127.0.0.1:0
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
URL=http://127.0.0.1:$PORT
export LAPIDARY__API__LISTEN=127.0.0.1:$PORT
"$BIN/migrations" up >"$WORK/migrations.log" 2>&1
# Arguments are in the process list for everybody to read, so the key is in the environment, which the configuration names.
ATTACKER_KEY=$("$BIN/api" keys add --name attack --role operator 2>/dev/null)
export ATTACKER_KEY
{
  # shellcheck disable=SC2016
  printf 'headers = { Authorization = "Bearer ${ATTACKER_KEY}" }\n'
  cat scripts/schemathesis.toml
} >"$WORK/with-a-key.toml"
mkdir -p "$WORK/inbox"
start ingest
start trainer
start api
zcat data/diamonds.csv.gz >"$WORK/inbox/.part" && mv "$WORK/inbox/.part" "$WORK/inbox/diamonds.csv"
until curl -fs -o /dev/null "$URL/v1/models/champion"; do sleep 0.2; done
failed=0
attack without-a-key "$ROOT/scripts/schemathesis.toml" || failed=1
attack with-a-key "$WORK/with-a-key.toml" || failed=1
say "generated cases, all checks, every route but the event stream, which does not end:"
printf '  %s\n' "${RESULTS[@]}"
exit "$failed"
