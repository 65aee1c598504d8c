// SPDX-License-Identifier: Apache-2.0
//
// amx_tile.hpp: what panel_tile.hpp computes, by AMX tiles (data sheet)
//   ISA        AMX_TILE, AMX_BF16, beside AVX-512 and its bf16 dot
//   registers  2 x 2 tiles of sums for up to 32 rows x 32 columns, two tiles of A, two of B: a load feeds two products
//   operands   a step of two dims or tokens of a panel is a row of B, so that panels are read in place. A group of
//              16 steps is a product; one of fewer, and values whose steps are in several pages, go through a copy
//   sums       a product sums 32 elements from zero, before they are added to the sums: groups of values stand at
//              multiples of 32 columns of a tile of keys, so that no bit depends on what else is multiplied
//   memory     the lines of a step are prefetched before the group that it is in
// The 2 x 2 blocking is that of Intel's Optimization Reference Manual (248966), chapter 20.
#ifndef ATTNRT_CPU_ATTN_SIMD_AMX_TILE_HPP
#define ATTNRT_CPU_ATTN_SIMD_AMX_TILE_HPP
#include <cstdint>
#include <cstring>

#include "panel_layout.hpp"
#include "panel_tile.hpp"
#include "tile_registers.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// bf16 pairs by AMX; types and sizes are DotPair's.
struct DotTile : DotPair {};

/// Steps of a product.
constexpr int64_t kGroupSteps = kTileRegisterRows;
template <>
constexpr int64_t kStepColumns<DotTile> = kGroupSteps * DotTile::kPair;

/// A tile of which only `rows` rows of `bytes` bytes are there; the rest is 0.
template <int Tile>
inline void load_cut(const char* from, int64_t stride, int64_t rows, int64_t bytes) {
  alignas(64) char copy[kTileRegisterRows * kTileRegisterBytes] = {};
  for (int64_t i = 0; i < rows; ++i)
    std::memcpy(copy + i * kTileRegisterBytes, from + i * stride, static_cast<std::size_t>(bytes));
  TileRegisters::load<Tile>(copy, kTileRegisterBytes);
}

/// Sums of up to 16 rows of C times the factor of their row.
template <int Tile>
ATTNRT_KERNEL_INLINE void load_sums(const float* c, int64_t ldc, const float* factors, int64_t rows) {
  alignas(64) float scaled[kTileRegisterRows * kLanes];
  for (int64_t i = 0; i < kTileRegisterRows; ++i)
    store(scaled + i * kLanes, i < rows ? load(c + i * ldc) * broadcast(factors[i]) : Vec{});
  TileRegisters::load<Tile>(scaled, kTileRegisterBytes);
}
template <int Tile>
ATTNRT_KERNEL_INLINE void store_sums(float* c, int64_t ldc, int64_t rows) {
  if (rows >= kTileRegisterRows) return TileRegisters::store<Tile>(c, ldc * 4);
  alignas(64) float sums[kTileRegisterRows * kLanes];
  TileRegisters::store<Tile>(sums, kTileRegisterBytes);
  for (int64_t i = 0; i < rows; ++i) store(c + i * ldc, load(sums + i * kLanes));
}

/// All products of the tiles that are loaded.
template <int Blocks, int Columns>
ATTNRT_KERNEL_INLINE void multiply_tiles() {
  TileRegisters::dot<0, 4, 6>();
  if constexpr (Columns == 2) TileRegisters::dot<1, 4, 7>();
  if constexpr (Blocks == 2) TileRegisters::dot<2, 5, 6>();
  if constexpr (Blocks == 2 && Columns == 2) TileRegisters::dot<3, 5, 7>();
}

