// SPDX-License-Identifier: Apache-2.0
//
// attnrt/flex/block_mask.hpp: which blocks of keys a block of queries has to visit, and which of those need the mask,
// as PyTorch's BlockMask says it (arXiv:2412.05496). A region that is full or empty as a whole is not looked into: the
// cost grows with the borders between them. Header-only, C++17.
#ifndef ATTNRT_FLEX_BLOCK_MASK_HPP
#define ATTNRT_FLEX_BLOCK_MASK_HPP
#include <algorithm>
#include <cstdint>
#include <vector>

#include "attnrt/flex/region.hpp"

namespace attnrt::flex {

/// A grid of blocks: rows of queries, columns of keys.
struct BlockGrid {
  int32_t first_query = 0;  ///< position of the first one
  int32_t num_queries = 0;
  int32_t num_keys = 0;  ///< positions from 0 on
  int32_t query_block = 128, key_block = 128;

  int32_t rows() const { return (num_queries + query_block - 1) / query_block; }
  int32_t columns() const { return (num_keys + key_block - 1) / key_block; }
};

/// Writes each block's visibility to out[row * columns + column]; `unknown` stands for partial. Region gives b and h.
/// [one thread per analysis]
inline void find_blocks(RegionAnalysis& analysis, const BlockGrid& grid, Region region, Visibility* out) {
  struct Part {
    int32_t row, rows, column, columns;
  };
  const int32_t pitch = grid.columns();
  std::vector<Part> parts;
  if (grid.rows() > 0 && pitch > 0) parts.push_back({0, grid.rows(), 0, pitch});
  while (!parts.empty()) {
    const Part part = parts.back();
    parts.pop_back();
    const auto last = [](int32_t end, int32_t block, int32_t size) {
      return static_cast<int32_t>(std::min(int64_t{end} * block, int64_t{size}) - 1);
    };
    region.q_first = grid.first_query + part.row * grid.query_block;
    region.q_last = grid.first_query + last(part.row + part.rows, grid.query_block, grid.num_queries);
    region.kv_first = part.column * grid.key_block;
    region.kv_last = last(part.column + part.columns, grid.key_block, grid.num_keys);
    const Visibility seen = analysis.visibility(region);
    if (seen != Visibility::unknown || (part.rows == 1 && part.columns == 1)) {
      for (int32_t row = part.row; row < part.row + part.rows; ++row)
        std::fill_n(out + int64_t{row} * pitch + part.column, part.columns, seen);
      continue;
    }
    const int32_t upper = (part.rows + 1) / 2, left = (part.columns + 1) / 2;
    for (const int32_t lower_half : {0, 1})
      for (const int32_t right_half : {0, 1}) {
        const Part quarter{part.row + lower_half * upper, lower_half ? part.rows - upper : upper,
                           part.column + right_half * left, right_half ? part.columns - left : left};
        if (quarter.rows > 0 && quarter.columns > 0) parts.push_back(quarter);
      }
  }
}

}  // namespace attnrt::flex
#endif
