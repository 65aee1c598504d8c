// SPDX-License-Identifier: Apache-2.0
//
// panel_source.hpp: where register tiles find the keys and values of a tile: in native pages in place, or in the
// worker's scratch page, into which rows (contiguous, NHD, HND, MLA latents of 8 bits) are packed, and native pages of
// 8 bits, or of 16 where the dot is fp32's, widened for many rows.
#ifndef ATTNRT_CPU_ATTN_PANEL_SOURCE_HPP
#define ATTNRT_CPU_ATTN_PANEL_SOURCE_HPP
#include <cstdint>
#include <cstring>

#include "../simd/kv8_pack.hpp"
#include "../simd/mask.hpp"
#include "../simd/panel_tile.hpp"
#include "../simd/panel_widen.hpp"
#include "kv8_rows.hpp"
#include "panel_scratch.hpp"
#include "request_walk.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// Memory to prefetch.
struct LineRange {
  const char* begin;
  int64_t bytes;
};

/// S: as stored; Packed: the dot over packed rows.
template <class S, class Packed>
class PanelSource {
 public:
  static constexpr int64_t kMaxTile = cpu::kMaxTileKeys;
  /// Pages of a tile, of which two may be cut into keys and panels of values.
  static constexpr int kMaxRanges = kMaxTile / kGranule + 2 * (1 + 512 / kPanelWidth);
  /// Are the products of 16 bits those of fp32?
  static constexpr bool kWidens = sizeof(S) == 2 && Packed::kPair == 1;
  /// Do rows of 8 bits come to this instance?
  static constexpr bool kTakesKv8 = sizeof(S) == 4 || kStepColumns<Packed> == 2;

  /// `memory_bound`: the item has so few rows that it waits for memory (Tuning::decode_rows).
  PanelSource(const cpu::AttentionCall& call, const cpu::AttentionItem& item, int32_t kv_head, const PanelScratch& at,
              KeySpan seen, int64_t num_keys, int64_t last_key, bool memory_bound)
      : shape_(call.shape),
        kv_head_(kv_head),
        packed_(tile_layout(call.shape, Packed::kBytes, Packed::kPair)),
        at_(at),
        seen_(seen),
        num_keys_(num_keys),
        last_key_(last_key),
        memory_bound_(memory_bound) {
    if (shape_.native) {
      pages_ = static_cast<const char*>(call.k.data);
      page_stride_ = call.k.stride[0];
      blocks_ = call.batch->block_table + item.request * call.batch->block_table_stride;
      return;
    }
    const int64_t widest = shape_.head_size_qk > shape_.head_size_v ? shape_.head_size_qk : shape_.head_size_v;
    std::memset(at_.zero, 0, static_cast<std::size_t>(widest + 1) * sizeof(float));
    if (shape_.kv_8bit) {
      kv8_keys_ = request_walk<uint8_t>(call, call.k, item.request, kv_head);
      kv8_values_ = request_walk<uint8_t>(call, call.v, item.request, kv_head);
      return;
    }
    keys_ = request_walk<S>(call, call.k, item.request, kv_head);
    values_ = request_walk<S>(call, call.v, item.request, kv_head);
  }

  /// Of the scratch page.
  const PanelLayout& packed() const { return packed_; }
  /// The keys of the granule that holds a column, and what of the next tile to prefetch meanwhile.
  const char* keys(int64_t column) const { return key_at_[column / kGranule]; }
  const char* prefetch(int64_t column) const { return prefetch_at_[column / kGranule]; }
  /// Values of the next tile, to prefetch while scores are computed.
  const char* const* bursts() const { return bursts_; }
  int64_t num_bursts() const { return num_bursts_; }