/// Vectors j and, of two columns, j + 1; Blocks of 16 rows, of which `rows` are stored.
template <int Blocks, int Columns, Prefetch Mode>
inline void amx_scores(const ScoreOperands<DotTile>& t, int64_t rows, int64_t j) {
  TileRegisters::zero<0>();
  TileRegisters::zero<1>();
  TileRegisters::zero<2>();
  TileRegisters::zero<3>();
  const auto* a = reinterpret_cast<const char*>(t.a);
  const int64_t row_bytes = t.lda * DotTile::kBytes;
  for (int64_t step = 0; step < t.steps; step += kGroupSteps) {
    const int64_t at = step * t.step_bytes, count = t.steps - step < kGroupSteps ? t.steps - step : kGroupSteps;
    for (int64_t s = 0; s < count; ++s) {
      if constexpr (Mode == Prefetch::kNextTile)
        for (int v = 0; v < Columns; ++v) __builtin_prefetch(t.prefetch[j + v] + at + s * t.step_bytes, 0, 2);
      if (Mode == Prefetch::kBursts && j == 0 && step + s < t.num_bursts)
        for (int64_t line = 0; line < kBurstBytes; line += kLineBytes)
          __builtin_prefetch(t.bursts[step + s] + line, 0, 2);
      if (Mode == Prefetch::kDecodeItem && j == 0)
        __builtin_prefetch(t.decode_lines.begin + (step + s) * t.decode_lines.step_bytes, 0, 2);
    }
    const char* of = a + step * 4;
    if (count == kGroupSteps) {
      TileRegisters::load<4>(of, row_bytes);
      if constexpr (Blocks == 2) TileRegisters::load<5>(of + kTileRegisterRows * row_bytes, row_bytes);
      TileRegisters::load<6>(t.b[j] + at, t.step_bytes);
      if constexpr (Columns == 2) TileRegisters::load<7>(t.b[j + 1] + at, t.step_bytes);
    } else {
      load_cut<4>(of, row_bytes, rows < kTileRegisterRows ? rows : kTileRegisterRows, count * 4);
      if constexpr (Blocks == 2)
        load_cut<5>(of + kTileRegisterRows * row_bytes, row_bytes, rows - kTileRegisterRows, count * 4);
      load_cut<6>(t.b[j] + at, t.step_bytes, count, kTileRegisterBytes);
      if constexpr (Columns == 2) load_cut<7>(t.b[j + 1] + at, t.step_bytes, count, kTileRegisterBytes);
    }
    multiply_tiles<Blocks, Columns>();
  }
  float* c = t.c + j * kLanes;
  store_sums<0>(c, t.ldc, rows);
  if constexpr (Columns == 2) store_sums<1>(c + kLanes, t.ldc, rows);
  if constexpr (Blocks == 2) store_sums<2>(c + kTileRegisterRows * t.ldc, t.ldc, rows - kTileRegisterRows);
  if constexpr (Blocks == 2 && Columns == 2)
    store_sums<3>(c + kTileRegisterRows * t.ldc + kLanes, t.ldc, rows - kTileRegisterRows);
}

/// The steps of values that a product takes: one below the other from `whole` on, or each for itself, NULL = zeros. A
/// granule's steps always follow each other.
constexpr int64_t kGranuleSteps = kGranule / DotTile::kPair;
struct StepGroup {
  const char* whole;
  const char* prefetch[kGroupSteps / kGranuleSteps];  ///< of each granule, NULL = nothing
  const char* steps[kGroupSteps];
};
/// Columns of a tile of keys, at most.
constexpr int64_t kMaxColumns = 256;

/// The groups of all segments from that of the first column on; their number.
inline int64_t group_steps(const ValueOperands<DotTile>& t, StepGroup* groups) {
  int64_t at = t.column % kStepColumns<DotTile> / DotTile::kPair;
  bool opens = true;
  for (const ValueSegment* segment = t.segments; segment < t.segments + t.num_segments; ++segment)
    for (int64_t done = 0, count; done < segment->steps; done += count, at += count) {
      const int64_t first = at % kGroupSteps, room = kGroupSteps - first, left = segment->steps - done;
      count = left < room ? left : room;
      StepGroup& group = groups[at / kGroupSteps];
      if (opens || first == 0) group = {};
      opens = false;
      const char* b = segment->b + t.offset + done * t.step_bytes;
      if (count == kGroupSteps) group.whole = b;
      for (int64_t s = 0; s < count; ++s) {
        group.steps[first + s] = b + s * t.step_bytes;
        if ((first + s) % kGranuleSteps == 0)
          group.prefetch[(first + s) / kGranuleSteps] = segment->prefetch + t.offset + (done + s) * t.step_bytes;
      }
    }
  return (at + kGroupSteps - 1) / kGroupSteps;
}

/// Vector j of a group.
template <int Tile>
ATTNRT_KERNEL_INLINE void load_steps(const StepGroup& group, int64_t j, int64_t step_bytes) {
  if (group.whole) return TileRegisters::load<Tile>(group.whole + j * kTileRegisterBytes, step_bytes);
  alignas(64) float copy[kGroupSteps * kLanes];
  for (int64_t s = 0; s < kGroupSteps; ++s)
    store(copy + s * kLanes, group.steps[s] ? load_vec(group.steps[s] + j * kTileRegisterBytes) : Vec{});
  TileRegisters::load<Tile>(copy, kTileRegisterBytes);
}

