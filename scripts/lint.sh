#!/usr/bin/env bash
# Format, lints, docs, dependency directions, scripts, alerts. Each step prints a headline and its seconds.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

check_scripts() {
  local script scripts=(.ci/run scripts/*.sh)
  for script in "${scripts[@]}"; do bash -n "$script" || return 1; done
  python3 - scripts/*.py <<'PYTHON' || return 1
import ast, pathlib, sys
for name in sys.argv[1:]:
    ast.parse(pathlib.Path(name).read_text(), name)
PYTHON
  # Notes of the level `info` are wrong as often as right.
  shellcheck -x --severity=warning "${scripts[@]}"
}

# The process list shows everybody what is on a command line: passwords and keys go by files, standard input or the
# environment. A builtin such as `say` has no command line.
check_secrets() {
  local on_a_command_line='(^|[ "])(-v|--set|--password|--header|-H|-u|--user)[ =]["'\'']?[^"'\'']*\$\{?[A-Z_]*(PASSWORD|KEY|SECRET|TOKEN)'
  local in_a_url='(psql|python[^ ]*|curl|createdb|dropdb|pg_dump)[^|#]* ["'\'']?([a-z]+:\/\/[^ ]*\$\{?[A-Z_]*PASSWORD|\$\{?LAPIDARY_[A-Z_]*(POSTGRES|RABBITMQ)_(_URL|URL))'
  local in_a_tool='(rabbitmqctl|ctl")[^#]*(add_user|change_password)'
  ! grep -nE "$on_a_command_line|$in_a_url|$in_a_tool" .ci/run scripts/*.sh scripts/*.py | grep -v '^scripts/lint.sh:'
}

check_alerts() {
  promtool check rules deploy/prometheus/*.rules.yml && promtool test rules deploy/prometheus/*.test.yml
}

cd "$ROOT"
step "scripts" check_scripts
step "secrets" check_secrets
step "alerts" check_alerts
step "format" cargo fmt --all --check
step "dependency directions" scripts/check-dependencies.sh
step "clippy" cargo clippy --release --locked --workspace --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" step "docs" cargo doc --release --no-deps --locked --workspace
