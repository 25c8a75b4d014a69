# SPDX-License-Identifier: MIT
# Builds a kernel that is not released: Debian's newest kernel source with array.patch, whose close_range(2) takes an array of the numbers to keep; sourced
# by ci/kernels. It tries an interface before it is merged: change the patch, call `ci/kernels --array --check claims_test`, read the claims' table.
#
# What it takes: 160 MB to fetch, 2 GB in build/kernels/source, and 13 minutes of one processor the first time (config is small: no modules, no disks,
# no ACPI); a changed patch costs the files that it touches. Each step is done once: after a stopped call the next call continues where it was. The source
# stays for that; remove the directory to start again. $SPAWNCHECK_JOBS: how many compilers at a time.

# newest_source: prints "version package", or nothing.
newest_source() {
  APT_CONFIG=$work/apt/apt.conf apt-cache search --names-only '^linux-source-[0-9.]*$' | cut -d' ' -f1 | APT_CONFIG=$work/apt/apt.conf xargs -r apt-cache madison |
    sed 's/ //g' | awk -F'|' '{ print $2, $1 }' | sort -V -k1,1 | tail -n 1
}

# unpack_source VERSION PACKAGE DIRECTORY
unpack_source() {
  local source=$3 deb
  mkdir -p "$source"
  (cd "$source" && APT_CONFIG=$work/apt/apt.conf apt-get download -qq "$2=$1" </dev/null)
  deb=("$source/$2"_*.deb)
  dpkg-deb --fsys-tarfile "${deb[0]}" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' | tar -xJ -C "$source" --strip-components=1
  rm -f "${deb[@]}"
  touch "$source/unpacked.whole"
}

# Applies the patch to Debian's source, after it has reverted the patch of an earlier call: unchanged files keep their time stamps.
patch_source() { # DIRECTORY
  local patch=$root/ci/kernels.d/array/array.patch
  if [ -s "$1/applied.patch" ]; then
    if cmp -s "$patch" "$1/applied.patch"; then return 0; fi
    patch -d "$1" -p1 -R --silent <"$1/applied.patch"
    rm "$1/applied.patch"
  fi
  # A call that was stopped may have applied the patch without recording it.
  patch -d "$1" -p1 -R --dry-run --silent <"$patch" >/dev/null 2>&1 || patch -d "$1" -p1 --silent <"$patch"
  cp "$patch" "$1/applied.patch.part"
  mv "$1/applied.patch.part" "$1/applied.patch"
}

# Switches everything off that the configuration does not name: olddefconfig would keep the defaults, which are twice as much to compile.
configure_source() { # DIRECTORY
  local config=$root/ci/kernels.d/array/config wanted=$work/array.config option
  cat "$1"/kernel/configs/tiny-base.config "$1"/kernel/configs/tiny.config "$1"/arch/x86/configs/tiny.config "$config" >"$wanted.part"
  if [ -s "$1/.config" ] && cmp -s "$wanted.part" "$wanted"; then rm "$wanted.part"; return 0; fi
  make -C "$1" KCONFIG_ALLCONFIG="$wanted.part" allnoconfig >"$work/array-config.log" 2>&1 </dev/null || { warn "no configuration: build/kernels/array-config.log"; return 1; }
  mv "$wanted.part" "$wanted"
  for option in $(grep -o '^CONFIG_[A-Z0-9_]*=y' "$config"); do
    grep -q "^$option\$" "$1/.config" || warn "this source has no $option: what needs it is unsupported in the guest"
  done
}

# build_array: leaves the image in $work/images; sets `array_image`, its name there.
build_array() {
  local version package source=$work/source
  read -r version package <<<"$(newest_source)" || true
  [ -n "${package:-}" ] || { warn "no linux-source package is available"; return 1; }
  ci/setup --kernel-source
  if [ ! -e "$source/unpacked.whole" ]; then
    say "unpacking $package $version"
    rm -rf "$source"
    unpack_source "$version" "$package" "$source"
    printf '%s\n' "$version" >"$source/version.debian"
  fi
  patch_source "$source"
  configure_source "$source"
  say "building the kernel with the array: build/kernels/array-build.log"
  make -C "$source" -j"${SPAWNCHECK_JOBS:-$jobs}" bzImage >"$work/array-build.log" 2>&1 </dev/null || { warn "it did not build: $(grep -m 1 'error' "$work/array-build.log")"; return 1; }
  array_image=array-$(cat "$source/version.debian")
  mkdir -p "$work/images"
  cp "$source/arch/x86/boot/bzImage" "$work/images/$array_image"
}
