// SPDX-License-Identifier: Apache-2.0
//
// panel_fold.hpp: the softmax state of rows between tiles: cleared, folded over splits of the keys in ascending order,
// and turned into a result (FlashAttention-2, arXiv:2307.08691).
#ifndef ATTNRT_CPU_ATTN_SIMD_PANEL_FOLD_HPP
#define ATTNRT_CPU_ATTN_SIMD_PANEL_FOLD_HPP
#include <cstdint>

#include "panel_softmax.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// Lanes of a running sum in memory, the same for every instruction set.
constexpr int64_t kStateLanes = 16;
static_assert(kLanes <= kStateLanes);

/// Floats of the state of some rows with `width` accumulated dims, a multiple of 16.
constexpr int64_t panel_rows_floats(int64_t rows, int64_t width) {
  return 2 * ((rows + 15) / 16 * 16) + rows * (2 * kStateLanes + width);
}
inline PanelRows panel_rows(float* memory, int64_t rows) {
  PanelRows r{};
  if (!memory) return r;
  r.max = memory;
  r.scale = r.max + (rows + 15) / 16 * 16;
  r.sum = r.scale + (rows + 15) / 16 * 16;
  r.exact = r.sum + rows * kStateLanes;
  r.acc = r.exact + rows * kStateLanes;
  return r;
}

inline void clear_rows(const PanelRows& r, int64_t rows, int64_t width) {
  for (int64_t i = 0; i < rows; ++i) r.max[i] = kHidden, r.scale[i] = 1.0f;
  std::memset(r.sum, 0, static_cast<std::size_t>(rows * kStateLanes) * sizeof(float));
  std::memset(r.exact, 0, static_cast<std::size_t>(rows * kStateLanes) * sizeof(float));
  std::memset(r.acc, 0, static_cast<std::size_t>(rows * width) * sizeof(float));
}

/// to[to_row + i] = from[from_row + i].
inline void copy_rows(const PanelRows& to, int64_t to_row, const PanelRows& from, int64_t from_row, int64_t rows,
                      int64_t width) {
  const auto copy = [&](float* a, const float* b, int64_t n) {
    std::memcpy(a + to_row * n, b + from_row * n, static_cast<std::size_t>(rows * n) * sizeof(float));
  };
  copy(to.max, from.max, 1);
  copy(to.scale, from.scale, 1);
  copy(to.sum, from.sum, kStateLanes);
  copy(to.exact, from.exact, kStateLanes);
  copy(to.acc, from.acc, width);
}

/// Has a row seen no key, or none whose score is more than -infinity? One that has seen NaN has it in its sum.
inline bool is_empty(const PanelRows& r, int64_t row) {
  if (r.max[row] != kHidden) return false;
  const float sum = sum_lanes(load(r.sum + row * kStateLanes));
  return sum == sum;
}

/// Are all numbers of a row finite?
inline bool is_finite(const float* row, int64_t n) {
  Vec zeros{};
  int64_t d = 0;
  for (; d + kLanes <= n; d += kLanes) zeros = madd(load(row + d), Vec{}, zeros);  // NaN from the first that is not
  float rest = sum_lanes(zeros);
  for (; d < n; ++d) rest += row[d] * 0.0f;
  return rest == 0.0f;
}

/// total += part, row by row. A row of which a side saw nothing takes the other side's bits.
inline void fold_rows(const PanelRows& total, const PanelRows& part, int64_t rows, int64_t width) {
  for (int64_t i = 0; i < rows; ++i) {
    if (is_empty(part, i)) continue;
    const bool first = is_empty(total, i);
    const float max = !first && total.max[i] > part.max[i] ? total.max[i] : part.max[i], unit = part.scale[i] * kLog2e;
    const Vec old = broadcast(first ? 0.0f : exp2_one((total.max[i] - max) * unit)),
              now = broadcast(exp2_one((part.max[i] - max) * unit));
    const auto add = [&](float* to, const float* from, int64_t n) {
      for (int64_t d = 0; d < n; d += kLanes)
        store(to + d, first ? load(from + d) : madd(load(to + d), old, load(from + d) * now));
    };
    add(total.sum + i * kStateLanes, part.sum + i * kStateLanes, kStateLanes);
    add(total.exact + i * kStateLanes, part.exact + i * kStateLanes, kStateLanes);
    add(total.acc + i * width, part.acc + i * width, width);
    total.max[i] = max;
    total.scale[i] = part.scale[i];
  }
}

/// out = accumulated * factor / sum, and the log-sum-exp (natural log). The sink is one more score without a value.
/// Nothing seen: factor 0, and the sink itself or -infinity as the log-sum-exp. Where a score is NaN or infinite, sum
/// and log-sum-exp are NaN.
struct PanelRowEnd {
  float factor, sum, lse;
};
template <bool Rounded>
ATTNRT_KERNEL_INLINE PanelRowEnd finish_row(const PanelRows& r, int64_t row, bool wants_lse, bool has_sink,
                                            float sink) {
  if (is_empty(r, row)) return {0.0f, 1.0f, has_sink ? sink : kHidden};
  const float score = r.max[row] * r.scale[row];
  float top = score, shrink = 1.0f, more = 0.0f;
  if (has_sink) {
    top = sink > top ? sink : top;
    if (sink > score) shrink = exp2_one((score - top) * kLog2e);
    more = exp2_one((sink - top) * kLog2e);
  }
  const float sum = sum_lanes(load(r.sum + row * kStateLanes)) * shrink + more;
  if (!wants_lse) return {shrink, sum, 0.0f};
  const float exact = Rounded ? sum_lanes(load(r.exact + row * kStateLanes)) * shrink + more : sum;
  return {shrink, sum, exact == exact ? top + kLn2 * log2_of(exact) : exact};
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
