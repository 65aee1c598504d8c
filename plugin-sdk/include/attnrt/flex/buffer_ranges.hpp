// SPDX-License-Identifier: Apache-2.0
//
// attnrt/flex/buffer_ranges.hpp: the least and the largest element in a box of a buffer, without reading the box: the
// last dimension is kept in chunks, and chunks in chunks of those. Header-only, C++17.
#ifndef ATTNRT_FLEX_BUFFER_RANGES_HPP
#define ATTNRT_FLEX_BUFFER_RANGES_HPP
#include <algorithm>
#include <cstdint>
#include <vector>

#include "attnrt/flex/evaluate.hpp"
#include "attnrt/flex/range.hpp"

namespace attnrt::flex {

/// Ranges of one buffer's elements. [one thread while it is filled, then thread-safe]
class BufferRanges {
 public:
  /// Allocates all that it will ever hold; nothing where it is not to be filled.
  explicit BufferRanges(bool filled = true) : fine_(filled ? kMostChunks : 0), coarse_(fine_.size()) {}

  /// Reads the whole buffer once. `buffer` and what `view` points to outlive this, or the next call. Allocates nothing.
  void fill(const Buffer& buffer, const BufferView& view) {
    buffer_ = &buffer;
    view_ = view;
    rank_ = buffer.extents.size();
    length_ = rank_ ? view.shape[rank_ - 1] : 1;
    rows_ = 1;
    for (std::size_t d = 0; d + 1 < rank_; ++d) rows_ *= view.shape[d];
    whole_ = Range::of(info(buffer.element).type, {});
    if (rows_ <= 0 || length_ <= 0) rows_ = 0;
    if (!rows_) return;
    // So many rows that they have no chunk each: the whole alone is known.
    const int64_t chunks_a_row = std::max<int64_t>(kMostChunks / rows_, 1);
    chunk_ = std::max(kLeastChunk, (length_ + chunks_a_row - 1) / chunks_a_row);
    chunks_ = (length_ + chunk_ - 1) / chunk_;
    groups_ = (chunks_ + kGroup - 1) / kGroup;
    keeps_ = rows_ <= kMostChunks;
    for (int64_t row = 0; row < rows_; ++row) fill_row(row);
  }

  /// Of the elements whose indices lie in these ranges, clamped as loads are. `indices`: one for each dimension.
  Range of(const Range* indices) const {
    if (!rows_ || !keeps_ || rank_ == 0) return whole_;
    int64_t first[kMaxRank] = {}, last[kMaxRank] = {}, count = 1;
    for (std::size_t d = 0; d < rank_; ++d) {
      first[d] = std::clamp<int64_t>(indices[d].low, 0, view_.shape[d] - 1);
      last[d] = std::clamp<int64_t>(indices[d].high, 0, view_.shape[d] - 1);
      if (d + 1 < rank_) count *= last[d] - first[d] + 1;
    }
    if (count > kMostRows) return whole_;
    Range out;
    int64_t at[kMaxRank];
    std::copy(first, first + kMaxRank, at);
    for (int64_t i = 0; i < count; ++i) {
      int64_t row = 0;
      for (std::size_t d = 0; d + 1 < rank_; ++d) row = row * view_.shape[d] + at[d];
      const Range part = of_row(row, first[rank_ - 1], last[rank_ - 1]);
      out = i ? Range::either(out, part) : part;
      for (std::size_t d = rank_ - 1; d-- > 0;) {
        if (++at[d] <= last[d]) break;
        at[d] = first[d];
      }
    }
    return out;
  }

 private:
  static constexpr int64_t kMostChunks = 4096, kLeastChunk = 16, kGroup = 64, kMostRows = 64;

  Range element(int64_t offset) const {
    return Range::of(info(buffer_->element).type, read_element(buffer_->element, view_.data, offset));
  }
  int64_t row_offset(int64_t row) const {
    int64_t offset = 0;
    for (std::size_t d = rank_ ? rank_ - 1 : 0; d-- > 0;) {
      offset += row % view_.shape[d] * view_.strides[d];
      row /= view_.shape[d];
    }
    return offset;
  }
  int64_t stride() const { return rank_ ? view_.strides[rank_ - 1] : 0; }

  void fill_row(int64_t row) {
    const int64_t base = row_offset(row);
    for (int64_t chunk = 0; chunk < chunks_; ++chunk) {
      const int64_t begin = chunk * chunk_, end = std::min(begin + chunk_, length_);
      Range range = element(base + begin * stride());
      for (int64_t i = begin + 1; i < end; ++i) range = Range::either(range, element(base + i * stride()));
      whole_ = row || chunk ? Range::either(whole_, range) : range;
      if (!keeps_) continue;
      fine_[static_cast<std::size_t>(row * chunks_ + chunk)] = range;
      Range& group = coarse_[static_cast<std::size_t>(row * groups_ + chunk / kGroup)];
      group = chunk % kGroup ? Range::either(group, range) : range;
    }
  }

  Range of_row(int64_t row, int64_t first, int64_t last) const {
    const int64_t base = row_offset(row), group = chunk_ * kGroup;
    Range out = element(base + first * stride());
    for (int64_t i = first; i <= last;) {
      const auto ends = [&](int64_t size) { return i % size == 0 && (i + size - 1 <= last || last == length_ - 1); };
      if (ends(group)) {
        out = Range::either(out, coarse_[static_cast<std::size_t>(row * groups_ + i / group)]);
        i += group;
      } else if (ends(chunk_)) {
        out = Range::either(out, fine_[static_cast<std::size_t>(row * chunks_ + i / chunk_)]);
        i += chunk_;
      } else {
        out = Range::either(out, element(base + i++ * stride()));
      }
    }
    return out;
  }

  const Buffer* buffer_ = nullptr;
  BufferView view_;
  std::size_t rank_ = 0;
  int64_t length_ = 0, rows_ = 0, chunk_ = 1, chunks_ = 0, groups_ = 0;
  bool keeps_ = false;  ///< ranges of chunks
  std::vector<Range> fine_, coarse_;
  Range whole_;
};

}  // namespace attnrt::flex
#endif
