# SPDX-License-Identifier: MIT
# Makes the guest: one initramfs for all kernels, with busybox, build/dev/bin, the libraries that it needs, and the corpus; sourced by ci/kernels.
# There the tree is /spawncheck. A second archive, appended to it, has the checks of one kernel.

# make_image FILE: makes the initramfs if something in it is newer than FILE.
make_image() {
  local file=$1 guest=$run/guest
  if [ -s "$file" ] && [ -z "$(find build/dev/bin README.md corpus model impl properties ci/kernels.d/init ci/kernels.d/image.sh -newer "$file" -print -quit)" ]; then return 0; fi
  touch "$run/begun"
  rm -rf "$guest"
  mkdir -p "$guest"/{bin,dev,proc,sys,tmp,etc,out,root,run,var/tmp,usr} "$guest/spawncheck/build/dev"
  ln -s ../bin "$guest/usr/bin"
  ln -s bin "$guest/sbin"
  chmod 1777 "$guest/tmp" "$guest/var/tmp"
  cp "$(command -v busybox)" "$guest/bin/busybox"
  local applet
  for applet in $("$guest/bin/busybox" --list); do [ -e "$guest/bin/$applet" ] || ln -s busybox "$guest/bin/$applet"; done
  # Tests call the host's coreutils: busybox's head reads more than it is asked for, its readlink takes only one name.
  local program
  for program in sh $(dpkg -L coreutils 2>/dev/null | sed -n 's/^\(\/usr\)\?\/bin\///p'); do
    if [ -x "/bin/$program" ]; then cp --remove-destination -L "/bin/$program" "$guest/bin/$program"; fi
  done
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$guest/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$guest/etc/group"

  cp -r build/dev/bin "$guest/spawncheck/build/dev/bin"
  # Some tests compare a table of a document, or a list in a source, with what is built.
  cp -r README.md corpus model impl properties "$guest/spawncheck/"
  find "$guest/spawncheck/build/dev/bin" -type f -exec strip --strip-debug {} + 2>/dev/null || true
  copy_libraries "$guest"

  cp ci/kernels.d/init "$guest/init"
  chmod +x "$guest/init"
  (cd "$guest" && find . | cpio -o -H newc --quiet) >"$run/base.cpio"
  touch -r "$run/begun" "$run/base.cpio"  # so that a file that changes meanwhile is newer
  mv "$run/base.cpio" "$file"
  rm -rf "$guest"
}

# make_image_of BASE CHECKS FILE: appends CHECKS, the chosen rows of the table, and the settings to BASE.
make_image_of() {
  local own=$3.own
  mkdir -p "$own"
  cp "$2" "$own/checks"
  printf 'root=%s\nseconds=%s\nlimit_max=%s\nbuilt=%s\n' "$root" "$seconds" "$limit" "$built" >"$own/settings"
  { cat "$1"; (cd "$own" && find . | cpio -o -H newc --quiet); } >"$3"
  rm -rf "$own"
}

copy_libraries() {
  local guest=$1 library
  { find build/dev/bin "$guest/bin" -type f -perm -u+x -exec ldd {} + 2>/dev/null || true; } | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (0x.*/\1/p' | sort -u |
    while read -r library; do
      mkdir -p "$guest$(dirname "$library")"
      cp -L "$library" "$guest$library"
    done
}