  /// Keys [from, to) of a tile out of their rows, into the scratch page. The granule's other tokens are zeros.
  void pack_rows(int64_t tile, int64_t from, int64_t to) {
    if constexpr (kTakesKv8)
      if (shape_.kv_8bit) return pack_kv8(tile, from, to);
    const int64_t first = (from - tile) / kGranule * kGranule, end = to - tile;
    const int64_t last = (end + kGranule - 1) / kGranule * kGranule;
    const int64_t known_end = to + kGranule < seen_.end ? to + kGranule : seen_.end;  // the next tile begins with these
    const S* keys[kMaxTile + kGranule];
    const S* values[kMaxTile + kGranule];
    const S* zero = reinterpret_cast<const S*>(at_.zero);
    for (int64_t c = first; c < from - tile; ++c) keys[c] = values[c] = zero;
    keys_.rows(from, known_end, keys + (from - tile));
    values_.rows(from, known_end, values + (from - tile));
    const int64_t words = shape_.head_size_qk / Packed::kPair, known = known_end - tile;
    for (int64_t c = known; c < last; ++c) keys[c] = values[c] = zero;
    const S* later[kMaxTile];
    const int64_t num_later = find_next_tile(tile, later);
    const bool cold = tile / shape_.tile_keys != last_tile_ + 1 || !memory_bound_;
    last_tile_ = tile / shape_.tile_keys;
    const auto rest = [](int64_t n) { return n < 0 ? 0 : n < kGranule ? n : kGranule; };
    for (int64_t c = first; c < end; c += kGranule) {
      const int64_t next = c + kGranule, near = cold ? rest(known - next) : 0;
      key_at_[c / kGranule] = at_.page + packed_.key_at(c);
      pack_keys<Packed::kPair>(
          keys + c, words, at_.page + packed_.key_at(c), packed_.key_step(),
          PackPrefetch<S>{keys + next, later + c, near, rest(num_later - c), row_bytes(shape_.head_size_qk)});
      pack_values<Packed::kPair>(values + c, c, packed_, at_.page,
                                 PackPrefetch<S>{values + next, nullptr, near, 0, row_bytes(shape_.head_size_v)});
    }
    place_in_scratch(first, end);
  }

  /// The memory of the keys [from, to) in native pages and of their values, at most kMaxRanges ranges.
  int find_lines(int64_t from, int64_t to, LineRange* out) const {
    const PanelLayout& layout = shape_.panels;
    int count = 0;
    for (int64_t token = from / kGranule * kGranule; token < to;) {
      const int64_t slot = token % shape_.block_size, rest = shape_.block_size - slot;
      const int64_t tokens = rest < to - token ? rest : to - token;
      const char* page = page_of(token);
      token += tokens;
      if (tokens == shape_.block_size) {
        out[count++] = {page, layout.head_bytes()};
        continue;
      }
      out[count++] = {page + layout.key_at(slot), tokens * layout.head_size_qk * layout.element_bytes};
      for (int64_t panel = 0; panel < layout.value_panels(); ++panel)
        out[count++] = {page + layout.value_at(slot, panel), tokens * layout.panel_dims(panel) * layout.element_bytes};
    }
    return count;
  }

  /// Finds the keys [from, to) of a tile in native pages. The last step of values may hold tokens that are no keys: it
  /// is copied without them. With kNextPage what is used next is prefetched, not the next tile: pages have kPanelWidth
  /// tokens.
  template <Prefetch Mode>
  void find_pages(int64_t tile, int64_t from, int64_t to) {
    const PanelLayout& layout = shape_.panels;
    const int64_t size = shape_.block_size, first = from / kGranule * kGranule;
    num_page_spans_ = 0;
    for (int64_t token = first; token < to;) {
      const int64_t slot = token % size;
      int64_t end = token + size - slot;
      if (end > to) end = to;
      const char* page = page_of(token);
      for (int64_t t = token; t < end; t += kGranule) {
        const int64_t s = slot + t - token;
        key_at_[(t - tile) / kGranule] = page + layout.key_at(s);
        const int64_t panel = s / layout.key_width() * layout.key_width();
        prefetch_at_[(t - tile) / kGranule] = page + layout.key_bytes() +
                                              panel * layout.padded_v() * layout.element_bytes +
                                              s % layout.key_width() * layout.pair * layout.element_bytes;
      }
      const int64_t next = token + shape_.tile_keys;
      const char* prefetch = next < num_keys_ ? page_of(next) + layout.key_at(next % size) : nullptr;
      page_spans_[num_page_spans_++] = {page, prefetch, slot, token - tile, end - tile};
      token = end;
    }
    if (Mode == Prefetch::kNextPage)
      order_page_prefetch((first - tile) / kGranule, (to - tile + kGranule - 1) / kGranule);
    const int64_t last_tokens = to % layout.pair;  // of the last step
    has_tail_ = to == num_keys_ && last_tokens != 0;
    if (!has_tail_) return;
    PageSpan& last = page_spans_[num_page_spans_ - 1];
    const int64_t token = last.token + last.end - last.column - 1;
    for (int64_t panel = 0; panel < layout.value_panels(); ++panel) {
      const char* step = last.page + layout.value_at(token, panel);
      for (int64_t at = 0; at < layout.value_step(panel); at += static_cast<int64_t>(sizeof(Vec))) {
        const Vec kept = from_bits(bits_of(load_vec(step + at)) & kept_tokens(layout, last_tokens));
        std::memcpy(at_.tail + panel * kPanelWidth * 4 + at, &kept, sizeof kept);
      }
    }
  }

