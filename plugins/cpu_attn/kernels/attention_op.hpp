// SPDX-License-Identifier: Apache-2.0
//
// attention_op.hpp: the life of an attention kernel (plugin.hpp) around tile kernels of some instruction set. What the
// families add to it stands in standard.hpp and mla.hpp.
#ifndef ATTNRT_CPU_ATTN_ATTENTION_OP_HPP
#define ATTNRT_CPU_ATTN_ATTENTION_OP_HPP
#include <cstddef>
#include <cstdint>

#include "attention.hpp"
#include "attnrt/plugin.hpp"
#include "partition.hpp"

namespace attnrt::cpu {

class AttentionOp {
 public:
  AttentionOp(const sdk::CreateInfo& info, const AttentionKernels& kernels);

  /// The plan's memory holds its items, members and counters; scratch each worker's buffers, the results of splits and
  /// the states of members. [thread-safe]
  attnrt_workspace workspace(const attnrt_limits& limits) const;

  class Plan {
   public:
    Plan(const AttentionOp& op, const attnrt_limits& limits, const attnrt_memory& memory);
    void update(const attnrt_batch& batch, attnrt_stream stream);
    /// The scratch of the first worker; the others' follow, each of worker_bytes_.
    const std::byte* scratch() const { return scratch_; }

   private:
    friend class AttentionOp;
    const AttentionOp& op_;
    uint32_t num_workers_;
    PartitionSizes sizes_;
    AttentionItem* items_;
    PrefixMember* sharers_;
    int32_t* counters_;
    Partition parts_{};
    std::byte* scratch_;
    float* partials_;
    float* states_;
    attnrt_batch batch_{};
  };

  /// Items are shared out over the executor's workers, which may be at most limits.num_workers. `matmuls` is for the
  /// onednn variant, `program` for flex.so. [one thread per plan]
  void run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream, const MatmulWorkers* matmuls = nullptr,
           const PairProgram* program = nullptr) const;
  void merge_states(const attnrt_merge_args& args, attnrt_stream stream) const;

  /// Refuses dtypes of q and out that differ, of the cache where it is neither q's nor of 8 bits, scales that
  /// do not fit it, head counts that do not divide, native pages whose size is no multiple of kGranule, and a tree mask
  /// together with context parallelism.
  static void supports(const attnrt_problem& problem, const sdk::Diag& diag);

 protected:
  attnrt_problem problem_;
  AttentionShape shape_{};
  std::size_t worker_bytes_;  ///< of one worker's scratch, a multiple of 64

 private:
  const AttentionKernels& kernels_;
  AttendFns attend_;
};

}  // namespace attnrt::cpu
#endif
