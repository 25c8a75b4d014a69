# SPDX-License-Identifier: MIT
# What the scripts share; sourced. One line for each thing that is missing, and what still works.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '%s\n' "$*"; }
warn() { printf 'spawncheck: %s\n' "$*" >&2; }

jobs=$(nproc)

# On a terminal ninja counts its steps in one line; a log has nothing but what went wrong.
ninja=(--quiet)
if [ -t 1 ]; then ninja=(); fi
export NINJA_STATUS='%f of %t steps, %e s: '

has() { command -v "$1" >/dev/null 2>&1; }

# The command and what it needs, in build/try/bin, as quickly as it compiles.
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

# Sanitizers that abort leave no core file behind; children of tests are many and short.
ulimit -c 0
