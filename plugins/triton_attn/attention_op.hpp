// SPDX-License-Identifier: Apache-2.0
//
// attention_op.hpp: attention with keys and values of their own, by the kernels `attention` and `merge_splits` (data sheet)
//   storage  paged NHD and HND or contiguous; fp16, bf16, fp32 and, under q of any of these, e4m3 and e5m2
//   masks    causality (also per request), window, softcap, ALiBi, sinks, prefix ranges, tree mask
//   lengths  are read from device memory alone, so that a captured run serves later batches
//   bits     batch-invariant problems use one tile and one number of parts whatever the batch
#ifndef ATTNRT_TRITON_ATTN_ATTENTION_OP_HPP
#define ATTNRT_TRITON_ATTN_ATTENTION_OP_HPP
#include "arguments.hpp"
#include "batch_buffers.hpp"
#include "cache_op.hpp"

namespace attnrt::triton {

/// [thread-safe]
class AttentionOp : public CacheOp {
 public:
  explicit AttentionOp(const sdk::CreateInfo& info);

  static void supports(const attnrt_problem& problem, const sdk::Diag& diag);
  static attnrt_kv_layout kv_layout(const attnrt_problem& problem) { return cache_layout(problem); }

  attnrt_workspace workspace(const attnrt_limits& limits) const;

  class Plan {
   public:
    Plan(const AttentionOp& op, const attnrt_limits& limits, const attnrt_memory& memory);
    void update(const attnrt_batch& batch, attnrt_stream stream);

   private:
    friend class AttentionOp;
    const AttentionOp& op_;
    BatchBuffers buffers_;
    AttentionArguments arguments_{};  ///< all that does not depend on a call
    int64_t capacity_;                ///< partial rows of all heads in scratch
    uint32_t shape_ = 0;              ///< which of the op's tiles
    gpu::Grid grid_{};
    gpu::Grid merge_grid_{};
  };

  void run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const;

 private:
  // A tile of rows: its kernels, with and without aligned operands.
  struct Shape {
    int32_t block_m = 0, tile = 0, tokens = 0, head_tiles = 0;
    uint32_t pitch = 0;  ///< of partial rows
    gpu::Launcher any, even, merge_splits;
  };
  Shape make_shape(uint32_t rows) const;
  int32_t num_splits(const Shape& shape, const attnrt_batch& batch, int64_t capacity) const;
  int64_t capacity(const attnrt_limits& limits) const;
  uint32_t partial_pitch() const { return std::max(shapes_[0].pitch, shapes_[1].pitch); }

  int32_t group_;
  bool invariant_, decodes_;  ///< one partition for all batches; all queries are those of decodes
  Shape shapes_[2];           ///< few rows, many rows
  int64_t alignment_;         ///< elements, of strides and head sizes of aligned kernels
};

}  // namespace attnrt::triton
#endif
