#!/bin/sh
# rustc as cargo calls it (.cargo/config.toml). What every answer goes through is compiled with the profile of what it
# does most under load, where there is one for this compiler: bench/profile/README.md.
#   scripts/rustc.sh RUSTC [its arguments]
root=${0%/scripts/*}
rustc=$1
shift

# The project's own crates that are optimized as a whole (Cargo.toml); of the others, rustc keeps parts from one build to
# the next, and would mix those of an old profile with those of a new one.
with_a_profile() {
  case ${CARGO_MANIFEST_DIR:-} in "$root"/*) ;; *) return 1 ;; esac
  case " $*" in *' incremental='*) return 1 ;; esac
}

if with_a_profile "$@"; then
  profile=$root/bench/profile/$("$rustc" --version | cut -d ' ' -f 2).profdata
  if [ -n "${LAPIDARY_PROFILE_INTO:-}" ]; then
    set -- "$@" "-Cprofile-generate=$LAPIDARY_PROFILE_INTO"
  elif [ -f "$profile" ]; then
    # A function that has changed since is compiled without it, and need not be told of.
    set -- "$@" "-Cprofile-use=$profile" "-Cllvm-args=-no-pgo-warn-mismatch"
  fi
fi
exec "$rustc" "$@"
