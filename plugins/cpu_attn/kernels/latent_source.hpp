// SPDX-License-Identifier: Apache-2.0
//
// latent_source.hpp: the keys and values of a tile of an MLA latent cache (data sheet)
//   keys    rows that follow each other in a block and are of the type that the dot takes are read in place; others
//           (other types, block sizes that are no multiple of 16, ends of a request) go through the worker's scratch,
//           16 at a time, those that are no key as zeros
//   values  the keys' first columns: read in place where a step is one row, else two rows are interleaved panel by
//           panel right before the panel is used, while it is in the nearest cache
#ifndef ATTNRT_CPU_ATTN_LATENT_SOURCE_HPP
#define ATTNRT_CPU_ATTN_LATENT_SOURCE_HPP
#include <cstdint>
#include <cstring>

#include "../simd/kv_walk.hpp"
#include "../simd/latent_tile.hpp"
#include "item_rows.hpp"
#include "panel_scratch.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// S: as stored; D: the dot.
template <class S, class D>
class LatentSource {
 public:
  /// `last_key`: where the item or subitem ends; keys are prefetched up to there.
  LatentSource(const cpu::AttentionCall& call, int32_t request, const PanelScratch& at, int64_t last_key)
      : shape_(call.shape), at_(at), last_key_(last_key) {
    if (!shape_.latent) return;
    const attnrt_batch& b = *call.batch;
    walk_ = {static_cast<const S*>(call.k.data), b.block_table + request * b.block_table_stride, call.k.stride[0],
             call.k.stride[1], shape_.block_size};
  }

  /// Once an item: its queries, [row][kLatentQk], as panels.
  void pack_queries(int64_t rows) {
    const Element* zero = reinterpret_cast<const Element*>(at_.zero);
    const auto* queries = reinterpret_cast<const Element*>(at_.q);
    for (int64_t first = 0; first < rows; first += kTileColumns) {
      const int64_t count = columns_of(rows - first);
      for (int64_t at = 0; at < count; at += kGranule) {
        const Element* granule[kGranule];
        for (int64_t i = 0; i < kGranule; ++i)
          granule[i] = first + at + i < rows ? queries + (first + at + i) * kLatentQk : zero;
        pack_keys<D::kPair>(granule, kSteps, panel_of(first) + at * kWordBytes, count * kWordBytes,
                            PackPrefetch<Element>{nullptr, nullptr, 0, 0, 0});
      }
    }
  }

  /// The keys [from, to) of a tile.
  void find(int64_t tile, int64_t from, int64_t to) {
    begin_ = (from - tile) / kGranule * kGranule;
    end_ = (to - tile + kGranule - 1) / kGranule * kGranule;
    const S* rows[cpu::kMaxTileKeys];
    walk_.rows(from, to, rows + (from - tile));
    for (int64_t c = begin_; c < end_; c += kGranule) {
      const bool whole = tile + c >= from && tile + c + kGranule <= to;
      if constexpr (sizeof(S) == sizeof(Element))
        if (whole && follow(rows + c)) {
          key_at_[c / kGranule] = reinterpret_cast<const Element*>(rows[c]);
          continue;
        }
      Element* staged = reinterpret_cast<Element*>(at_.page) + c * kLatentQk;
      key_at_[c / kGranule] = staged;
      for (int64_t i = c; i < c + kGranule; ++i, staged += kLatentQk) {
        if (tile + i < from || tile + i >= to)
          std::memset(static_cast<void*>(staged), 0, kLatentQk * sizeof(Element));
        else if constexpr (sizeof(S) == sizeof(Element))
          std::memcpy(static_cast<void*>(staged), rows[i], kLatentQk * sizeof(Element));
        else
          for (int64_t d = 0; d < kLatentQk; d += kLanes) store(staged + d, widen_vec(rows[i] + d));
      }
    }
    for (int64_t c = begin_; c < end_; c += kGranule) {
      const int64_t later = tile + c + shape_.tuning.latent_prefetch_keys;
      prefetch_[c / kGranule] = nullptr;
      if (later < last_key_) walk_.rows(later, later + 1, &prefetch_[c / kGranule]);
    }
  }

