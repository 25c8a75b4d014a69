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
  # Two sockets: the table that a kernel without ACPI reads (array/config) names one processor of each.
  qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2,sockets=2,cores=1,threads=1 -m 2048 -display none -monitor none -nic none -no-reboot -no-user-config \
    -kernel "$work/images/$1" -initrd "$run/$1.cpio" -append 'console=ttyS0 panic=-1 loglevel=4 mitigations=off' \
    -serial "file:$out/console" -serial "file:$out/results" </dev/null >"$out/qemu.log" 2>&1 &
  pid=$!
  watch_guest "$pid" "$out" || kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  pid=
}

# Ends with the guest, or returns 1 when a check is not over a good while after its limit. The guest says its limits: they are for its speed.
watch_guest() {
  local pid=$1 console=$2/console lines=-1 now limit until=$((SECONDS + 300))
  while kill -0 "$pid" 2>/dev/null; do
    now=$(grep -c '^guest:' "$console" 2>/dev/null || true)
    if [ "${now:-0}" != "$lines" ]; then
      lines=${now:-0}
      limit=$(sed -n 's/^guest: .* begins, \([0-9]*\) s at most.*/\1/p' "$console" 2>/dev/null | tail -n 1)
      until=$((SECONDS + ${limit:-0} + 300))
    fi
    if [ "$SECONDS" -ge "$until" ]; then printf 'guest: ended from outside, no word for too long\n' >>"$console"; return 1; fi
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