/// Vectors j and, of two columns, j + 1 of the groups [0, count).
template <int Blocks, int Columns, Prefetch Mode>
inline void amx_values(const ValueOperands<DotTile>& t, int64_t rows, const StepGroup* groups, int64_t count,
                       int64_t j) {
  constexpr int64_t kBlock = kTileRegisterRows;
  float* c = t.c + j * kLanes;
  load_sums<0>(c, t.ldc, t.factors, rows);
  if constexpr (Columns == 2) load_sums<1>(c + kLanes, t.ldc, t.factors, rows);
  if constexpr (Blocks == 2) load_sums<2>(c + kBlock * t.ldc, t.ldc, t.factors + kBlock, rows - kBlock);
  if constexpr (Blocks == 2 && Columns == 2)
    load_sums<3>(c + kBlock * t.ldc + kLanes, t.ldc, t.factors + kBlock, rows - kBlock);
  const int64_t row_bytes = t.lda * DotTile::kBytes;
  [[maybe_unused]] const char* line = t.decode_lines.begin;
  const auto* a = reinterpret_cast<const char*>(t.a - t.column % kStepColumns<DotTile>);
  for (const StepGroup* group = groups; group < groups + count; ++group, a += kTileRegisterBytes) {
    if constexpr (Mode == Prefetch::kNextTile)
      for (const char* prefetch : group->prefetch)
        for (int64_t s = 0; prefetch && s < kGranuleSteps; ++s)
          for (int v = 0; v < Columns; ++v)
            __builtin_prefetch(prefetch + s * t.step_bytes + (j + v) * kTileRegisterBytes, 0, 2);
    if (Mode == Prefetch::kDecodeItem && j == 0)
      for (int64_t s = 0; s < kGroupSteps; ++s, line += t.decode_lines.step_bytes) __builtin_prefetch(line, 0, 2);
    load_steps<6>(*group, j, t.step_bytes);
    if constexpr (Columns == 2) load_steps<7>(*group, j + 1, t.step_bytes);
    TileRegisters::load<4>(a, row_bytes);
    if constexpr (Blocks == 2) TileRegisters::load<5>(a + kBlock * row_bytes, row_bytes);
    multiply_tiles<Blocks, Columns>();
  }
  store_sums<0>(c, t.ldc, rows);
  if constexpr (Columns == 2) store_sums<1>(c + kLanes, t.ldc, rows);
  if constexpr (Blocks == 2) store_sums<2>(c + kBlock * t.ldc, t.ldc, rows - kBlock);
  if constexpr (Blocks == 2 && Columns == 2) store_sums<3>(c + kBlock * t.ldc + kLanes, t.ldc, rows - kBlock);
}

/// 1 to kStripRows rows x 1 to kTileVectors vectors, where TileRegisters are in use. Rows of A up to a multiple of 16
/// are memory that may be read.
template <Prefetch Mode>
struct PanelTiles<DotTile, Mode> {
  static void scores(const ScoreOperands<DotTile>& t, int rows, int64_t vectors) {
    in_blocks(rows, vectors, [&](auto blocks, auto columns, int64_t j) {
      amx_scores<blocks.value, columns.value, Mode>(t, rows, j);
    });
  }
  static void values(const ValueOperands<DotTile>& t, int rows, int64_t vectors) {
    StepGroup groups[kMaxColumns / kStepColumns<DotTile>];
    const int64_t count = group_steps(t, groups);
    in_blocks(rows, vectors, [&](auto blocks, auto columns, int64_t j) {
      amx_values<blocks.value, columns.value, Mode>(t, rows, groups, count, j);
    });
  }

 private:
  template <int N>
  using Int = std::integral_constant<int, N>;

  template <class Fn>
  static void in_blocks(int rows, int64_t vectors, Fn&& fn) {
    const auto in_columns = [&](auto blocks) {
      int64_t j = 0;
      for (; j + 2 <= vectors; j += 2) fn(blocks, Int<2>{}, j);
      if (j < vectors) fn(blocks, Int<1>{}, j);
    };
    if (rows > kTileRegisterRows)
      in_columns(Int<2>{});
    else
      in_columns(Int<1>{});
  }
};

/// Of any number of rows: a tile takes as long for few.
template <Prefetch Mode, int Fewest>
struct FullTiles<DotTile, Mode, Fewest> {
  static_assert(Mode == Prefetch::kDecodeItem);
  static bool has(int, int64_t vectors) { return vectors == kTileVectors; }
  static void scores(const ScoreOperands<DotTile>& t, int rows) {
    PanelTiles<DotTile, Mode>::scores(t, rows, kTileVectors);
  }
  static void values(const ValueOperands<DotTile>& t, int rows) {
    PanelTiles<DotTile, Mode>::values(t, rows, kTileVectors);
  }
};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
