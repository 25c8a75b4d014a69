# SPDX-License-Identifier: MIT
# One kernel in qemu, from boot to the last check; sourced by ci/kernels. The guest has no network and no disk: it hears what to do from its
# initramfs, and says what came of it on two serial ports.

# boot KERNEL: leaves $work/KERNEL/ with `console` and what ci/kernels.d/init wrote; of the checks that are not run now, what was there. Runs as a
# job of its own.
boot() {
  local out=$work/$1 pid= check
  mkdir -p "$out"
  rm -f "$out"/{console,results,qemu.log,machine}
  while read -r check _; do rm -rf "$out/$check".{log,status,saved}; done <"$run/$1.checks"
  make_image_of "$work/base.cpio" "$run/$1.checks" "$run/$1.cpio"
  trap 'if [ -n "$pid" ]; then kill -KILL "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; fi; unpack_results "$out"' EXIT
  trap 'exit 143' TERM INT HUP
  # A host with other work takes a processor away for seconds at a time: the check whether the timer ticks would end the boot, and the watchdogs
  # would say that the kernel is locked up. A minute of that is still said.
  local patient='no_timer_check watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=300'
  # Two sockets: the table that a kernel without ACPI reads (array/config) names one processor of each.
  qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2,sockets=2,cores=1,threads=1 -m 2048 -display none -monitor none -nic none -no-reboot -no-user-config \
    -kernel "$work/images/$1" -initrd "$run/$1.cpio" -append "console=ttyS0 panic=-1 loglevel=4 mitigations=off $patient" \
    -serial "file:$out/console" -serial "file:$out/results" </dev/null >"$out/qemu.log" 2>&1 &
  pid=$!
  watch_guest "$pid" "$out" || kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  pid=
}

# Seconds of the processor that a process has had.
processor_seconds() { awk '{ print int(($14 + $15) / 100) }' "/proc/$1/stat" 2>/dev/null || true; }

# Ends with the guest, or returns 1 when a check is not over a good while after its limit. The guest says its limits: they are for its speed. What
# counts is the time that the guest got: a host with other work may give it little. One that waits for ever gets none: so ten times as long passes at most.
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
    # Not to synchronise: qemu has no descriptor to wait for here, and a job's end is seen within the second.
    read -r -t 1 <> <(:) || true
  done
}

# Of a guest that was ended too: what it had done by then.
unpack_results() {
  [ -e "$1/results" ] || return 0
  tar -C "$1" -xif "$1/results" 2>>"$1/qemu.log" || true
  rm -f "$1/results"
  rmdir "$1"/*.saved 2>/dev/null || true
}
