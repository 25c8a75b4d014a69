# SPDX-License-Identifier: MIT
# What the scripts share; sourced. A script says in one line what is missing, and what still works.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '%s\n' "$*"; }
warn() { printf 'spawncheck: %s\n' "$*" >&2; }

jobs=$(nproc)

# On a terminal ninja counts its steps in one line; a log has errors only.
ninja=(--quiet)
if [ -t 1 ]; then ninja=(); fi
export NINJA_STATUS='%f of %t steps, %e s: '

has() { command -v "$1" >/dev/null 2>&1; }

# Builds the command and what it needs into build/try/bin, with the preset that compiles fastest.
build_try() {
  ci/setup --try || return 1
  mkdir -p build
  say "building the command: build/try"
  if ! cmake --preset try >build/configure-try.log 2>&1; then
    cat build/configure-try.log >&2
    return 1
  fi
  cmake --build build/try --target spawncheck -j "$jobs" -- "${ninja[@]}"
}

# No core files: sanitizers abort, and tests start many children that die.
ulimit -c 0
