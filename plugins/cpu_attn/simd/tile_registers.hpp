// SPDX-License-Identifier: Apache-2.0
//
// tile_registers.hpp: the eight tile registers of AMX (Intel's Software Developer's Manual, volume 1, chapter 18), each
// of 16 rows x 64 bytes. Written as instructions, for an intrinsic of g++ 12 does not tell what memory it touches.
#ifndef ATTNRT_CPU_ATTN_SIMD_TILE_REGISTERS_HPP
#define ATTNRT_CPU_ATTN_SIMD_TILE_REGISTERS_HPP
#include <cstdint>

#include "isa.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

constexpr int64_t kTileRegisterRows = 16, kTileRegisterBytes = 64;

/// The registers in this thread's use, from the constructor to the destructor. One at a time in a thread. The system
/// has permitted tile data to the process (attnrt/amx.hpp).
class TileRegisters {
 public:
  TileRegisters() { __asm__ volatile("ldtilecfg %0" : : "m"(kConfig)); }
  ~TileRegisters() { __asm__ volatile("tilerelease"); }
  TileRegisters(const TileRegisters&) = delete;
  TileRegisters& operator=(const TileRegisters&) = delete;

  template <int Tile>
  ATTNRT_KERNEL_INLINE static void zero() {
    __asm__ volatile("tilezero %%tmm%c0" : : "i"(Tile));
  }
  /// Rows `stride` bytes apart.
  template <int Tile>
  ATTNRT_KERNEL_INLINE static void load(const void* from, int64_t stride) {
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(Tile) : "memory");
  }
  template <int Tile>
  ATTNRT_KERNEL_INLINE static void store(void* to, int64_t stride) {
    __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(Tile) : "memory");
  }
  /// C [16 rows][16] fp32 += A [16 rows][16 pairs] B [16 pairs][16], pairs of bf16: the sums of the even and of the odd
  /// elements, each from 0 in ascending order, are added, and then added to C.
  template <int C, int A, int B>
  ATTNRT_KERNEL_INLINE static void dot() {
    __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  }

 private:
  struct Config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  };
  static_assert(sizeof(Config) == 64);
  alignas(64) static constexpr Config kConfig{
      1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
