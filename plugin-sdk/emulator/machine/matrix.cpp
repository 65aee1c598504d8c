// SPDX-License-Identifier: Apache-2.0
//
// 9.7.14 Matrix products of a warp: mma, ldmatrix, stmatrix, movmatrix.
#include "access.hpp"
#include "chapters.hpp"
#include "tile.hpp"

namespace attnrt::emulator {
namespace {

template <class E, class EB, uint32_t K>
void mma_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  want_all_lanes(lanes, "mma.sync");
  constexpr uint32_t in_a = K / (4 * kPerRegister<E>)*2, in_b = in_a / 2;
  alignas(32) float a[16][K], b[K][8], c[16][8];
  load_a<E, K>(warp, in.at + 4, a);
  load_b<EB, K>(warp, in.at + 4 + in_a, b);
  load_c(warp, in.at + 4 + in_a + in_b, c);
  multiply_add(a, b, c);
  store_c(warp, in.at, c);
}

// Sums in fp16: a pair of columns a register.
void mma_half_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  want_all_lanes(lanes, "mma.sync");
  alignas(32) float a[16][16], b[16][8], c[16][8];
  load_a<HalfElement, 16>(warp, in.at + 2, a);
  load_b<HalfElement, 16>(warp, in.at + 6, b);
  for (uint32_t r = 0; r < 2; ++r)
    for (uint32_t i = 0; i < 2 * kLanes; ++i)
      c[r * 8 + i / 8][i % 8] = from_half(warp.lanes<uint16_t>(in.at[8 + r])[i]);
  multiply_add(a, b, c);
  for (uint32_t r = 0; r < 2; ++r)
    for (uint32_t i = 0; i < 2 * kLanes; ++i) warp.lanes<uint16_t>(in.at[r])[i] = to_half(c[r * 8 + i / 8][i % 8]);
}

void vector(Assembly& a, std::size_t index, std::size_t size, Type type, bool writes) {
  const auto elements = a.elements(a.operand(index));
  if (elements.size() != size) a.fail(say("a vector of ", elements.size(), " registers, wanted ", size));
  for (const Operand& element : elements) writes ? a.destination(element, type) : a.source(element, type);
}

template <class E, class EB, uint32_t K>
void mma(Assembly& a) {
  constexpr std::size_t in_a = K / (4 * kPerRegister<E>)*2;
  a.want_operands(4);
  vector(a, 0, 4, Type::f32, true);
  vector(a, 1, in_a, Type::b32, false);
  vector(a, 2, in_a / 2, Type::b32, false);
  vector(a, 3, 4, Type::f32, false);
  a.in.run = &mma_run<E, EB, K>;
}
void mma_half(Assembly& a) {
  a.want_operands(4);
  vector(a, 0, 2, Type::b32, true);
  vector(a, 1, 4, Type::b32, false);
  vector(a, 2, 2, Type::b32, false);
  vector(a, 3, 2, Type::b32, false);
  a.in.run = &mma_half_run;
}
void mma_fp8(Assembly& a) {
  if (a.arch() < 89) a.fail("mma of fp8 is for sm_89 and later");
  const bool first = a.choice(6) == "e4m3", second = a.choice(7) == "e4m3";
  if (first)
    second ? mma<E4m3Element, E4m3Element, 32>(a) : mma<E4m3Element, E5m2Element, 32>(a);
  else
    second ? mma<E5m2Element, E4m3Element, 32>(a) : mma<E5m2Element, E5m2Element, 32>(a);
}

