// SPDX-License-Identifier: Apache-2.0
//
// cache_op.hpp: what ops of both families share: the paged cache, its writes, and the merge of partial results.
#ifndef ATTNRT_TRITON_CACHE_OP_HPP
#define ATTNRT_TRITON_CACHE_OP_HPP
#include "../gpu/launcher.hpp"
#include "../gpu/operands.hpp"
#include "../gpu/splits.hpp"
#include "arguments.hpp"
#include "attnrt/kv_layout.hpp"
#include "attnrt/plugin.hpp"
#include "images.hpp"

namespace attnrt::triton {

using gpu::aligned, gpu::ceiling, gpu::device_stream, gpu::kInvariantSplits, gpu::kMaxSplits, gpu::pointer, gpu::step,
    gpu::want_absent, gpu::want_dense, gpu::want_size;

/// True where the cache is of 8 bits and q is not. [thread-safe]
constexpr bool quantised(const attnrt_problem& p) {
  return p.kv_dtype == ATTNRT_FP8_E4M3 || p.kv_dtype == ATTNRT_FP8_E4M3FNUZ || p.kv_dtype == ATTNRT_FP8_E5M2;
}

/// KernelQuery::x of a problem: the elements of 16 bytes where its cache is xpacked, else 0. [thread-safe]
constexpr uint32_t x_of(const attnrt_problem& p) {
  return p.kv_layouts & ATTNRT_KV_XPACKED ? sdk::xpacked_elements(p.kv_dtype) : 0;
}

/// Adds a reason for what no kernel here serves: output of another dtype, a cache of another, scales without 8 bits.
/// [thread-safe]
void refuse_dtypes(const attnrt_problem& problem, const sdk::Diag& diag);

/// The kernel that merges parts of this pitch; NULL = there is none. [thread-safe]
const gpu::KernelImage* find_merge_splits(const attnrt_problem& problem, uint32_t arch, uint32_t pitch);

/// Adds a reason where a kernel beside the one that attends was not compiled: for the cache, for merges. [thread-safe]
void refuse_missing(const attnrt_problem& problem, const sdk::Diag& diag);

/// Adds the reason that a kernel was not compiled for a problem. [thread-safe]
void refuse_kernel(const attnrt_problem& problem, const char* kernel, const sdk::Diag& diag);

/// [thread-safe]
class CacheOp {
 public:
  explicit CacheOp(const sdk::CreateInfo& info);

  /// The blocks that all backends share. [thread-safe]
  static attnrt_kv_layout kv_layout(const attnrt_problem& problem) { return sdk::affine_layout(problem, 256); }
  void write_kv(const attnrt_write_args& args, attnrt_stream stream) const;
  void merge_states(const attnrt_merge_args& args, attnrt_stream stream) const;

 protected:
  /// The launcher of a kernel that must be there; throws sdk::Error UNAVAILABLE where the table has none.
  template <std::size_t N>
  gpu::Launcher load(const gpu::KernelImage* image, const char* kernel, const gpu::Member (&members)[N]) const {
    return {device_, image, kernel, members};
  }
  /// The kernel that merges parts of this pitch; throws where there is none.
  gpu::Launcher load_merge_splits(uint32_t pitch) const;

  /// Scratch for `parts` partial rows (tokens times parts) of each head, `pitch` floats and a log-sum-exp each; throws
  /// UNSUPPORTED where keys are so many that a kernel could not find their block by a product of 32 bits.
  attnrt_workspace workspace_of(const attnrt_limits& limits, int64_t parts, uint32_t pitch) const;
  /// Where the kernel that makes parts puts them in that scratch.
  template <class Arguments>
  void place_parts(Arguments& a, const attnrt_memory& memory, int64_t parts, uint32_t pitch) const {
    a.partial_ptr = pointer(memory.scratch);
    a.partial_lse_ptr = a.partial_ptr + static_cast<uint64_t>(parts) * problem_.num_heads * pitch * sizeof(float);
  }
  /// Merges the parts that a kernel with these arguments made of `tokens` tokens from `first_token` on.
  template <class Arguments>
  void merge_splits(const gpu::Launcher& launcher, const Arguments& a, const attnrt_run_args& args, int32_t first_token,
                    int32_t tokens, attnrt_stream stream) const {
    MergeSplitsArguments m{};
    m.partial_ptr = a.partial_ptr;
    m.partial_lse_ptr = a.partial_lse_ptr;
    m.query_start_loc_ptr = a.query_start_loc_ptr;
    m.num_seqs_ptr = a.num_seqs_ptr;
    m.num_splits = a.num_splits;
    m.first_token = first_token;
    m.flags = a.flags & (kSinks | kSinksQDtype);
    launch_merge(launcher, m, args, tokens, stream);
  }

  const attnrt_problem problem_;
  gpu::Device& device_;

 private:
  void launch_merge(const gpu::Launcher& launcher, MergeSplitsArguments& m, const attnrt_run_args& args, int32_t tokens,
                    attnrt_stream stream) const;

  gpu::Launcher write_rows_, write_stored_;  ///< rows in q's dtype, rows as stored
  gpu::Launcher merge_same_, merge_fp32_;    ///< partial results in out's dtype, in fp32
};

}  // namespace attnrt::triton
#endif
