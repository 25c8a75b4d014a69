#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the fuzz targets as ClusterFuzzLite and OSS-Fuzz want them: with $CC, $CXX, $CFLAGS, $CXXFLAGS and $LIB_FUZZING_ENGINE, into $OUT, each with its
# seeds (NAME_seed_corpus.zip) and options, by way of $WORK. fuzz/build_script_test.py runs it.
# $SPAWNCHECK_FUZZ_TARGETS: which; default: all. For OSS-Fuzz, whose machines may refuse what the arena does: language model explorer.
set -euo pipefail

all=(language model explorer kernel races request)
read -r -a targets <<<"${SPAWNCHECK_FUZZ_TARGETS:-${all[*]}}"
root=$SRC/spawncheck

launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
configure() { cmake -S "$root" -B "$1" -G Ninja -DCMAKE_BUILD_TYPE=None -DSPAWNCHECK_TESTS=OFF "${launcher[@]}" "${@:2}"; }

# The targets, instrumented. Nothing that is not in the image that runs them: fmt's code comes from its headers, and a library that nobody calls is not linked.
export LDFLAGS="${LDFLAGS:-} -Wl,--as-needed"
export CXXFLAGS="$CXXFLAGS -DFMT_HEADER_ONLY"
configure "$WORK/targets" -DCMAKE_UNITY_BUILD=ON -DSPAWNCHECK_ARENA=OFF -DSPAWNCHECK_FUZZ_ENGINE=given -DSPAWNCHECK_FUZZ_LINK="$LIB_FUZZING_ENGINE" \
  -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX"
cmake --build "$WORK/targets" --target "${targets[@]/#/fuzz-}"

seeds_of() {
  case $1 in
    request) find "$root/corpus/requests" -type f ;;
    *) find "$root/corpus/seeds" "$root/corpus/regressions" -name '*.scenario' ;;
  esac
}

needs_arena=
for target in "${targets[@]}"; do
  case $target in kernel | races | request) needs_arena=1 ;; esac
  cp "$WORK/targets/bin/fuzz-$target" "$OUT/"
  seeds=$WORK/seeds-$target
  rm -rf "$seeds"
  mkdir "$seeds"
  # One folder, so the path becomes the name.
  while IFS= read -r file; do
    name=${file#"$root/corpus/"}
    cp "$file" "$seeds/${name//\//-}"
  done < <(seeds_of "$target")
  rm -f "$OUT/fuzz-${target}_seed_corpus.zip"
  (cd "$seeds" && python3 -m zipfile -c "$OUT/fuzz-${target}_seed_corpus.zip" *)
  # As fuzz/campaign/engines.py runs them.
  printf '[libfuzzer]\nmax_len = 8192\ntimeout = 30\nentropic = 0\n' >"$OUT/fuzz-$target.options"
done

# What the scenarios run in, beside the targets, where these look for it: small clean processes, with none of the flags above.
if [ -n "$needs_arena" ]; then
  programs=(spawncheck-arena spawncheck-arena-dynamic spawncheck-hold spawncheck-hold-strict spawncheck-exit)
  unset CFLAGS CXXFLAGS LDFLAGS
  configure "$WORK/arena" -DSPAWNCHECK_FUZZ=OFF -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++ -DCMAKE_C_FLAGS='-O2 -g' -DCMAKE_CXX_FLAGS='-O2 -g'
  cmake --build "$WORK/arena" --target "${programs[@]}"
  cp "${programs[@]/#/$WORK/arena/bin/}" "$OUT/"
fi
