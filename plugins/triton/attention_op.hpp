// SPDX-License-Identifier: Apache-2.0
//
// attention_op.hpp: attention with keys and values of their own, by the kernels `attention` and `merge_splits` (data
// sheet)
//   storage  paged NHD, HND and, where such kernels were compiled, xpacked, or contiguous; fp16, bf16, fp32 and, under
//            q of any of these, the formats of 8 bits that were compiled
//   masks    causality (also per request), window, softcap, ALiBi, sinks, prefix ranges, tree mask
//   lengths  are read from device memory alone, so that a captured run serves later batches
//   bits     batch-invariant problems use one tile and one number of parts whatever the batch; there are kernels for
//            operands at multiples of 16 bytes and others, so that bits hold for operands of one alignment
#ifndef ATTNRT_TRITON_ATTENTION_OP_HPP
#define ATTNRT_TRITON_ATTENTION_OP_HPP
#include "../gpu/batch_buffers.hpp"
#include "arguments.hpp"
#include "cache_op.hpp"

namespace attnrt::triton {

/// [thread-safe]
class AttentionOp : public CacheOp {
 public:
  explicit AttentionOp(const sdk::CreateInfo& info);

  static void supports(const attnrt_problem& problem, const sdk::Diag& diag);

  attnrt_workspace workspace(const attnrt_limits& limits) const;

  class Plan {
   public:
    Plan(const AttentionOp& op, const attnrt_limits& limits, const attnrt_memory& memory);
    void update(const attnrt_batch& batch, attnrt_stream stream);

   private:
    friend class AttentionOp;
    const AttentionOp& op_;
    gpu::BatchBuffers buffers_;
    AttentionArguments arguments_{};  ///< all that does not depend on a call
    int64_t capacity_;                ///< tokens times parts that scratch holds
    int64_t multiprocessors_;
    int32_t num_seqs_ = 0, num_tokens_ = 0, max_query_len_ = 0, max_seq_len_ = 0;
  };

  void run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const;

 private:
  // A kernel, and the merge of its parts.
  struct Shape {
    int32_t tile = 0, tokens = 0, head_tiles = 0;  ///< keys a step, tokens a tile, tiles of a KV head's query heads
    uint32_t pitch = 0;                            ///< of partial rows
    gpu::Launcher attention, merge_splits;
  };
  Shape make_shape(const gpu::KernelImage* binary) const;
  const Shape& shape_for(const Plan& plan, bool even) const;
  int32_t num_splits(const Shape& shape, const Plan& plan) const;
  int64_t capacity(const attnrt_limits& limits) const;
  uint32_t partial_pitch() const;

  int32_t group_;
  bool invariant_, decodes_;  ///< one partition for all batches; all queries are those of decodes
  struct Pair {
    Shape few, many;   ///< rows
  } shapes_[2];        ///< of any operands, of aligned ones
  int64_t alignment_;  ///< elements, of strides and head sizes of aligned kernels
};

}  // namespace attnrt::triton
#endif
