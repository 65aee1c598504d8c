#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# chroot_check.sh DIR [demo] [test]
#
# Proves that tools/demo.sh and tools/test.sh need nothing but Debian 12, git and root: makes a bookworm chroot in DIR,
# clones the committed state of this repository into it, runs the scripts there (demo twice) and prints their times.
# Needs root and debootstrap, uses this machine's Debian mirror, apt settings and proxies. DIR/root is replaced.
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [[ $# -lt 1 || $EUID -ne 0 ]] || ! command -v debootstrap >/dev/null; then
  echo "usage, as root with debootstrap installed: $0 DIR [demo] [test]" >&2
  exit 2
fi
dir=$(realpath -m "$1")
shift
[[ $# -gt 0 ]] || set -- demo test
root=$dir/root

# One-line and deb822 sources alike name the mirror by its first http address that is Debian's own suite.
sources=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/debian.list 2>/dev/null || true)
mirror=$(grep -oE '^(URIs: *|deb +(\[[^]]*\] +)?)https?://[^ ]+' <<<"$sources" | grep -oE 'https?://[^ ]+' | head -n 1 || true)
mirror=${mirror:-http://deb.debian.org/debian}

rm -rf --one-file-system "$root"
mkdir -p "$dir"
echo "chroot: debootstrap bookworm from $mirror"
debootstrap --variant=minbase --include=git,ca-certificates bookworm "$root" "$mirror" >"$dir/debootstrap.log" 2>&1 ||
  { tail -n 20 "$dir/debootstrap.log"; exit 1; }

cp /etc/resolv.conf /etc/hosts "$root/etc/"
if grep -q . <<<"$sources"; then
  rm -f "$root/etc/apt/sources.list"
  for file in sources.list sources.list.d/debian.sources sources.list.d/debian.list; do
    if [[ -e /etc/apt/$file ]]; then cp "/etc/apt/$file" "$root/etc/apt/$file"; fi
  done
fi
# How apt reaches its mirror from here: proxies, certificates, a mirror frozen in time. Nothing else is carried.
apt-config dump | grep -E '^Acquire::(http|https|Check-Valid-Until|Check-Date|Retries)\b.*"[^"]+"' \
  >"$root/etc/apt/apt.conf.d/90host" || true
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
carried=()
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  if [[ -n ${!name:-} ]]; then carried+=("$name=${!name}"); fi
done

git clone -q --no-local "$repo" "$root/root/attnrt"

# Mounts live in a namespace of their own and vanish with it.
inside() {
  # shellcheck disable=SC2016 # $root and $@ are those of the inner shell
  unshare --mount bash -euc '
    root=$1; shift
    mount --rbind /proc "$root/proc"; mount --rbind /sys "$root/sys"; mount --rbind /dev "$root/dev"
    exec chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"
  ' bash "$root" "${carried[@]}" "$@"
}

report=()
timed() {
  local what=$1 start=$SECONDS
  shift
  echo "chroot: $what"
  inside "$@" || { echo "chroot: $what failed after $((SECONDS - start)) s" >&2; exit 1; }
  report+=("$what: $((SECONDS - start)) s")
}
for script in "$@"; do
  timed "$script, first run" bash "/root/attnrt/tools/$script.sh"
  if [[ $script == demo ]]; then timed "demo, second run" bash /root/attnrt/tools/demo.sh; fi
done
printf 'chroot: %s\n' "${report[@]}"
