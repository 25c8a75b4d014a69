# SPDX-License-Identifier: MIT
# Runs one kernel in qemu, from boot to the last check; sourced by ci/kernels. The guest has no network and no disk: its initramfs has the checks, and it
# writes the results to two serial ports.

# boot KERNEL: leaves `console` and the files that ci/kernels.d/init wrote in $work/KERNEL/; files of checks that are not run now stay. Runs as a job of
# its own.
boot() {
  local out=$work/$1 pid= check
  mkdir -p "$out"
  rm -f "$out"/{console,results,qemu.log,machine}
  while read -r check _; do rm -rf "$out/$check".{log,status,saved}; done <"$run/$1.checks"
  make_image_of "$work/base.cpio" "$run/$1.checks" "$run/$1.cpio"
  trap 'if [ -n "$pid" ]; then kill -KILL "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; fi; unpack_results "$out"' EXIT
  trap 'exit 143' TERM INT HUP
  # A busy host takes a processor away for seconds at a time: the kernel's check of the timer would end the boot, and its watchdogs would report a lockup.
  # They still report one of a minute or more.
  local patient='no_timer_check watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=300'
  # Two sockets: the MP table, which a kernel without ACPI reads (array/config), names one processor of each.
  qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2,sockets=2,cores=1,threads=1 -m 2048 -display none -monitor none -nic none -no-reboot -no-user-config \
    -kernel "$work/images/$1" -initrd "$run/$1.cpio" -append "console=ttyS0 panic=-1 loglevel=4 mitigations=off $patient" \
    -serial "file:$out/console" -serial "file:$out/results" </dev/null >"$out/qemu.log" 2>&1 &
  pid=$!
  watch_guest "$pid" "$out" || kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  pid=
}

# Prints the processor time of a process in seconds.
processor_seconds() { awk '{ print int(($14 + $15) / 100) }' "/proc/$1/stat" 2>/dev/null || true; }

# Returns 0 when the guest has ended, 1 when a check is still running long after its limit. The guest prints its limits, which depend on its speed. The
# limit counts the guest's processor time, since a busy host may give it little; a guest that waits for ever uses none, so ten times the limit also ends it.
watch_guest() {
  local pid=$1 console=$2/console lines=-1 now limit patience used begun=0 begun_used=0
  while kill -0 "$pid" 2>/dev/null; do
    now=$(grep -c '^guest:' "$console" 2>/dev/null || true)
    used=$(processor_seconds "$pid")
    if [ "${now:-0}" != "$lines" ]; then
      lines=${now:-0} begun=$SECONDS begun_used=${used:-0}
      limit=$(sed -n 's/^guest: .* begins, \([0-9]*\) s at most.*/\1/p' "$console" 2>/dev/null | tail -n 1)
      patience=$((${limit:-0} + 300))
    fi
    if [ $((${used:-0} - begun_used)) -ge $((2 * patience)) ] || [ $((SECONDS - begun)) -ge $((10 * patience)) ]; then
      printf 'guest: ended from outside, no word for too long\n' >>"$console"
      return 1
    fi
    # Polls: there is no descriptor here to wait for qemu, and a second's delay does no harm.
    read -r -t 1 <> <(:) || true
  done
}

# Unpacks the results, also those of a guest that was killed: the checks that had ended.
unpack_results() {
  [ -e "$1/results" ] || return 0
  tar -C "$1" -xif "$1/results" 2>>"$1/qemu.log" || true
  rm -f "$1/results"
  rmdir "$1"/*.saved 2>/dev/null || true
}
