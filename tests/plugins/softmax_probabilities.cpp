// SPDX-License-Identifier: Apache-2.0
#include "softmax_probabilities.hpp"

#include "../../plugins/cpu_attn/simd/float_mode.hpp"
#include "../../plugins/cpu_attn/simd/panel_fold.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {
namespace {

[[gnu::noinline]] float weigh(float* scores, int64_t count, float unit, float max) {
  float sum[kStateLanes] = {}, exact[kStateLanes] = {};
  softmax_row<DotFp32, 5, false>(scores, 0, count, 0, count, unit, max, 1.0f, sum, exact);
  return sum_lanes(load(sum));
}

}  // namespace

float weigh_scores(float* scores, int64_t count, float unit, float max) {
  const FloatMode mode;
  return weigh(scores, count, unit, max);
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
