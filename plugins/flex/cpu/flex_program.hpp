// SPDX-License-Identifier: Apache-2.0
//
// flex_program.hpp: a problem's program as an op of the CPU holds it: simplified, without what the kernels have of
// their own, as code for rows.
#ifndef ATTNRT_FLEX_CPU_FLEX_PROGRAM_HPP
#define ATTNRT_FLEX_CPU_FLEX_PROGRAM_HPP
#include <cstddef>
#include <memory>
#include <vector>

#include "../builtins.hpp"
#include "attnrt/flex/region.hpp"
#include "attnrt/plugin.hpp"
#include "row_code.hpp"

namespace attnrt::flex {

/// The program of a problem; one without nodes where it has none. Throws INVALID where its bytes are no program.
Program read_program(const attnrt_problem& problem);

/// [thread-safe]
class FlexProgram {
 public:
  /// Throws INVALID where the problem's bytes are no program.
  explicit FlexProgram(const attnrt_problem& problem);

  /// The problem for the kernels: with the windows and the softcap that stood in the program.
  const attnrt_problem& problem() const { return problem_; }
  /// What is left for pairs.
  const Program& program() const { return program_; }
  const RowCode* mask() const { return mask_.get(); }
  const RowCode* score() const { return score_.get(); }
  /// Of ALiBi that stood in the program: the slope of each head.
  const RowCode* slope() const { return slope_.get(); }
  /// Does the mask differ by query head?
  bool by_head() const { return by_head_; }
  /// Does the mask that is left read this buffer?
  bool mask_reads(std::size_t buffer) const { return mask_reads_[buffer]; }
  /// Of a worker, for one row at a time. A multiple of 64.
  std::size_t scratch_bytes() const;

 private:
  attnrt_problem problem_;
  Program program_;
  Builtins builtins_;
  std::unique_ptr<RowCode> mask_, score_, slope_;
  bool by_head_ = false;
  std::vector<bool> mask_reads_;
};

}  // namespace attnrt::flex
#endif
