// SPDX-License-Identifier: Apache-2.0
//
// 9.7.4 Half precision: fp16 and bf16, alone and in pairs. Results are computed in fp64, in which sums and products of
// two such numbers are exact and a fused multiply-add is rounded far behind their last place, and rounded once.
#include <cmath>

#include "chapters.hpp"
#include "element.hpp"
#include "lanes.hpp"

namespace attnrt::emulator {
namespace {

// fp64 to 16 bits by way of fp32: rounding to odd on the way keeps the second rounding right.
float to_odd(double value) {
  const auto nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || !std::isfinite(nearest) || value != value) return nearest;
  const uint32_t bits = as_bits(nearest);
  const bool beyond = std::fabs(static_cast<double>(nearest)) > std::fabs(value);
  const uint32_t truncated = beyond ? bits - 1 : bits;
  return as_float(truncated | 1u);
}
struct F16 {
  static float from(uint16_t x) { return from_half(x); }
  static uint16_t to(double x) { return to_half(to_odd(x)); }
};
struct Bf16 {
  static float from(uint16_t x) { return from_bfloat(x); }
  static uint16_t to(double x) { return to_bfloat(to_odd(x)); }
};

struct Add {
  static double of(double a, double b) { return a + b; }
};
struct Sub {
  static double of(double a, double b) { return a - b; }
};
struct Mul {
  static double of(double a, double b) { return a * b; }
};
struct Min {
  static double of(double a, double b) {
    return a != a ? b : b != b ? a : a < b || (a == b && std::signbit(a)) ? a : b;
  }
};
struct Max {
  static double of(double a, double b) {
    return a != a ? b : b != b ? a : a > b || (a == b && !std::signbit(a)) ? a : b;
  }
};

template <class E, class F>
uint16_t one(uint16_t a, uint16_t b) {
  return E::to(F::of(E::from(a), E::from(b)));
}
template <class E>
uint16_t one_fma(uint16_t a, uint16_t b, uint16_t c) {
  return E::to(
      std::fma(static_cast<double>(E::from(a)), static_cast<double>(E::from(b)), static_cast<double>(E::from(c))));
}
template <auto F>
uint32_t two(uint32_t a, uint32_t b) {
  return uint32_t{F(static_cast<uint16_t>(a), static_cast<uint16_t>(b))} |
         uint32_t{F(static_cast<uint16_t>(a >> 16), static_cast<uint16_t>(b >> 16))} << 16;
}
template <auto F>
uint32_t two_3(uint32_t a, uint32_t b, uint32_t c) {
  return uint32_t{F(static_cast<uint16_t>(a), static_cast<uint16_t>(b), static_cast<uint16_t>(c))} |
         uint32_t{F(static_cast<uint16_t>(a >> 16), static_cast<uint16_t>(b >> 16), static_cast<uint16_t>(c >> 16))}
             << 16;
}

template <class F>
void half_2(Assembly& a) {
  using H = uint16_t;
  using W = uint32_t;
  switch (a.type()) {
    case Type::f16:
      a.in.run = &binary<H, H, H, &one<F16, F>>;
      break;
    case Type::bf16:
      a.in.run = &binary<H, H, H, &one<Bf16, F>>;
      break;
    case Type::f16x2:
      a.in.run = &binary<W, W, W, &two<&one<F16, F>>>;
      break;
    default:
      a.in.run = &binary<W, W, W, &two<&one<Bf16, F>>>;
      break;
  }
}
void fma(Assembly& a) {
  using H = uint16_t;
  using W = uint32_t;
  switch (a.type()) {
    case Type::f16:
      a.in.run = &ternary<H, H, H, H, &one_fma<F16>>;
      break;
    case Type::bf16:
      a.in.run = &ternary<H, H, H, H, &one_fma<Bf16>>;
      break;
    case Type::f16x2:
      a.in.run = &ternary<W, W, W, W, &two_3<&one_fma<F16>>>;
      break;
    default:
      a.in.run = &ternary<W, W, W, W, &two_3<&one_fma<Bf16>>>;
      break;
  }
}
void neg(Assembly& a) {
  if (bits_of(a.type()) == 16)
    a.in.run = &unary<uint16_t, uint16_t, [](uint16_t x) { return x ^ 0x8000; }>;
  else
    a.in.run = &unary<uint32_t, uint32_t, [](uint32_t x) { return x ^ 0x80008000u; }>;
}
void abs_of(Assembly& a) {
  if (bits_of(a.type()) == 16)
    a.in.run = &unary<uint16_t, uint16_t, [](uint16_t x) { return x & 0x7fff; }>;
  else
    a.in.run = &unary<uint32_t, uint32_t, [](uint32_t x) { return x & 0x7fff7fffu; }>;
}

#define ATTNRT_HALF "f16|bf16|f16x2|bf16x2"
constexpr Rule kRules[] = {
    {"9.7.4.1", "add", "rn? " ATTNRT_HALF, "d a b", &half_2<Add>},
    {"9.7.4.2", "sub", "rn? " ATTNRT_HALF, "d a b", &half_2<Sub>},
    {"9.7.4.3", "mul", "rn? " ATTNRT_HALF, "d a b", &half_2<Mul>},
    {"9.7.4.4", "fma", "rn " ATTNRT_HALF, "d a b c", &fma},
    {"9.7.4.5", "neg", ATTNRT_HALF, "d a", &neg},
    {"9.7.4.6", "abs", ATTNRT_HALF, "d a", &abs_of},
    {"9.7.4.7", "min", ATTNRT_HALF, "d a b", &half_2<Min>},
    {"9.7.4.8", "max", ATTNRT_HALF, "d a b", &half_2<Max>},
};
#undef ATTNRT_HALF

}  // namespace

std::span<const Rule> half_rules() { return kRules; }

}  // namespace attnrt::emulator
