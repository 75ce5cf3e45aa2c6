#!/usr/bin/env bash
# A private PostgreSQL and RabbitMQ for this checkout: own ports, own data, loopback only.
#   scripts/servers.sh start|stop|status|running|forget
# Addresses and logins are in `.local/servers.env`, to be sourced by a shell.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

SERVERS_ENV=$LOCAL/servers.env
RABBIT=$LOCAL/rabbitmq
RABBIT_PID_FILE=$RABBIT/pid
RABBIT_SCRIPT_PID_FILE=$RUN/rabbitmq-script.pid
EPMD_PID_FILE=$RUN/epmd.pid
# The superuser's password, which only these scripts use: no service and no test can become superuser.
SUPERUSER_PASSFILE=$LOCAL/postgres.pgpass
RABBIT_SERVER=/usr/lib/rabbitmq/bin/rabbitmq-server
START_SECONDS=90
# Below 32768, where Linux begins to hand out ports to whoever asks for any: ours stay free while the servers are down.
PREFERRED_PORTS=(25432 25671 25675 25692 25369 25674)

# ---- what is remembered -------------------------------------------------------------------------------------------

# Names this checkout's data and processes, and moves with it.
checkout_id() {
  [ -s "$LOCAL/id" ] || od -An -N 6 -tx1 /dev/urandom | tr -d ' \n' >"$LOCAL/id"
  cat "$LOCAL/id"
}

# PostgreSQL refuses to run as root, and the user it then runs as cannot enter a checkout in a private home folder.
postgres_folder() {
  if [ -s "$LOCAL/postgres.path" ]; then
    cat "$LOCAL/postgres.path"
  elif [ "$(id -u)" = 0 ]; then
    printf '/var/lib/lapidary/%s' "$ID" | tee "$LOCAL/postgres.path"
  else
    printf '%s/postgres' "$LOCAL" | tee "$LOCAL/postgres.path"
  fi
}

load() {
  make_local_folders
  "$ROOT/scripts/env.sh"
  # shellcheck disable=SC1091
  . "$ROOT/.env"
  ID=$(checkout_id)
  NODE=lapidary-$ID@localhost
  PG_FOLDER=$(postgres_folder)
  PG_DATA=$PG_FOLDER/data
  if [ -r "$SERVERS_ENV" ]; then read_ports; fi
}

# Only the ports are read back: everything else in there follows from them, and the environment's own URLs must survive.
read_ports() {
  # shellcheck disable=SC1090
  . <(grep -E '^LAPIDARY_[A-Z]+_PORT=[0-9]+$' "$SERVERS_ENV")
}

save() {
  local postgres="lapidary:$POSTGRES_PASSWORD@127.0.0.1:$LAPIDARY_POSTGRES_PORT"
  local rabbit="lapidary:$RABBITMQ_PASSWORD@127.0.0.1"
  (umask 077 && cat >"$SERVERS_ENV.new") <<EOF
# Written by scripts/servers.sh.
LAPIDARY__POSTGRES__URL=postgres://$postgres/lapidary
LAPIDARY__RABBITMQ__URL=amqp://$rabbit:$LAPIDARY_AMQP_PORT/lapidary
LAPIDARY_TEST_POSTGRES_URL=postgres://lapidary_test:$POSTGRES_PASSWORD@127.0.0.1:$LAPIDARY_POSTGRES_PORT/postgres
LAPIDARY_TEST_RABBITMQ_URL=amqp://$rabbit:$LAPIDARY_AMQP_PORT
LAPIDARY_TEST_RABBITMQ_MANAGEMENT_URL=http://$rabbit:$LAPIDARY_MANAGEMENT_PORT
LAPIDARY_POSTGRES_PORT=$LAPIDARY_POSTGRES_PORT
LAPIDARY_AMQP_PORT=$LAPIDARY_AMQP_PORT
LAPIDARY_MANAGEMENT_PORT=$LAPIDARY_MANAGEMENT_PORT
LAPIDARY_PROMETHEUS_PORT=$LAPIDARY_PROMETHEUS_PORT
LAPIDARY_EPMD_PORT=$LAPIDARY_EPMD_PORT
LAPIDARY_ERLANG_PORT=$LAPIDARY_ERLANG_PORT
LAPIDARY_POSTGRES_DATA=$PG_DATA
LAPIDARY_POSTGRES_PID_FILE=$PG_DATA/postmaster.pid
LAPIDARY_RABBITMQ_PID_FILE=$RABBIT_PID_FILE
LAPIDARY_EPMD_PID_FILE=$EPMD_PID_FILE
EOF
  mv "$SERVERS_ENV.new" "$SERVERS_ENV"
}

