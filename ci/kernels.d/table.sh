# SPDX-License-Identifier: MIT
# Prints the results of the checks as a table and writes them as JSON; sourced by ci/kernels.

# What a check's exit status means; test programs know 0 and 1 only.
words=([0]=holds [1]=violated [2]=failed [3]=inconclusive [4]=unsupported [5]=failed)

# result KERNEL CHECK: sets `word`, `reason` (a line, or nothing), `took` (hundredths of a second), `from`, the commit that was run, and `said`: the
# check's last line, if that says how much it did.
result() {
  local out=$work/$1 check=$2 status=
  word=failed reason='' took=0 from='' said=''
  if [ ! -s "$out/$check.status" ]; then
    if [ -n "$stored" ]; then word=-; return; fi
    reason="did not end: $(grep -v '^guest: .* begins' "$out/console" 2>/dev/null | tr -d '\r' | tail -n 1)"
    return
  fi
  said=$(tail -n 1 "$out/$check.log" 2>/dev/null | grep -a '^\[  PASSED\|[0-9] \(runs\|tests\|steps\|schedules\|tables\|rounds\|programs\|hold\)' || true)
  read -r status took from <"$out/$check.status"
  word=${words[$status]:-failed}
  # A finding of a guest must arrive here: the canary is found in every guest.
  if [[ $check = check.canary.* && $word = holds && -z $(findings "$1" "$check") ]]; then word=failed reason='its finding is not among what came out of the guest'; fi
  case $check in *_test | *_test.*) test_result "$out/$check.log" "$status"; return ;; esac
  case $status in
    0) ;;
    137|143) reason="not over at its limit" ;;
    1) reason=$(grep -m 1 '^violated \|: violated [a-z]*\.\|disagrees\|^outside' "$out/$check.log" || grep -m 1 'violated\|disagree\|outside' "$out/$check.log" || tail -n 1 "$out/$check.log") ;;
    3) reason=$(grep -m 1 inconclusive "$out/$check.log" || tail -n 1 "$out/$check.log") ;;
    *) reason=$(tail -n 1 "$out/$check.log") ;;
  esac
}

# Sets `word` and `reason` for a program of GoogleTest's: what failed, or what was skipped, by name.
test_result() { # log status
  local skipped passed
  skipped=$(grep -c '^\[  SKIPPED \] .*(\|^spawncheck: unsupported' "$1" || true)
  passed=$(grep -c '^\[       OK \]' "$1" || true)
  # Emulation is slow: the tests that passed before the limit have passed, of the others nothing is known.
  if { [ "$2" = 137 ] || [ "$2" = 143 ]; } && ! grep -q '^\[  FAILED' "$1"; then
    word=inconclusive
    reason="$passed of $(sed -n 's/^\[=*\] Running \([0-9]*\) tests.*/\1/p' "$1") tests passed within the limit of $((took / 100)) s, the next was $(grep '^\[ RUN ' "$1" | tail -n 1 | sed 's/.*\] //')"
    return
  fi
  if [ "$2" != 0 ]; then
    word=failed
    reason=$(sed -n 's/^\[  FAILED  \] \(.*\) (.*/\1/p' "$1" | sort -u | paste -sd' ')
    [ -n "$reason" ] || reason="status $2: $(tail -n 1 "$1")"
    return
  fi
  if [ "$skipped" -gt 0 ]; then reason="$skipped unsupported: $(sed -n 's/^\[  SKIPPED \] \(.*\) (.*/\1/p; s/^spawncheck: unsupported: //p' "$1" | sort -u | paste -sd' ')"; fi
  if [ "$passed" -eq 0 ]; then word=unsupported; fi
}

json_string() { printf '%s' "$1" | tr -d '\000-\037' | sed 's/\\/\\\\/g; s/"/\\"/g; s/.*/"&"/'; }

findings() { find "$work/$1/$2.saved" -type f 2>/dev/null | sort; }

