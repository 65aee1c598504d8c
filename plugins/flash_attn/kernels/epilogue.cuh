// SPDX-License-Identifier: Apache-2.0
//
// epilogue.cuh: what is left of a row when all its keys are done (data sheet)
//   reads     scales of operands, the sink
//   writes    out and lse, or the row's part of partial and partial_lse where the keys were split
//   a row     that saw nothing: out 0, lse the sink or -inf
#ifndef ATTNRT_FLASH_EPILOGUE_CUH
#define ATTNRT_FLASH_EPILOGUE_CUH
#include "request.cuh"
#include "softmax.cuh"

namespace attnrt::flash {

/// One operand's scale, 1 where it is absent.
__device__ inline float scale_of(const AttentionArguments& g, int flag, const char* scales, const RowTile& tile,
                                 long long stride_request, long long stride_head) {
  if (!(g.flags & flag)) return 1;
  return reinterpret_cast<const float*>(scales)[tile.request * stride_request + tile.kv_head * stride_head];
}

/// A head's sink as a natural logarithm.
template <class Element>
__device__ float sink_of(const char* sinks, int flags, int head) {
  if (flags & kSinksQDtype) return Element::widen(reinterpret_cast<const unsigned short*>(sinks)[head]);
  return reinterpret_cast<const float*>(sinks)[head];
}

/// Ends a row of the tile: `half` of the fragments, of which lane `quad` of four holds two columns in eight. They are
/// the columns from `first_column` on; partial rows have kPitch.
template <class Element, int kPitch, int kSums>
__device__ void store_row(const AttentionArguments& g, const RowTile& tile, int row, int half, int quad,
                          Softmax& softmax, const float (&sums)[kSums][4], float v_scale, int first_column = 0) {
  int token, head;
  if (!tile.row(g, row, token, head)) return;
  const long long place = tile.query_start + token;
  const bool tells = quad == 0 && first_column == 0;
  float factor = v_scale;
  if (g.num_splits == 1 && (g.flags & kSinks))
    factor *= softmax.add_sink(half, sink_of<Element>(g.sinks_ptr, g.flags, head) * kLog2e);
  factor = softmax.total[half] > 0 ? factor / softmax.total[half] : 0;
  const float lse = softmax.lse(half);
  if (g.num_splits > 1) {
    const long long part = (place * g.num_heads + head) * g.num_splits + blockIdx.z;
    if (tells) reinterpret_cast<float*>(g.partial_lse_ptr)[part] = lse;
    auto* const to = reinterpret_cast<float2*>(g.partial_ptr) + (part * kPitch + first_column) / 2 + quad;
#pragma unroll
    for (int n = 0; n < kSums; ++n) to[n * 4] = make_float2(sums[n][2 * half] * factor, sums[n][2 * half + 1] * factor);
    return;
  }
  if (tells && (g.flags & kLse))
    reinterpret_cast<float*>(g.lse_ptr)[place * g.lse_stride_token + head * g.lse_stride_head] = lse;
  char* const to = g.out_ptr + (place * g.out_stride_token + head * g.out_stride_head + first_column + quad * 2) * 2;
#pragma unroll
  for (int n = 0; n < kSums; ++n) {
    if (first_column + n * 8 >= g.head_size_v) break;
    const unsigned pair = Element::pack(sums[n][2 * half] * factor, sums[n][2 * half + 1] * factor);
    if (g.flags & kAlignedOut) {
      *reinterpret_cast<unsigned*>(to + n * 16) = pair;
    } else {
      reinterpret_cast<unsigned short*>(to + n * 16)[0] = static_cast<unsigned short>(pair);
      reinterpret_cast<unsigned short*>(to + n * 16)[1] = static_cast<unsigned short>(pair >> 16);
    }
  }
}

}  // namespace attnrt::flash
#endif
