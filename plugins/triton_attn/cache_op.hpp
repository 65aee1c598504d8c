// SPDX-License-Identifier: Apache-2.0
//
// cache_op.hpp: what ops of both families share: the paged cache, its writes, and the merge of partial results.
#ifndef ATTNRT_TRITON_ATTN_CACHE_OP_HPP
#define ATTNRT_TRITON_ATTN_CACHE_OP_HPP
#include "attnrt/plugin.hpp"

#include "../kernel/gpu/arguments.hpp"
#include "binary.hpp"
#include "catalog.hpp"

namespace attnrt::triton {

/// The cache that NHD, HND or MLA latent describes for a problem whose layout and block size are settled. Each block
/// holds its keys, then its values. A problem without a cache has a layout of 0 bytes. [thread-safe]
attnrt_kv_layout cache_layout(const attnrt_problem& problem);

/// True where the cache is of 8 bits and q is not. [thread-safe]
constexpr bool quantised(const attnrt_problem& p) {
  return p.kv_dtype == ATTNRT_FP8_E4M3 || p.kv_dtype == ATTNRT_FP8_E5M2;
}

/// Adds a reason for what no kernel here serves: output of another dtype, a cache of another, scales without 8 bits.
/// [thread-safe]
void refuse_dtypes(const attnrt_problem& problem, const sdk::Diag& diag);

/// The kernel that merges parts of this pitch; NULL = there is none. [thread-safe]
const Binary* find_merge_splits(const attnrt_problem& problem, uint32_t arch, uint32_t pitch);

/// Throws UNSUPPORTED where keys are so many that a kernel could not find their block by a product of 32 bits.
/// [thread-safe]
void want_addressable(const attnrt_problem& problem, const attnrt_limits& limits);

/// Adds a reason where a kernel beside the one that attends was not compiled: for the cache, for merges. [thread-safe]
void refuse_missing(const attnrt_problem& problem, const sdk::Diag& diag);

/// [thread-safe]
class CacheOp {
 public:
  explicit CacheOp(const sdk::CreateInfo& info);

  void write_kv(const attnrt_write_args& args, attnrt_stream stream) const;
  void merge_states(const attnrt_merge_args& args, attnrt_stream stream) const;

 protected:
  /// The launcher of a kernel that must be there; throws sdk::Error UNAVAILABLE where the table has none.
  template <std::size_t N>
  gpu::Launcher load(const Binary* binary, const char* kernel, const gpu::Member (&members)[N]) const {
    if (!binary)
      throw sdk::Error(ATTNRT_UNAVAILABLE, sdk::say("no kernel ", kernel, " was compiled for compute capability ",
                                                    device_.arch() / 10, ".", device_.arch() % 10));
    if (binary->global_scratch_bytes)
      throw sdk::Error(ATTNRT_FAILED,
                       sdk::say("kernel ", kernel, " wants ", binary->global_scratch_bytes,
                                " bytes of scratch a program, wanted none: launches give it no address"));
    return {device_.load({binary->image, binary->symbol, binary->warps * 32, binary->shared_bytes}), kernel,
            binary->parameters, binary->num_parameters, members};
  }
  /// The kernel that merges parts of this pitch; throws where there is none.
  gpu::Launcher load_merge_splits(uint32_t pitch) const;

  const attnrt_problem problem_;
  gpu::Device& device_;

 private:
  gpu::Launcher write_rows_, write_stored_;      ///< rows in q's dtype, rows as stored
  gpu::Launcher merge_same_, merge_fp32_;  ///< partial results in out's dtype, in fp32
};

}  // namespace attnrt::triton
#endif
