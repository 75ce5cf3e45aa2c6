#!/bin/sh
# rustc as cargo calls it (.cargo/config.toml). The project's own crates are compiled with the profile of what they do
# most under load, where there is one for this compiler: bench/profile/README.md.
#   scripts/rustc.sh RUSTC [its arguments]
root=${0%/scripts/*}
rustc=$1
shift
case ${CARGO_MANIFEST_DIR:-} in
"$root"/*)
  profile=$root/bench/profile/$("$rustc" --version | cut -d ' ' -f 2).profdata
  if [ -n "${LAPIDARY_PROFILE_INTO:-}" ]; then
    set -- "$@" "-Cprofile-generate=$LAPIDARY_PROFILE_INTO"
  elif [ -f "$profile" ]; then
    # A function that has changed since is compiled without it, and need not be told of.
    set -- "$@" "-Cprofile-use=$profile" "-Cllvm-args=-no-pgo-warn-mismatch"
  fi
  ;;
esac
exec "$rustc" "$@"
