#!/usr/bin/env bash
# Makes `.env` with this checkout's passwords and operator key, once. Docker compose reads it as well.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# Inside the containers the services take the number of an ordinary user, so that they may move the files in `inbox/`.
container_user() {
  [ "$(id -u)" != 0 ] || return 0
  say "LAPIDARY_UID=$(id -u)"
  say "LAPIDARY_GID=$(id -g)"
}

contents() {
  say "# Made by scripts/env.sh on the first run. Keep it: the data is bound to these passwords."
  say "POSTGRES_PASSWORD=$(random_hex 16)"
  say "RABBITMQ_PASSWORD=$(random_hex 16)"
  say "LAPIDARY_OPERATOR_KEY=lap_op_$(random_hex 24)"
  container_user
}

[ -e "$ROOT/.env" ] && exit 0
umask 077
lock env
[ -e "$ROOT/.env" ] && exit 0
contents >"$ROOT/.env.new"
mv "$ROOT/.env.new" "$ROOT/.env"
