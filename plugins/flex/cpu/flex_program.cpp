// SPDX-License-Identifier: Apache-2.0
#include "flex_program.hpp"

#include <algorithm>
#include <string_view>

#include "attnrt/flex/canonical.hpp"

namespace attnrt::flex {

Program read_program(const attnrt_problem& problem) {
  Program out;
  if (!(problem.features & ATTNRT_FEATURE_FLEX) || !problem.flex) return out;
  const std::string_view bytes(problem.flex->bytes, static_cast<std::size_t>(problem.flex->num_bytes));
  if (const std::string why = read_canonical(bytes, out); !why.empty())
    throw sdk::Error(ATTNRT_INVALID, "flex: " + why);
  return out;
}

FlexProgram::FlexProgram(const attnrt_problem& problem) : problem_(problem), program_(simplify(read_program(problem))) {
  const bool bends = problem.softcap > 0 || (problem.features & (ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_ALIBI_SQRT));
  builtins_ = take_builtins(program_, !bends);
  if (builtins_.softcap > 0) problem_.softcap = builtins_.softcap;
  problem_.flex = nullptr;  // the caller's, and read
  const auto narrow = [](int32_t& window, int32_t by) {
    if (by != Builtins::kNone) window = window < 0 ? by : std::min(window, by);
  };
  narrow(problem_.window_left, builtins_.window_left);
  narrow(problem_.window_right, builtins_.window_right);
  if (program_.mask != Program::kNone) {
    mask_ = std::make_unique<RowCode>(program_, program_.mask);
    by_head_ = dependences(program_)[static_cast<std::size_t>(program_.mask)] & kOnH;
  }
  if (builtins_.slope != Program::kNone) slope_ = std::make_unique<RowCode>(builtins_.slopes, builtins_.slope);
  if (program_.score != Program::kNone) score_ = std::make_unique<RowCode>(program_, program_.score);
  const RegionAnalysis analysis(program_, nullptr);
  for (std::size_t i = 0; i < program_.buffers.size(); ++i) mask_reads_.push_back(analysis.reads(i));
}

std::size_t FlexProgram::scratch_bytes() const {
  std::size_t most = 0;
  for (const RowCode* code : {mask_.get(), score_.get(), slope_.get()})
    if (code) most = std::max(most, code->scratch_bytes());
  return most;
}

}  // namespace attnrt::flex
