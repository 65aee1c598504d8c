// SPDX-License-Identifier: Apache-2.0
//
// cache_op.hpp: what attends needs beside it: writes of the paged cache, and the merge of partial results.
#ifndef ATTNRT_FLASH_ATTN_CACHE_OP_HPP
#define ATTNRT_FLASH_ATTN_CACHE_OP_HPP
#include "../gpu/launcher.hpp"
#include "../gpu/operands.hpp"
#include "arguments.hpp"
#include "attnrt/kv_layout.hpp"
#include "attnrt/plugin.hpp"

namespace attnrt::flash {

/// Adds a reason for what no kernel here serves: output of another dtype than q, a cache of neither that nor e4m3,
/// scales without 8 bits, too many heads. [thread-safe]
void refuse_dtypes(const attnrt_problem& problem, const sdk::Diag& diag);

/// Adds the reason that a kernel was not compiled for a problem. [thread-safe]
void refuse_kernel(const attnrt_problem& problem, const char* kernel, const sdk::Diag& diag);

/// The image of a kernel that serves one row a block, for rows of a problem's q; NULL: there is none. [thread-safe]
const gpu::KernelImage* find_row_kernel(const gpu::KernelTable& table, const char* kernel,
                                        const attnrt_problem& problem, uint32_t arch);

/// The flags of a problem's causality. [thread-safe]
constexpr int32_t causality_flags(const attnrt_problem& p) {
  return p.causal == ATTNRT_CAUSAL_ALWAYS ? kCausal : p.causal == ATTNRT_CAUSAL_PER_REQUEST ? kPerRequest : 0;
}

/// [thread-safe]
class CacheOp {
 public:
  /// `table`: has write_kv, merge_states and what the op itself takes.
  CacheOp(const sdk::CreateInfo& info, const gpu::KernelTable& table);

  /// The blocks that all backends share. [thread-safe]
  static attnrt_kv_layout kv_layout(const attnrt_problem& problem) { return sdk::affine_layout(problem, 256); }
  void write_kv(const attnrt_write_args& args, attnrt_stream stream) const;
  void merge_states(const attnrt_merge_args& args, attnrt_stream stream) const;

 protected:
  /// Can kernels write this tensor in pairs of elements?
  static bool writes_pairs(const attnrt_tensor* out);

  /// What a plan needs beside `scratch_bytes`; throws UNSUPPORTED where keys are so many that a kernel could not find
  /// their block by a product of 32 bits.
  attnrt_workspace workspace_of(const attnrt_limits& limits, uint64_t scratch_bytes) const;
  /// Which of a request's keys are this rank's.
  void set_rank(AttentionArguments& a) const;
  /// Joins the splits that a kernel with these arguments left, rows of `pitch` floats.
  void merge_splits(const gpu::Launcher& launcher, const AttentionArguments& a, uint32_t pitch, int32_t tokens,
                    attnrt_stream stream) const;

  const attnrt_problem problem_;
  gpu::Device& device_;

 private:
  gpu::Launcher write_kv_, merge_states_;
};

}  // namespace attnrt::flash
#endif
