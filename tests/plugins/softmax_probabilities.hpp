// SPDX-License-Identifier: Apache-2.0
//
// The weights that the kernels of an instruction set make of scores (panel_softmax.hpp), in the kernels' mode.
#ifndef ATTNRT_TESTS_SOFTMAX_WEIGHTS_HPP
#define ATTNRT_TESTS_SOFTMAX_WEIGHTS_HPP
#include <cstdint>

/// 2^((score - max) * unit) in place of `count` scores, a multiple of 16, and their sum.
using WeighFn = float (*)(float* scores, int64_t count, float unit, float max);

namespace attnrt::kernel {
namespace avx2 {
float weigh_scores(float* scores, int64_t count, float unit, float max);
}
}  // namespace attnrt::kernel

#endif
