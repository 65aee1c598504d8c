// SPDX-License-Identifier: Apache-2.0
//
// attention_op.hpp: attention with keys and values of their own, by the kernels `attention` and `merge_splits` (data
// sheet)
//   storage  paged NHD and HND, blocks of 16 n slots, or contiguous; fp16, bf16 and, where the
//            kernels of many rows read it, e4m3
//   masks    causality (also per request), window, softcap, ALiBi, sinks, context-parallel ranks
//   lengths  are read from device memory alone, so that a captured run serves later batches
//   shapes   a kernel of few rows for decodes, whose keys are split among blocks, and one of many rows for the rest
//   bits     batch-invariant problems use one shape and one number of splits whatever the batch; where operands lie
//            changes how they are read and no bit
#ifndef ATTNRT_FLASH_ATTN_ATTENTION_OP_HPP
#define ATTNRT_FLASH_ATTN_ATTENTION_OP_HPP
#include "../gpu/batch_buffers.hpp"
#include "../gpu/splits.hpp"
#include "cache_op.hpp"
#include "images.hpp"

namespace attnrt::flash {

/// [thread-safe]
class AttentionOp : public CacheOp {
 public:
  explicit AttentionOp(const sdk::CreateInfo& info) : AttentionOp(info, kernel_table(), kManyKernel) {}

  static void supports(const attnrt_problem& problem, const sdk::Diag& diag) {
    refuse(problem, kernel_table(), kManyKernel, diag);
  }

  attnrt_workspace workspace(const attnrt_limits& limits) const;

  class Plan {
   public:
    Plan(const AttentionOp& op, const attnrt_limits& limits, const attnrt_memory& memory);
    void update(const attnrt_batch& batch, attnrt_stream stream);

   protected:
    /// All that does not depend on a call.
    const AttentionArguments& arguments() const { return arguments_; }
    int32_t max_seq_len() const { return max_seq_len_; }

   private:
    friend class AttentionOp;
    const AttentionOp& op_;
    gpu::BatchBuffers buffers_;
    AttentionArguments arguments_{};  ///< all that does not depend on a call
    int64_t capacity_;                ///< tokens times splits that scratch holds
    int64_t multiprocessors_;         ///< that its runs are to fill
    int32_t num_seqs_ = 0, num_tokens_ = 0, max_query_len_ = 0, max_seq_len_ = 0;
  };

  void run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const;

 protected:
  /// A kernel and how it divides rows among blocks.
  struct Shape {
    int32_t tile = 0, tokens = 0, head_tiles = 0;  ///< keys a step, tokens a block, blocks of a KV head's query heads
    uint32_t rows = 0;                             ///< a block
    uint32_t pitch = 0;                            ///< of partial rows
    gpu::Launcher attention;
  };
  /// A run before it is launched.
  struct Call {
    AttentionArguments arguments;
    const Shape* shape;  ///< NULL: there is nothing to do
    gpu::Grid grid;
  };

  /// `table`: where its kernels are found; `many`: the one of many rows.
  AttentionOp(const sdk::CreateInfo& info, const gpu::KernelTable& table, const char* many);
  static void refuse(const attnrt_problem& problem, const gpu::KernelTable& table, const char* many,
                     const sdk::Diag& diag);

  /// Throws INVALID where operands are not what the kernels take.
  Call prepare(const Plan& plan, const attnrt_run_args& args) const;
  /// What follows the launch of a call's kernel: joins its splits.
  void finish(const Plan& plan, const Call& call, attnrt_stream stream) const;

  const Shape& few() const { return few_; }
  const Shape& many() const { return many_; }
  /// The blocks of a plan's batch along rows and along heads.
  gpu::Grid blocks(const Shape& shape, const Plan& plan) const;
  const Shape& shape_for(const Plan& plan) const;

 private:
  Shape make_shape(const gpu::KernelImage* image, const char* kernel) const;
  int32_t num_splits(const Shape& shape, const Plan& plan) const;
  int64_t capacity(const attnrt_limits& limits) const;
  uint32_t pitch() const { return std::max(few_.pitch, many_.pitch); }

  static constexpr const char* kManyKernel = "attention";

  int32_t group_;
  bool invariant_, decodes_;  ///< one partition for all batches; all queries are those of decodes
  Shape few_, many_;          ///< rows
  gpu::Launcher merge_splits_;
};

/// The same with the products of warpgroups for many rows. [thread-safe]
class WarpgroupAttentionOp : public AttentionOp {
 public:
  explicit WarpgroupAttentionOp(const sdk::CreateInfo& info) : AttentionOp(info, kernel_table(), kManyKernel) {}
  static void supports(const attnrt_problem& problem, const sdk::Diag& diag) {
    refuse(problem, kernel_table(), kManyKernel, diag);
  }

 private:
  static constexpr const char* kManyKernel = "attention_wgmma";
};

/// An op above for K and V of different width alone: a backend that models choose, not the one that stands in for
/// another where that is excluded. [thread-safe]
template <class Op>
class DiffKvOp : public Op {
 public:
  using Op::Op;
  static void supports(const attnrt_problem& problem, const sdk::Diag& diag) {
    Op::supports(problem, diag);
    if (problem.head_size_qk == problem.head_size_v)
      diag.add(ATTNRT_WHY_DIFF_KV, sdk::say("head sizes of K and V are both ", problem.head_size_v,
                                            ", wanted different ones; FLASH_ATTN serves equal ones"));
  }
};

}  // namespace attnrt::flash
#endif
