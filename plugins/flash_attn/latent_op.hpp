// SPDX-License-Identifier: Apache-2.0
//
// latent_op.hpp: multi-head latent attention with the up-projection absorbed into q (DeepSeek-V2, arXiv:2405.04434), by
// the kernels `latent_wgmma` and `merge_splits` (data sheet)
//   storage  rows of latent 512 and rope 64, one head; fp16 and bf16
//   rows     of a block are heads and tokens of one request, so that a tile of keys serves many of them
//   masks    causality (also per request), context-parallel ranks
//   bits     the number of splits follows from the problem alone where it is batch-invariant
#ifndef ATTNRT_FLASH_ATTN_LATENT_OP_HPP
#define ATTNRT_FLASH_ATTN_LATENT_OP_HPP
#include "../gpu/batch_buffers.hpp"
#include "../gpu/splits.hpp"
#include "cache_op.hpp"
#include "images.hpp"

namespace attnrt::flash {

/// [thread-safe]
class LatentOp : public CacheOp {
 public:
  explicit LatentOp(const sdk::CreateInfo& info);

  static void supports(const attnrt_problem& problem, const sdk::Diag& diag);

  attnrt_workspace workspace(const attnrt_limits& limits) const;

  class Plan {
   public:
    Plan(const LatentOp& op, const attnrt_limits& limits, const attnrt_memory& memory);
    void update(const attnrt_batch& batch, attnrt_stream stream);

   private:
    friend class LatentOp;
    const LatentOp& op_;
    gpu::BatchBuffers buffers_;
    AttentionArguments arguments_{};  ///< all that does not depend on a call
    int64_t capacity_;                ///< tokens times splits that scratch holds
    int64_t multiprocessors_;         ///< that its runs are to fill
    int32_t num_seqs_ = 0, num_tokens_ = 0, max_seq_len_ = 0;
  };

  void run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const;

 private:
  int64_t capacity(const attnrt_limits& limits) const;
  int32_t num_splits(const Plan& plan) const;

  bool invariant_;
  int32_t tile_, tokens_, head_tiles_;  ///< keys a step, tokens a block, blocks of a token's heads
  gpu::Launcher attend_, merge_splits_;
};

}  // namespace attnrt::flash
#endif
