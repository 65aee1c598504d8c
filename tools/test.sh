#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds and runs the tests: the plain build, the core with its loader, bad plugins, forks and threads under the address and
# undefined-behaviour sanitizers and under the thread sanitizer, and, where clang has libFuzzer, the fuzz targets for 20 s
# each, in one CTest run whose closing line comes last. --all has everything under the sanitizers, the dense grids and
# the emulated 10.0, 12.0 and gfx950 (label all) and, where clang++ is installed, clang.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

presets=(dev asan-core tsan-core)
archs=()
select=(-LE '^all$')
case "${1:-}" in
  "") ;;
  --all)
    presets=(dev asan tsan)
    archs=("-DATTNRT_TRITON_ARCHS=80;90;100;120" "-DATTNRT_ROCM_ARCHS=gfx942;gfx950")
    select=()
    if command -v clang++ >/dev/null; then presets+=(clang); fi
    ;;
  *)
    echo "test: '$1' is not understood, wanted --all or nothing" >&2
    exit 2
    ;;
esac

bash tools/setup.sh
if echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
  clang++ -fsanitize=fuzzer,address -x c++ - -o /dev/null 2>/dev/null; then
  presets+=(fuzz)
else
  echo "test: clang++ cannot build with libFuzzer here, the fuzz targets run their recorded inputs alone" >&2
fi
mkdir -p build/all
: >build/all/CTestTestfile.cmake
for preset in "${presets[@]}"; do
  options=()
  if [[ $preset == dev ]]; then options=("${archs[@]}"); fi
  cmake --preset "$preset" "${options[@]}" >/dev/null
  cmake --build --preset "$preset"
  echo "subdirs(\"$PWD/build/$preset\")" >>build/all/CTestTestfile.cmake
done
exec ctest --test-dir build/all --output-on-failure --no-tests=error -j "$(nproc)" "${select[@]}"
