// SPDX-License-Identifier: Apache-2.0
#include "native_cache.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "attnrt/plugin.hpp"
#include "kv8_cache.hpp"
#include "slots.hpp"

namespace attnrt::cpu {
namespace {

using kernel::PanelLayout;

template <class Word>
void copy_word(std::byte* rows, std::byte* page, bool to_page) {
  std::memcpy(to_page ? page : rows, to_page ? rows : page, sizeof(Word));
}

/// One row of keys and of values of one head, between rows outside and its token in a page. Keys lie a step apart,
/// whole pairs together; values a pair apart.
template <class Word>
void copy_token(const PanelLayout& page, std::byte* at, int64_t token, std::byte* key, std::byte* value, bool to_page) {
  constexpr auto kBytes = static_cast<int64_t>(sizeof(Word));
  std::byte* to = at + page.key_at(token);
  if (page.pair * kBytes == 4) {
    for (int64_t d = 0; d < page.head_size_qk; d += page.pair, to += page.key_step())
      copy_word<uint32_t>(key + d * kBytes, to, to_page);
  } else {
    for (int64_t d = 0; d < page.head_size_qk; ++d, to += page.key_step())
      copy_word<Word>(key + d * kBytes, to, to_page);
  }
  for (int64_t panel = 0; panel < page.value_panels(); ++panel) {
    const int64_t first = panel * kernel::kPanelWidth, n = std::min(page.panel_dims(panel), page.head_size_v - first);
    std::byte* step = at + page.value_at(token, panel, 0);
    for (int64_t d = 0; d < n; ++d)
      copy_word<Word>(value + (first + d) * kBytes, step + d * page.pair * kBytes, to_page);
  }
}

/// All heads of one row.
void copy_row(const PanelLayout& page, const attnrt_tensor& cache, int64_t slot, const attnrt_tensor& k,
              const attnrt_tensor& v, int64_t row, bool to_page) {
  std::byte* block = data_of(cache) + slot / page.tokens * cache.strides[0];
  for (int64_t head = 0; head < k.shape[1]; ++head) {
    std::byte* at = block + head * page.head_bytes();
    std::byte* key = data_of(k) + (row * k.strides[0] + head * k.strides[1]) * page.element_bytes;
    std::byte* value = data_of(v) + (row * v.strides[0] + head * v.strides[1]) * page.element_bytes;
    if (page.element_bytes == 4)
      copy_token<uint32_t>(page, at, slot % page.tokens, key, value, to_page);
    else
      copy_token<uint16_t>(page, at, slot % page.tokens, key, value, to_page);
  }
}

}  // namespace

PanelLayout native_page(const attnrt_problem& p) {
  return {p.block_size,
          p.head_size_qk,
          p.head_size_v,
          sdk::dtype_bytes(p.kv_dtype),
          kv_8bit(p) ? kernel::kChunkElements : p.kv_dtype == ATTNRT_BF16 ? 2 : 1,
          p.features & ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES ? 4 : 0};
}

attnrt_kv_layout native_cache_layout(const attnrt_problem& p) {
  if (p.block_size % kernel::kGranule != 0)
    throw sdk::Error(ATTNRT_UNSUPPORTED, sdk::say("block_size is ", p.block_size, ", wanted a multiple of ",
                                                  kernel::kGranule, " for native pages"));
  attnrt_kv_layout layout{};
  layout.struct_size = sizeof layout;
  layout.kind = ATTNRT_KV_NATIVE;
  layout.alignment = 64;
  layout.block_size = p.block_size;
  layout.dtype = ATTNRT_INT8;
  layout.id = p.features & ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES ? "cpu_attn/bytes64+scales/1"
              : kv_8bit(p)              ? "cpu_attn/bytes64/1"
              : p.kv_dtype == ATTNRT_BF16 ? "cpu_attn/vnni64/1"
              : p.kv_dtype == ATTNRT_FP16 ? "cpu_attn/panel64-fp16/1"
                                          : "cpu_attn/panel64-fp32/1";
  layout.block_bytes = uint64_t{p.num_kv_heads} * static_cast<uint64_t>(native_page(p).head_bytes());
  return layout;
}

void write_native_pages(const attnrt_problem& problem, const attnrt_write_args& args, attnrt_stream stream) {
  const PanelLayout page = native_page(problem);
  write_slots(*args.slot_mapping, stream,
              [&](int64_t row, int64_t slot) { copy_row(page, *args.k_cache, slot, *args.k, *args.v, row, true); });
}

void gather_native_pages(const attnrt_problem& problem, const attnrt_gather_args& args, attnrt_stream stream) {
  const PanelLayout page = native_page(problem);
  gather_slots(args, page.tokens, stream,
               [&](int64_t row, int64_t slot) { copy_row(page, *args.k_cache, slot, *args.k, *args.v, row, false); });
}

}  // namespace attnrt::cpu
