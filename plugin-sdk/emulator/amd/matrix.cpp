// SPDX-License-Identifier: Apache-2.0
//
// Matrix products D = A * B + C of a wave (CDNA3 ISA, chapter 7; AMD's matrix instruction calculator). Of a product of
// M x K by K x N one lane holds in A row l % M, in B column l % N, and of both the M * K / 64 values of k that begin at
// their number times l / M. Of C and D it holds column l % N and rows in groups of four: of the i-th value row
// 8 * (i / 4) + 4 * (l / 32) + i % 4 where M is 32, and 4 * (l / 16) + i where M is 16. Sums are in fp32, in the order
// of k; how a device rounds inside of one instruction is not documented.
#include <cmath>
#include <iterator>

#include "element.hpp"
#include "fault.hpp"
#include "fp8.hpp"
#include "intrinsic.hpp"
#include "operand.hpp"
#include "workgroup.hpp"

namespace attnrt::emulator::amd {
namespace {

float from_bf16(const char* at) {
  uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  const uint32_t wide = uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}
float from_half(const char* at) {
  uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return emulator::from_half(bits);
}
float from_float(const char* at) {
  float value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

/// Elements that a lane gives, widened.
struct Bf16 {
  static constexpr uint32_t bytes = 2;
  static float widen(const char* at, const float*) { return from_bf16(at); }
};
struct Half {
  static constexpr uint32_t bytes = 2;
  static float widen(const char* at, const float*) { return from_half(at); }
};
struct Float {
  static constexpr uint32_t bytes = 4;
  static float widen(const char* at, const float*) { return from_float(at); }
};
template <bool bf8>
struct Byte {
  static constexpr uint32_t bytes = 1;
  static float widen(const char* at, const float* table) { return table[static_cast<unsigned char>(*at)]; }
};

template <class A, class B>
struct Tables {
  const float *a = nullptr, *b = nullptr;
  explicit Tables(uint32_t) {}
};
template <bool a8, bool b8>
struct Tables<Byte<a8>, Byte<b8>> {
  const float *a, *b;
  explicit Tables(uint32_t arch) : a(fp8_values(fp8_of(arch, a8))), b(fp8_values(fp8_of(arch, b8))) {}
};

template <uint32_t M, uint32_t K, class A, class B = A>
void product(const WaveCall& call) {
  constexpr uint32_t each = M * K / 64, rows = M * M / 64;
  if (call.lanes != 64) throw Fault(Answer::illegal_instruction, "an MFMA in a wave of 32 lanes");
  const Tables<A, B> tables(call.wave.group->launch().arch);
  alignas(32) float a[M][K], b[K][M], d[M][M];
  for (uint32_t l = 0; l < 64; ++l) {
    const char* const in = call.in[l];
    // Broadcasts and negations (cbsz, abid, blgp).
    if (operand<uint32_t>(in, 3) | operand<uint32_t>(in, 4) | operand<uint32_t>(in, 5))
      throw Fault(Answer::illegal_instruction, "an MFMA with a broadcast or a negation is not known to the emulator");
    for (uint32_t j = 0; j < each; ++j) {
      a[l % M][each * (l / M) + j] = A::widen(in + j * A::bytes, tables.a);
      b[each * (l / M) + j][l % M] = B::widen(in + kOperandBytes + j * B::bytes, tables.b);
    }
    for (uint32_t i = 0; i < rows; ++i) {
      const uint32_t row = M == 32 ? 8 * (i / 4) + 4 * (l / 32) + i % 4 : 4 * (l / 16) + i;
      d[row][l % M] = from_float(in + 2 * kOperandBytes + 4 * i);
    }
  }
  for (uint32_t row = 0; row < M; ++row)
    for (uint32_t k = 0; k < K; ++k)
      for (uint32_t column = 0; column < M; ++column) d[row][column] += a[row][k] * b[k][column];
  for (uint32_t l = 0; l < 64; ++l)
    for (uint32_t i = 0; i < rows; ++i) {
      const uint32_t row = M == 32 ? 8 * (i / 4) + 4 * (l / 32) + i % 4 : 4 * (l / 16) + i;
      std::memcpy(call.out[l] + 4 * i, &d[row][l % M], 4);
    }
}

using Fp8 = Byte<false>;
using Bf8 = Byte<true>;

constexpr Rule kRules[] = {
    {.name = "llvm.amdgcn.mfma.f32.32x32x2f32", .together = &product<32, 2, Float>},
    {.name = "llvm.amdgcn.mfma.f32.16x16x4f32", .together = &product<16, 4, Float>},
    {.name = "llvm.amdgcn.mfma.f32.32x32x8f16", .together = &product<32, 8, Half>},
    {.name = "llvm.amdgcn.mfma.f32.16x16x16f16", .together = &product<16, 16, Half>},
    {.name = "llvm.amdgcn.mfma.f32.32x32x16.f16", .together = &product<32, 16, Half>},
    {.name = "llvm.amdgcn.mfma.f32.16x16x32.f16", .together = &product<16, 32, Half>},
    {.name = "llvm.amdgcn.mfma.f32.32x32x8bf16.1k", .together = &product<32, 8, Bf16>},
    {.name = "llvm.amdgcn.mfma.f32.16x16x16bf16.1k", .together = &product<16, 16, Bf16>},
    {.name = "llvm.amdgcn.mfma.f32.32x32x16.bf16", .together = &product<32, 16, Bf16>},
    {.name = "llvm.amdgcn.mfma.f32.16x16x32.bf16", .together = &product<16, 32, Bf16>},
    {.name = "llvm.amdgcn.mfma.f32.32x32x16.fp8.fp8", .together = &product<32, 16, Fp8, Fp8>},
    {.name = "llvm.amdgcn.mfma.f32.32x32x16.fp8.bf8", .together = &product<32, 16, Fp8, Bf8>},
    {.name = "llvm.amdgcn.mfma.f32.32x32x16.bf8.fp8", .together = &product<32, 16, Bf8, Fp8>},
    {.name = "llvm.amdgcn.mfma.f32.32x32x16.bf8.bf8", .together = &product<32, 16, Bf8, Bf8>},
    {.name = "llvm.amdgcn.mfma.f32.16x16x32.fp8.fp8", .together = &product<16, 32, Fp8, Fp8>},
    {.name = "llvm.amdgcn.mfma.f32.16x16x32.fp8.bf8", .together = &product<16, 32, Fp8, Bf8>},
    {.name = "llvm.amdgcn.mfma.f32.16x16x32.bf8.fp8", .together = &product<16, 32, Bf8, Fp8>},
    {.name = "llvm.amdgcn.mfma.f32.16x16x32.bf8.bf8", .together = &product<16, 32, Bf8, Bf8>},
};

}  // namespace

Rules matrix_rules() { return {std::begin(kRules), std::end(kRules)}; }

}  // namespace attnrt::emulator::amd
