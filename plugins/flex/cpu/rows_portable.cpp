// SPDX-License-Identifier: Apache-2.0
#define ATTNRT_KERNEL_ISA rows_portable
#include "row_evaluator.hpp"

namespace attnrt::flex {

const RowEvaluator& portable_rows() noexcept {
  static constexpr RowEvaluator evaluator{&ATTNRT_KERNEL_ISA::hide_row, &ATTNRT_KERNEL_ISA::score_row};
  return evaluator;
}

}  // namespace attnrt::flex
