#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Measures the release build beside other engines, in turn within the same seconds, and prints the ratios:
#   tools/bench/peers.sh [ROUNDS [OUT]]     5 rounds, into OUT/ (build/peers)
# The runner and its peers come from $ATTNRT_BENCH, else ../shared/bench beside this repository; its setup.sh installs them.
# PEERS, DTYPES, THREADS, MIN_TIME and CASES change what is run.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
bench="${ATTNRT_BENCH:-}"
for folder in "$root/../shared/bench" "$root/../../shared/bench"; do
  [ -n "$bench" ] || { [ -f "$folder/runner.py" ] && bench="$folder"; } || true
done
[ -f "$bench/runner.py" ] || { echo "peers.sh: no runner.py in '$bench', wanted ATTNRT_BENCH=FOLDER" >&2; exit 2; }
program="$root/build/release/bin/attnrt"
[ -x "$program" ] || { echo "peers.sh: $program is missing, wanted cmake --build --preset release" >&2; exit 2; }
rounds="${1:-5}"
out="${2:-$root/build/peers}"
mkdir -p "$out"

# run NAME RUNNER-ARGUMENTS... : one table
run() {
  local name="$1"
  shift
  python3 "$bench/runner.py" --peers "${PEERS:-ov,vllm}" --extra "attnrt=$program -q bench --serve ${SERVE:-}" \
    --threads ${THREADS:-1 2} --rounds "$rounds" --min-reps 2 --min-time "${MIN_TIME:-0.1}" --max-time 2 --out "$out/$name.json" "$@"
  python3 "$root/tools/bench/ratios.py" "$out/$name.json" | tee "$out/$name.md"
}

run grid --dtypes "${DTYPES:-bf16,fp32,fp16}" --cases "${CASES:-all}"
[ "${CASES:-all}" = all ] || exit 0
export ATTNBENCH_CASES="$root/tools/bench/shapes.json"
run shapes --dtypes "${DTYPES:-bf16,fp32,fp16}"
for block in 16 128; do
  SERVE="--block-size $block" VLLM_BLOCK="$block" run "shapes_block$block" --dtypes bf16
done
