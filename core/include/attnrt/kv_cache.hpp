// SPDX-License-Identifier: Apache-2.0
//
// attnrt/kv_cache.hpp: the paged cache of one layer in host memory. Header-only, C++17.
#ifndef ATTNRT_KV_CACHE_HPP
#define ATTNRT_KV_CACHE_HPP
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "attnrt/check.hpp"
#include "attnrt/tensor.hpp"

namespace attnrt {

/// The paged cache of one layer, owned, as the layout of an op wants it: standard, MLA or the kernel's own packing.
/// Made by Op::make_cache; the memory is not initialised, since slots are written before they are read. Moving keeps
/// the memory where it is. [thread-safe] to read; writes to one slot from two threads are the caller's to order.
class KvCache {
 public:
  /// `layout` as Op::kv_layout tells, `problem` as Op::problem. Throws INVALID for a block count that is not positive,
  /// UNSUPPORTED for another device than the CPU or a layout that no view of 4 dimensions describes, NO_MEMORY.
  KvCache(const attnrt_problem& problem, const attnrt_kv_layout& layout, int64_t num_blocks)
      : problem_(problem), layout_(layout), num_blocks_(num_blocks) {
    if (problem.device_type != ATTNRT_DEVICE_CPU)
      throw Error(ATTNRT_UNSUPPORTED,
                  sdk::say("make_cache: the op is on device type ", problem.device_type,
                           ", wanted the CPU: allocate num_blocks * kv_layout().block_bytes bytes of device memory"));
    if (layout.kind == ATTNRT_KV_XPACKED)
      throw Error(ATTNRT_UNSUPPORTED, sdk::say("make_cache: the layout is ", layout.id,
                                               ", wanted one whose keys are [block, slot, head, dim] by strides"));
    constexpr int64_t most = INT32_MAX - 1;
    if (num_blocks < 1 || num_blocks > most)
      throw Error(ATTNRT_INVALID, sdk::say("make_cache: num_blocks is ", num_blocks, ", wanted 1 to ", most));
    const uint64_t blocks = static_cast<uint64_t>(num_blocks);
    if (layout.block_bytes > (uint64_t{1} << 46) / blocks)
      throw Error(ATTNRT_NO_MEMORY,
                  sdk::say("make_cache: ", num_blocks, " blocks of ", layout.block_bytes, " bytes cannot be had"));
    const auto alignment = std::align_val_t{std::max<uint64_t>(64, layout.alignment)};
    void* memory = ::operator new(blocks* layout.block_bytes, alignment, std::nothrow);
    if (!memory)
      throw Error(ATTNRT_NO_MEMORY, sdk::say("make_cache: ", blocks * layout.block_bytes, " bytes cannot be had"));
    memory_ = {static_cast<std::byte*>(memory), Release{alignment}};
  }

  int64_t num_blocks() const noexcept { return num_blocks_; }
  /// Tokens of a block.
  int32_t block_size() const noexcept { return static_cast<int32_t>(layout_.block_size); }
  /// The blocks that `tokens` keys of one request fill.
  int32_t blocks_for(int64_t tokens) const noexcept {
    return static_cast<int32_t>((tokens + block_size() - 1) / block_size());
  }
  const attnrt_kv_layout& layout() const noexcept { return layout_; }
  /// The whole allocation: num_blocks * layout().block_bytes.
  uint64_t bytes() const noexcept { return static_cast<uint64_t>(num_blocks_) * layout_.block_bytes; }
  std::byte* data() noexcept { return memory_.get(); }
  const std::byte* data() const noexcept { return memory_.get(); }

  /// What run and write take as k_cache: [num_blocks, block_size, Hkv, Dqk] in the cache's dtype, by strides; MLA
  /// latent [num_blocks, block_size, 1, kv_lora + rope]; native bytes [num_blocks, block_bytes].
  Tensor k() const {
    const attnrt_dtype dtype = sdk::to_dlpack(layout_.dtype);
    if (layout_.kind == ATTNRT_KV_NATIVE)
      return Tensor(data(), dtype, {num_blocks_, static_cast<int64_t>(layout_.block_bytes)});
    if (layout_.kind == ATTNRT_KV_FP8_DS_MLA) return Tensor(data(), dtype, {num_blocks_, block_size(), 1, 656});
    return rows(data(), layout_.k_strides, problem_.head_size_qk);
  }
  /// What run and write take as v_cache: [num_blocks, block_size, Hkv, Dv] by strides. No tensor where the values are
  /// part of k(): MLA and native.
  Tensor v() const {
    if (layout_.kind & (ATTNRT_KV_NATIVE | ATTNRT_KV_FP8_DS_MLA | ATTNRT_KV_MLA_LATENT)) return {};
    return rows(data() + layout_.v_offset, layout_.v_strides, problem_.head_size_v);
  }

  /// Copies a whole block, keys and values, in every layout: for a request that is forked. Throws INVALID for a block
  /// outside the cache.
  void copy_block(int64_t from, int64_t to) {
    for (const int64_t block : {from, to})
      if (block < 0 || block >= num_blocks_)
        throw Error(ATTNRT_INVALID, sdk::say("copy_block: block is ", block, ", wanted 0 to ", num_blocks_ - 1));
    if (from != to) std::memcpy(block_at(to), block_at(from), layout_.block_bytes);
  }

 private:
  struct Release {
    std::align_val_t alignment;
    void operator()(std::byte* memory) const noexcept { ::operator delete(memory, alignment); }
  };
  Tensor rows(const std::byte* at, const int64_t* strides, uint32_t size) const {
    return Tensor(at, sdk::to_dlpack(layout_.dtype), {num_blocks_, block_size(), problem_.num_kv_heads, size},
                  {strides[0], strides[1], strides[2], 1});
  }
  std::byte* block_at(int64_t block) noexcept { return data() + static_cast<uint64_t>(block) * layout_.block_bytes; }

  attnrt_problem problem_;
  attnrt_kv_layout layout_;
  int64_t num_blocks_;
  std::unique_ptr<std::byte, Release> memory_{nullptr, Release{std::align_val_t{64}}};
};

}  // namespace attnrt
#endif
