#!/usr/bin/env bash
# Checks which crate may know which: the directions that ARCHITECTURE.md promises.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

WRONG=0

wrong() {
  say "WRONG: $*" >&2
  WRONG=$((WRONG + 1))
}

# "crate kind dependency" for each edge that a workspace member's Cargo.toml names; kind is normal, dev or build.
direct_edges() {
  cargo metadata --format-version 1 --no-deps --locked | python3 -c '
import json, sys
for crate in json.load(sys.stdin)["packages"]:
    for edge in crate["dependencies"]:
        print(crate["name"], edge["kind"] or "normal", edge["name"])'
}

# Every crate that is compiled into this one, by its features when it is built alone. One crate at a time,
# for of the whole workspace at once the features would be the union of everybody's.
tree_of() { cargo tree --locked --prefix none --edges normal --package "$1" | cut -d ' ' -f 1 | sort -u; }

# In tests/ anything goes: these crates look at everything from outside.
is_test_crate() { case $1 in testkit | e2e) true ;; *) false ;; esac }

only_direct() { # DEPENDENCY CRATE…
  local dependency=$1 crate kind name
  shift
  while read -r crate kind name; do
    if [ "$name $kind" != "$dependency normal" ] || is_test_crate "$crate"; then continue; fi
    case " $* " in *" $crate "*) ;; *) wrong "$crate -> $name: only $* may name it in Cargo.toml" ;; esac
  done <<<"$EDGES"
  say "only $* may depend on $dependency directly"
}

absent() { # CRATE DEPENDENCY…
  local crate=$1 dependency
  shift
  for dependency in "$@"; do
    if grep -qxF "$dependency" <<<"${TREES[$crate]}"; then
      wrong "$crate -> $dependency; the path: cargo tree --edges normal --package $crate --invert $dependency"
    fi
  done
  say "$crate is free of: $*"
}

cd "$ROOT"
EDGES=$(direct_edges)
mapfile -t CRATES < <(cut -d ' ' -f 1 <<<"$EDGES" | sort -u)
declare -A TREES
for crate in "${CRATES[@]}"; do
  is_test_crate "$crate" || TREES[$crate]=$(tree_of "$crate")
done

only_direct lapin broker
only_direct sea-orm storage migrations
only_direct sea-orm-migration storage migrations
only_direct axum api

# Services never depend on each other, and only the API speaks axum.
for crate in "${!TREES[@]}"; do
  [ "$crate" = api ] || absent "$crate" axum api
  [ "$crate" = ingest ] || absent "$crate" ingest
  [ "$crate" = trainer ] || absent "$crate" trainer
done

for crate in ingest api; do absent "$crate" linfa linfa-elasticnet linfa-linear tpe xgboost-rs xgboost-rs-sys; done
for crate in domain model; do absent "$crate" tokio sea-orm lapin axum; done
mapfile -t OTHERS < <(printf '%s\n' "${CRATES[@]}" | grep -vxF domain)
absent domain "${OTHERS[@]}"

[ "$WRONG" = 0 ] || fail "$WRONG dependencies go the wrong way"
