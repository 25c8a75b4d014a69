#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# impl/bench/audit.sh SPAWNCHECK DIRECTORY ROUNDS [PART]: measures the cost of an audit. make -j compiles a hundred small C files: plainly, audited,
# and under strace -f -e trace=desc,process with and without its seccomp filter; in turn, under the same load. Prints the medians of wall time
# and of processor time, and of each round's ratios to the plain run; writes the ratios to PART as JSON.
set -euo pipefail
spawncheck=$1 directory=$2 rounds=$3 part=${4:-}
files=100
ways=(plain audit)
if command -v strace >/dev/null; then ways+=(strace filtered); else echo "spawncheck: no strace: nothing to compare with" >&2; fi

rm -rf "$directory"
mkdir -p "$directory"
for ((i = 0; i < files; ++i)); do
  printf '#include <stdio.h>\nint f%d(int x) { return printf("%%d", x + %d); }\n' "$i" "$i" >"$directory/f$i.c"
done
{
  printf 'all: $(patsubst %%.c,%%.o,$(wildcard *.c))\n%%.o: %%.c\n\tgcc -O1 -c -o $@ $<\n'
} >"$directory/Makefile"

run() {  # WAY
  local before=()
  case $1 in
    audit) before=("$spawncheck" audit --) ;;
    strace) before=(strace -f -o /dev/null -e trace=desc,process) ;;
    filtered) before=(strace -f --seccomp-bpf -o /dev/null -e trace=desc,process) ;;
  esac
  rm -f "$directory"/*.o
  "${before[@]}" make -s -C "$directory" -j "$(nproc)" </dev/null >/dev/null 2>&1
}

TIMEFORMAT='%R %U %S'
for ((round = 0; round < rounds; ++round)); do
  for way in "${ways[@]}"; do
    { time run "$way"; } 2>"$directory/time" || { echo "spawncheck: $way failed" >&2; exit 5; }
    awk -v way="$way" -v round="$round" '{ print way, round, $1, $2 + $3 }' "$directory/time"
  done
done >"$directory/times"

awk -v part="$part" '
  function median(list, n,    i, j, t) {
    for (i = 2; i <= n; ++i) for (j = i; j > 1 && list[j - 1] > list[j]; --j) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
    return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
  }
  { wall[$1, $2] = $3; cpu[$1, $2] = $4; if (!($1 in count)) order[++ways] = $1; ++count[$1] }
  END {
    label["plain"] = "plain"; label["audit"] = "spawncheck audit"
    label["strace"] = "strace -f -e trace=desc,process"; label["filtered"] = "strace -f --seccomp-bpf, likewise"
    printf "%-36s %8s %8s %8s %8s\n", "make -j, a hundred small files", "wall, s", "cpu, s", "wall, x", "cpu, x"
    for (w = 1; w <= ways; ++w) {
      name = order[w]; n = count[name]
      for (r = 0; r < n; ++r) {
        a[r + 1] = wall[name, r]; b[r + 1] = cpu[name, r]
        c[r + 1] = wall[name, r] / wall["plain", r]; d[r + 1] = cpu[name, r] / cpu["plain", r]
      }
      printf "%-36s %8.2f %8.2f %8.2f %8.2f\n", label[name], median(a, n), median(b, n), x = median(c, n), y = median(d, n)
      if (part != "") printf "%s\"%s\": {\"wall\": %.3f, \"cpu\": %.3f}", (w == 1 ? "\"audit_to_plain\": {" : ", "), name, x, y >part
    }
    if (part != "") printf "}" >part
  }' "$directory/times"
rm -rf "$directory"