  /// The same keys of pages of 8 bits, into the scratch page.
  void expand_pages(int64_t tile, int64_t from, int64_t to) {
    if constexpr (kTakesKv8)
      with_kv8_type(shape_.kv_dtype, [&](auto type) {
        each_granule(tile, from, to, [&](PageGranule granule, int64_t column, PageGranule prefetch) {
          expand_granule<decltype(type), Packed::kPair>(shape_.panels, granule, packed_, at_.page, column, prefetch);
        });
      });
  }

  /// The same keys of pages of 16 bits, into the scratch page as fp32.
  void widen_pages(int64_t tile, int64_t from, int64_t to) {
    if constexpr (kWidens)
      each_granule(tile, from, to, [&](PageGranule granule, int64_t column, PageGranule prefetch) {
        widen_granule<S>(shape_.panels, granule, packed_, at_.page, column, prefetch);
      });
  }

  /// The scales of a tile's rows; those of columns beside [from, to) are 0. The next tile's are prefetched.
  void find_scales(int64_t tile, int64_t from, int64_t to) {
    const PanelLayout& layout = shape_.panels;
    const int64_t first = from / kGranule * kGranule, last = (to + kGranule - 1) / kGranule * kGranule;
    std::memset(at_.key_scales + first - tile, 0, static_cast<std::size_t>(last - first) * sizeof(float));
    std::memset(at_.value_scales + first - tile, 0, static_cast<std::size_t>(last - first) * sizeof(float));
    for (int64_t token = from; token < to;) {
      const int64_t slot = token % shape_.block_size, rest = shape_.block_size - slot;
      const int64_t count = rest < to - token ? rest : to - token;
      const char* scales = page_of(token) + slot * layout.row_scale;
      const auto bytes = static_cast<std::size_t>(count * layout.row_scale);
      std::memcpy(at_.key_scales + token - tile, scales + layout.key_scales_at(), bytes);
      std::memcpy(at_.value_scales + token - tile, scales + layout.value_scales_at(), bytes);
      if (const int64_t next = token + shape_.tile_keys; next < last_key_)
        for (int64_t at = 0; at < count * layout.row_scale; at += 64) {
          const char* later = page_of(next) + next % shape_.block_size * layout.row_scale + at;
          __builtin_prefetch(later + layout.key_scales_at(), 0, 2);
          __builtin_prefetch(later + layout.value_scales_at(), 0, 2);
        }
      token += count;
    }
  }

  /// The segments of a value panel's steps for the columns [begin, end). Mode: that of find_pages.
  template <class D, Prefetch Mode>
  int64_t find_segments(const PanelLayout& layout, int64_t panel, int64_t begin, int64_t end,
                        ValueSegment* segments) const {
    int64_t count = 0;
    for (int s = 0; s < num_page_spans_; ++s) {
      const PageSpan& span = page_spans_[s];
      const int64_t from = span.column > begin ? span.column : begin;
      int64_t to = span.end < end ? span.end : end;
      if (from >= to) continue;
      const bool cut = has_tail_ && s == num_page_spans_ - 1 && to == span.end;
      if (cut) to -= to % D::kPair;
      const char* b = span.page + layout.value_at(span.token + from - span.column, panel);
      const char* prefetch =
          span.prefetch ? span.prefetch + panel * kPanelWidth * (span.end - span.column) * layout.element_bytes : b;
      if (Mode == Prefetch::kNextPage) prefetch = next_page_lines(layout, panel, s, b);
      if (from < to) segments[count++] = {b, prefetch, (to - from + D::kPair - 1) / D::kPair};
      if (cut) segments[count++] = {at_.tail + panel * kPanelWidth * 4, at_.tail, 1};
    }
    return count;
  }

