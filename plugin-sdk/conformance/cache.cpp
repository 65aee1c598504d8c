// SPDX-License-Identifier: Apache-2.0
#include "conformance/cache.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "attnrt/check.hpp"
#include "conformance/number.hpp"
#include "conformance/quantised.hpp"

namespace attnrt::conformance {
namespace {

std::size_t at(int64_t i) { return static_cast<std::size_t>(i); }

// Fills `image` with what nobody may read. int8 has no NaN: -128, or a scale of NaN behind each row.
void spoil(std::vector<uint8_t>& image, uint32_t dtype, bool row_scales, bool garbage, uint64_t seed) {
  const bool low = dtype == ATTNRT_FP8_E4M3FNUZ || dtype == ATTNRT_INT8;
  std::fill(image.begin(), image.end(), low && !row_scales ? uint8_t{0x80} : uint8_t{0xff});
  if (!garbage) return;
  Random random(seed);
  const std::size_t step = sdk::dtype_bytes(dtype);
  std::vector<float> loud(1021);  // over and over: a prime, so that no row repeats the one before
  for (float& x : loud) x = 20.0f * random.normal();
  for (std::size_t i = 0; i < image.size() / step; i += loud.size())
    encode_row(dtype, loud.data(), std::min(loud.size(), image.size() / step - i), &image[i * step]);
}

}  // namespace

BlockTable::BlockTable(const std::vector<const RequestData*>& requests, int32_t extra_rows, uint32_t block_size,
                       Random& random) {
  const auto size = static_cast<int32_t>(block_size);
  int32_t longest = 0, used = 0;
  std::size_t first = requests.size();  // that has the shared blocks
  for (std::size_t r = 0; r < requests.size(); ++r) {
    const int32_t blocks = (requests[r]->num_keys + size - 1) / size;
    longest = std::max(longest, blocks);
    used += blocks;
    if (requests[r]->shared_keys > 0) first = std::min(first, r);
  }
  num_blocks = used + 2 + static_cast<int32_t>(random.below(3));
  width = longest + 2;
  stride = width + 1 + static_cast<int32_t>(random.below(3));
  std::vector<int32_t> free_ids(at(num_blocks));
  std::iota(free_ids.begin(), free_ids.end(), 0);
  random.shuffle(free_ids);
  const int32_t outside[] = {-1, std::numeric_limits<int32_t>::max(), num_blocks, num_blocks + 12345};
  const std::size_t rows = requests.size() + at(extra_rows);
  for (std::size_t i = 0; i < rows * at(stride); ++i) ids.push_back(outside[random.below(4)]);
  for (std::size_t r = 0; r < requests.size(); ++r)
    for (int32_t b = 0; b < (requests[r]->num_keys + size - 1) / size; ++b) {
      if (r > first && b < requests[r]->shared_keys / size) {
        ids[r * at(stride) + at(b)] = ids[first * at(stride) + at(b)];
        continue;
      }
      ids[r * at(stride) + at(b)] = free_ids.back();
      free_ids.pop_back();
    }
  spare = free_ids.back();
}

Cache::Cache(Memory& memory, const attnrt_problem& p, const attnrt_kv_layout& layout, int32_t num_blocks, bool strided,
             bool garbage, uint64_t seed)
    : problem_(p), native_(p.kv_layouts == ATTNRT_KV_NATIVE), xpacked_(p.kv_layouts == ATTNRT_KV_XPACKED) {
  const attnrt_dtype dtype = sdk::to_dlpack(p.kv_dtype);
  const int64_t bs = p.block_size, heads = p.num_kv_heads, dqk = p.head_size_qk, dv = p.head_size_v;
  const int64_t bytes = sdk::dtype_bytes(p.kv_dtype);
  const std::size_t alignment = std::max<std::size_t>(64, layout.alignment);
  const bool latent = p.kv_layouts == ATTNRT_KV_MLA_LATENT;
  if (!strided || native_ || xpacked_) {
    k_image_.resize(at(num_blocks) * layout.block_bytes);
    std::copy(layout.k_strides, layout.k_strides + 3, k_strides_);
    std::copy(layout.v_strides, layout.v_strides + 3, v_strides_);
    v_start_ = static_cast<int64_t>(layout.v_offset) / bytes;
  } else {
    const bool hnd = p.kv_layouts == ATTNRT_KV_HND, packed = p.kv_layouts == ATTNRT_KV_PACKED;
    const int64_t layers = 3, row = packed ? dqk + dv : dqk;
    const auto lay = [&](int64_t values, int64_t* to) {
      const int64_t d = has_row_scales(p) ? row_scale_at(values) + 4 : values;
      to[0] = layers * bs * heads * d;
      to[1] = hnd ? d : heads * d;
      to[2] = hnd ? bs * d : d;
      return at(num_blocks * to[0] * bytes);
    };
    k_image_.resize(lay(row, k_strides_));
    k_start_ = k_strides_[0] / layers;  // the middle layer
    if (packed) {
      std::copy(k_strides_, k_strides_ + 3, v_strides_);
      v_start_ = k_start_ + dqk;
    } else if (!latent) {
      v_image_.resize(lay(dv, v_strides_));
      v_start_ = v_strides_[0] / layers;
    }
  }
  spoil(k_image_, p.kv_dtype, has_row_scales(p), garbage, seed);
  spoil(v_image_, p.kv_dtype, has_row_scales(p), garbage, seed + 1);
  k_ = std::make_unique<Buffer>(memory, k_image_.size(), uint8_t{0xff}, alignment);
  if (!v_image_.empty()) v_ = std::make_unique<Buffer>(memory, v_image_.size(), uint8_t{0xff}, alignment);
  k_->name(v_ ? "k_cache" : "the KV cache");
  if (v_) v_->name("v_cache");
  if (!ok()) return;
  upload();
  const attnrt_device device = memory.device();
  if (native_) {
    k_view_.emplace(k_->data(), device, sdk::to_dlpack(ATTNRT_INT8),
                    std::initializer_list<int64_t>{num_blocks, static_cast<int64_t>(layout.block_bytes)});
    return;
  }
  if (xpacked_) {
    const int64_t x = sdk::xpacked_elements(p.kv_dtype);
    k_view_.emplace(k_->data() + k_start_ * bytes, device, dtype,
                    std::initializer_list<int64_t>{num_blocks, heads, dqk / x, bs, x},
                    std::initializer_list<int64_t>{k_strides_[0], k_strides_[2], bs * x, x, 1});
    v_view_.emplace(k_->data() + v_start_ * bytes, device, dtype,
                    std::initializer_list<int64_t>{num_blocks, heads, dv, bs},
                    std::initializer_list<int64_t>{v_strides_[0], v_strides_[2], bs, 1});
    return;
  }
  k_view_.emplace(k_->data() + k_start_ * bytes, device, dtype,
                  std::initializer_list<int64_t>{num_blocks, bs, heads, dqk},
                  std::initializer_list<int64_t>{k_strides_[0], k_strides_[1], k_strides_[2], 1});
  if (latent) return;
  v_view_.emplace((v_ ? v_ : k_)->data() + v_start_ * bytes, device, dtype,
                  std::initializer_list<int64_t>{num_blocks, bs, heads, dv},
                  std::initializer_list<int64_t>{v_strides_[0], v_strides_[1], v_strides_[2], 1});
}

void Cache::expect(const RequestData& r, int64_t j, int64_t slot) {
  if (native_) return;
  const int64_t bs = problem_.block_size, heads = problem_.num_kv_heads;
  const int64_t bytes = sdk::dtype_bytes(problem_.kv_dtype);
  // An xpacked row lies in pieces of `run` elements, a block's slots apart.
  const auto place_pieces = [&](int64_t start, const int64_t* strides, const std::vector<float>& rows, int64_t d,
                                int64_t run) {
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < d; i += run) {
        const int64_t to = start + slot / bs * strides[0] + slot % bs * strides[1] + h * strides[2] + i * bs;
        if (at((to + run) * bytes) > k_image_.size()) return;
        encode_row(problem_.kv_dtype, rows.data() + (j * heads + h) * d + i, at(run), &k_image_[at(to * bytes)]);
      }
  };
  if (xpacked_) {
    place_pieces(k_start_, k_strides_, r.k, problem_.head_size_qk, sdk::xpacked_elements(problem_.kv_dtype));
    place_pieces(v_start_, v_strides_, r.v, problem_.head_size_v, 1);
    return;
  }
  const auto place = [&](std::vector<uint8_t>& image, int64_t start, const int64_t* strides,
                         const std::vector<float>& rows, const std::vector<float>& row_scales, int64_t d) {
    const int64_t size = row_scales.empty() ? d : row_scale_at(d) + 4;
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t to = start + slot / bs * strides[0] + slot % bs * strides[1] + h * strides[2];
      if (at((to + size) * bytes) > image.size())
        return;  // the plugin's strides leave its own block: found by damage()
      encode_row(problem_.kv_dtype, rows.data() + (j * heads + h) * d, at(d), &image[at(to * bytes)]);
      if (!row_scales.empty()) encode(ATTNRT_FP32, row_scales[at(j * heads + h)], &image[at(to + row_scale_at(d))]);
    }
  };
  place(k_image_, k_start_, k_strides_, r.k, r.k_row_scale, problem_.head_size_qk);
  if (!r.v.empty())
    place(v_ ? v_image_ : k_image_, v_start_, v_strides_, r.v, r.v_row_scale, problem_.head_size_v);
}

void Cache::upload() {
  k_->write(0, k_image_.data(), k_image_.size());
  if (v_) v_->write(0, v_image_.data(), v_image_.size());
}

void Cache::adopt() {
  if (native_) k_image_ = k_->read();
}

std::string Cache::damage() const {
  for (const bool second : {false, true}) {
    const Buffer* buffer = second ? v_.get() : k_.get();
    if (!buffer) continue;
    const std::vector<uint8_t> now = buffer->read();
    const std::vector<uint8_t>& image = second ? v_image_ : k_image_;
    if (now == image) continue;
    const auto bad = std::mismatch(now.begin(), now.end(), image.begin()).first;
    const int64_t element = (bad - now.begin()) / static_cast<int64_t>(sdk::dtype_bytes(problem_.kv_dtype));
    return sdk::say(second ? "the V cache" : "the cache", " differs at element ", element, " (byte ", bad - now.begin(),
                    "): it holds ", int{*bad}, ", wanted ", int{image[at(bad - now.begin())]},
                    " (a slot that was written holds its row, all else is left alone)");
  }
  return {};
}

std::size_t Cache::guard_damage() const { return k_->guard_damage() + (v_ ? v_->guard_damage() : 0); }

}  // namespace attnrt::conformance
