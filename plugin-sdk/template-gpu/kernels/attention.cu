// SPDX-License-Identifier: Apache-2.0
//
// Attention over fp16, one warp for each query token and head: the lanes share out a row, and the softmax is kept
// online over the keys (Milakov and Gimelshein, arXiv:1805.02867) in fp32. Written to be read and copied: a fast kernel
// takes tiles of queries to the tensor cores. Grid: x = tokens / kWarpsPerBlock rounded up, y = query heads.
#include <cuda_fp16.h>

#include "arguments.hpp"

using namespace example_gpu_attn;

namespace {

constexpr int kLanes = 32, kPerLane = kMostHead / kLanes;

__device__ const int32_t* integers(uint64_t address) { return reinterpret_cast<const int32_t*>(address); }
__device__ __half* row_of(const Rows& rows, int64_t block, int64_t slot, int64_t head) {
  return reinterpret_cast<__half*>(rows.data) + block * rows.block_stride + slot * rows.slot_stride +
         head * rows.head_stride;
}

/// The request of a token: the last one that starts at or before it. Requests may be empty.
__device__ int request_of(const AttentionArguments& a, int token) {
  int low = 0, high = a.num_seqs;  // starts[low] <= token < starts[high]
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (integers(a.query_start_loc)[middle] <= token)
      low = middle;
    else
      high = middle;
  }
  return low;
}

}  // namespace

extern "C" __global__ void __launch_bounds__(kLanes* kWarpsPerBlock) attention(const AttentionArguments a) {
  const int token = static_cast<int>(blockIdx.x) * kWarpsPerBlock + static_cast<int>(threadIdx.x) / kLanes;
  const int head = static_cast<int>(blockIdx.y), lane = static_cast<int>(threadIdx.x) % kLanes;
  if (token >= a.num_tokens) return;
  const int request = request_of(a, token);
  const int seq_len = integers(a.seq_lens)[request], first_row = a.kv_start_loc ? integers(a.kv_start_loc)[request] : 0;
  int keys = seq_len;
  if (!a.block_table) keys = integers(a.kv_start_loc)[request + 1] - first_row;
  if (a.kv_lens) keys = integers(a.kv_lens)[request];
  if (a.causal) keys = min(keys, seq_len - (integers(a.query_start_loc)[request + 1] - token) + 1);

  float q[kPerLane], sums[kPerLane] = {}, top = -INFINITY, total = 0;
  const __half* const q_row = row_of(a.q, 0, token, head);
  for (int i = 0; i < kPerLane; ++i) {
    const int d = i * kLanes + lane;
    q[i] = d < a.head_size_qk ? __half2float(q_row[d]) : 0.0f;
  }
  for (int key = 0; key < keys; ++key) {
    int64_t block = 0, slot = first_row + key;
    if (a.block_table) {
      block = integers(a.block_table)[request * a.block_table_stride + key / a.block_size];
      slot = key % a.block_size;
    }
    const __half* const k_row = row_of(a.k, block, slot, head / a.group);
    const __half* const v_row = row_of(a.v, block, slot, head / a.group);
    float score = 0;
    for (int i = 0; i < kPerLane; ++i) {
      const int d = i * kLanes + lane;
      if (d < a.head_size_qk) score += q[i] * __half2float(k_row[d]);
    }
    for (int step = kLanes / 2; step; step /= 2) score += __shfl_xor_sync(~0u, score, step);
    score *= a.scale;
    if (score == -INFINITY) continue;  // weighs nothing, and -inf - -inf is NaN
    const float level = fmaxf(top, score), shrink = expf(top - level), weight = expf(score - level);
    top = level;
    total = total * shrink + weight;
    for (int i = 0; i < kPerLane; ++i) {
      const int d = i * kLanes + lane;
      if (d < a.head_size_v) sums[i] = sums[i] * shrink + weight * __half2float(v_row[d]);
    }
  }
  __half* const out_row = row_of(a.out, 0, token, head);
  for (int i = 0; i < kPerLane; ++i) {
    const int d = i * kLanes + lane;
    if (d < a.head_size_v) out_row[d] = __float2half_rn(total == 0 ? 0.0f : sums[i] / total);
  }
  if (a.lse && lane == 0)
    reinterpret_cast<float*>(a.lse)[token * a.lse_token_stride + head * a.lse_head_stride] = top + logf(total);
}

/// One block for each row and KV head. Grid: x = rows, y = KV heads.
extern "C" __global__ void __launch_bounds__(kLanes* kWarpsPerBlock) write_rows(const WriteArguments a) {
  const int64_t slot = reinterpret_cast<const int64_t*>(a.slot_mapping)[blockIdx.x * a.slot_stride];
  if (slot < 0) return;
  const __half* const from = row_of(a.from, 0, blockIdx.x, blockIdx.y);
  __half* const to = row_of(a.to, slot / a.block_size, slot % a.block_size, blockIdx.y);
  for (int d = static_cast<int>(threadIdx.x); d < a.head_size; d += static_cast<int>(blockDim.x)) to[d] = from[d];
}
