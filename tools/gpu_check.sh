#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# gpu_check.sh [--emulate DEVICE] [FOLDER]: everything that a machine with an NVIDIA device can tell of the plugins for it, in one
# command of limited steps, the smallest question first: what cuInit answers, whether all kernels load, what threads, streams,
# captures and forks do to an op (device_trial); the conformance kit on every backend; compute-sanitizer where it is installed; and the
# benchmark beside PyTorch SDPA and FlashAttention where those are. Nothing is built: FOLDER, build/release by default, holds what was
# built before (cmake --preset release -DATTNRT_TRITON=ON && cmake --build --preset release). `attnrt list` says which plugins there are.
#
# What passed goes to FOLDER/gpu_check/ledger.json, for tools/record_ledger.sh to keep; the figures go to bench.json and peers.jsonl beside it. All steps
# together take at most GPU_CHECK_SECONDS, 840 unless it is set; the last 120 of them are kept for the benchmark. --emulate cuda:9.0
# puts the SDK's emulator in the device's place: this script's own test, which gives its steps GPU_CHECK_PATIENCE times as long.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

driver=()
emulate=()
patience=${GPU_CHECK_PATIENCE:-1}
if [[ ${1:-} == --emulate ]]; then
  emulate=(--emulate "${2:?--emulate wants a device, cuda:9.0 for instance}")
  shift 2
fi
folder=${1:-build/release}
plugin=$(realpath "$folder/lib/attnrt/plugins/triton_attn.so" 2>/dev/null)
attnrt=$folder/bin/attnrt
for file in "$plugin" "$attnrt" "$folder/bin/device_trial" "$folder/libexec/attnrt/attnrt-verify"; do
  if [[ ! -e $file ]]; then
    echo "gpu_check: $folder lacks ${file:-lib/attnrt/plugins/triton_attn.so}, wanted what 'cmake --preset release -DATTNRT_TRITON=ON && cmake --build --preset release' makes" >&2
    exit 2
  fi
done
if ((${#emulate[@]})); then
  ATTNRT_CUDA_DRIVER=$(realpath "$folder/lib/attnrt/attnrt_cuda_emulator.so")
  export ATTNRT_CUDA_DRIVER ATTNRT_EMULATOR_DEVICE=${emulate[1]}
fi
out=$(realpath "$folder")/gpu_check
mkdir -p "$out"
rm -rf "${out:?}"/*
export XDG_CACHE_HOME=$out/cache
failed=()
deadline=$((${GPU_CHECK_SECONDS:-840} * patience))
kept=$((120 * patience)) # for the last step

step() { # seconds, log, command...
  local limit=$(($1 * patience)) log=$2 start=$SECONDS left=$((deadline - kept - SECONDS)) status word=passed
  shift 2
  if ((left < limit)); then limit=$left; fi
  if ((limit <= 0)); then
    echo "there was no time left" >"$out/$log"
    status=124
  else
    timeout "$limit" "$@" >"$out/$log" 2>&1
    status=$?
  fi
  # Nothing that was left out counts: a summary of the kit without a check that passed is no pass, nor is a figure refused.
  if ((status == 0)) && grep -Eq '^[0-9]+ checks .*: 0 passed|"refused":' "$out/$log"; then status=1; fi
  if ((status)); then
    word=FAILED
    failed+=("$log")
  fi
  if ((status == 124)); then word='too long'; fi
  printf '%-9s %4d s  %s\n' "$word" $((SECONDS - start)) "$log"
}

# Lines of a plugin's file and a backend of it that runs on CUDA's devices.
backends=$("$attnrt" list --json 2>/dev/null | python3 -c '
import json, subprocess, sys
emulated = len(sys.argv) > 2
for plugin in json.load(sys.stdin)["plugins"]:
    offered = [backend["name"] for backend in plugin.get("backends", [])]
    for name in offered:
        shown = subprocess.run([sys.argv[1], "show", name, "--json"], capture_output=True, text=True).stdout
        if not any(variant["device"] == "cuda" for variant in json.loads(shown)["variants"]):
            continue
        if plugin["state"] == "loaded" or emulated:
            print(plugin["path"], name)
        else:
            print(plugin["file"], plugin["state"] + ":", plugin["sentence"], file=sys.stderr)
' "$attnrt" "${emulate[@]}")
if [[ -z $backends ]]; then
  echo "gpu_check: there is no device to check on, or no plugin for it" >&2
  exit 1
fi
command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,compute_mode,memory.total --format=csv,noheader

files=$(cut -d' ' -f1 <<<"$backends" | sort -u)
names=$(cut -d' ' -f2 <<<"$backends")
for file in $files; do
  step 120 "trial_$(basename "$file" .so).log" "$folder/bin/device_trial" "$file"
  cat "$out/trial_$(basename "$file" .so).log"
done
for name in $names; do
  step 150 "verify_$name.log" "$attnrt" verify "$name" "${emulate[@]}" --quick --jobs 4 --record --junit "$out/verify_$name.xml"
done
cp "$XDG_CACHE_HOME/attnrt/ledger.json" "$out/ledger.json" 2>/dev/null || echo "gpu_check: nothing was recorded" >&2

# Out-of-bounds accesses and races inside kernels, on the checks that launch most of them.
if ((${#emulate[@]} == 0)) && command -v compute-sanitizer >/dev/null; then
  for name in $names; do
    step 90 "memcheck_$name.log" compute-sanitizer --tool memcheck --error-exitcode 9 --target-processes all \
      "$attnrt" verify "$name" --quick --check numerics --jobs 1 --patience 80
    step 60 "racecheck_$name.log" compute-sanitizer --tool racecheck --error-exitcode 9 --target-processes all \
      "$attnrt" verify "$name" --quick --check plans --jobs 1 --patience 50
  done
else
  echo "skipped            compute-sanitizer is not installed, or there is no device"
fi

kept=0
# A device that is played measures nothing: attnrt bench refuses it.
if ((${#emulate[@]} == 0)); then
  step 120 bench.json "$attnrt" -q bench --device cuda:0 --cases tools/bench/gpu_cases.json \
    --kv-cache-dtype auto,fp8_e4m3 --max-time 1 --json
  step 120 peers.jsonl python3 tools/bench/gpu_peer.py
  cat "$out"/bench.json "$out"/peers.jsonl
fi
if ((${#failed[@]})); then
  for log in "${failed[@]}"; do
    printf '\n==> %s\n' "$log"
    grep -h -A3 FAILED "$out/$log" | head -12
    tail -n 12 "$out/$log"
  done
  echo "gpu_check: ${#failed[@]} steps failed, see $out" >&2
  exit 1
fi
