#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds and runs the tests: the plain build and the one under address and undefined-behaviour sanitizers, in one CTest
# run whose closing line comes last. --all adds the dense grids (label all), the thread sanitizer and, where clang++ is
# installed, clang.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

presets=(dev)
select=(-LE '^all$')
case "${1:-}" in
  "") ;;
  --all)
    presets+=(asan tsan)
    select=()
    if command -v clang++ >/dev/null; then presets+=(clang); fi
    ;;
  *)
    echo "test: '$1' is not understood, wanted --all or nothing" >&2
    exit 2
    ;;
esac

bash tools/setup.sh
mkdir -p build/all
: >build/all/CTestTestfile.cmake
for preset in "${presets[@]}"; do
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset"
  echo "subdirs(\"$PWD/build/$preset\")" >>build/all/CTestTestfile.cmake
done
exec ctest --test-dir build/all --output-on-failure --no-tests=error -j "$(nproc)" "${select[@]}"