 private:
  static constexpr int64_t kMaxBursts = 2 * kMaxTile;

  /// Tokens of a tile that are in one page.
  struct PageSpan {
    const char* page;
    const char* prefetch;  ///< keys of the next tile, NULL = none
    int64_t token;         ///< in the page
    int64_t column, end;
  };

  /// Calls put(granule of a page, its column in the scratch page, that of the next tile) for the keys [from, to) of a
  /// tile, which are in scratch then.
  template <class Put>
  void each_granule(int64_t tile, int64_t from, int64_t to, Put&& put) {
    const int64_t size = shape_.block_size, first = from / kGranule * kGranule;
    for (int64_t token = first; token < to; token += kGranule) {
      const int64_t next = token + shape_.tile_keys, column = token - tile;
      const PageGranule granule{page_of(token), token % size};
      const PageGranule prefetch = next < last_key_ ? PageGranule{page_of(next), next % size} : granule;
      key_at_[column / kGranule] = at_.page + packed_.key_at(column);
      put(granule, column, prefetch);
    }
    place_in_scratch(first - tile, to - tile);
  }

  /// The scores of a page prefetch the next page's keys, those of the last page the values of the first.
  void order_page_prefetch(int64_t begin, int64_t end) {
    constexpr int64_t kPage = kPanelWidth / kGranule;
    const char* values[kPage];
    for (int64_t g = begin; g < end && g < begin + kPage; ++g) values[g - begin] = prefetch_at_[g];
    for (int64_t g = begin; g < end; ++g)
      prefetch_at_[g] = g + kPage < end ? key_at_[g + kPage] : values[(g - begin) % kPage];
  }
  /// The segments of a tile, panel by panel, prefetch those of the pages after the first in their order, then the keys
  /// of the next tile's first page.
  const char* next_page_lines(const PanelLayout& layout, int64_t panel, int64_t segment, const char* none) const {
    const int64_t others = num_page_spans_ - 1, at = panel * num_page_spans_ + segment;
    if (const int64_t rest = at - layout.value_panels() * others; rest >= 0)
      return page_spans_[0].prefetch
                 ? page_spans_[0].prefetch + rest * layout.tokens * kPanelWidth * layout.element_bytes
                 : none;
    const PageSpan& next = page_spans_[1 + at % others];
    return next.page + layout.value_at(next.token, at / others);
  }

  void place_in_scratch(int64_t begin, int64_t end) {
    page_spans_[0] = {at_.page, nullptr, begin, begin, end};
    num_page_spans_ = 1;
    has_tail_ = false;
  }

  /// The bits of the first `count` tokens in each word of values, less than a whole step's.
  static VecInt kept_tokens(const PanelLayout& layout, int64_t count) {
    if (layout.pair == 2) return VecInt{} + 0xffff;
    VecInt kept{};
    for (int i = 0; i < kLanes; ++i)
      if (const int64_t rest = count - i % 4 / 2 * 2; rest > 0) kept[i] = rest == 1 ? 0x00ff00ff : -1;
    return kept;
  }

  /// Rows of 8 bits, whose scales go to the columns of scores and probabilities. The next tile's are prefetched
  /// meanwhile.
  void pack_kv8(int64_t tile, int64_t from, int64_t to) {
    const int64_t first = (from - tile) / kGranule * kGranule, end = to - tile;
    const int64_t last = (end + kGranule - 1) / kGranule * kGranule;
    const uint8_t *keys[kMaxTile], *values[kMaxTile], *later_keys[kMaxTile], *later_values[kMaxTile];
    for (int64_t c = first; c < last; ++c) keys[c] = values[c] = reinterpret_cast<const uint8_t*>(at_.zero);
    kv8_keys_.rows(from, to, keys + (from - tile));
    kv8_values_.rows(from, to, values + (from - tile));
    const int64_t next = tile + shape_.tile_keys;
    const int64_t until = next + shape_.tile_keys < last_key_ ? next + shape_.tile_keys : last_key_;
    const int64_t num_later = memory_bound_ && until > next ? until - next : 0;
    if (num_later > 0) {
      kv8_keys_.rows(next, until, later_keys);
      kv8_values_.rows(next, until, later_values);
    }
    num_bursts_ = 0;
    for (int64_t c = first; c < last; c += kGranule) {
      key_at_[c / kGranule] = at_.page + packed_.key_at(c);
      if (shape_.row_scales)
        for (int64_t i = 0; i < kGranule; ++i) {
          at_.key_scales[c + i] = row_scale(keys[c + i], shape_.head_size_qk);
          at_.value_scales[c + i] = row_scale(values[c + i], shape_.head_size_v);
        }
      const int64_t prefetch = num_later - c < kGranule ? num_later - c : kGranule;
      pack_granule(keys + c, values + c, c, later_keys + c, later_values + c, prefetch);
    }
    place_in_scratch(first, end);
  }

