#!/bin/sh
# rustc as cargo calls it (.cargo/config.toml). What every answer goes through is compiled with the profile of what it
# does most under load, where there is one for this compiler: bench/profile/README.md.
#   scripts/rustc.sh RUSTC [its arguments]
root=${0%/scripts/*}
rustc=$1
shift

# The project's own crates, built for use, that are optimized as a whole (Cargo.toml); of the others, rustc keeps parts
# from one build to the next, and would mix those of an old profile with those of a new one.
is_profiled() {
  case ${CARGO_MANIFEST_DIR:-} in "$root"/*) ;; *) return 1 ;; esac
  case " $* " in
    *' incremental='* | *' --test '*) return 1 ;;
    *' --emit='*link*) ;;
    *) return 1 ;;
  esac
}

# The crate to compile, by the name of its file: the number in it hangs on all that it depends on.
crate_of() {
  while [ $# -gt 0 ]; do
    case $1 in
      --crate-name) name=$2 ;;
      extra-filename=*) number=${1#extra-filename=} ;;
    esac
    shift
  done
  echo "${name:-}${number:-}"
}

if is_profiled "$@"; then
  profile=$root/bench/profile/$("$rustc" --version | cut -d ' ' -f 2)
  crate=$(crate_of "$@")
  if [ -n "${LAPIDARY_PROFILE_INTO:-}" ]; then
    echo "$crate" >>"$LAPIDARY_PROFILE_INTO.crates"
    set -- "$@" "-Cprofile-generate=$LAPIDARY_PROFILE_INTO"
  elif grep -qsx "$crate" "$profile.crates"; then
    # A function that has changed since is compiled without it, and need not be told of.
    set -- "$@" "-Cprofile-use=$profile.profdata" "-Cllvm-args=-no-pgo-warn-mismatch"
  elif grep -qs "^${crate%-*}-" "$profile.crates"; then
    echo "warning: $profile.profdata was made with other dependencies, or on another kind of machine, than $crate:" \
      "this is compiled without it; \`make profile\` makes it anew" >&2
  fi
fi
exec "$rustc" "$@"
