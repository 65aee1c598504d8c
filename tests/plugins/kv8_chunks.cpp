// SPDX-License-Identifier: Apache-2.0
//
// kv8_chunks.cpp: compiled for an instruction set each (ATTNRT_KERNEL_ISA): what it makes of chunks of 8 bits. Nothing
// of the standard library's templates is used: the linker keeps one copy of those, perhaps the one of this file.
#include <cstring>

#include "../../plugins/cpu_attn/simd/kv8_pack.hpp"
#include "kv8_chunks.hpp"

namespace attnrt::tests {
namespace {

using namespace attnrt::kernel;
using namespace attnrt::kernel::ATTNRT_KERNEL_ISA;

template <class Kv8>
float value_of(uint8_t bits) {
  Kv8 byte;
  std::memcpy(&byte, &bits, sizeof byte);
  return widen(byte);
}

/// The same bits, or NaN and NaN: a product makes another NaN of one that signals.
bool same(float seen, float wanted) {
  return std::memcmp(&seen, &wanted, sizeof seen) == 0 || (seen != seen && wanted != wanted);
}

/// What the formats say of their last bytes.
template <class Kv8>
bool specials() {
  constexpr bool kE4m3 = std::is_same_v<Kv8, E4m3>, kE5m2 = std::is_same_v<Kv8, E5m2>;
  for (int bits = 0; bits < 256; ++bits) {
    const float x = value_of<Kv8>(static_cast<uint8_t>(bits));
    const int magnitude = bits & 0x7f;
    const bool nan = (kE4m3 && magnitude == 0x7f) || (kE5m2 && magnitude > 0x7c), inf = kE5m2 && magnitude == 0x7c;
    if ((x != x) != nan) return false;
    if (!nan && (x - x != 0.0f) != inf) return false;
    if (inf && (x > 0.0f) != (bits < 128)) return false;
    Kv8 back;
    narrow(x, back);
    const float again = widen(back);  // infinity saturates
    if (nan ? again == again : again != (inf ? bits < 128 ? 57344.0f : -57344.0f : x)) return false;
  }
  Kv8 of_nan;
  narrow(float_of(0x7fc00000u), of_nan);
  const float kept = widen(of_nan);
  return kE4m3 || kE5m2 ? kept != kept : kept == 0.0f;
}

/// Each byte in each place of a chunk.
template <class Kv8, int Pair>
bool expands() {
  for (int first = 0; first < 256; ++first) {
    uint8_t chunk[kChunkBytes];
    for (int64_t lane = 0; lane < kGranule; ++lane)
      for (int64_t e = 0; e < kChunkElements; ++e)
        chunk[chunk_at(lane, e)] = static_cast<uint8_t>(first + lane * kChunkElements + e);
    float words[kChunkElements / Pair][kGranule];
    expand_chunk<Kv8, Pair>(reinterpret_cast<const char*>(chunk), reinterpret_cast<char*>(words), sizeof words[0]);
    for (int64_t lane = 0; lane < kGranule; ++lane)
      for (int64_t e = 0; e < kChunkElements; ++e) {
        const auto byte = static_cast<uint8_t>(first + lane * kChunkElements + e);
        uint32_t bits;
        std::memcpy(&bits, &words[e / Pair][lane], sizeof bits);
        if (Pair == 2) bits = e % 2 ? bits & 0xffff0000u : bits << 16;
        const float wanted = value_of<Kv8>(byte);
        if (!same(float_of(bits), wanted)) return false;
      }
  }
  return true;
}

/// Each byte in each place of a row.
template <class Kv8>
bool widens() {
  for (int first = 0; first < 256; ++first) {
    Kv8 row[kLanes + 1];
    float numbers[kLanes + 1];
    for (int i = 0; i <= kLanes; ++i) {
      const auto byte = static_cast<uint8_t>(first + i);
      std::memcpy(&row[i], &byte, sizeof byte);
    }
    widen_kv8(row, numbers, kLanes + 1, 1.0f);
    for (int i = 0; i <= kLanes; ++i)
      if (!same(numbers[i], widen(row[i]))) return false;
  }
  return true;
}

/// Steps over chunks against steps over panels of the same numbers; `finite`: of numbers alone.
template <class Kv8, class D>
bool dots(bool finite) {
  constexpr int kRows = 3, kSteps = 16;
  uint32_t last = 7;
  const auto random = [&last] { return (last = last * 1664525u + 1013904223u) >> 8; };
  alignas(64) uint8_t chunks[kSteps][kTileVectors][kChunkBytes];
  for (auto& step : chunks)
    for (auto& chunk : step)
      for (uint8_t& byte : chunk) {
        byte = static_cast<uint8_t>(random());
        if (finite && (byte & 0x7f) > 0x7b) byte ^= 0x40;
      }
  typename D::A a[kRows][kSteps * kChunkElements];
  for (auto& row : a)
    for (auto& x : row) narrow(static_cast<float>(random() % 2001) / 1000.0f - 1.0f, x);
  alignas(64) char panels[kTileVectors][kSteps * kChunkElements / D::kPair][kGranule * 4];
  const char *from_chunks[kTileVectors], *from_panels[kTileVectors];
  for (int v = 0; v < kTileVectors; ++v) {
    from_panels[v] = panels[v][0];
    from_chunks[v] = reinterpret_cast<const char*>(chunks[0][v]);
    for (int s = 0; s < kSteps; ++s)
      expand_chunk<Kv8, D::kPair>(reinterpret_cast<const char*>(chunks[s][v]), panels[v][s * kChunkElements / D::kPair],
                                   sizeof panels[0][0]);
  }
  Vec seen[kRows][kTileVectors] = {}, wanted[kRows][kTileVectors] = {};
  for (int64_t s = 0; s < kSteps; ++s) {
    DotKv8<Kv8, D>::template step<kRows, kTileVectors>(seen, &a[0][s * kChunkElements], kSteps * kChunkElements,
                                                          from_chunks, s * static_cast<int64_t>(sizeof chunks[0]));
    for (int64_t k = s * kChunkElements; k < (s + 1) * kChunkElements; k += D::kPair)
      D::template step<kRows, kTileVectors>(wanted, &a[0][k], kSteps * kChunkElements, from_panels,
                                            k / D::kPair * static_cast<int64_t>(sizeof panels[0][0]));
  }
  for (int i = 0; i < kRows; ++i)
    for (int v = 0; v < kTileVectors; ++v)
      for (int lane = 0; lane < kLanes; ++lane)
        if (!same(seen[i][v][lane], wanted[i][v][lane])) return false;
  return true;
}

template <class Kv8>
bool all() {
#if defined(ATTNRT_KERNEL_PAIRS)
  if (!expands<Kv8, 2>()) return false;
  if (!dots<Kv8, DotPair>(true) || !dots<Kv8, DotPair>(false)) return false;
#endif
  if (!dots<Kv8, DotFp32>(true) || !dots<Kv8, DotFp32>(false)) return false;
  return specials<Kv8>() && widens<Kv8>() && expands<Kv8, 1>();
}

}  // namespace

template <>
const char* kv8_chunks<Isa::ATTNRT_KERNEL_ISA>() {
  return !all<E4m3>() ? "e4m3" : !all<E5m2>() ? "e5m2" : !all<Int8>() ? "int8" : nullptr;
}

}  // namespace attnrt::tests
