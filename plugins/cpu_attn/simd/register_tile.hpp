// SPDX-License-Identifier: Apache-2.0
//
// register_tile.hpp: C = A B for a few rows, with C held in registers. Each element is summed over k in ascending
// order from one accumulator, whatever the number of rows or columns of the call: how rows are grouped never changes a
// bit.
#ifndef ATTNRT_CPU_ATTN_SIMD_REGISTER_TILE_HPP
#define ATTNRT_CPU_ATTN_SIMD_REGISTER_TILE_HPP
#include <cstdint>

#include "isa.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// A [rows, k] with row stride lda, B [k, columns] with row stride ldb, C [rows, columns] with row stride ldc, all
/// fp32.
struct TileOperands {
  const float* a;
  int64_t lda;
  const float* b;
  int64_t ldb;
  float* c;
  int64_t ldc;
  int64_t k;
};

/// What happens to the sums: C = sum; the sum starts from C; C = C + sum; C = C * factor of the row + sum.
enum class TileEnd { kStore, kContinue, kAdd, kScaleAdd };

template <int Rows, int Vectors, TileEnd End>
ATTNRT_KERNEL_INLINE void register_tile(const TileOperands& t, const float* factors) {
  Vec acc[Rows][Vectors];
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < Vectors; ++j) {
      if constexpr (End == TileEnd::kContinue)
        acc[i][j] = load(t.c + i * t.ldc + j * kLanes);
      else
        acc[i][j] = Vec{};
    }
  const float* b = t.b;
  for (int64_t k = 0; k < t.k; ++k, b += t.ldb) {
    Vec columns[Vectors];
    for (int j = 0; j < Vectors; ++j) columns[j] = load(b + j * kLanes);
    for (int i = 0; i < Rows; ++i) {
      const Vec row = broadcast(t.a[i * t.lda + k]);
      for (int j = 0; j < Vectors; ++j) acc[i][j] = madd(row, columns[j], acc[i][j]);
    }
  }
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < Vectors; ++j) {
      float* c = t.c + i * t.ldc + j * kLanes;
      if constexpr (End == TileEnd::kScaleAdd)
        store(c, madd(load(c), broadcast(factors[i]), acc[i][j]));
      else if constexpr (End == TileEnd::kAdd)
        store(c, load(c) + acc[i][j]);
      else
        store(c, acc[i][j]);
    }
}

/// All columns [0, columns), a multiple of kLanes, for a number of rows known at compile time.
template <int Rows, TileEnd End>
inline void row_panel(TileOperands t, int64_t columns, const float* factors) {
  int64_t at = 0;
  for (; at + kTileVectors * kLanes <= columns; at += kTileVectors * kLanes) {
    register_tile<Rows, kTileVectors, End>(t, factors);
    t.b += kTileVectors * kLanes;
    t.c += kTileVectors * kLanes;
  }
  for (; at < columns; at += kLanes) {
    register_tile<Rows, 1, End>(t, factors);
    t.b += kLanes;
    t.c += kLanes;
  }
}

/// The same for 1 to kTileRows rows.
template <TileEnd End>
inline void multiply(const TileOperands& t, int rows, int64_t columns, const float* factors = nullptr) {
  static_assert(kTileRows <= 6, "a case for each number of rows");
  switch (rows) {
    case 1: return row_panel<1, End>(t, columns, factors);
    case 2: return row_panel<2, End>(t, columns, factors);
    case 3: return row_panel<3, End>(t, columns, factors);
    case 4: return row_panel<4, End>(t, columns, factors);
    case 5:
      if constexpr (kTileRows >= 5) return row_panel<5, End>(t, columns, factors);
      break;
    case 6:
      if constexpr (kTileRows >= 6) return row_panel<6, End>(t, columns, factors);
      break;
    default: break;
  }
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
