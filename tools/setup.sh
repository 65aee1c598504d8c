#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian 12 packages that the build and the tests need and this machine lacks. Needs root or sudo, and the
# network, only where something is missing.
set -euo pipefail

packages=(
  g++ cmake ninja-build ccache git ca-certificates
  libboost1.81-dev # Boost.DLL and Boost.JSON, both from headers
  nettle-dev       # digests of pinned plugins
  libspdlog-dev    # the command line's log
  libcli11-dev     # the command line
  libdnnl-dev libdnnl2 # CPU_ATTN/onednn, loaded when it is used
  catch2 python3 python3-jsonschema # the tests
  python3-venv                      # Triton, which compiles triton_attn's kernels
  clang libclang-rt-14-dev          # the fuzz targets, and a second compiler's opinion
)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

as_root=()
if [[ $EUID -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "setup: ${missing[*]} are missing and this is neither root nor is there sudo; as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "setup: installing ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3)
"${apt[@]}" update
"${apt[@]}" install -y --no-install-recommends "${missing[@]}"