  /// Pairs of bf16 come out of the bytes as they are packed, fp32 through the stage.
  void pack_granule(const uint8_t* const* keys, const uint8_t* const* values, int64_t column,
                    const uint8_t* const* later_keys, const uint8_t* const* later_values, int64_t num_later) {
    const int64_t qk = shape_.head_size_qk, v = shape_.head_size_v;
#if defined(ATTNRT_KERNEL_PAIRS)
    if constexpr (Packed::kPair == 2) {
      with_kv8_type(shape_.kv_dtype, [&](auto type) {
        using Kv8 = decltype(type);
        pack_kv8_keys<Kv8>(keys, qk, at_.page + packed_.key_at(column), packed_.key_step(), later_keys, num_later);
        pack_kv8_values<Kv8>(values, column, packed_, at_.page, later_values, num_later);
      });
      return;
    }
#endif
    const float* rows[kGranule];
    const auto stage = [&](const uint8_t* const* from, int64_t width, const uint8_t* const* later) {
      float* to = at_.stage;
      for (int64_t i = 0; i < kGranule; ++i, to += width) {
        for (int64_t at = 0; i < num_later && at < width; at += 64) __builtin_prefetch(later[i] + at, 0, 2);
        stage_row(shape_.kv_dtype, from[i], to, width, 1.0f);
        rows[i] = to;
      }
    };
    stage(keys, qk, later_keys);
    pack_keys<1>(rows, qk, at_.page + packed_.key_at(column), packed_.key_step(), PackPrefetch<float>{});
    stage(values, v, later_values);
    pack_values<1>(rows, column, packed_, at_.page, PackPrefetch<float>{});
  }

  /// Few rows leave time for the next tile to come from memory: its keys while this one is packed (they are returned),
  /// its values while scores are computed.
  int64_t find_next_tile(int64_t tile, const S** keys) {
    num_bursts_ = 0;
    if (!memory_bound_) return 0;
    const int64_t from = tile + shape_.tile_keys;
    const int64_t to = from + shape_.tile_keys < last_key_ ? from + shape_.tile_keys : last_key_;
    if (from >= to) return 0;
    keys_.rows(from, to, keys);
    const S* values[kMaxTile];
    values_.rows(from, to, values);
    for (int64_t i = 0; i < to - from; ++i)
      for (int64_t at = 0; at < row_bytes(shape_.head_size_v) && num_bursts_ < kMaxBursts; at += kBurstBytes)
        bursts_[num_bursts_++] = reinterpret_cast<const char*>(values[i]) + at;
    return to - from;
  }
  static int64_t row_bytes(int64_t size) { return size * static_cast<int64_t>(sizeof(S)); }

  const char* page_of(int64_t token) const {
    return pages_ + blocks_[token / shape_.block_size] * page_stride_ + kv_head_ * shape_.panels.head_bytes();
  }

  const cpu::AttentionShape& shape_;
  const int32_t kv_head_;
  const PanelLayout packed_;
  const PanelScratch& at_;
  const KeySpan seen_;
  const int64_t num_keys_;
  const int64_t last_key_;  ///< of this item or subitem
  const bool memory_bound_;
  KvWalk<S> keys_{}, values_{};
  KvWalk<uint8_t> kv8_keys_{}, kv8_values_{};
  const char* pages_ = nullptr;
  int64_t page_stride_ = 0;
  const int32_t* blocks_ = nullptr;
  int num_page_spans_ = 0;
  bool has_tail_ = false;
  const char* key_at_[kMaxTile / kGranule];
  const char* prefetch_at_[kMaxTile / kGranule];
  const char* bursts_[kMaxBursts];
  int64_t num_bursts_ = 0;
  int64_t last_tile_ = -2;  ///< packed before this one
  PageSpan page_spans_[kMaxTile / kGranule + 1];
};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
