// SPDX-License-Identifier: Apache-2.0
//
// 9.7.3 Floating point: fp32, fp64 and packed pairs of fp32.
#include <cfenv>
#include <cmath>
#include <cstring>

#include "block.hpp"
#include "chapters.hpp"
#include "element.hpp"
#include "lanes.hpp"

namespace attnrt::emulator {
namespace {

// Inputs and the result of fp32 arithmetic: with .ftz subnormal numbers are zero, NaN is canonical.
struct Keep {
  static float in(float x) { return x; }
  static float out(float x) { return canonical(x); }
};
struct Ftz {
  static float in(float x) { return flushed(x); }
  static float out(float x) { return flushed(canonical(x)); }
};
struct Saturate {
  static float in(float x) { return x; }
  static float out(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }  // NaN becomes +0
};
struct FtzSaturate {
  static float in(float x) { return flushed(x); }
  static float out(float x) { return Saturate::out(flushed(x)); }
};

template <class M>
float sum(float a, float b) {
  return M::out(M::in(a) + M::in(b));
}
template <class M>
float difference(float a, float b) {
  return M::out(M::in(a)-M::in(b));
}
template <class M>
float product(float a, float b) {
  return M::out(M::in(a)*M::in(b));
}
template <class M>
float fused(float a, float b, float c) {
  return M::out(std::fma(M::in(a), M::in(b), M::in(c)));
}
template <class M>
float quotient(float a, float b) {
  return M::out(M::in(a) / M::in(b));
}

enum class Operation : uint32_t { add, sub, mul, fma, div, rcp, sqrt };

int rounding_of(std::string_view name) {
  return name == "rz" ? FE_TOWARDZERO : name == "rm" ? FE_DOWNWARD : name == "rp" ? FE_UPWARD : FE_TONEAREST;
}

// The other roundings: by the processor's own mode, one lane at a time; `volatile` keeps compilers from moving work
// out.
template <class T>
[[gnu::noinline]] void rounded(Warp& warp, const Instruction& in, uint32_t lanes) {
  const auto operation = static_cast<Operation>(in.option & 7);
  const bool ftz = in.option >> 3 & 1, saturate = in.option >> 4 & 1;
  const uint32_t operands = operation == Operation::fma ? 3 : operation >= Operation::rcp ? 1 : 2;
  T* const d = warp.lanes<T>(in.at[0]);
  const T* const a = warp.lanes<T>(in.at[1]);
  const T* const b = operands > 1 ? warp.lanes<T>(in.at[2]) : a;
  const T* const c = operands > 2 ? warp.lanes<T>(in.at[3]) : a;
  std::fesetround(static_cast<int>(in.count));
  for (uint32_t left = lanes; left; left &= left - 1) {
    const int i = std::countr_zero(left);
    volatile T x = a[i], y = b[i], z = c[i], r = 0;
    if constexpr (sizeof(T) == 4)
      if (ftz) {
        x = flushed(a[i]);
        y = flushed(b[i]);
        z = flushed(c[i]);
      }
    switch (operation) {
      case Operation::add:
        r = x + y;
        break;
      case Operation::sub:
        r = x - y;
        break;
      case Operation::mul:
        r = x * y;
        break;
      case Operation::fma:
        r = std::fma(T{x}, T{y}, T{z});
        break;
      case Operation::div:
        r = x / y;
        break;
      case Operation::rcp:
        r = T{1} / x;
        break;
      case Operation::sqrt:
        r = std::sqrt(T{x});
        break;
    }
    T result = r;
    if constexpr (sizeof(T) == 4) {
      result = canonical(result);
      if (ftz) result = flushed(result);
      if (saturate) result = Saturate::out(result);
    }
    d[i] = result;
  }
  std::fesetround(FE_TONEAREST);
}

template <Operation O>
void arithmetic(Assembly& a) {  // rnd? ftz? sat? f32
  const bool nearest = !a.has(0) || a.choice(0) == "rn", ftz = a.has(1), saturate = a.has(2);
  if (!nearest) {
    a.in.count = static_cast<uint32_t>(rounding_of(a.choice(0)));
    a.in.option = static_cast<uint32_t>(O) | (ftz ? 8u : 0u) | (saturate ? 16u : 0u);
    a.in.run = &rounded<float>;
    return;
  }
  const auto pick = [&]<class M>() -> Handler {
    if constexpr (O == Operation::add) return &binary<float, float, float, &sum<M>>;
    if constexpr (O == Operation::sub) return &binary<float, float, float, &difference<M>>;
    if constexpr (O == Operation::mul) return &binary<float, float, float, &product<M>>;
    if constexpr (O == Operation::fma) return &ternary<float, float, float, float, &fused<M>>;
  };
  a.in.run = saturate ? (ftz ? pick.template operator()<FtzSaturate>() : pick.template operator()<Saturate>())
                      : (ftz ? pick.template operator()<Ftz>() : pick.template operator()<Keep>());
}

template <Operation O>
void arithmetic_64(Assembly& a) {
  a.in.count = static_cast<uint32_t>(rounding_of(a.choice(0)));
  a.in.option = static_cast<uint32_t>(O);
  a.in.run = &rounded<double>;
}

// Pairs of fp32 in 64 bits.
struct Pair {
  float low, high;
};
template <auto F>
Pair each_of_2(Pair a, Pair b) {
  return {F(a.low, b.low), F(a.high, b.high)};
}
template <auto F>
Pair each_of_3(Pair a, Pair b, Pair c) {
  return {F(a.low, b.low, c.low), F(a.high, b.high, c.high)};
}
template <Operation O>
void packed(Assembly& a) {
  const bool ftz = a.has(1);
  const auto pick = [&]<class M>() -> Handler {
    if constexpr (O == Operation::add) return &binary<Pair, Pair, Pair, &each_of_2<&sum<M>>>;
    if constexpr (O == Operation::sub) return &binary<Pair, Pair, Pair, &each_of_2<&difference<M>>>;
    if constexpr (O == Operation::mul) return &binary<Pair, Pair, Pair, &each_of_2<&product<M>>>;
    if constexpr (O == Operation::fma) return &ternary<Pair, Pair, Pair, Pair, &each_of_3<&fused<M>>>;
  };
  a.in.run = ftz ? pick.template operator()<Ftz>() : pick.template operator()<Keep>();
}

// Of two numbers; a NaN loses unless .NaN wants it; -0 is below +0.
template <class M, bool kNan>
float smaller(float a0, float b0) {
  const float a = M::in(a0), b = M::in(b0);
  if (a != a || b != b) return kNan || (a != a && b != b) ? as_float(0x7fffffffu) : a != a ? b : a;
  return a < b ? a : b < a ? b : as_float(as_bits(a) | as_bits(b));
}
template <class M, bool kNan>
float larger(float a0, float b0) {
  const float a = M::in(a0), b = M::in(b0);
  if (a != a || b != b) return kNan || (a != a && b != b) ? as_float(0x7fffffffu) : a != a ? b : a;
  return a > b ? a : b > a ? b : as_float(as_bits(a) & as_bits(b));
}
template <bool kMax>
void extreme(Assembly& a) {  // ftz? NaN? f32
  const auto pick = [&]<class M, bool kNan>() -> Handler {
    constexpr auto one = kMax ? &larger<M, kNan> : &smaller<M, kNan>;
    if (a.given(3))
      return &ternary<float, float, float, float, [](float x, float y, float z) { return one(one(x, y), z); }>;
    return &binary<float, float, float, one>;
  };
  if (a.given(3) && a.arch() < 100) a.fail("min and max of three numbers are for sm_100 and later");
  const bool nan = a.has(1);
  a.in.run = a.has(0) ? (nan ? pick.template operator()<Ftz, true>() : pick.template operator()<Ftz, false>())
                      : (nan ? pick.template operator()<Keep, true>() : pick.template operator()<Keep, false>());
}
template <bool kMax>
void extreme_64(Assembly& a) {
  a.in.run =
      &binary<double, double, double, [](double x, double y) { return kMax ? std::fmax(x, y) : std::fmin(x, y); }>;
}

// An approximation is exact here, or off by up to its documented relative error: by how much the value decides.
float disturbed(float value, float relative) {
  uint32_t hash = as_bits(value) * 2654435761u;
  hash ^= hash >> 15;
  const float part = static_cast<float>(static_cast<int32_t>(hash * 2246822519u)) * 0x1p-31f;
  const float off = value * (1 + part * relative);
  return std::isfinite(value) && value != 0 ? off : value;
}

struct Rcp {
  static constexpr float error = 0x1p-23f;
  static float of(float x) { return 1 / x; }
};
struct Sqrt {
  static constexpr float error = 0x1p-23f;
  static float of(float x) { return std::sqrt(x); }
};
struct Rsqrt {
  static constexpr float error = 0x1p-22f;
  static float of(float x) { return 1 / std::sqrt(x); }
};
struct Sin {
  static constexpr float error = 0x1p-20f;
  static float of(float x) { return std::sin(x); }
};
struct Cos {
  static constexpr float error = 0x1p-20f;
  static float of(float x) { return std::cos(x); }
};
struct Lg2 {
  static constexpr float error = 0x1p-22f;
  static float of(float x) { return std::log2(x); }
};
struct Ex2 {
  static constexpr float error = 0x1p-22f;
  static float of(float x) { return std::exp2(x); }
};
struct Tanh {
  static constexpr float error = 0x1p-11f;
  static float of(float x) { return std::tanh(x); }
};

template <class F, class M>
void approximate(Warp& warp, const Instruction& in, uint32_t lanes) {
  float* const d = warp.lanes<float>(in.at[0]);
  const float* const a = warp.lanes<float>(in.at[1]);
  const bool perturbed = warp.block().mode().perturbed;
  each_lane(lanes, [=](uint32_t i) { d[i] = M::out(F::of(M::in(a[i]))); });
  if (perturbed) each_lane(lanes, [=](uint32_t i) { d[i] = M::out(disturbed(d[i], F::error)); });
}
template <class F>
void approximation(Assembly& a) {  // approx ftz? f32
  a.in.run = a.has(1) ? &approximate<F, Ftz> : &approximate<F, Keep>;
}
template <class M>
void approximate_quotient(Warp& warp, const Instruction& in, uint32_t lanes) {
  float* const d = warp.lanes<float>(in.at[0]);
  const float *const a = warp.lanes<float>(in.at[1]), *const b = warp.lanes<float>(in.at[2]);
  const bool perturbed = warp.block().mode().perturbed;
  each_lane(lanes, [=](uint32_t i) { d[i] = quotient<M>(a[i], b[i]); });
  if (perturbed) each_lane(lanes, [=](uint32_t i) { d[i] = M::out(disturbed(d[i], 0x1p-22f)); });
}
void div_approx(Assembly& a) { a.in.run = a.has(1) ? &approximate_quotient<Ftz> : &approximate_quotient<Keep>; }

void div(Assembly& a) {
  if (a.choice(0) == "rn") {
    a.in.run = a.has(1) ? &binary<float, float, float, &quotient<Ftz>> : &binary<float, float, float, &quotient<Keep>>;
    return;
  }
  a.in.count = static_cast<uint32_t>(rounding_of(a.choice(0)));
  a.in.option = static_cast<uint32_t>(Operation::div) | (a.has(1) ? 8u : 0u);
  a.in.run = &rounded<float>;
}
template <Operation O>
void rounded_unary(Assembly& a) {
  a.in.count = static_cast<uint32_t>(rounding_of(a.choice(0)));
  a.in.option = static_cast<uint32_t>(O) | (a.has(1) ? 8u : 0u);
  a.in.run = a.type() == Type::f64 ? &rounded<double> : &rounded<float>;
}

uint32_t without_sign(uint32_t x) { return x & 0x7fffffffu; }
uint32_t other_sign(uint32_t x) { return x ^ 0x80000000u; }
float flush_abs(float x) { return std::fabs(flushed(x)); }
float flush_neg(float x) { return -flushed(x); }
void abs_of(Assembly& a) {
  if (a.type() == Type::f64)
    a.in.run = &unary<uint64_t, uint64_t, [](uint64_t x) { return x & ~(uint64_t{1} << 63); }>;
  else
    a.in.run = a.has(0) ? &unary<float, float, &flush_abs> : &unary<uint32_t, uint32_t, &without_sign>;
}
void neg(Assembly& a) {
  if (a.type() == Type::f64)
    a.in.run = &unary<uint64_t, uint64_t, [](uint64_t x) { return x ^ (uint64_t{1} << 63); }>;
  else
    a.in.run = a.has(0) ? &unary<float, float, &flush_neg> : &unary<uint32_t, uint32_t, &other_sign>;
}
void copysign_of(Assembly& a) {  // the sign of a, the rest of b
  if (a.type() == Type::f64)
    a.in.run = &binary<double, double, double, [](double x, double y) { return std::copysign(y, x); }>;
  else
    a.in.run = &binary<float, float, float, [](float x, float y) { return std::copysign(y, x); }>;
}

template <class T, auto F>
void test(Warp& warp, const Instruction& in, uint32_t lanes) {
  const T* const a = warp.lanes<T>(in.at[1]);
  uint32_t result = 0;
  for (uint32_t i = 0; i < kLanes; ++i) result |= static_cast<uint32_t>(F(a[i])) << i;
  warp.set_predicate(in.at[0], result, lanes);
}
template <class T>
Handler test_named(std::string_view name) {
  if (name == "finite") return &test<T, [](T x) { return std::isfinite(x); }>;
  if (name == "infinite") return &test<T, [](T x) { return std::isinf(x); }>;
  if (name == "number") return &test<T, [](T x) { return !std::isnan(x); }>;
  if (name == "notanumber") return &test<T, [](T x) { return std::isnan(x); }>;
  if (name == "normal") return &test<T, [](T x) { return std::isnormal(x); }>;
  return &test<T, [](T x) { return std::fpclassify(x) == FP_SUBNORMAL; }>;
}
void testp(Assembly& a) {
  a.in.run = a.type() == Type::f64 ? test_named<double>(a.choice(0)) : test_named<float>(a.choice(0));
}

constexpr Rule kRules[] = {
    {"9.7.3.1", "testp", "finite|infinite|number|notanumber|normal|subnormal f32|f64", "p a", &testp},
    {"9.7.3.2", "copysign", "f32|f64", "d a b", &copysign_of},
    {"9.7.3.3", "add", "$rnd? ftz? sat? f32", "d a b", &arithmetic<Operation::add>},
    {"9.7.3.3", "add", "$rnd? ftz? f32x2", "d a b", &packed<Operation::add>},
    {"9.7.3.3", "add", "$rnd? f64", "d a b", &arithmetic_64<Operation::add>},
    {"9.7.3.4", "sub", "$rnd? ftz? sat? f32", "d a b", &arithmetic<Operation::sub>},
    {"9.7.3.4", "sub", "$rnd? ftz? f32x2", "d a b", &packed<Operation::sub>},
    {"9.7.3.4", "sub", "$rnd? f64", "d a b", &arithmetic_64<Operation::sub>},
    {"9.7.3.5", "mul", "$rnd? ftz? sat? f32", "d a b", &arithmetic<Operation::mul>},
    {"9.7.3.5", "mul", "$rnd? ftz? f32x2", "d a b", &packed<Operation::mul>},
    {"9.7.3.5", "mul", "$rnd? f64", "d a b", &arithmetic_64<Operation::mul>},
    {"9.7.3.6", "fma", "$rnd ftz? sat? f32", "d a b c", &arithmetic<Operation::fma>},
    {"9.7.3.6", "fma", "$rnd ftz? f32x2", "d a b c", &packed<Operation::fma>},
    {"9.7.3.6", "fma", "$rnd f64", "d a b c", &arithmetic_64<Operation::fma>},
    {"9.7.3.7", "mad", "$rnd ftz? sat? f32", "d a b c", &arithmetic<Operation::fma>},
    {"9.7.3.7", "mad", "$rnd f64", "d a b c", &arithmetic_64<Operation::fma>},
    {"9.7.3.8", "div", "approx|full ftz? f32", "d a b", &div_approx},
    {"9.7.3.8", "div", "$rnd ftz? f32", "d a b", &div},
    {"9.7.3.8", "div", "$rnd f64", "d a b", &arithmetic_64<Operation::div>},
    {"9.7.3.9", "abs", "ftz? f32|f64", "d a", &abs_of},
    {"9.7.3.10", "neg", "ftz? f32|f64", "d a", &neg},
    {"9.7.3.11", "min", "ftz? NaN? f32", "d a b c?", &extreme<false>},
    {"9.7.3.11", "min", "f64", "d a b", &extreme_64<false>},
    {"9.7.3.12", "max", "ftz? NaN? f32", "d a b c?", &extreme<true>},
    {"9.7.3.12", "max", "f64", "d a b", &extreme_64<true>},
    {"9.7.3.13", "rcp", "approx ftz? f32", "d a", &approximation<Rcp>},
    {"9.7.3.13", "rcp", "$rnd ftz? f32|f64", "d a", &rounded_unary<Operation::rcp>},
    {"9.7.3.15", "sqrt", "approx ftz? f32", "d a", &approximation<Sqrt>},
    {"9.7.3.15", "sqrt", "$rnd ftz? f32|f64", "d a", &rounded_unary<Operation::sqrt>},
    {"9.7.3.16", "rsqrt", "approx ftz? f32", "d a", &approximation<Rsqrt>},
    {"9.7.3.18", "sin", "approx ftz? f32", "d a", &approximation<Sin>},
    {"9.7.3.19", "cos", "approx ftz? f32", "d a", &approximation<Cos>},
    {"9.7.3.20", "lg2", "approx ftz? f32", "d a", &approximation<Lg2>},
    {"9.7.3.21", "ex2", "approx ftz? f32", "d a", &approximation<Ex2>},
    {"9.7.3.22", "tanh", "approx ftz? f32", "d a", &approximation<Tanh>},
};

}  // namespace

std::span<const Rule> float_rules() { return kRules; }

}  // namespace attnrt::emulator
