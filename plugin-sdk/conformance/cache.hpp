// SPDX-License-Identifier: Apache-2.0
//
// A paged KV cache of one layer and an image of what each of its bytes must be.
#ifndef ATTNRT_CONFORMANCE_CACHE_HPP
#define ATTNRT_CONFORMANCE_CACHE_HPP
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conformance/memory.hpp"
#include "conformance/random.hpp"
#include "conformance/reference.hpp"
#include "conformance/tensor.hpp"

namespace attnrt::conformance {

/// Blocks of a set of requests: permuted, those of shared keys in all their tables, with ids outside of the cache behind each request's last block.
struct BlockTable {
  std::vector<int32_t> ids;  ///< [rows, stride]
  int32_t num_blocks = 0;    ///< some belong to nobody
  int32_t width = 0;
  int32_t stride = 0;
  int32_t spare = 0;  ///< a block that belongs to nobody

  BlockTable(const std::vector<const RequestData*>& requests, int32_t extra_rows, uint32_t block_size, Random& random);
  /// Slot of key j of request r.
  int64_t slot(std::size_t r, int64_t j, int64_t block_size) const {
    return int64_t{ids[r * static_cast<std::size_t>(stride) + static_cast<std::size_t>(j / block_size)]} * block_size +
           j % block_size;
  }
};

/// [one thread per object]
class Cache {
 public:
  /// `layout` is the variant's answer. With `strided` K and V lie apart, each a view across three layers;
  /// not so where they are xpacked. Everything is
  /// NaN (0xff, e4m3fnuz 0x80) at first, or with `garbage` loud numbers: what nobody may read may hold anything.
  Cache(Memory& memory, const attnrt_problem& problem, const attnrt_kv_layout& layout, int32_t num_blocks, bool strided,
        bool garbage, uint64_t seed);

  const attnrt_tensor* k() const noexcept { return k_view_->get(); }
  const attnrt_tensor* v() const noexcept { return v_view_ ? v_view_->get() : nullptr; }
  bool ok() const noexcept { return k_->ok() && (!v_ || v_->ok()); }

  /// Notes in the image that key j of the request lies at `slot`.
  void expect(const RequestData& request, int64_t j, int64_t slot);
  /// Copies the image into the cache: the host fills it.
  void upload();
  /// Remembers the cache as it is, where the plugin's own packing hides what to expect.
  void adopt();
  /// What is not as the image says, in a sentence; empty = all well.
  std::string damage() const;
  std::size_t guard_damage() const;

 private:
  attnrt_problem problem_;
  bool native_ = false, xpacked_ = false;
  std::unique_ptr<Buffer> k_, v_;  ///< v_ NULL: V lies in k_ or there is none
  std::vector<uint8_t> k_image_, v_image_;
  int64_t k_start_ = 0, v_start_ = 0;  ///< in elements
  int64_t k_strides_[3]{}, v_strides_[3]{};
  std::optional<Tensor> k_view_, v_view_;
};

}  // namespace attnrt::conformance
#endif
