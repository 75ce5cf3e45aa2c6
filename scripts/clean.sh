#!/usr/bin/env bash
# Forgets the data of this checkout, after asking. CLEAN=yes answers beforehand.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

confirm() {
  local answer
  say "This stops everything and removes for good what this checkout has made:"
  say "  $LOCAL (models, datasets, queues, logs) and its PostgreSQL data"
  say "  $ROOT/inbox/accepted and $ROOT/inbox/rejected, with every file that was dropped and taken"
  say "Files still waiting in $ROOT/inbox, the passwords in .env and the built binaries stay."
  [ "${CLEAN:-}" != yes ] || return 0
  read -r -p "Type yes to go on: " answer || answer=
  [ "$answer" = yes ] || fail "nothing was removed"
}

confirm
"$ROOT/scripts/services.sh" down
"$ROOT/scripts/servers.sh" forget
rm -rf -- "$LOCAL" "$ROOT/inbox/accepted" "$ROOT/inbox/rejected"
rm -f -- "$ROOT/inbox/.diamonds.csv.part"
rmdir "$ROOT/inbox" 2>/dev/null || true
say "all data is forgotten"