# Servers that the caller named in the environment are used as they are. URLs that came out of servers.env are ours.
external() {
  [ -n "${LAPIDARY__POSTGRES__URL:-}" ] && [ -n "${LAPIDARY__RABBITMQ__URL:-}" ] || return 1
  ! grep -qxF "LAPIDARY__POSTGRES__URL=$LAPIDARY__POSTGRES__URL" "$SERVERS_ENV" 2>/dev/null
}

# ---- what runs ----------------------------------------------------------------------------------------------------

postgres_pid() {
  local pid
  pid=$(pid_in "$PG_DATA/postmaster.pid") && is_ours "$pid" cmdline "$PG_DATA" && printf '%s' "$pid"
}

# Of RabbitMQ there are the node (its own pid file, written late), the shell script around it, and Erlang's port mapper.
# The node's name is in the environment of all three.
rabbit_part_pid() { # PID_FILE
  local pid
  pid=$(pid_in "$1") && is_ours "$pid" environ "RABBITMQ_NODENAME=$NODE" && printf '%s' "$pid"
}
rabbit_pid() { rabbit_part_pid "$RABBIT_PID_FILE"; }
rabbit_script_pid() { rabbit_part_pid "$RABBIT_SCRIPT_PID_FILE"; }
epmd_pid() { rabbit_part_pid "$EPMD_PID_FILE"; }

all_run() {
  postgres_pid >/dev/null && rabbit_pid >/dev/null &&
    answers "$LAPIDARY_POSTGRES_PORT" && answers "$LAPIDARY_AMQP_PORT" && answers "$LAPIDARY_MANAGEMENT_PORT"
}

# A port is chosen once and kept, unless a stranger has taken it while the server was down.
choose_ports() {
  local wanted ports
  wanted=("${LAPIDARY_POSTGRES_PORT:-${PREFERRED_PORTS[0]}}" "${LAPIDARY_AMQP_PORT:-${PREFERRED_PORTS[1]}}"
    "${LAPIDARY_MANAGEMENT_PORT:-${PREFERRED_PORTS[2]}}" "${LAPIDARY_PROMETHEUS_PORT:-${PREFERRED_PORTS[3]}}"
    "${LAPIDARY_EPMD_PORT:-${PREFERRED_PORTS[4]}}" "${LAPIDARY_ERLANG_PORT:-${PREFERRED_PORTS[5]}}")
  mapfile -t ports < <(free_ports "${wanted[@]}")
  [ "${#ports[@]}" = 6 ] || fail "no free ports found on 127.0.0.1"
  postgres_pid >/dev/null || LAPIDARY_POSTGRES_PORT=${ports[0]}
  rabbit_pid >/dev/null || {
    LAPIDARY_AMQP_PORT=${ports[1]}
    LAPIDARY_MANAGEMENT_PORT=${ports[2]}
    LAPIDARY_PROMETHEUS_PORT=${ports[3]}
    LAPIDARY_ERLANG_PORT=${ports[5]}
    epmd_pid >/dev/null || LAPIDARY_EPMD_PORT=${ports[4]}
  }
}

# ---- PostgreSQL ---------------------------------------------------------------------------------------------------

# The words before a command that make it run as the right user. Words rather than a function, so that `&` needs no shell around them.
AS_POSTGRES=(env)
if [ "$(id -u)" = 0 ]; then AS_POSTGRES=(setpriv --reuid=postgres --regid=postgres --init-groups); fi

# What a disk has to have free for a write-ahead log of 2 GB to be begun ahead.
WAL_FILL_NEEDS_MB=6000

