// SPDX-License-Identifier: Apache-2.0
//
// 9.7.9.21 cvt: between any two scalar types, and of pairs of small floating-point numbers.
#include <cfenv>
#include <cmath>
#include <cstring>
#include <limits>

#include "chapters.hpp"
#include "element.hpp"
#include "lanes.hpp"

namespace attnrt::emulator {
namespace {

struct Half {
  uint16_t bits;
};
struct Bfloat {
  uint16_t bits;
};

template <class T>
constexpr bool is_real = std::is_same_v<T, Half> || std::is_same_v<T, Bfloat> || std::is_floating_point_v<T>;

template <class T>
double value_of(T x) {
  if constexpr (std::is_same_v<T, Half>)
    return static_cast<double>(from_half(x.bits));
  else if constexpr (std::is_same_v<T, Bfloat>)
    return static_cast<double>(from_bfloat(x.bits));
  else
    return static_cast<double>(x);
}

// How a conversion rounds and clamps; in the fields of the instruction.
enum Option : uint32_t { kSaturate = 1, kFtz = 2, kToInteger = 4, kRelu = 8 };

float narrowed(double value, int rounding) {
  std::fesetround(rounding);
  volatile double from = value;
  volatile float to = static_cast<float>(from);
  std::fesetround(FE_TONEAREST);
  return to;
}

// To 16 bits by truncating, or the other way where that is what the mode asks; the nearest by to_half and to_bfloat.
template <class To>
uint16_t cut(double value, int rounding, To nearest, float (*back)(uint16_t)) {
  uint16_t bits = nearest(narrowed(value, rounding));
  if (value != value || rounding == FE_TONEAREST) return bits;
  const auto got = static_cast<double>(back(bits));
  const bool too_large = std::fabs(got) > std::fabs(value), too_small = std::fabs(got) < std::fabs(value);
  const bool negative = std::signbit(value);
  const bool away = (rounding == FE_UPWARD && !negative) || (rounding == FE_DOWNWARD && negative);
  if (!away && too_large) --bits;
  if (away && too_small) ++bits;
  return bits;
}

template <class D>
D real_to(double value, int rounding, uint32_t option) {
  if (option & kToInteger) {
    std::fesetround(rounding);
    volatile double whole = std::nearbyint(value);
    std::fesetround(FE_TONEAREST);
    value = whole;
    rounding = FE_TONEAREST;
  }
  if (option & kSaturate) value = value > 0 ? (value < 1 ? value : 1.0) : 0.0;
  if (option & kRelu) value = value > 0 ? value : value != value ? value : 0.0;
  if constexpr (std::is_same_v<D, Half>)
    return {cut(value, rounding, &to_half, &from_half)};
  else if constexpr (std::is_same_v<D, Bfloat>)
    return {cut(value, rounding, &to_bfloat, &from_bfloat)};
  else if constexpr (std::is_same_v<D, float>) {
    const float result = canonical(rounding == FE_TONEAREST ? static_cast<float>(value) : narrowed(value, rounding));
    return option & kFtz ? flushed(result) : result;
  } else {
    return value;
  }
}

// Clamped to the type; NaN becomes 0.
template <class D>
D integer_from(double value, int rounding) {
  std::fesetround(rounding);
  volatile double whole = std::nearbyint(value);
  std::fesetround(FE_TONEAREST);
  const double x = whole;
  if (x != x) return 0;
  constexpr auto least = static_cast<double>(std::numeric_limits<D>::min());
  const double beyond = std::ldexp(1.0, std::numeric_limits<D>::digits);
  if (x <= least) return std::numeric_limits<D>::min();
  if (x >= beyond) return std::numeric_limits<D>::max();
  return static_cast<D>(x);
}

template <class D, class S>
D convert_one(S x, int rounding, uint32_t option) {
  if constexpr (is_real<S> && is_real<D>) {
    if constexpr (std::is_same_v<S, float>)
      if (option & kFtz) x = flushed(x);
    return real_to<D>(value_of(x), rounding, option);
  } else if constexpr (is_real<S>) {
    if constexpr (std::is_same_v<S, float>)
      if (option & kFtz) x = flushed(x);
    return integer_from<D>(value_of(x), rounding);
  } else if constexpr (is_real<D>) {
    if constexpr (std::is_same_v<D, float> && sizeof(S) == 8) {  // fp64 would round first
      std::fesetround(rounding);
      volatile S from = x;
      volatile float to = static_cast<float>(from);
      std::fesetround(FE_TONEAREST);
      return to;
    } else {
      return real_to<D>(static_cast<double>(x), rounding, option);
    }
  } else {
    if (option & kSaturate) {
      using Wide = Int128;
      const Wide least = std::numeric_limits<D>::min(), most = std::numeric_limits<D>::max();
      const Wide wide = x;
      return static_cast<D>(wide < least ? least : wide > most ? most : wide);
    }
    return static_cast<D>(x);
  }
}

template <class T>
using Lane = std::conditional_t<sizeof(T) == 1, uint16_t, T>;  // 8 bits live in registers of 16

// Registers may be wider than the types: the source's upper bits do not count, the destination's repeat the sign.
uint64_t read_lane(Warp& warp, uint32_t place, uint32_t bits, uint32_t i) {
  if (bits == 16) return warp.lanes<uint16_t>(place)[i];
  if (bits == 32) return warp.lanes<uint32_t>(place)[i];
  return warp.lanes<uint64_t>(place)[i];
}
void write_lane(Warp& warp, uint32_t place, uint32_t bits, uint32_t i, uint64_t value) {
  if (bits == 16)
    warp.lanes<uint16_t>(place)[i] = static_cast<uint16_t>(value);
  else if (bits == 32)
    warp.lanes<uint32_t>(place)[i] = static_cast<uint32_t>(value);
  else
    warp.lanes<uint64_t>(place)[i] = value;
}

template <class D, class S>
void convert(Warp& warp, const Instruction& in, uint32_t lanes) {
  const uint32_t to_bits = in.count & 0xff, from_bits = in.count >> 8;
  const int rounding = static_cast<int>(in.displacement);
  for (uint32_t left = lanes; left; left &= left - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(left));
    const uint64_t raw = read_lane(warp, in.at[1], from_bits, i);
    S from;
    std::memcpy(&from, &raw, sizeof from);
    const D to = convert_one<D, S>(from, rounding, in.option);
    uint64_t out = 0;
    if constexpr (!is_real<D>) out = static_cast<uint64_t>(static_cast<int64_t>(to));
    if constexpr (is_real<D> || std::is_unsigned_v<D>) {
      out = 0;
      std::memcpy(&out, &to, sizeof to);
    }
    write_lane(warp, in.at[0], to_bits, i, out);
  }
}

// The usual case: registers as wide as their types, round to nearest, nothing to clamp.
template <class D, class S>
D plain(Lane<S> raw) {
  const S x = static_cast<S>(raw);
  if constexpr (std::is_same_v<S, Half>)
    return static_cast<D>(from_half(x.bits));
  else if constexpr (std::is_same_v<S, Bfloat>)
    return static_cast<D>(from_bfloat(x.bits));
  else if constexpr (std::is_same_v<D, Half>)
    return {to_half(x)};
  else if constexpr (std::is_same_v<D, Bfloat>)
    return {to_bfloat(x)};
  else
    return static_cast<D>(x);
}
template <class D, class S>
constexpr bool has_plain() {
  if (is_real<S> && !is_real<D>) return false;
  if (std::is_same_v<D, Half> || std::is_same_v<D, Bfloat>) return std::is_same_v<S, float>;
  if (std::is_same_v<S, Half> || std::is_same_v<S, Bfloat>) return std::is_same_v<D, float>;
  return !(is_real<D> && is_real<S>);  // NaN has to become canonical
}

template <class Pick>
void with_any(Assembly& a, Type type, Pick pick) {
  switch (type) {
    case Type::u8:
      return pick.template operator()<uint8_t>();
    case Type::s8:
      return pick.template operator()<int8_t>();
    case Type::f16:
      return pick.template operator()<Half>();
    case Type::bf16:
      return pick.template operator()<Bfloat>();
    case Type::f32:
      return pick.template operator()<float>();
    case Type::f64:
      return pick.template operator()<double>();
    default:
      return with_integer(a, type, pick);
  }
}

void cvt(Assembly& a) {  // rounding? relu? ftz? sat? d s
  a.want_operands(2);
  const Type to = type_named(a.choice(4)), from = type_named(a.choice(5));
  std::string_view rounding = a.choice(0);
  const bool integral = rounding.size() == 3 && rounding != "rna";
  if (is_float(to) && is_float(from) && bits_of(to) < bits_of(from) && rounding.empty())
    a.fail("a conversion to a narrower type takes a rounding");
  if (is_float(to) && !is_float(from) && rounding.empty()) a.fail("a conversion from integers takes a rounding");
  if (is_float(from) && !is_float(to) && !integral) a.fail("a conversion to integers takes .rni, .rzi, .rmi or .rpi");
  if (!is_float(from) && !is_float(to) && !rounding.empty()) a.fail("integers are not rounded");
  const bool cuts = is_float(to) && is_float(from) && integral && bits_of(to) != bits_of(from);
  if (cuts) a.fail("rounding to an integer keeps the type");
  const uint32_t to_bits = a.destination(a.operand(0), to, false);
  const uint32_t from_bits = a.source(a.operand(1), from, false);
  a.in.count = to_bits | from_bits << 8;
  a.in.option = (a.has(3) ? kSaturate : 0u) | (a.has(2) ? kFtz : 0u) | (a.has(1) ? kRelu : 0u) |
                (integral && is_float(to) ? kToInteger : 0u);
  const char mode = rounding.empty() ? 'n' : rounding[1];
  a.in.displacement = mode == 'z' ? FE_TOWARDZERO : mode == 'm' ? FE_DOWNWARD : mode == 'p' ? FE_UPWARD : FE_TONEAREST;
  const bool simple = to_bits == register_bits(to) && from_bits == register_bits(from) && !a.in.option && mode == 'n' &&
                      bits_of(to) != 8;
  with_any(a, to, [&]<class D>() {
    with_any(a, from, [&]<class S>() {
      a.in.run = &convert<D, S>;
      if constexpr (has_plain<D, S>() && sizeof(D) > 1)
        if (simple) a.in.run = &unary<D, Lane<S>, &plain<D, S>>;
    });
  });
}

// d = two numbers of 16 bits: a in the upper half, b in the lower.
template <auto To>
void pack_16(Warp& warp, const Instruction& in, uint32_t lanes) {
  uint32_t* const d = warp.lanes<uint32_t>(in.at[0]);
  const float *const a = warp.lanes<float>(in.at[1]), *const b = warp.lanes<float>(in.at[2]);
  const bool relu = in.option;
  each_lane(lanes, [=](uint32_t i) {
    const float high = relu && a[i] < 0 ? 0.0f : a[i], low = relu && b[i] < 0 ? 0.0f : b[i];
    d[i] = uint32_t{To(high)} << 16 | To(low);
  });
}
void cvt_pair(Assembly& a) {
  a.in.option = a.has(1);
  const Type to = type_named(a.choice(2));
  a.in.run = to == Type::f16x2 ? &pack_16<&to_half> : &pack_16<&to_bfloat>;
}

template <auto From>
uint32_t unpack_8(uint16_t pair) {
  return uint32_t{to_half(From(static_cast<uint8_t>(pair >> 8)))} << 16 | to_half(From(static_cast<uint8_t>(pair)));
}
void cvt_from_fp8(Assembly& a) {
  if (a.arch() < 89) a.fail("conversions of fp8 are for sm_89 and later");
  a.want_operands(2);
  const bool e4m3 = a.choice(3) == "e4m3x2";
  a.destination(a.operand(0), Type::b32);
  a.source(a.operand(1), Type::b16);
  a.in.run =
      e4m3 ? &unary<uint32_t, uint16_t, &unpack_8<&from_e4m3>> : &unary<uint32_t, uint16_t, &unpack_8<&from_e5m2>>;
}

template <int kExponent>
void pack_8(Warp& warp, const Instruction& in, uint32_t lanes) {
  uint16_t* const d = warp.lanes<uint16_t>(in.at[0]);
  const float *const a = warp.lanes<float>(in.at[1]), *const b = warp.lanes<float>(in.at[2]);
  each_lane(lanes,
            [=](uint32_t i) { d[i] = static_cast<uint16_t>(to_fp8(a[i], kExponent) << 8 | to_fp8(b[i], kExponent)); });
}
template <int kExponent>
uint16_t repack_8(uint32_t halves) {
  return static_cast<uint16_t>(to_fp8(from_half(static_cast<uint16_t>(halves >> 16)), kExponent) << 8 |
                               to_fp8(from_half(static_cast<uint16_t>(halves)), kExponent));
}
void cvt_to_fp8(Assembly& a) {
  if (a.arch() < 89) a.fail("conversions of fp8 are for sm_89 and later");
  const bool e4m3 = a.choice(3) == "e4m3x2", halves = a.choice(4) == "f16x2";
  a.want_operands(halves ? 2 : 3);
  a.destination(a.operand(0), Type::b16);
  a.source(a.operand(1), Type::b32);
  if (!halves) a.source(a.operand(2), Type::b32);
  if (halves)
    a.in.run = e4m3 ? &unary<uint16_t, uint32_t, &repack_8<4>> : &unary<uint16_t, uint32_t, &repack_8<5>>;
  else
    a.in.run = e4m3 ? &pack_8<4> : &pack_8<5>;
}

void cvt_tf32(Assembly& a) {  // to the nearest, ties away from zero
  a.in.run = &unary<uint32_t, uint32_t,
                    [](uint32_t x) { return (x & 0x7f800000u) == 0x7f800000u ? x : (x + 0x1000u) & 0xffffe000u; }>;
}

#define ATTNRT_SCALAR "u32|s32|u64|s64|u16|s16|u8|s8|f16|bf16|f32|f64"
constexpr Rule kRules[] = {
    {"9.7.9.21", "cvt", "rn|rz|rm|rp|rni|rzi|rmi|rpi? relu? ftz? sat? " ATTNRT_SCALAR " " ATTNRT_SCALAR, "*", &cvt},
    {"9.7.9.21", "cvt", "rn relu? f16x2|bf16x2 f32", "d:b32 a:b32 b:b32", &cvt_pair},
    {"9.7.9.21", "cvt", "rn relu? f16x2 e4m3x2|e5m2x2", "*", &cvt_from_fp8},
    {"9.7.9.21", "cvt", "rn satfinite relu? e4m3x2|e5m2x2 f32|f16x2", "*", &cvt_to_fp8},
    {"9.7.9.21", "cvt", "rna satfinite? tf32 f32", "d:b32 a:b32", &cvt_tf32},
};
#undef ATTNRT_SCALAR

}  // namespace

std::span<const Rule> conversion_rules() { return kRules; }

}  // namespace attnrt::emulator
