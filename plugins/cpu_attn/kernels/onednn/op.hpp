// SPDX-License-Identifier: Apache-2.0
//
// op.hpp: the life of the onednn variant: its matmuls are made with the op, its workers' operands with a plan.
#ifndef ATTNRT_CPU_ATTN_ONEDNN_OP_HPP
#define ATTNRT_CPU_ATTN_ONEDNN_OP_HPP
#include "matmul.hpp"
#include "../standard.hpp"

namespace attnrt::cpu {

class Onednn : public StandardOp {
 public:
  /// Throws UNAVAILABLE where oneDNN is not installed or may not use AVX-512.
  explicit Onednn(const sdk::CreateInfo& info);

  class Plan : public AttentionOp::Plan {
   public:
    Plan(const Onednn& op, const attnrt_limits& limits, const attnrt_memory& memory);

   private:
    friend class Onednn;
    MatmulWorkers workers_;
  };

  /// Throws FAILED where oneDNN could not multiply. [one thread per plan]
  void run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const;

 private:
  Onednn(const sdk::CreateInfo& info, bool bf16);

  const TileMatmuls matmuls_;
  const std::size_t scratchpad_at_;  ///< of a worker's scratch
};

}  // namespace attnrt::cpu
#endif