# A data folder belongs to one major version for good; a new one takes the newest that is installed.
pg_bin() {
  local version=
  [ -r "$PG_DATA/PG_VERSION" ] && version=$(cat "$PG_DATA/PG_VERSION")
  if [ -z "$version" ]; then
    compgen -G '/usr/lib/postgresql/*/bin/postgres' | sort -V | tail -n 1 | xargs -r dirname
  else
    printf '/usr/lib/postgresql/%s/bin' "$version"
  fi
}

create_cluster() {
  local password=$PG_FOLDER/password superuser_password
  superuser_password=$(random_hex 16)
  mkdir -p "$PG_FOLDER"
  chmod 700 "$PG_FOLDER"
  rm -rf "$PG_DATA.new"
  (umask 077 && say "$superuser_password" >"$password")
  [ "$(id -u)" != 0 ] || chown -R postgres:postgres "$PG_FOLDER"
  "${AS_POSTGRES[@]}" "$PG_BIN/initdb" -D "$PG_DATA.new" -U postgres --pwfile="$password" --auth=scram-sha-256 \
    --encoding=UTF8 --locale=C.UTF-8 >>"$LOG/postgres.log" 2>&1 || return 1
  rm -f "$password"
  remember_superuser_password "$superuser_password"
  # In place only when it is whole: an interrupted start begins anew.
  mv "$PG_DATA.new" "$PG_DATA"
}

# After a SIGKILL the pid file may name a stranger's process (or a zombie), and PostgreSQL would take that for itself.
# It goes only when no child of the killed server works in the data folder any more.
drop_stale_pid_file() {
  local pid tenths=100
  pid=$(pid_in "$PG_DATA/postmaster.pid") || return 0
  while [ -n "$(find /proc -maxdepth 2 -name cwd -lname "$PG_DATA" 2>/dev/null || true)" ]; do
    [ "$tenths" -gt 0 ] || return 0
    tenths=$((tenths - 1))
    sleep 0.1
  done
  if [ -d "/proc/$pid" ]; then rm -f "$PG_DATA/postmaster.pid"; fi
}

launch_postgres() {
  drop_stale_pid_file
  # Pages go to the disk soon and a few at a time: the system would keep those of half a minute and write them all at
  # once, and every commit would wait for that (docs/traffic.md).
  setsid "${AS_POSTGRES[@]}" "$PG_BIN/postgres" -D "$PG_DATA" -p "$LAPIDARY_POSTGRES_PORT" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=300 \
    -c fsync=on -c full_page_writes=on -c shared_buffers=64MB -c backend_flush_after=2MB \
    -c bgwriter_flush_after=2MB -c bgwriter_delay=20ms -c bgwriter_lru_maxpages=1000 -c bgwriter_lru_multiplier=4 </dev/null >>"$LOG/postgres.log" 2>&1 9>&- &
  POSTGRES_LAUNCHED=$!
}

postgres_ready() { "$PG_BIN/pg_isready" -q -t 1 -h 127.0.0.1 -p "$LAPIDARY_POSTGRES_PORT"; }

# Children of a killed server hold its memory for a moment, and the new one gives up on that: tried again.
wait_for_postgres() {
  local deadline=$((SECONDS + START_SECONDS))
  until [ -n "$(postgres_pid)" ] && postgres_ready; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    if ! is_alive "$POSTGRES_LAUNCHED"; then
      [ "$SECONDS" -lt "$((deadline - START_SECONDS + 15))" ] || return 1
      launch_postgres
    fi
    sleep 0.1
  done
}

# Passwords stay out of the process list: psql finds them in a file or its environment, and statements on its standard input.
remember_superuser_password() { # PASSWORD
  (umask 077 && say "127.0.0.1:*:*:postgres:$1" >"$SUPERUSER_PASSFILE.new")
  mv "$SUPERUSER_PASSFILE.new" "$SUPERUSER_PASSFILE"
}

superuser_psql() {
  PGPASSFILE=$SUPERUSER_PASSFILE "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$LAPIDARY_POSTGRES_PORT" -U postgres -d postgres
}

sql_text() { printf "'%s'" "${1//\'/\'\'}"; } # TEXT

# A superuser of earlier versions had the password of everybody else.
give_superuser_its_own_password() {
  local own
  [ ! -s "$SUPERUSER_PASSFILE" ] || return 0
  own=$(random_hex 16)
  PGPASSWORD=$POSTGRES_PASSWORD superuser_psql >>"$LOG/postgres.log" 2>&1 <<SQL || return 1
SET log_min_error_statement = panic;
ALTER ROLE postgres PASSWORD $(sql_text "$own");
SQL
  remember_superuser_password "$own"
}

