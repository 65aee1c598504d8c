// SPDX-License-Identifier: Apache-2.0
//
// flex_op.hpp: cpu_attn's kernels under a program. Tiles of keys that the interval analysis calls empty are skipped,
// full ones run as they are, the others have their mask evaluated row by row; a score is evaluated for every pair that
// is seen.
#ifndef ATTNRT_FLEX_CPU_FLEX_OP_HPP
#define ATTNRT_FLEX_CPU_FLEX_OP_HPP
#include <string>
#include <vector>

#include "../../cpu_attn/kernels/standard.hpp"
#include "attnrt/flex/bind.hpp"
#include "flex_program.hpp"

namespace attnrt::flex {

class FlexOp : public cpu::StandardOp {
 public:
  FlexOp(const sdk::CreateInfo& info, const cpu::AttentionKernels& kernels, const RowEvaluator& rows)
      : FlexOp(info, std::make_unique<FlexProgram>(info.problem), kernels, rows) {}

  class Plan : public cpu::StandardOp::Plan {
   public:
    /// Allocates the tables of ranges and the workers' analyses, on the heap.
    Plan(const FlexOp& op, const attnrt_limits& limits, const attnrt_memory& memory);
    /// Reads the buffers that the mask reads.
    void update(const attnrt_batch& batch, attnrt_stream stream);

   private:
    friend class FlexOp;
    const FlexOp& flex_;
    std::vector<BufferRanges> ranges_;              ///< one for each buffer, empty where the mask does not read it
    mutable std::vector<RegionAnalysis> analyses_;  ///< one for each worker
    mutable std::vector<float> slopes_;             ///< [num_heads], where ALiBi stood in the program
  };

  void run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const;

  /// Beside what the kernels refuse: a program that is none, and context parallelism, whose keys are not where a
  /// program's positions say.
  static void supports(const attnrt_problem& problem, const sdk::Diag& diag);

 private:
  struct Call;
  FlexOp(const sdk::CreateInfo& info, std::unique_ptr<FlexProgram> program, const cpu::AttentionKernels& kernels,
         const RowEvaluator& rows);

  const std::unique_ptr<const FlexProgram> program_;
  const RowEvaluator& rows_;
  const std::size_t kernel_bytes_;  ///< of a worker's scratch, before the program's
};

template <const cpu::AttentionKernels& (*kernels)() noexcept, const RowEvaluator& (*rows)() noexcept>
class Flex : public FlexOp {
 public:
  explicit Flex(const sdk::CreateInfo& info) : FlexOp(info, kernels(), rows()) {}
};

}  // namespace attnrt::flex
#endif