  /// Scores of all rows, each at least for the columns that it sees.
  void score(const ItemRows& rows, int64_t sum_block) {
    alignas(64) float c[kGranule * kTileColumns];
    for (int32_t first = 0; first < rows.count(); first += kTileColumns) {
      const int32_t count = rows.count() - first < kTileColumns ? rows.count() - first : kTileColumns;
      int64_t low = end_, high = begin_;
      for (int32_t row = first; row < first + count; ++row) {
        const MaskedColumns& seen = rows.columns(row);
        if (seen.begin >= seen.end) continue;
        low = seen.begin < low ? seen.begin : low;
        high = seen.end > high ? seen.end : high;
      }
      for (int64_t at = low / kGranule * kGranule; at < high; at += kGranule) {
        const S* prefetch = first == 0 ? prefetch_[at / kGranule] : nullptr;
        const Element* keys = key_at_[at / kGranule];
        const LatentOperands<D> t{keys, panel_of(first), kSteps, sum_block,
                                  reinterpret_cast<const char*>(prefetch ? static_cast<const void*>(prefetch) : keys),
                                  prefetch ? kGranule * kLatentQk * static_cast<int64_t>(sizeof(S)) / kSteps : 0, c};
        latent_scores<D>(t, columns_of(count) / kLanes);
        transpose_scores(c, count, at_.scores + first * shape_.tile_keys + at, shape_.tile_keys);
      }
    }
  }

  /// Values of the dims [kPanelWidth panel, kPanelWidth (panel + 1)).
  void open_panel(int64_t panel) {
    panel_ = panel;
    if constexpr (D::kPair == 2) {
      char* to = value_page();
      for (int64_t c = begin_; c < end_; c += 2, to += value_step()) {
        const Element* pair[2] = {key_at_[c / kGranule] + c % kGranule * kLatentQk, nullptr};
        pair[1] = pair[0] + kLatentQk;
        pack_value_step<2>(pair, panel * kPanelWidth, to);
      }
    }
  }
  /// Bytes between two steps of values.
  static constexpr int64_t value_step() {
    return D::kPair == 2 ? kPanelWidth * kWordBytes : kLatentQk * static_cast<int64_t>(sizeof(Element));
  }
  /// The segments of the open panel's steps for the columns [begin, end).
  int64_t find_segments(int64_t begin, int64_t end, ValueSegment* segments) const {
    if constexpr (D::kPair == 2) {
      segments[0] = {value_page() + (begin - begin_) / 2 * value_step(), nullptr, (end - begin + 1) / 2};
      return 1;
    }
    int64_t count = 0;
    const char* next = nullptr;
    for (int64_t c = begin; c < end; c += kGranule) {  // begin stands at a granule
      const int64_t steps = end - c < kGranule ? end - c : kGranule;
      const char* b = reinterpret_cast<const char*>(key_at_[c / kGranule] + panel_ * kPanelWidth);
      if (b == next)
        segments[count - 1].steps += steps;
      else
        segments[count++] = {b, nullptr, steps};
      next = b + kGranule * value_step();
    }
    return count;
  }

 private:
  using Element = typename D::A;
  static constexpr int64_t kWordBytes = 4, kSteps = kLatentQk / D::kPair;
  static_assert(D::kPair * sizeof(Element) == kWordBytes);
  static_assert(sizeof(S) == sizeof(Element) || (sizeof(S) == 2 && sizeof(Element) == 4));

  /// Rows of queries that a panel holds of `rest` ones.
  static int64_t columns_of(int64_t rest) {
    return rest < kTileColumns ? (rest + kGranule - 1) / kGranule * kGranule : kTileColumns;
  }
  char* panel_of(int64_t row) const { return reinterpret_cast<char*>(at_.q_panels) + row * kSteps * kWordBytes; }
  char* value_page() const { return at_.page + shape_.tile_keys * kLatentQk * kWordBytes; }

  static bool follow(const S* const* rows) {
    for (int64_t i = 1; i < kGranule; ++i)
      if (rows[i] != rows[0] + i * kLatentQk) return false;
    return true;
  }

  const cpu::AttentionShape& shape_;
  const PanelScratch& at_;
  const int64_t last_key_;
  KvWalk<S> walk_{};
  int64_t begin_ = 0, end_ = 0, panel_ = 0;
  const Element* key_at_[cpu::kMaxTileKeys / kGranule];
  const S* prefetch_[cpu::kMaxTileKeys / kGranule];
};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
