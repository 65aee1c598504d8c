// SPDX-License-Identifier: Apache-2.0
//
// cuda_op.hpp: flash_attn's kernels under a program, compiled when the op is created (data sheet)
//   storage  paged NHD and HND, blocks of 16 n slots, or contiguous; fp16 and bf16
//   program  its windows become the kernels' own, the rest is printed into them
//   tiles    which a block of rows visits, and which are asked about pair by pair, is found on the device once a batch,
//            for all layers, in memory of the plan whose address and strides follow from its limits: a captured run
//            reads what the last update left there
//   buffers  that the mask reads are those of the batch when tiles are found, those of the run when pairs are evaluated
//   bits     as flash_attn's: a tile that is left out would have changed none
#ifndef ATTNRT_FLEX_CUDA_CUDA_OP_HPP
#define ATTNRT_FLEX_CUDA_CUDA_OP_HPP
#include <memory>
#include <vector>

#include "../../flash_attn/attention_op.hpp"
#include "../builtins.hpp"
#include "attnrt/flex/bind.hpp"
#include "cuda_kernels.hpp"
#include "kernel_arguments.hpp"

namespace attnrt::flex {

/// A problem's program as its kernels are compiled with it, and the problem that is left. [thread-safe]
struct CudaProgram {
  /// Throws INVALID where the problem's bytes are no program.
  explicit CudaProgram(const attnrt_problem& given);
  attnrt_problem problem;  ///< with the windows that stood in the program
  Program program;
  std::vector<bool> mask_reads;  ///< does the mask read this buffer?
};

/// [thread-safe]
class CudaFlexOp : public flash::AttentionOp {
 public:
  explicit CudaFlexOp(const sdk::CreateInfo& info);

  static void supports(const attnrt_problem& problem, const sdk::Diag& diag);

  attnrt_workspace workspace(const attnrt_limits& limits) const;

  class Plan : public flash::AttentionOp::Plan {
   public:
    Plan(const CudaFlexOp& op, const attnrt_limits& limits, const attnrt_memory& memory);
    void update(const attnrt_batch& batch, attnrt_stream stream);

   private:
    friend class CudaFlexOp;
    const CudaFlexOp& flex_;
    uint64_t block_masks_[2] = {};  ///< of the kernels for few and for many rows
    int64_t pitches_[2] = {};       ///< bytes of one of a block's rows of tiles
  };

  void run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const;

 private:
  struct Made;
  CudaFlexOp(const sdk::CreateInfo& info, Made made);

  /// One kernel's block mask.
  struct Tiles {
    const Shape* shape;
    gpu::Launcher find;
  };
  bool has_mask() const { return program_->program.mask != Program::kNone; }
  /// Blocks of one token's heads that have tiles of their own.
  int64_t heads_of(const Shape& shape) const;
  uint64_t block_mask_bytes(const Shape& shape, const attnrt_limits& limits) const;
  void set_block_mask(FlexArguments& a, const Plan& plan, int which) const;
  std::size_t argument_bytes() const { return FlexArguments::bytes(program_->program.buffers.size()); }

  const std::unique_ptr<const CudaProgram> program_;
  const CudaKernels kernels_;
  const bool by_head_;  ///< does the mask differ by head?
  Tiles tiles_[2];      ///< for few rows and for many
};

}  // namespace attnrt::flex
#endif
