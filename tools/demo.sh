#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Shows attnrt at work on this machine's CPU: sets up, builds, lists the plugins, explains a selection, runs attention on
# real tensors. Safe to run again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash tools/setup.sh --build
cmake --preset release -DATTNRT_TRITON=OFF >/dev/null # kernels for GPUs take minutes
cmake --build --preset release --target attnrt_cli attnrt_probe cpu_attn flex # what is shown; no emulator, no soak test

show() {
  printf '\n$ %s\n' "$*"
  "$@"
}
export PATH="$PWD/build/release/bin:$PATH"
data=tests/data

show attnrt list
show attnrt select --explain --device cpu --dtype bf16 --head-size 128 --num-heads 32 --num-kv-heads 8 --block-size 16
show attnrt run "$data/minilm_encoder_l3.safetensors"
show attnrt run "$data/minilm_decoder_l3.safetensors" --chunk 16
show attnrt run "$data/minilm_decoder_paged_l3.safetensors"
show attnrt run "$data/minilm_decoder_paged_l3_hnd_bf16.safetensors"
show attnrt run "$data/flex/minilm_packed_l3.safetensors" --flex 'mask: doc[q_idx] == doc[kv_idx]' --flex-buffer 'doc=i32[n]'
