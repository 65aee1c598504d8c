#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# gpu_check.sh [--driver LIB.so] [FOLDER]: everything that a machine with an NVIDIA device can tell of triton_attn, in one command of
# limited steps: the conformance kit on the three backends (numerics, bitwise invariance, captured graphs, refusals), compute-sanitizer where
# it is installed, and the benchmark beside PyTorch SDPA and FlashAttention where those are. Nothing is built: FOLDER, build/release by
# default, holds what was built before (cmake --preset release -DATTNRT_TRITON=ON && cmake --build --preset release).
#
# What passed goes to FOLDER/gpu_check/ledger.json, for tools/record_ledger.sh to keep; the figures go to bench.json and peers.jsonl beside it. --driver takes the
# tests' driver that plays a device (build/dev/tests/gpu/fake_cuda_driver.so): this script's own test, which gives its steps
# GPU_CHECK_PATIENCE times as long.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

driver=()
if [[ ${1:-} == --driver ]]; then
  driver=(--driver "$(realpath "${2:?--driver wants a library}")")
  shift 2
fi
folder=${1:-build/release}
plugin=$(realpath "$folder/lib/attnrt/plugins/triton_attn.so" 2>/dev/null)
attnrt=$folder/bin/attnrt
for file in "$plugin" "$attnrt" "$folder/libexec/attnrt/attnrt-verify"; do
  if [[ ! -e $file ]]; then
    echo "gpu_check: $folder lacks ${file:-lib/attnrt/plugins/triton_attn.so}, wanted what 'cmake --preset release -DATTNRT_TRITON=ON && cmake --build --preset release' makes" >&2
    exit 2
  fi
done
out=$(realpath "$folder")/gpu_check
mkdir -p "$out"
rm -rf "${out:?}"/*
failed=0
step() { # seconds, log, command...
  local limit=$(($1 * ${GPU_CHECK_PATIENCE:-1})) log=$2 start=$SECONDS
  shift 2
  timeout "$limit" "$@" >"$out/$log" 2>&1
  local status=$?
  if ((status)); then failed=1; fi
  printf '%-9s %4d s  %s\n' "$( ((status == 124)) && echo 'too long' || { ((status)) && echo FAILED || echo passed; })" $((SECONDS - start)) "$log"
}

if ((${#driver[@]} == 0)) && ! "$attnrt" --plugin-path "$plugin" list | grep -q 'triton_attn.so  loaded'; then
  "$attnrt" --plugin-path "$plugin" list | tail -n +4 >&2
  echo "gpu_check: there is no device to check on" >&2
  exit 1
fi
command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
export XDG_CACHE_HOME=$out/cache

# The smallest check first: does a kernel of each backend run at all?
for backend in TRITON_ATTN TREE_ATTN TRITON_MLA; do
  step 60 "first_$backend.log" "$attnrt" --plugin-path "$plugin" verify "$backend" "${driver[@]}" --quick --check workspace --jobs 1
done
for backend in TRITON_ATTN TREE_ATTN TRITON_MLA; do
  step 150 "verify_$backend.log" "$attnrt" --plugin-path "$plugin" verify "$backend" "${driver[@]}" --quick --record --junit "$out/verify_$backend.xml"
done
cp "$XDG_CACHE_HOME/attnrt/ledger.json" "$out/ledger.json" 2>/dev/null || echo "gpu_check: nothing was recorded" >&2

# Out-of-bounds accesses and races inside kernels, on the check that launches most of them.
if ((${#driver[@]} == 0)) && command -v compute-sanitizer >/dev/null; then
  for backend in TRITON_ATTN TRITON_MLA; do
    for tool in memcheck racecheck; do
      step 90 "${tool}_$backend.log" compute-sanitizer --tool "$tool" --error-exitcode 9 --target-processes all \
        "$attnrt" --plugin-path "$plugin" verify "$backend" --quick --check plans --jobs 1 --patience 80
    done
  done
else
  echo "skipped            compute-sanitizer is not installed, or there is no device"
fi

# A device that is played measures nothing: attnrt bench refuses it.
if ((${#driver[@]} == 0)); then
  step 120 bench.json "$attnrt" -q --plugin-path "$plugin" bench --device cuda:0 --cases tools/bench/gpu_cases.json \
    --kv-cache-dtype auto,fp8_e4m3 --max-time 1 --json
  step 120 peers.jsonl python3 tools/bench/gpu_peer.py
  cat "$out"/bench.json "$out"/peers.jsonl
fi
if ((failed)); then
  grep -h -A3 FAILED "$out"/*.log 2>/dev/null | head -40
  echo "gpu_check: something failed, see $out" >&2
fi
exit $failed
