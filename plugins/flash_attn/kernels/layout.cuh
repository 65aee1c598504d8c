// SPDX-License-Identifier: Apache-2.0
//
// layout.cuh: where rows lie in shared memory (data sheet)
//   row       `kColumns` elements of 16 bits, in pieces of 16 bytes; no padding between rows
//   swizzle   pieces are exchanged by the row's number, so that the 8 rows that ldmatrix reads at one piece lie in all
//             32 banks: piece ^ (row % 8) where a row is a multiple of 128 bytes, piece ^ (row / 2 % 4) where two are
//   conflicts none, for ldmatrix and for copies of whole rows
#ifndef ATTNRT_FLASH_LAYOUT_CUH
#define ATTNRT_FLASH_LAYOUT_CUH

namespace attnrt::flash {

template <int kColumns>
struct RowLayout {
  static_assert(kColumns % 32 == 0, "two rows fill all banks a whole number of times");
  static constexpr int kPieces = kColumns / 8;
  static constexpr int kRowBytes = kColumns * 2;

  /// Bytes from the tile's start to a piece of a row.
  static __device__ unsigned place(int row, int piece) {
    const int swap = kPieces % 8 == 0 ? row & 7 : row >> 1 & 3;
    return row * kRowBytes + ((piece ^ swap) << 4);
  }
};

}  // namespace attnrt::flash
#endif
