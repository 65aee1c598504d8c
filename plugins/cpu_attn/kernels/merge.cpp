// SPDX-License-Identifier: Apache-2.0
#include "merge.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "../simd/dtype.hpp"
#include "../simd/exp.hpp"
#include "workers.hpp"

namespace attnrt::cpu {
namespace {

namespace isa = kernel::portable;

constexpr float kNothing = -std::numeric_limits<float>::infinity();

/// Address of row (token, head) of a tensor with elements of type T.
template <class T>
T* row_of(const attnrt_tensor& t, int64_t token, int64_t head) {
  auto* data = reinterpret_cast<T*>(static_cast<std::byte*>(t.data) + t.byte_offset);
  return data + token * t.strides[0] + head * t.strides[1];
}

float lse_of(const attnrt_merge_args& args, int32_t i, int64_t token, int64_t head) {
  const float lse = *row_of<const float>(*args.lses[i], token, head);
  return lse == -kNothing ? kNothing : lse;
}

template <class T>
void add_row(const attnrt_tensor& out, int64_t token, int64_t head, int64_t at, int64_t n, float weight, float* sum) {
  const T* row = row_of<const T>(out, token, head) + at;
  for (int64_t d = 0; d < n; ++d) sum[d] += weight * isa::widen(row[d]);
}

/// One row: the partials from `first` on into out. Its columns go through a small buffer, read before written. A
/// partial without keys is not read; one that is NaN makes the row NaN.
template <class T>
void merge_row(const attnrt_merge_args& args, int32_t first, int64_t token, int64_t head) {
  float max = kNothing, total = 0.0f;
  for (int32_t i = first; i < args.num_partials; ++i) {
    const float lse = lse_of(args, i, token, head);
    max = lse > max || lse != lse ? lse : max;
    if (max != max) break;
  }
  for (int32_t i = first; i < args.num_partials && max != kNothing; ++i)
    total += isa::exp_nonpositive(lse_of(args, i, token, head) - max);
  const int64_t size = args.out->shape[2];
  constexpr int64_t kBuffer = 256;
  for (int64_t at = 0; at < size; at += kBuffer) {
    const int64_t n = std::min(kBuffer, size - at);
    float sum[kBuffer] = {};
    for (int32_t i = first; i < args.num_partials && max != kNothing; ++i) {
      const float lse = lse_of(args, i, token, head);
      if (lse == kNothing) continue;
      const float weight = isa::exp_nonpositive(lse - max) / total;
      if (sdk::dtype_of(args.outs[i]->dtype) == ATTNRT_FP32)
        add_row<float>(*args.outs[i], token, head, at, n, weight, sum);
      else
        add_row<T>(*args.outs[i], token, head, at, n, weight, sum);
    }
    isa::narrow_row(sum, row_of<T>(*args.out, token, head) + at, n);
  }
  if (args.lse) *row_of<float>(*args.lse, token, head) = max != kNothing ? max + std::log(total) : kNothing;
}

template <class T>
void merge_all(const attnrt_merge_args& args, attnrt_stream stream) {
  const int64_t heads = args.out->shape[1];
  Workers(stream).parallel_for(args.num_tokens, 16, [&](int64_t begin, int64_t end, uint32_t) noexcept {
    for (int64_t token = begin; token < end; ++token)
      for (int64_t head = 0; head < heads; ++head)
        merge_row<T>(args, token < args.num_merged_tokens ? 0 : args.num_partials - 1, token, head);
  });
}

}  // namespace

void merge_partials(const attnrt_merge_args& args, attnrt_stream stream) {
  switch (sdk::dtype_of(args.out->dtype)) {
    case ATTNRT_FP16:
      return merge_all<isa::Fp16>(args, stream);
    case ATTNRT_BF16:
      return merge_all<isa::Bf16>(args, stream);
    default:
      return merge_all<float>(args, stream);
  }
}

}  // namespace attnrt::cpu
