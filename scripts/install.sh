#!/usr/bin/env bash
# Installs with apt what the scripts, the servers and the build need, and only what is missing.
# The packages bring system services of their own; these are neither started nor enabled by us.
#   scripts/install.sh          what it takes to run the services and the tests
#   scripts/install.sh bench    and the load generator of the benchmark of serving
#   scripts/install.sh lint     and what checks scripts and alerts
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

POLICY=/usr/sbin/policy-rc.d
FOR=${1:-}
CREATE_CLUSTER=/etc/postgresql-common/createcluster.conf

have() { command -v "$1" >/dev/null; }

missing_packages() {
  have gcc || say gcc
  have make || say make
  have curl || say curl
  have python3 || say python3
  have gzip || say gzip
  have git || say git
  # XGBoost is C++, and its bindings are made from its headers.
  have cmake || say cmake
  have g++ || say g++
  have clang || say clang
  compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null || say libclang-dev
  if ! have setpriv || ! have flock; then say util-linux; fi
  have pkg-config || say pkg-config
  case $FOR in
  bench) have wrk || say wrk ;;
  lint)
    have shellcheck || say shellcheck
    have promtool || say prometheus
    ;;
  esac
  # Servers that exist already need no packages of ours.
  [ -n "${LAPIDARY__POSTGRES__URL:-}" ] || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || say postgresql
  [ -n "${LAPIDARY__RABBITMQ__URL:-}" ] || [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || say rabbitmq-server
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

check_can_install() {
  have apt-get || fail "these packages are missing and there is no apt-get here: $*" "install them with this system's own tool, then try again"
  [ "$(id -u)" = 0 ] || have sudo || fail "these packages are missing: $*" "run as root: apt-get update && apt-get install $*"
}

# A policy-rc.d that says 101 forbids packages to start their services. One that is there already stays.
forbid_service_starts() {
  [ -e "$POLICY" ] && return
  trap 'as_root rm -f "$POLICY"' EXIT
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
  as_root chmod 755 "$POLICY"
}

# Debian's PostgreSQL makes a cluster "main" of its own unless told not to before it is unpacked.
forbid_main_cluster() {
  [ -e "$CREATE_CLUSTER" ] && return
  as_root mkdir -p "$(dirname "$CREATE_CLUSTER")"
  printf 'create_main_cluster = false\n' | as_root tee "$CREATE_CLUSTER" >/dev/null
}

enabled_services() {
  have systemctl || return 0
  local unit
  for unit in postgresql.service rabbitmq-server.service epmd.service epmd.socket prometheus.service; do
    if systemctl is-enabled --quiet "$unit" 2>/dev/null; then say "$unit"; fi
  done
}

# policy-rc.d forbids starting but not enabling: without this they would run from the next boot on.
disable_services_except() { # UNITS_ENABLED_BEFORE
  local unit
  for unit in $(enabled_services); do
    grep -qxF "$unit" <<<"$1" || as_root systemctl disable --quiet "$unit" 2>/dev/null
  done
}

install_packages() {
  local log=$LOG/install.log enabled_before
  enabled_before=$(enabled_services)
  say "installing with apt: $*"
  check_can_install "$@"
  case " $* " in *" postgresql "*) forbid_main_cluster ;; esac
  forbid_service_starts
  {
    as_root apt-get update -q &&
      as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 "$@"
  } >"$log" 2>&1 || { show_log_end "$log"; fail "apt could not install: $*" "the whole log is in $log"; }
  disable_services_except "$enabled_before"
  say "installed: $*"
}

check_cargo() {
  have cargo || fail "cargo is missing" "install Rust from https://rustup.rs, open a new shell, then try again"
}

main() {
  local packages
  check_cargo
  [ -n "$(missing_packages)" ] || return 0
  have flock && lock install
  # Asked again: another command may have installed them while we waited.
  mapfile -t packages < <(missing_packages)
  [ "${#packages[@]}" = 0 ] || install_packages "${packages[@]}"
}

make_local_folders
main
