#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian 12 packages that the build and the tests need and this machine lacks; with --build those of the
# build alone. Needs root or sudo, and the network, only where something is missing.
set -euo pipefail

packages=(
  g++ cmake ninja-build ccache git ca-certificates
  libboost1.81-dev # Boost.DLL and Boost.JSON, both from headers
  nettle-dev       # digests of pinned plugins
  libspdlog-dev    # the command line's log
  libcli11-dev     # the command line
  libdnnl-dev libdnnl2 # CPU_ATTN/onednn, loaded when it is used
  python3
)
case "${1:-}" in
  "")
    packages+=(
      catch2 python3-jsonschema  # the tests
      python3-venv python3-dev   # Triton, which compiles triton_attn's kernels; the Python package
      clang libclang-rt-14-dev   # the fuzz targets, and a second compiler's opinion
      openmpi-bin libopenmpi-dev # examples/mpi
    )
    ;;
  --build) ;;
  *)
    echo "setup: '$1' is not understood, wanted --build or nothing" >&2
    exit 2
    ;;
esac
# Of bookworm-security. Where a machine does not have that suite, what needs them is left out with a sentence.
optional=(
  llvm-22 # llc, by which the HIP emulator compiles AMD's kernels
)
if [[ ${1:-} == --build ]]; then optional=(); fi

missing=()
for package in "${packages[@]}" "${optional[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

as_root=()
if [[ $EUID -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    if [[ ${missing[*]} == "${optional[*]}" ]]; then
      echo "setup: ${missing[*]} is missing: what needs it is left out"
      exit 0
    fi
    echo "setup: ${missing[*]} are missing and this is neither root nor is there sudo; as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "setup: installing ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3)
"${apt[@]}" update
for package in "${optional[@]}"; do
  if [[ " ${missing[*]} " == *" $package "* ]] && ! apt-cache show "$package" >/dev/null 2>&1; then
    echo "setup: this machine's suites of Debian have no $package: what needs it is left out"
    mapfile -t missing < <(printf '%s\n' "${missing[@]}" | grep -vx "$package")
  fi
done
[[ ${#missing[@]} -gt 0 ]] || exit 0
"${apt[@]}" install -y --no-install-recommends "${missing[@]}"