# Sets `exit_status`.
table() {
  local kernel check file reasons=() entry json=$root/build/kernels.json separator=''
  declare -A count=() total=()
  printf '\n%-28s' check
  printf ' %-20s' "${kernels[@]}"
  printf '\n'
  printf '{"kernels": [' >"$json.part"
  for kernel in "${kernels[@]}"; do
    printf '%s%s' "$separator" "$(json_string "$kernel")" >>"$json.part"
    separator=', '
  done
  printf '], "missing": [%s], "seconds": %s, "results": [' "$(for name in ${missing[@]+"${missing[@]}"}; do json_string "$name"; done | paste -sd, )" "$seconds" >>"$json.part"
  separator=''
  while read -r check _; do
    printf '%-28s' "$check"
    for kernel in "${kernels[@]}"; do
      result "$kernel" "$check"
      count[$word]=$((${count[$word]:-0} + 1))
      printf ' %-20s' "$word$(printf ' %d s' $(((took + 50) / 100)))"
      entry=
      for file in $(findings "$kernel" "$check"); do entry+="${entry:+, }$(json_string "${file#"$root"/}")"; done
      total[$kernel]=$((${total[$kernel]:-0} + took))
      if [ "$word" = - ]; then continue; fi
      if [ "$word" != holds ] || [ -n "$reason" ]; then reasons+=("$kernel $check: $word${reason:+: $reason}${entry:+ [$entry]}"); fi
      printf '%s\n  {"kernel": %s, "check": %s, "result": "%s", "seconds": %d.%02d, "reason": %s, "findings": [%s], "log": %s, "built": %s, "said": %s}' "$separator" "$(json_string "$kernel")" \
        "$(json_string "$check")" "$word" $((took / 100)) $((took % 100)) "$(json_string "$reason")" "$entry" "$(json_string "build/kernels/$kernel/$check.log")" "$(json_string "$from")" "$(json_string "$said")" >>"$json.part"
      separator=','
    done
    printf '\n'
  done <"$run/checks"
  printf '%-28s' 'all of them, in minutes'
  for kernel in "${kernels[@]}"; do printf ' %-20s' "$(((${total[$kernel]} + 3000) / 6000))"; done
  printf '\n'
  printf '\n]}\n' >>"$json.part"
  mv "$json.part" "$json"

  printf '\n'
  if [ ${#reasons[@]} -gt 0 ]; then printf '%s\n' "${reasons[@]}" | sort -V; fi
  claims_table
  tell_kernel_complaints
  exit_status=0
  if [ "${count[violated]:-0}" -gt 0 ]; then exit_status=1
  elif [ "${count[failed]:-0}" -gt 0 ] || [ ${#missing[@]} -gt 0 ]; then exit_status=5
  elif [ "${count[holds]:-0}" -eq 0 ]; then exit_status=$([ "${count[inconclusive]:-0}" -gt 0 ] && echo 3 || echo 4)
  fi
  say "kernels: ${count[holds]:-0} hold, ${count[violated]:-0} violated, ${count[failed]:-0} failed, ${count[inconclusive]:-0} inconclusive, ${count[unsupported]:-0} unsupported; build/kernels.json"
}

# Prints what claims_test showed for each claim of corpus/seeds/claims on each kernel, and in how many schedules of whole calls.
claims_table() {
  local kernel claim cell logs=()
  for kernel in "${kernels[@]}"; do
    if [ -s "$work/$kernel/claims_test.log" ]; then logs+=("$work/$kernel/claims_test.log"); fi
  done
  [ ${#logs[@]} -gt 0 ] || return 0
  printf '\n%-54s' 'claim, by the way it goes'
  printf ' %-36s' "${kernels[@]}"
  printf '\n'
  sed -n '/unsupported: nothing here/d; s/^claim \([^:]* by [^ ]*\): .*/\1/p' "${logs[@]}" | sort -u | while read -r claim; do
    printf '%-54s' "$claim"
    for kernel in "${kernels[@]}"; do
      cell=$(sed -n "s/^claim $claim: //p" "$work/$kernel/claims_test.log" 2>/dev/null | sed 's/^unsupported:.*/unsupported/; s/ schedules$//; s/, seen in between//; s/, a documented limit//')
      printf ' %-36s' "${cell:-?}"
    done
    printf '\n'
  done
}

# Prints a line for a kernel that complained about itself, whatever the checks say, and for one with a single processor, on which nothing can race.
tell_kernel_complaints() {
  local kernel
  for kernel in "${kernels[@]}"; do
    if grep -q '^guest: .*, 1 processors' "$work/$kernel/console" 2>/dev/null; then say "$kernel found one processor only: no race within a call was tried"; fi
    grep -a -m 3 'BUG:\|Oops\|WARNING:\|Kernel panic\|ended from outside' "$work/$kernel/console" 2>/dev/null | tr -d '\r' | sed "s/^/$kernel says: /" || true
  done
}
