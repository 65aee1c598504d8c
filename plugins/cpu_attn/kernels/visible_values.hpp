// SPDX-License-Identifier: Apache-2.0
//
// visible_values.hpp: sums of the values that one row sees, whatever the others are: 0 times NaN is NaN, so hidden
// values are zeros in a copy. The bits are those of a register tile over values that are finite.
#ifndef ATTNRT_CPU_ATTN_VISIBLE_VALUES_HPP
#define ATTNRT_CPU_ATTN_VISIBLE_VALUES_HPP
#include <cstdint>
#include <cstring>

#include "../simd/panel_tile.hpp"
#include "non_finite.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// One panel of values. D: the dot that reads it.
template <class D>
struct VisibleValues {
  int64_t step_bytes;  ///< between two steps
  int64_t dims;
  int64_t width;  ///< of a row of sums
  float* acc;     ///< sums of row 0 for this panel
  int64_t lda;    ///< elements of a row of probabilities

  /// acc = factor * acc + probabilities * values over the columns [begin, end), begin a multiple of kGranule, of which
  /// sees(column) is true. find_segments(begin, end, segments): the steps of columns.
  template <class Sees, class FindSegments>
  void add(const typename D::A* probabilities, int64_t row, float factor, int64_t begin, int64_t end, Sees&& sees,
           FindSegments& find_segments) const {
    const int64_t bytes = dims * D::kPair * D::kBytes;  // of a step
    alignas(64) char copy[kChunk / D::kPair * kPanelWidth * D::kPair * D::kBytes];
    for (int64_t from = begin, to; from < end; from = to) {
      to = from / kChunk * kChunk + kChunk;
      to = to < end ? to : end;
      ValueSegment segments[kChunk / kGranule + 2];
      const int64_t num_segments = find_segments(from, to, segments);
      int64_t steps = 0, column = from;
      for (int64_t r = 0; r < num_segments; ++r)
        for (int64_t i = 0; i < segments[r].steps; ++i, ++steps) {
          char* step = copy + steps * bytes;
          std::memcpy(step, segments[r].b + i * step_bytes, static_cast<std::size_t>(bytes));
          for (int element = 0; element < D::kPair; ++element, ++column)
            if (!sees(column)) clear_element(step, bytes, element);
        }
      const ValueSegment all{copy, copy, steps};
      ValueOperands<D> t{};
      t.a = probabilities + row * lda + from;
      t.lda = lda;
      t.column = from;
      t.segments = &all;
      t.num_segments = 1;
      t.step_bytes = bytes;
      t.ldc = width;
      t.factors = &factor;
      for (int64_t at = 0; at < dims; at += kTileColumns) {
        t.c = acc + row * width + at;
        t.offset = at * D::kPair * D::kBytes;
        PanelTiles<D, Prefetch::kNone>::values(t, 1, (dims - at < kTileColumns ? dims - at : kTileColumns) / kLanes);
      }
      factor = 1.0f;
    }
  }

 private:
  /// Columns that are copied together: a multiple of those that any dot sums from zero.
  static constexpr int64_t kChunk = 32;
  static_assert(kChunk % kStepColumns<D> == 0 && kChunk % kGranule == 0);

  /// One of the D::kPair elements in each word of a step becomes 0 (panel_layout.hpp).
  static void clear_element(char* step, int64_t bytes, int element) {
    if constexpr (D::kPair == 1) {
      std::memset(step, 0, static_cast<std::size_t>(bytes));
    } else {
      for (int64_t word = 0; word < bytes / 4; ++word) {
        uint32_t bits;
        std::memcpy(&bits, step + word * 4, 4);
        if constexpr (D::kPair == 2)
          bits &= element ? 0x0000ffffu : 0xffff0000u;
        else if (word % 4 / 2 == element / 2)
          bits &= element % 2 ? 0x00ff00ffu : 0xff00ff00u;
        std::memcpy(step + word * 4, &bits, 4);
      }
    }
  }
};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
