// SPDX-License-Identifier: Apache-2.0
//
// latent_op.hpp: multi-head latent attention with the up-projection absorbed into q (DeepSeek-V2, arXiv:2405.04434), by
// the kernels `mla_decode`, or `mla_sparse` where keys are chosen, and `merge_splits` (data sheet)
//   storage  rows of latent 512 and rope 64, one head; fp16, bf16, fp32 and, under q of fp16 and bf16, the formats of 8
//            bits that were compiled; blocks of any size
//   rows     of a program are heads of one token, so that a tile of keys serves many of them
//   masks    causality (also per request); chosen keys and sinks; other masks are refused
//   scratch  holds 134 MB at most, the parts of 32 tokens with 128 heads where bits are batch-invariant, of 512 else; a
//            batch of more tokens is served in slices of that size, each by a launch of both kernels
//   bits     parts of the keys follow from the problem alone where it is batch-invariant; they hold for operands of one
//            alignment, to 16 bytes or less
#ifndef ATTNRT_TRITON_LATENT_OP_HPP
#define ATTNRT_TRITON_LATENT_OP_HPP
#include "../gpu/batch_buffers.hpp"
#include "arguments.hpp"
#include "cache_op.hpp"

namespace attnrt::triton {

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
    MlaDecodeArguments arguments_{};
    int64_t capacity_;  ///< tokens times parts that scratch holds
    int64_t multiprocessors_;
    int32_t num_tokens_ = 0, max_seq_len_ = 0;
  };

  void run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const;

 private:
  // A kernel and its tile.
  struct Shape {
    int32_t head_tiles = 1, tile = 1;
    gpu::Launcher decode;
  };
  int64_t capacity(const attnrt_limits& limits) const;
  int32_t num_splits(const Shape& shape, const Plan& plan) const;

  bool invariant_;
  int64_t alignment_;  ///< elements, of a cache's strides for aligned kernels
  Shape shapes_[2];    ///< of any operands, of aligned ones
  gpu::Launcher merge_splits_;
};

}  // namespace attnrt::triton
#endif
