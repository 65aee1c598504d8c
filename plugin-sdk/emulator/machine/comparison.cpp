// SPDX-License-Identifier: Apache-2.0
//
// 9.7.6 Comparison and selection.
#include <cmath>

#include "chapters.hpp"
#include "element.hpp"
#include "lanes.hpp"

namespace attnrt::emulator {
namespace {

enum class Combine : uint32_t { none, conjunction, disjunction, exclusive };

// p = compare(a, b) BOOL c; q = !compare(a, b) BOOL c
template <class T, auto F>
void compare(Warp& warp, const Instruction& in, uint32_t lanes) {
  const T *const a = warp.lanes<T>(in.at[2]), *const b = warp.lanes<T>(in.at[3]);
  uint32_t result = 0;
  for (uint32_t i = 0; i < kLanes; ++i) result |= static_cast<uint32_t>(F(a[i], b[i])) << i;
  uint32_t other = ~result;
  const uint32_t c = warp.predicate(in.at[4], in.negated >> 4 & 1);
  switch (static_cast<Combine>(in.option)) {
    case Combine::none:
      break;
    case Combine::conjunction:
      result &= c, other &= c;
      break;
    case Combine::disjunction:
      result |= c, other |= c;
      break;
    case Combine::exclusive:
      result ^= c, other ^= c;
      break;
  }
  warp.set_predicate(in.at[0], result, lanes);
  warp.set_predicate(in.at[1], other, lanes);
}

template <class T>
Handler integer_comparison(std::string_view name) {
  if (name == "eq") return &compare<T, [](T a, T b) { return a == b; }>;
  if (name == "ne") return &compare<T, [](T a, T b) { return a != b; }>;
  if (name == "lt" || name == "lo") return &compare<T, [](T a, T b) { return a < b; }>;
  if (name == "le" || name == "ls") return &compare<T, [](T a, T b) { return a <= b; }>;
  if (name == "gt" || name == "hi") return &compare<T, [](T a, T b) { return (a > b); }>;
  return &compare<T, [](T a, T b) { return a >= b; }>;
}

template <class T>
T of(T value) {
  return value;
}
struct Flushed {
  float value;
};
inline float of(Flushed f) { return flushed(f.value); }
struct Half {
  uint16_t bits;
};
inline float of(Half h) { return from_half(h.bits); }
struct Bfloat {
  uint16_t bits;
};
inline float of(Bfloat b) { return from_bfloat(b.bits); }

// An ordered comparison is false with a NaN, an unordered one (..u) true.
template <class T>
Handler float_comparison(std::string_view name) {
  if (name == "eq") return &compare<T, [](T a, T b) { return of(a) == of(b); }>;
  if (name == "ne") return &compare<T, [](T a, T b) { return (of(a) < of(b) || of(a) > of(b)); }>;
  if (name == "lt") return &compare<T, [](T a, T b) { return of(a) < of(b); }>;
  if (name == "le") return &compare<T, [](T a, T b) { return of(a) <= of(b); }>;
  if (name == "gt") return &compare<T, [](T a, T b) { return (of(a) > of(b)); }>;
  if (name == "ge") return &compare<T, [](T a, T b) { return of(a) >= of(b); }>;
  if (name == "equ") return &compare<T, [](T a, T b) { return !(of(a) < of(b) || of(a) > of(b)); }>;
  if (name == "neu") return &compare<T, [](T a, T b) { return !(of(a) == of(b)); }>;
  if (name == "ltu") return &compare<T, [](T a, T b) { return !(of(a) >= of(b)); }>;
  if (name == "leu") return &compare<T, [](T a, T b) { return !(of(a) > of(b)); }>;
  if (name == "gtu") return &compare<T, [](T a, T b) { return !(of(a) <= of(b)); }>;
  if (name == "geu") return &compare<T, [](T a, T b) { return !(of(a) < of(b)); }>;
  if (name == "num") return &compare<T, [](T a, T b) { return of(a) == of(a) && of(b) == of(b); }>;
  return &compare<T, [](T a, T b) { return of(a) != of(a) || of(b) != of(b); }>;
}

void note_combination(Assembly& a, std::size_t group) {
  const std::string_view name = a.choice(group);
  if (a.has(group) != a.given(3)) a.fail("setp takes a predicate c exactly where it has .and, .or or .xor");
  a.in.option = static_cast<uint32_t>(name == "and"   ? Combine::conjunction
                                      : name == "or"  ? Combine::disjunction
                                      : name == "xor" ? Combine::exclusive
                                                      : Combine::none);
}
void setp_integer(Assembly& a) {
  note_combination(a, 1);
  with_integer(a, a.type(), [&]<class T>() { a.in.run = integer_comparison<T>(a.choice(0)); });
}
void setp_float(Assembly& a) {
  note_combination(a, 1);
  if (a.type() == Type::f64)
    a.in.run = float_comparison<double>(a.choice(0));
  else if (a.has(2))
    a.in.run = float_comparison<Flushed>(a.choice(0));
  else
    a.in.run = float_comparison<float>(a.choice(0));
}
void setp_half(Assembly& a) {
  note_combination(a, 1);
  a.in.run = a.type() == Type::f16 ? float_comparison<Half>(a.choice(0)) : float_comparison<Bfloat>(a.choice(0));
}

template <class T>
void select(Warp& warp, const Instruction& in, uint32_t lanes) {
  T* const d = warp.lanes<T>(in.at[0]);
  const T *const a = warp.lanes<T>(in.at[1]), *const b = warp.lanes<T>(in.at[2]);
  const uint32_t chosen = warp.predicate(in.at[3], in.negated >> 3 & 1);
  each_lane(lanes, [=](uint32_t i) { d[i] = chosen >> i & 1 ? a[i] : b[i]; });
}
void selp(Assembly& a) {
  switch (bits_of(a.type())) {
    case 16:
      a.in.run = &select<uint16_t>;
      break;
    case 32:
      a.in.run = &select<uint32_t>;
      break;
    default:
      a.in.run = &select<uint64_t>;
      break;
  }
}

template <class C>
void slct_of(Warp& warp, const Instruction& in, uint32_t lanes) {
  uint32_t* const d = warp.lanes<uint32_t>(in.at[0]);
  const uint32_t *const a = warp.lanes<uint32_t>(in.at[1]), *const b = warp.lanes<uint32_t>(in.at[2]);
  const C* const c = warp.lanes<C>(in.at[3]);
  each_lane(lanes, [=](uint32_t i) { d[i] = c[i] >= C{0} ? a[i] : b[i]; });
}
void slct(Assembly& a) { a.in.run = a.type() == Type::s32 ? &slct_of<int32_t> : &slct_of<float>; }

constexpr Rule kRules[] = {
    {"9.7.6.2", "setp", "$cmpint $bool? s32|u32|s64|u64|s16|u16|b32|b64|b16", "p|q a b c:pred?", &setp_integer},
    {"9.7.6.2", "setp", "$cmpfloat $bool? ftz? f32", "p|q a b c:pred?", &setp_float},
    {"9.7.6.2", "setp", "$cmpfloat $bool? f64", "p|q a b c:pred?", &setp_float},
    {"9.7.6.3", "selp", "b32|f32|b64|b16|u32|s32|u64|s64|u16|s16|f64", "d a b c:pred", &selp},
    {"9.7.6.4", "slct", "b32|u32|s32|f32 s32|f32", "d:b32 a:b32 b:b32 c:b32", &slct},
    {"9.7.7.2", "setp", "$cmpfloat $bool? f16|bf16", "p|q a b c:pred?", &setp_half},
};

}  // namespace

std::span<const Rule> comparison_rules() { return kRules; }

}  // namespace attnrt::emulator