// The lanes that hold addresses of this many matrices.
uint32_t rows_of(uint32_t matrices) { return kAllLanes >> (kLanes - 8 * matrices); }
// Lane 8 m + r has the address of row r of matrix m. Lane l gets of matrix m the elements 2 (l % 4) and the next of row
// l / 4; transposed, of column l / 4.
void ldmatrix_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  want_all_lanes(lanes, "ldmatrix");
  uint16_t rows[4][8][8];
  count_wavefronts(warp, in, rows_of(in.count), in.at[in.count], in.narrow, in.displacement, Space::shared, 16);
  for (uint32_t m = 0; m < in.count; ++m)
    for (uint32_t r = 0; r < 8; ++r) {
      uint64_t address = address_of(warp, in.at[in.count], in.narrow, in.displacement, m * 8 + r);
      if (!in.narrow) resolve(Space::generic, address);
      want_aligned(address, 16);
      std::memcpy(rows[m][r], warp.block().shared().read(warp.index(), address, 16), 16);
    }
  for (uint32_t m = 0; m < in.count; ++m) {
    uint32_t* const d = warp.lanes<uint32_t>(in.at[m]);
    for (uint32_t l = 0; l < kLanes; ++l) {
      const uint32_t g = l / 4, t = l % 4 * 2;
      d[l] = in.option ? rows[m][t][g] | uint32_t{rows[m][t + 1][g]} << 16
                       : rows[m][g][t] | uint32_t{rows[m][g][t + 1]} << 16;
    }
  }
}
void stmatrix_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  want_all_lanes(lanes, "stmatrix");
  count_wavefronts(warp, in, rows_of(in.count), in.at[0], in.narrow, in.displacement, Space::shared, 16);
  for (uint32_t m = 0; m < in.count; ++m) {
    uint16_t rows[8][8];
    const uint32_t* const s = warp.lanes<uint32_t>(in.at[1 + m]);
    for (uint32_t l = 0; l < kLanes; ++l) {
      const uint32_t g = l / 4, t = l % 4 * 2;
      (in.option ? rows[t][g] : rows[g][t]) = static_cast<uint16_t>(s[l]);
      (in.option ? rows[t + 1][g] : rows[g][t + 1]) = static_cast<uint16_t>(s[l] >> 16);
    }
    for (uint32_t r = 0; r < 8; ++r) {
      uint64_t address = address_of(warp, in.at[0], in.narrow, in.displacement, m * 8 + r);
      if (!in.narrow) resolve(Space::generic, address);
      want_aligned(address, 16);
      warp.block().shared().write(warp.index(), address, rows[r], 16);
    }
  }
}
uint32_t matrices(Assembly& a, std::size_t group) { return static_cast<uint32_t>(a.choice(group)[1] - '0'); }
void ldmatrix(Assembly& a) {
  a.want_operands(2);
  a.in.count = matrices(a, 3);
  a.in.option = a.has(4);
  vector(a, 0, a.in.count, Type::b32, true);
  a.address(a.operand(1));
  a.in.run = &ldmatrix_run;
}
void stmatrix(Assembly& a) {
  if (a.arch() < 90) a.fail("stmatrix is for sm_90 and later");
  a.want_operands(2);
  a.in.count = matrices(a, 3);
  a.in.option = a.has(4);
  a.address(a.operand(0));
  vector(a, 1, a.in.count, Type::b32, false);
  a.in.run = &stmatrix_run;
}

void movmatrix_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  want_all_lanes(lanes, "movmatrix");
  const uint16_t* const a = warp.lanes<uint16_t>(in.at[1]);  // row l / 8, column l % 8
  uint16_t* const d = warp.lanes<uint16_t>(in.at[0]);
  for (uint32_t i = 0; i < 64; ++i) d[i] = a[i % 8 * 8 + i / 8];
}
void movmatrix(Assembly& a) { a.in.run = &movmatrix_run; }

constexpr Rule kRules[] = {
    {"9.7.14.5", "mma", "sync aligned m16n8k16 row col f32 f16 f16 f32", "*", &mma<HalfElement, HalfElement, 16>},
    {"9.7.14.5", "mma", "sync aligned m16n8k16 row col f32 bf16 bf16 f32", "*", &mma<BfloatElement, BfloatElement, 16>},
    {"9.7.14.5", "mma", "sync aligned m16n8k8 row col f32 f16 f16 f32", "*", &mma<HalfElement, HalfElement, 8>},
    {"9.7.14.5", "mma", "sync aligned m16n8k8 row col f32 bf16 bf16 f32", "*", &mma<BfloatElement, BfloatElement, 8>},
    {"9.7.14.5", "mma", "sync aligned m16n8k16 row col f16 f16 f16 f16", "*", &mma_half},
    {"9.7.14.5", "mma", "sync aligned m16n8k8 row col f32 tf32 tf32 f32", "*", &mma<Tf32Element, Tf32Element, 8>},
    {"9.7.14.5", "mma", "sync aligned m16n8k4 row col f32 tf32 tf32 f32", "*", &mma<Tf32Element, Tf32Element, 4>},
    {"9.7.14.5", "mma", "sync aligned m16n8k32 row col f32 e4m3|e5m2 e4m3|e5m2 f32", "*", &mma_fp8},
    {"9.7.14.5.15", "ldmatrix", "sync aligned m8n8 x1|x2|x4 trans? shared::cta|shared b16", "*", &ldmatrix},
    {"9.7.14.5.16", "stmatrix", "sync aligned m8n8 x1|x2|x4 trans? shared::cta|shared b16", "*", &stmatrix},
    {"9.7.14.5.17", "movmatrix", "sync aligned m8n8 trans b16", "d:b32 a:b32", &movmatrix},
};

}  // namespace

std::span<const Rule> matrix_rules() { return kRules; }

}  // namespace attnrt::emulator
