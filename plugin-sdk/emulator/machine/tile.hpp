// SPDX-License-Identifier: Apache-2.0
//
// Fragments of matrices as the lanes of a warp hold them (manual 9.7.14.5): lane l holds row or column l / 4, and of
// the other dimension the elements of l % 4. Products are summed in fp32 in the order of k; what a tensor core adds in
// which order is not documented, so results agree with a device within a tolerance and never by bits.
#ifndef ATTNRT_EMULATOR_TILE_HPP
#define ATTNRT_EMULATOR_TILE_HPP
#include <cstdint>
#include <cstring>

#include "element.hpp"
#include "warp.hpp"

namespace attnrt::emulator {

// What an element of 8, 16 or 32 bits is worth.
struct HalfElement {
  using Bits = uint16_t;
  static float of(Bits x) { return from_half(x); }
};
struct BfloatElement {
  using Bits = uint16_t;
  static float of(Bits x) { return from_bfloat(x); }
};
struct Tf32Element {
  using Bits = uint32_t;
  static float of(Bits x) { return from_tf32(x); }
};
struct E4m3Element {
  using Bits = uint8_t;
  static float of(Bits x) { return from_e4m3(x); }
};
struct E5m2Element {
  using Bits = uint8_t;
  static float of(Bits x) { return from_e5m2(x); }
};

template <class E>
constexpr uint32_t kPerRegister = 4 / sizeof(typename E::Bits);

/// 16 rows of A from registers; K is 4 or 8 registers' worth.
template <class E, uint32_t K>
void load_a(Warp& warp, const uint32_t* places, float (&a)[16][K]) {
  constexpr uint32_t per = kPerRegister<E>;
  for (uint32_t r = 0; r < K / (4 * per) * 2; ++r) {
    const auto* const lanes = warp.lanes<typename E::Bits>(places[r]);
    for (uint32_t i = 0; i < kLanes; ++i)
      for (uint32_t e = 0; e < per; ++e)
        a[(r & 1) * 8 + i / 4][(r >> 1) * 4 * per + i % 4 * per + e] = E::of(lanes[i * per + e]);
  }
}
/// 8 columns of B from registers.
template <class E, uint32_t K>
void load_b(Warp& warp, const uint32_t* places, float (&b)[K][8]) {
  constexpr uint32_t per = kPerRegister<E>;
  for (uint32_t r = 0; r < K / (4 * per); ++r) {
    const auto* const lanes = warp.lanes<typename E::Bits>(places[r]);
    for (uint32_t i = 0; i < kLanes; ++i)
      for (uint32_t e = 0; e < per; ++e) b[r * 4 * per + i % 4 * per + e][i / 4] = E::of(lanes[i * per + e]);
  }
}
inline void load_c(Warp& warp, const uint32_t* places, float (&c)[16][8]) {
  for (uint32_t r = 0; r < 4; ++r) {
    const float* const lanes = warp.lanes<float>(places[r]);
    for (uint32_t i = 0; i < kLanes; ++i) c[(r >> 1) * 8 + i / 4][i % 4 * 2 + (r & 1)] = lanes[i];
  }
}
inline void store_c(Warp& warp, const uint32_t* places, const float (&c)[16][8]) {
  for (uint32_t r = 0; r < 4; ++r) {
    float* const lanes = warp.lanes<float>(places[r]);
    for (uint32_t i = 0; i < kLanes; ++i) lanes[i] = c[(r >> 1) * 8 + i / 4][i % 4 * 2 + (r & 1)];
  }
}

/// c += a b. Four rows at a time, each a vector of eight columns.
template <uint32_t K>
void multiply_add(const float (&a)[16][K], const float (&b)[K][8], float (&c)[16][8]) {
  using Row = float __attribute__((vector_size(32), aligned(4), may_alias));
  for (uint32_t i = 0; i < 16; i += 4) {
    Row c0 = *reinterpret_cast<const Row*>(c[i]), c1 = *reinterpret_cast<const Row*>(c[i + 1]),
        c2 = *reinterpret_cast<const Row*>(c[i + 2]), c3 = *reinterpret_cast<const Row*>(c[i + 3]);
    for (uint32_t k = 0; k < K; ++k) {
      const Row row = *reinterpret_cast<const Row*>(b[k]);
      c0 += a[i][k] * row;
      c1 += a[i + 1][k] * row;
      c2 += a[i + 2][k] * row;
      c3 += a[i + 3][k] * row;
    }
    std::memcpy(c[i], &c0, 32);
    std::memcpy(c[i + 1], &c1, 32);
    std::memcpy(c[i + 2], &c2, 32);
    std::memcpy(c[i + 3], &c3, 32);
  }
}

inline void want_all_lanes(uint32_t lanes, const char* what) {
  if (lanes != kAllLanes) throw Fault(Answer::illegal_instruction, say(what, " by a part of a warp"));
}

}  // namespace attnrt::emulator
#endif
