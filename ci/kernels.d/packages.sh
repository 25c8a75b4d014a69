# SPDX-License-Identifier: MIT
# Finds kernels in Debian's archives; sourced by ci/kernels. The archives are those that apt is set up for on this machine, with the suites of the table
# below; apt works in a directory of its own, so the host's lists stay as they are and nothing is installed.

# Columns: archive (its Label), suite. A suite that an archive lacks is skipped with a warning.
suites=(
  "Debian bookworm"
  "Debian-Security bookworm-security"
  "Debian bookworm-backports"
  "Debian trixie"
  "Debian-Security trixie-security"
  "Debian trixie-backports"
  "Debian forky"
  "Debian sid"
  "Debian experimental"
)

# prepare_apt DIRECTORY: fetches the package lists, at most once a day, and sets `kernel_list`, a file with a line "version package" for each kernel.
prepare_apt() {
  local apt=$1 label suite site
  mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
  : >"$apt/sources.list"
  declare -A sites=()
  while read -r label site; do sites[$label]=${site%/}; done < <(apt-get indextargets --format '$(LABEL) $(SITE)' 'Identifier: Packages' 'Origin: Debian' | sort -u)
  for suite in "${suites[@]}"; do
    read -r label suite <<<"$suite"
    site=${sites[$label]:-}
    if [ -z "$site" ]; then warn "apt is not set up for the archive $label: nothing from $suite"; continue; fi
    printf 'deb [arch=amd64] %s %s main\n' "$site" "$suite" >>"$apt/sources.list"
  done
  cat >"$apt/apt.conf" <<END
Dir::State "$apt/state";
Dir::State::status "/dev/null";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "-";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
END
  if [ ! -s "$apt/kernels.list" ] || [ -n "$(find "$apt/kernels.list" -mmin +1440)" ]; then
    APT_CONFIG=$apt/apt.conf apt-get update </dev/null >"$apt/update.log" 2>&1 || true
    sed -n 's/^\(Err:[0-9]*\|E:\) */unavailable: /p' "$apt/update.log" | while read -r line; do warn "$line"; done
    list_kernels "$apt" >"$apt/kernels.list"
  fi
  kernel_list=$apt/kernels.list
}

# Prints the plain images for amd64, oldest first, as "6.12.118-1 linux-image-6.12.118+deb13-amd64".
list_kernels() {
  local apt=$1
  export APT_CONFIG=$apt/apt.conf
  apt-cache search --names-only '^linux-image-[0-9][0-9.]*(\+deb[0-9.]*|-[0-9]+)?-amd64$' | cut -d' ' -f1 | xargs -r apt-cache madison |
    sed 's/ //g' | awk -F'|' '{ print $2, $1 }' | sort -u | sort -V -k1,1
  unset APT_CONFIG
}

# kernel_package NAME: prints "version package" of the newest kernel whose version begins with NAME, or of the newest of all if NAME is "newest"; or nothing.
kernel_package() {
  if [ "$1" = newest ]; then tail -n 1 "$kernel_list"; return; fi
  awk -v name="$1" '{ v = $1; sub(/[-~].*/, "", v) } v == name || index(v, name ".") == 1' "$kernel_list" | tail -n 1
}

# fetch_image APT VERSION PACKAGE FILE: writes the kernel's image to FILE. Since 7.2 the image is in linux-binary-*, on which linux-image-* depends.
fetch_image() {
  local apt=$1 version=$2 package=$3 file=$4 candidate deb
  [ ! -s "$file" ] || return 0
  mkdir -p "$apt/packages"
  for candidate in "$package" "${package/-image-/-binary-}"; do
    (cd "$apt/packages" && APT_CONFIG=$apt/apt.conf apt-get download -qq "$candidate=$version" </dev/null) >"$apt/download.log" 2>&1 ||
      { warn "$candidate $version: $(tail -n 1 "$apt/download.log")"; return 1; }
    deb=("$apt/packages/$candidate"_*.deb)
    dpkg-deb --fsys-tarfile "${deb[0]}" | tar -xO --wildcards '*/vmlinuz*' >"$file.part" 2>/dev/null || true
    rm -f "${deb[@]}"
    if [ -s "$file.part" ]; then mv "$file.part" "$file"; return 0; fi
  done
  warn "$package: no vmlinuz in it"
  return 1
}
