#!/usr/bin/env bash
# The three services of this checkout, and the servers they need.
#   scripts/services.sh up|down|status|logs|running
#   scripts/services.sh keys add|list|revoke …
#   scripts/services.sh retain|traffic|replay|trainer …
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

BIN=${CARGO_TARGET_DIR:-$ROOT/target}/release
case $BIN in /*) ;; *) BIN=$ROOT/$BIN ;; esac
INBOX=$ROOT/inbox
SERVERS_ENV=$LOCAL/servers.env
SERVICES_ENV=$LOCAL/services.env
NAMES=(ingest trainer api)
START_SECONDS=60

declare -A PORTS=([api]=8080 [ingest]=8081 [trainer]=8082)

# ---- what is remembered -------------------------------------------------------------------------------------------

load_ports() {
  local name port
  [ -r "$SERVICES_ENV" ] || return 0
  for name in "${NAMES[@]}"; do
    port=$(sed -n "s/^LAPIDARY__${name^^}__LISTEN=127\.0\.0\.1:\([0-9]*\)$/\1/p" "$SERVICES_ENV")
    [ -z "$port" ] || PORTS[$name]=$port
  done
}

save_ports() {
  local name
  for name in "${NAMES[@]}"; do say "LAPIDARY__${name^^}__LISTEN=127.0.0.1:${PORTS[$name]}"; done >"$SERVICES_ENV"
}

# The addresses that the caller named come first, then the private servers'.
load_servers() {
  if [ -z "${LAPIDARY__POSTGRES__URL:-}" ] || [ -z "${LAPIDARY__RABBITMQ__URL:-}" ]; then
    # shellcheck disable=SC1090
    . <(grep -E '^LAPIDARY__(POSTGRES|RABBITMQ)__URL=' "$SERVERS_ENV")
  fi
  export LAPIDARY__POSTGRES__URL LAPIDARY__RABBITMQ__URL
}

# ---- what runs ----------------------------------------------------------------------------------------------------

# Two checkouts may share one target folder, so it is the inbox in its environment that says whose a process is.
service_pid() {
  local pid
  pid=$(pid_in "$RUN/$1.pid") && is_ours "$pid" environ "LAPIDARY__INGEST__INBOX=$INBOX" && printf '%s' "$pid"
}

healthy() { curl -fs -m 2 -o /dev/null "http://127.0.0.1:${PORTS[$1]}/healthz"; }

# Cargo replaces a binary by a new file, and then /proc says of a process of the old one that its file is deleted.
runs_old_binary() {
  case $(readlink "/proc/$1/exe" 2>/dev/null) in *' (deleted)') true ;; *) false ;; esac
}

stop_service() {
  local pid
  if pid=$(service_pid "$1"); then stop_process "$1" "$pid" TERM KILL && say "$1 stopped"; fi
  rm -f "$RUN/$1.pid"
}

# ---- up -----------------------------------------------------------------------------------------------------------

choose_ports() {
  local name i names=() wanted=() free
  for name in "${NAMES[@]}"; do
    service_pid "$name" >/dev/null || { names+=("$name") && wanted+=("${PORTS[$name]}"); }
  done
  [ "${#names[@]}" -gt 0 ] || return 0
  mapfile -t free < <(free_ports "${wanted[@]}")
  for i in "${!names[@]}"; do
    [ "${wanted[$i]}" = "${free[$i]}" ] || say "port ${wanted[$i]} is taken by another program: ${names[$i]} gets ${free[$i]}"
    PORTS[${names[$i]}]=${free[$i]}
  done
  save_ports
}

check_binaries() {
  local name
  for name in migrations "${NAMES[@]}"; do
    [ -x "$BIN/$name" ] || fail "$BIN/$name is not built" "build it with: make build"
  done
}

migrate() {
  local log=$LOG/migrations.log
  "$BIN/migrations" up >"$log" 2>&1 || {
    show_log_end "$log"
    fail "the database could not be migrated" "the whole log is in $log; the services were not started"
  }
}

# Without the key everything but the operators' routes works, so what is wrong with it is said and does not stop anything.
register_operator_key() {
  local log=$LOG/keys.log key
  "$ROOT/scripts/env.sh"
  key=$(sed -n 's/^LAPIDARY_OPERATOR_KEY=//p' "$ROOT/.env")
  LAPIDARY_OPERATOR_KEY=$key "$BIN/api" keys add --name local --role operator \
    --from-env LAPIDARY_OPERATOR_KEY >"$log" 2>&1 || {
    show_log_end "$log"
    say "the operator key in .env does not work; everything else does" >&2
  }
}

launch() {
  local name=$1
  roll_log "$name"
  LAPIDARY__STORE__URL="file://$LOCAL/store" LAPIDARY__INGEST__SCRATCH="$LOCAL/scratch" LAPIDARY__INGEST__INBOX="$INBOX" \
    LAPIDARY__API__LISTEN="127.0.0.1:${PORTS[api]}" LAPIDARY__API__CACHE="$LOCAL/cache" \
    LAPIDARY__TRAFFIC__SPOOL="$LOCAL/spool" \
    LAPIDARY__INGEST__LISTEN="127.0.0.1:${PORTS[ingest]}" \
    LAPIDARY__TRAINER__LISTEN="127.0.0.1:${PORTS[trainer]}" \
    setsid "$BIN/$name" </dev/null >>"$LOG/$name.log" 2>&1 9>&- &
  say $! >"$RUN/$name.pid"
}

wait_until_healthy() {
  local name=$1 deadline=$((SECONDS + START_SECONDS))
  until healthy "$name"; do
    if ! is_alive "$(pid_in "$RUN/$name.pid")" || [ "$SECONDS" -ge "$deadline" ]; then
      show_log_end "$LOG/$name.log"
      fail "$name did not start" "the whole log is in $LOG/$name.log" "when the reason is gone, try again with: make up"
    fi
    sleep 0.05
  done
  say "$name runs at http://127.0.0.1:${PORTS[$name]}"
}

up() {
  local name pid
  check_binaries
  "$ROOT/scripts/servers.sh" start
  lock services
  load_servers
  for name in "${NAMES[@]}"; do
    if pid=$(service_pid "$name") && runs_old_binary "$pid"; then
      say "$name was built anew, restarting it"
      stop_service "$name"
    fi
  done
  choose_ports
  migrate
  register_operator_key
  mkdir -p "$INBOX" "$LOCAL/store" "$LOCAL/scratch"
  cd "$ROOT"
  for name in "${NAMES[@]}"; do service_pid "$name" >/dev/null || launch "$name"; done
  for name in "${NAMES[@]}"; do wait_until_healthy "$name"; done
}

# ---- down, status, logs -------------------------------------------------------------------------------------------

down() {
  local name
  lock services
  for name in "${NAMES[@]}"; do stop_service "$name"; done
  "$ROOT/scripts/servers.sh" stop
}

champion() {
  python3 - "http://127.0.0.1:${PORTS[api]}" <<'PYTHON'
import json, sys, urllib.error, urllib.request

try:
    with urllib.request.urlopen(sys.argv[1] + "/v1/models/champion", timeout=5) as answer:
        model = json.load(answer)
    print("model {version} ({kind}), from dataset version {dataset_version}, since {promoted_at}".format(**model))
except urllib.error.HTTPError as refusal:
    problem = json.load(refusal)
    print("none:", problem.get("detail") or problem.get("title"))
except OSError as error:
    print("unknown:", getattr(error, "reason", error))
PYTHON
}

status() {
  local name pid state
  "$ROOT/scripts/servers.sh" status
  for name in "${NAMES[@]}"; do
    if pid=$(service_pid "$name"); then
      state=running
      healthy "$name" || state=unwell
      printf '%-10s %-8s pid %-8s http://127.0.0.1:%s\n' "$name" "$state" "$pid" "${PORTS[$name]}"
    else
      printf '%-10s stopped\n' "$name"
    fi
  done
  if service_pid api >/dev/null; then printf '%-10s %s\n' champion "$(champion)"; fi
}

logs() {
  local name
  # However this ends, the three that follow the logs end with it.
  # shellcheck disable=SC2046
  trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
  trap 'exit 0' INT TERM
  for name in "${NAMES[@]}"; do
    touch "$LOG/$name.log"
    tail -n 20 -F "$LOG/$name.log" 2>/dev/null | sed -u "s/^/$(printf '%-7s' "$name") | /" &
  done
  wait
}

# Succeeds when any service runs: then the servers are in use.
running() {
  local name
  for name in "${NAMES[@]}"; do if service_pid "$name" >/dev/null; then return 0; fi; done
  return 1
}

# A command of a service, on the data of this checkout.
command_of() { # SERVICE ARGUMENTS…
  check_binaries
  [ -r "$SERVERS_ENV" ] || [ -n "${LAPIDARY__POSTGRES__URL:-}" ] || fail "there is no database yet" "make one with: make up"
  load_servers
  LAPIDARY__STORE__URL="file://$LOCAL/store" LAPIDARY__INGEST__INBOX="$INBOX" "$BIN/$1" "${@:2}"
}

make_local_folders
load_ports
case ${1:-} in
  up | down | status | logs | running) "$1" ;;
  keys | traffic | replay) command_of api "$@" ;;
  retain) command_of ingest "$@" ;;
  trainer) command_of "$@" ;;
  *) fail "usage: scripts/services.sh up|down|status|logs|running|keys|retain|traffic|replay|trainer" ;;
esac
