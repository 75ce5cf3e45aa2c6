# What the scripts share. Sourced, not run.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
LOCAL=$ROOT/.local
RUN=$LOCAL/run
LOG=$LOCAL/log

say() { printf '%s\n' "$*"; }

fail() {
  printf 'error: %s\n' "$1" >&2
  shift
  local line
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}

# Letters and digits only, so that it needs no escaping in a URL.
random_hex() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; } # BYTES

make_local_folders() {
  mkdir -p "$RUN" "$LOG"
  chmod 700 "$LOCAL"
}

# Runs one command at a time per checkout: `make demo` and `make test` may start things at the same moment.
# Whatever is left running must close descriptor 9 (`9>&-`), or it would hold the lock for ever.
lock() {
  make_local_folders
  exec 9>"$LOCAL/$1.lock"
  flock -w 300 9 || fail "another command has held $LOCAL/$1.lock for five minutes" "see what it is with: fuser $LOCAL/$1.lock"
}

# The first line of a pid file, or nothing.
pid_in() {
  local pid=
  if [ -r "$1" ]; then read -r pid <"$1" || true; fi
  case $pid in '' | *[!0-9]*) return 1 ;; esac
  printf '%s' "$pid"
}

# A pid file may outlive its process and the number may be taken by a stranger's process,
# so a process is ours only when its command line (or environment) also names something of this checkout.
is_ours() { # PID cmdline|environ ENTRY
  is_alive "$1" && [ -r "/proc/$1/$2" ] && tr '\0' '\n' 2>/dev/null <"/proc/$1/$2" | grep -qxF -- "$3"
}

is_alive() { case $(process_state "$1") in '' | Z) false ;; *) true ;; esac }

process_state() { sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null || true; }

wait_gone() { # PID SECONDS
  local tenths=$(($2 * 10))
  while is_alive "$1"; do
    [ "$tenths" -gt 0 ] || return 1
    tenths=$((tenths - 1))
    sleep 0.1
  done
}

# Asks a process of ours to stop, and makes it stop when it does not within 30 s.
stop_process() { # NAME PID GENTLE_SIGNAL LAST_SIGNAL
  kill -"$3" "$2" 2>/dev/null || true
  wait_gone "$2" 30 && return
  say "$1 (pid $2) did not stop within 30 s, sending SIG$4"
  kill -"$4" "$2" 2>/dev/null || true
  wait_gone "$2" 10 || fail "$1 (pid $2) does not stop"
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; } # PORT

# One free port on the loopback for each preferred one: itself when free, else the next that is.
free_ports() {
  python3 - "$@" <<'PYTHON'
import socket, sys

def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

taken = set()
for preferred in map(int, sys.argv[1:]):
    port = next(p for p in range(preferred, 65536) if p not in taken and is_free(p))
    taken.add(port)
    print(port)
PYTHON
}

# Logs are appended to; one that has grown beyond 20 MB becomes NAME.log.old at the next start.
roll_log() {
  local log=$LOG/$1.log
  if [ -f "$log" ] && [ "$(stat -c %s "$log")" -gt 20000000 ]; then mv -f "$log" "$log.old"; fi
}

show_log_end() {
  say "--- the end of $1:" >&2
  tail -n 20 "$1" >&2 2>/dev/null || say "(no log)" >&2
  say "---" >&2
}

# The private servers, started if need be, with their addresses in the environment.
with_servers() {
  "$ROOT/scripts/servers.sh" start
  set -a
  # shellcheck disable=SC1090
  . <(grep '^LAPIDARY_TEST_' "$LOCAL/servers.env")
  set +a
}

step() { # HEADLINE COMMAND…
  local headline=$1 start=$SECONDS
  shift
  printf '\n=== %s\n' "$headline"
  "$@" || fail "$headline failed after $((SECONDS - start)) s"
  printf '=== %s: %s s\n' "$headline" "$((SECONDS - start))"
}