create_roles() {
  superuser_psql >>"$LOG/postgres.log" 2>&1 <<SQL
SET log_min_error_statement = panic;
SELECT format('CREATE ROLE lapidary LOGIN PASSWORD %L', $(sql_text "$POSTGRES_PASSWORD"))
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lapidary') \gexec
SELECT format('CREATE ROLE lapidary_test LOGIN CREATEDB PASSWORD %L', $(sql_text "$POSTGRES_PASSWORD"))
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lapidary_test') \gexec
-- Dropping a database ends its autovacuum worker, which takes this right.
GRANT pg_signal_backend TO lapidary_test;
SELECT 'CREATE DATABASE lapidary OWNER lapidary'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'lapidary') \gexec
SQL
}

# Files of the write-ahead log are made ahead, and kept for reuse (docs/traffic.md). Not where the disk is nearly full;
# without them the server works all the same.
fill_wal_ahead() {
  local free
  free=$(df --output=avail -m "$PG_DATA" | tail -n 1)
  [ "$free" -ge "$WAL_FILL_NEEDS_MB" ] || return 0
  superuser_psql <"$ROOT/deploy/postgres/fill_wal.sql" >>"$LOG/postgres.log" 2>&1 ||
    say "the write-ahead log could not be begun ahead, see $LOG/postgres.log" >&2
}

start_postgres() {
  PG_BIN=$(pg_bin)
  if [ ! -x "$PG_BIN/postgres" ]; then
    say "PostgreSQL is not installed in ${PG_BIN:-/usr/lib/postgresql}: run scripts/install.sh" >&2
    return 1
  fi
  cd /
  [ -d "$PG_DATA" ] || create_cluster || return 1
  [ -n "$(postgres_pid)" ] || launch_postgres
  POSTGRES_LAUNCHED=${POSTGRES_LAUNCHED:-$(postgres_pid)}
  wait_for_postgres || { kill -INT "$POSTGRES_LAUNCHED" 2>/dev/null || true; return 1; }
  { give_superuser_its_own_password && create_roles; } || {
    say "PostgreSQL runs but refuses its passwords: bring back the .env and .local/postgres.pgpass that its data was made with, or forget the data with: make clean" >&2
    return 1
  }
  fill_wal_ahead
}

# ---- RabbitMQ -----------------------------------------------------------------------------------------------------

