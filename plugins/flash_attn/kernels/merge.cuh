// SPDX-License-Identifier: Apache-2.0
//
// merge.cuh: joins results over disjoint keys (data sheet)
//   weights   exp(lse_i - lse) in fp32, taken in ascending i with a running maximum, so that one result alone keeps its
//             bits
//   block     one row (token and head); a thread serves 4 columns in each 4 * kMergeThreads
#ifndef ATTNRT_FLASH_MERGE_CUH
#define ATTNRT_FLASH_MERGE_CUH
#include "epilogue.cuh"
#include "mma.cuh"

namespace attnrt::flash {

constexpr int kMergeThreads = 64;

/// What was joined of four columns of a row.
struct Joined {
  float values[4] = {}, top = -kInfinity, total = 0;

  /// One result more; lse natural, -inf: it saw nothing. NaN makes all that comes of it NaN.
  __device__ void add(const float (&row)[4], float lse) {
    const float next = fmaxf(top, lse), level = next == -kInfinity ? 0 : next;
    const float weight = expf(lse - level), fade = expf(top - level);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      // What stands alone stays as it is: a sum with 0 would lose the sign of -0.
      const float both = values[i] * fade + row[i] * weight;
      values[i] = top == -kInfinity ? row[i] * weight : lse == -kInfinity ? values[i] : both;
    }
    total = total * fade + weight;
    top = next;
  }
  __device__ float lse() const { return total != 0 ? top + logf(total) : -kInfinity; }

  template <class Element>
  __device__ void store(char* to, bool pairs) const {
    const float divisor = total != 0 ? total : 1;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const unsigned pair = Element::pack(values[2 * i] / divisor, values[2 * i + 1] / divisor);
      if (pairs) {
        reinterpret_cast<unsigned*>(to)[i] = pair;
      } else {
        reinterpret_cast<unsigned short*>(to)[2 * i] = static_cast<unsigned short>(pair);
        reinterpret_cast<unsigned short*>(to)[2 * i + 1] = static_cast<unsigned short>(pair >> 16);
      }
    }
  }
};

/// Joins what attention left of each row in partial and partial_lse, and adds the sink. Grid x: num_tokens, an upper
/// bound: tokens past query_start_loc[num_seqs] return at once; y: num_heads.
template <class Element>
__device__ void merge_splits(const MergeSplitsArguments& g) {
  const int token = blockIdx.x, head = blockIdx.y;
  if (token >= load_int(g.query_start_loc_ptr, load_int(g.num_seqs_ptr, 0))) return;
  const long long place = (static_cast<long long>(token) * g.num_heads + head) * g.num_splits;
  const auto* const lses = reinterpret_cast<const float*>(g.partial_lse_ptr) + place;
  for (int column = threadIdx.x * 4; column < g.head_size_v; column += 4 * kMergeThreads) {
    Joined joined;
    if (g.flags & kSinks) {
      joined.top = sink_of<Element>(g.sinks_ptr, g.flags, head);
      joined.total = joined.top == -kInfinity ? 0 : 1;
    }
    const auto* row =
        reinterpret_cast<const float4*>(reinterpret_cast<const float*>(g.partial_ptr) + place * g.pitch + column);
#pragma unroll 4
    for (int part = 0; part < g.num_splits; ++part, row += g.pitch / 4) {
      const float4 four = *row;
      joined.add({four.x, four.y, four.z, four.w}, lses[part]);
    }
    if (column == 0 && (g.flags & kLse))
      reinterpret_cast<float*>(g.lse_ptr)[token * g.lse_stride_token + head * g.lse_stride_head] = joined.lse();
    joined.store<Element>(g.out_ptr + (token * g.out_stride_token + head * g.out_stride_head + column) * 2,
                          g.flags & kAlignedOut);
  }
}

/// Joins up to four partial results (attnrt_merge_args). Grid x: num_tokens, y: num_heads. +inf in a partial LSE counts
/// as -inf; tokens from num_merged_tokens on take the last partial alone, its bits unchanged.
template <class Element>
__device__ void merge_states(const MergeStatesArguments& g) {
  const int token = blockIdx.x, head = blockIdx.y;
  const int first = token >= g.num_merged_tokens ? g.num_partials - 1 : 0;
  for (int column = threadIdx.x * 4; column < g.head_size_v; column += 4 * kMergeThreads) {
    Joined joined;
    const auto fold = [&](int i, const char* out, const char* lses, long long out_token, long long out_head,
                          long long lse_token, long long lse_head) {
      if (i < first || i >= g.num_partials) return;
      float lse = reinterpret_cast<const float*>(lses)[token * lse_token + head * lse_head];
      if (lse == kInfinity) lse = -kInfinity;
      float row[4] = {};
      const long long from = token * out_token + head * out_head + column;
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        if (!(lse > -kInfinity)) continue;
        row[c] = g.flags & kPartialFp32 ? reinterpret_cast<const float*>(out)[from + c]
                                        : Element::widen(reinterpret_cast<const unsigned short*>(out)[from + c]);
      }
      joined.add(row, lse);
    };
    fold(0, g.out_0_ptr, g.lse_0_ptr, g.out_0_stride_token, g.out_0_stride_head, g.lse_0_stride_token,
         g.lse_0_stride_head);
    fold(1, g.out_1_ptr, g.lse_1_ptr, g.out_1_stride_token, g.out_1_stride_head, g.lse_1_stride_token,
         g.lse_1_stride_head);
    fold(2, g.out_2_ptr, g.lse_2_ptr, g.out_2_stride_token, g.out_2_stride_head, g.lse_2_stride_token,
         g.lse_2_stride_head);
    fold(3, g.out_3_ptr, g.lse_3_ptr, g.out_3_stride_token, g.out_3_stride_head, g.lse_3_stride_token,
         g.lse_3_stride_head);
    if (column == 0 && (g.flags & kLse))
      reinterpret_cast<float*>(g.lse_ptr)[token * g.lse_stride_token + head * g.lse_stride_head] = joined.lse();
    joined.store<Element>(g.out_ptr + (token * g.out_stride_token + head * g.out_stride_head + column) * 2,
                          g.flags & kAlignedOut);
  }
}

}  // namespace attnrt::flash
#endif
