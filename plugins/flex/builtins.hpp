// SPDX-License-Identifier: Apache-2.0
//
// builtins.hpp: parts of a program that every attention kernel has of its own and computes faster: causality, windows,
// softcap, ALiBi. What is taken out here is given to the kernel as the feature that it equals.
#ifndef ATTNRT_FLEX_BUILTINS_HPP
#define ATTNRT_FLEX_BUILTINS_HPP
#include <cstdint>

#include "attnrt/flex/program.hpp"

namespace attnrt::flex {

/// What stands for the parts that were taken out. The windows hold beside those of the problem.
struct Builtins {
  static constexpr int32_t kNone = -1;
  int32_t window_left = kNone;   ///< q_idx - kv_idx <= window_left
  int32_t window_right = kNone;  ///< kv_idx - q_idx <= window_right; causal: 0
  float softcap = 0;             ///< score = softcap * tanh(score / softcap); 0 = none
  int slope = Program::kNone;    ///< score += slope * (kv_idx - q_idx): a node of `slopes` that depends on h alone
  Program slopes;                ///< its score is that node
};

/// Takes out of `program` what Builtins can hold; of its score only where `takes_score` is set, and where a softcap or
/// ALiBi is all of it. A kernel's own softcap and ALiBi come before the program: where the problem has one, the score
/// stays.
Builtins take_builtins(Program& program, bool takes_score);

}  // namespace attnrt::flex
#endif