write_rabbit_config() {
  mkdir -p "$RABBIT"
  (umask 077 && cat >"$RABBIT/definitions.json") <<EOF
{
  "users": [{"name": "lapidary", "password": "$RABBITMQ_PASSWORD", "tags": "administrator"}],
  "vhosts": [{"name": "/"}, {"name": "lapidary"}],
  "permissions": [
    {"user": "lapidary", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"},
    {"user": "lapidary", "vhost": "lapidary", "configure": ".*", "write": ".*", "read": ".*"}
  ]
}
EOF
  cat >"$RABBIT/rabbitmq.conf" <<EOF
listeners.tcp.1 = 127.0.0.1:$LAPIDARY_AMQP_PORT
management.tcp.ip = 127.0.0.1
management.tcp.port = $LAPIDARY_MANAGEMENT_PORT
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = $LAPIDARY_PROMETHEUS_PORT
load_definitions = $RABBIT/definitions.json
# Small machines: the default asks for free disk and memory, and a log of 512 MB, that a laptop or a CI runner may not have.
disk_free_limit.absolute = 100MB
vm_memory_high_watermark.relative = 0.6
raft.wal_max_size_bytes = 67108864
EOF
  say '[rabbitmq_management,rabbitmq_prometheus].' >"$RABBIT/enabled_plugins"
  : >"$RABBIT/rabbitmq-env.conf"
}

# Nothing of a system-wide RabbitMQ is read or written. `localhost` in the node's name keeps it when the machine's name changes.
# Erlang's busy waiting is off: it would take processor time from whatever else runs here.
set_rabbit_env() {
  RABBIT_ENV=(env HOME="$RABBIT" RABBITMQ_NODENAME="$NODE"
    ERL_EPMD_PORT="$LAPIDARY_EPMD_PORT" ERL_EPMD_ADDRESS=127.0.0.1 ERL_CRASH_DUMP="$LOG/erl_crash.dump"
    RABBITMQ_DIST_PORT="$LAPIDARY_ERLANG_PORT"
    RABBITMQ_CONF_ENV_FILE="$RABBIT/rabbitmq-env.conf"
    RABBITMQ_CONFIG_FILE="$RABBIT/rabbitmq.conf" RABBITMQ_CONFIG_FILES="$RABBIT/conf.d/*.conf"
    RABBITMQ_ADVANCED_CONFIG_FILE="$RABBIT/advanced.config"
    RABBITMQ_ENABLED_PLUGINS_FILE="$RABBIT/enabled_plugins"
    RABBITMQ_MNESIA_BASE="$RABBIT/data" RABBITMQ_LOG_BASE="$LOG" RABBITMQ_LOGS=-
    RABBITMQ_PID_FILE="$RABBIT_PID_FILE"
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none")
}

# Started here rather than by RabbitMQ, so that its pid is known and it listens on the loopback only.
start_epmd() {
  epmd_pid >/dev/null && return
  "${RABBIT_ENV[@]}" setsid epmd -address 127.0.0.1 -port "$LAPIDARY_EPMD_PORT" </dev/null >>"$LOG/epmd.log" 2>&1 9>&- &
  say $! >"$EPMD_PID_FILE"
}

launch_rabbit() {
  set_rabbit_env
  start_epmd
  rm -f "$RABBIT_PID_FILE"
  # Every connection and queue takes files; the usual limit of 1,024 is for interactive use.
  ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
  "${RABBIT_ENV[@]}" setsid "$RABBIT_SERVER" </dev/null >>"$LOG/rabbitmq.log" 2>&1 9>&- &
  say $! >"$RABBIT_SCRIPT_PID_FILE"
}

# The answer of an authorized request says that broker, user and vhost are there; the password stays out of the process list.
rabbit_ready() {
  answers "$LAPIDARY_AMQP_PORT" &&
    curl -fs -m 5 -o /dev/null -K - "http://127.0.0.1:$LAPIDARY_MANAGEMENT_PORT/api/permissions/lapidary/lapidary" <<<"user = \"lapidary:$RABBITMQ_PASSWORD\""
}

wait_for_rabbit() {
  local deadline=$((SECONDS + START_SECONDS))
  until [ -n "$(rabbit_pid)" ] && rabbit_ready; do
    [ "$SECONDS" -lt "$deadline" ] && is_alive "$(pid_in "$RABBIT_SCRIPT_PID_FILE")" || return 1
    sleep 0.2
  done
}

# RabbitMQ 3.10 restarts the dead-lettering worker of a deleted queue, which crashes; the second crash within five
# seconds ends the workers' supervisor, and with it at-least-once dead-lettering on the whole node. Tests delete many
# queues beside a demo, so here a worker that crashes is not restarted. Elsewhere nothing is mended: it says so and goes on.
mend_dead_lettering() {
  local mend='
    Sup = rabbit_fifo_dlx_sup,
    Mended = sys:replace_state(Sup, fun(State) ->
        {Ids, Children} = element(4, State),
        Temporary = maps:map(fun(_, Child) -> setelement(5, Child, temporary) end, Children),
        Workers = case element(5, State) of
            {maps, Running} -> {mapsets, maps:map(fun(_, _) -> [] end, Running)};
            Other -> Other
        end,
        setelement(5, setelement(4, State, {Ids, Temporary}), Workers)
    end),
    is_tuple(Mended).'
  set_rabbit_env
  [[ "$("${RABBIT_ENV[@]}" "${RABBIT_SERVER%-server}ctl" version 2>/dev/null)" == 3.10.* ]] || return 0
  "${RABBIT_ENV[@]}" "${RABBIT_SERVER%-server}ctl" -q -n "$NODE" eval "$mend" >/dev/null 2>>"$LOG/rabbitmq.log" ||
    say "rabbitmq: its dead-lettering could not be mended; tests that delete queues may disturb each other" >&2
}

# A script that is there without its node was interrupted while starting: it is waited for like one started now.
start_rabbit() {
  if [ ! -x "$RABBIT_SERVER" ]; then
    say "RabbitMQ is not installed in $RABBIT_SERVER: run scripts/install.sh" >&2
    return 1
  fi
  if ! rabbit_script_pid >/dev/null; then
    write_rabbit_config
    launch_rabbit
  fi
  wait_for_rabbit || { stop_rabbit; return 1; }
  mend_dead_lettering
}

# The script leads a process group with all that it started.
stop_rabbit() {
  local pid script
  script=$(rabbit_script_pid) || script=
  if pid=$(rabbit_pid); then stop_process rabbitmq "$pid" TERM KILL && say "rabbitmq stopped"; fi
  [ -z "$script" ] || kill -KILL -- "-$script" 2>/dev/null || true
  if pid=$(epmd_pid); then stop_process epmd "$pid" TERM KILL; fi
  rm -f "$RABBIT_PID_FILE" "$RABBIT_SCRIPT_PID_FILE" "$EPMD_PID_FILE"
}

# ---- commands -----------------------------------------------------------------------------------------------------

explain_failure() { # NAME LOG
  show_log_end "$2"
  say "$1 did not start. The whole log is in $2. Another try: scripts/servers.sh stop && scripts/servers.sh start; from nothing: make clean" >&2
}

addresses() {
  say "postgres   127.0.0.1:$LAPIDARY_POSTGRES_PORT"
  say "rabbitmq   127.0.0.1:$LAPIDARY_AMQP_PORT, management http://127.0.0.1:$LAPIDARY_MANAGEMENT_PORT"
}

start() {
  if external; then
    say "using the servers named by LAPIDARY__POSTGRES__URL and LAPIDARY__RABBITMQ__URL"
    return
  fi
  lock servers
  if [ -r "$SERVERS_ENV" ] && all_run; then
    say "servers are running"
    return
  fi
  say "starting PostgreSQL and RabbitMQ"
  choose_ports
  save
  roll_log postgres
  roll_log rabbitmq
  (start_postgres) &
  local postgres=$!
  (start_rabbit) &
  local rabbit=$!
  wait "$postgres" || { explain_failure PostgreSQL "$LOG/postgres.log"; exit 1; }
  wait "$rabbit" || { explain_failure RabbitMQ "$LOG/rabbitmq.log"; exit 1; }
  addresses
}

stop() {
  local pid
  lock servers
  stop_rabbit
  if pid=$(postgres_pid); then stop_process postgres "$pid" INT QUIT && say "postgres stopped"; fi
}

status_line() { # NAME PID ADDRESS
  if [ -n "$2" ]; then printf '%-10s running  pid %-8s %s\n' "$1" "$2" "$3"; else printf '%-10s stopped\n' "$1"; fi
}

status() {
  if external; then
    printf '%-10s %s\n' postgres "existing server (LAPIDARY__POSTGRES__URL)" rabbitmq "existing server (LAPIDARY__RABBITMQ__URL)"
    return
  fi
  status_line postgres "$(postgres_pid || true)" "127.0.0.1:${LAPIDARY_POSTGRES_PORT:-}"
  status_line rabbitmq "$(rabbit_pid || true)" "127.0.0.1:${LAPIDARY_AMQP_PORT:-}, management http://127.0.0.1:${LAPIDARY_MANAGEMENT_PORT:-}"
}

# Succeeds when any of ours runs.
running() { [ -n "$(postgres_pid || true)$(rabbit_pid || true)" ]; }

# Removes the data. The path is checked, since it is removed with everything in it.
forget() {
  stop
  case $PG_FOLDER in
    "/var/lib/lapidary/$ID" | "$LOCAL/postgres") rm -rf -- "$PG_FOLDER" ;;
    *) fail "will not remove $PG_FOLDER, which is not a folder this script makes" ;;
  esac
  rmdir /var/lib/lapidary 2>/dev/null || true
  rm -rf -- "$RABBIT" "$SERVERS_ENV" "$LOCAL/postgres.path" "$SUPERUSER_PASSFILE"
}

load
case ${1:-} in
  start | stop | status | running | forget) "$1" ;;
  *) fail "usage: scripts/servers.sh start|stop|status|running|forget" ;;
esac
