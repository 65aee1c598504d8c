// SPDX-License-Identifier: Apache-2.0
//
// 9.7.1 Integer arithmetic, 9.7.2 extended precision.
#include <algorithm>
#include <limits>

#include "chapters.hpp"
#include "lanes.hpp"

namespace attnrt::emulator {
namespace {

struct Plus {
  template <class T>
  static T of(T a, T b) {
    return wrap<T>(static_cast<Wrapping<T>>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b)));
  }
};
struct Minus {
  template <class T>
  static T of(T a, T b) {
    return wrap<T>(static_cast<Wrapping<T>>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b)));
  }
};
struct Least {
  template <class T>
  static T of(T a, T b) {
    return a < b ? a : b;
  }
};
struct Greatest {
  template <class T>
  static T of(T a, T b) {
    return a > b ? a : b;
  }
};
// Division by zero gives all ones on the hardware (manual 9.7.1.8: unspecified), and no trap.
struct Quotient {
  template <class T>
  static T of(T a, T b) {
    if (b == 0) return static_cast<T>(~T{0});
    if constexpr (std::is_signed_v<T>)
      if (b == -1) return Minus::of<T>(0, a);
    return static_cast<T>(a / b);
  }
};
struct Remainder {
  template <class T>
  static T of(T a, T b) {
    if (b == 0) return a;
    if constexpr (std::is_signed_v<T>)
      if (b == -1) return 0;
    return static_cast<T>(a % b);
  }
};

template <class F>
void integer_2(Assembly& a) {
  with_integer(a, a.type(), [&]<class T>() { a.in.run = &binary<T, T, T, &F::template of<T>>; });
}

template <class T>
T add_saturated(T a, T b) {
  T sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a < 0 ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
}
template <class T>
T sub_saturated(T a, T b) {
  T difference = 0;
  if (!__builtin_sub_overflow(a, b, &difference)) return difference;
  return a < 0 ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
}

template <class T>
using Double =
    std::conditional_t<sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>,
                       std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
                                          std::conditional_t<std::is_signed_v<T>, Int128, Uint128>>>;

template <class T>
T multiply_low(T a, T b) {
  return wrap<T>(static_cast<Wrapping<T>>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b)));
}
template <class T>
T multiply_high(T a, T b) {
  return static_cast<T>((static_cast<Double<T>>(a) * static_cast<Double<T>>(b)) >> (8 * sizeof(T)));
}
template <class T>
Double<T> multiply_wide(T a, T b) {
  return static_cast<Double<T>>(static_cast<Double<T>>(a) * static_cast<Double<T>>(b));
}
template <class T>
T mad_low(T a, T b, T c) {
  return Plus::of<T>(multiply_low<T>(a, b), c);
}
template <class T>
T mad_high(T a, T b, T c) {
  return Plus::of<T>(multiply_high<T>(a, b), c);
}
template <class T>
Double<T> mad_wide(T a, T b, Double<T> c) {
  return Plus::of<Double<T>>(multiply_wide<T>(a, b), c);
}

void mul(Assembly& a) {
  with_integer(a, a.type(), [&]<class T>() {
    if (a.choice(0) == "lo") a.in.run = &binary<T, T, T, &multiply_low<T>>;
    if (a.choice(0) == "hi") a.in.run = &binary<T, T, T, &multiply_high<T>>;
  });
}
void mul_wide(Assembly& a) {
  with_integer(a, a.type(), [&]<class T>() {
    if constexpr (sizeof(T) < 8) a.in.run = &binary<Double<T>, T, T, &multiply_wide<T>>;
  });
}
void mad(Assembly& a) {
  with_integer(a, a.type(), [&]<class T>() {
    if (a.choice(0) == "lo") a.in.run = &ternary<T, T, T, T, &mad_low<T>>;
    if (a.choice(0) == "hi") a.in.run = &ternary<T, T, T, T, &mad_high<T>>;
  });
}
void mad_wide_of(Assembly& a) {
  with_integer(a, a.type(), [&]<class T>() {
    if constexpr (sizeof(T) < 8) a.in.run = &ternary<Double<T>, T, T, Double<T>, &mad_wide<T>>;
  });
}

template <class T>
T absolute(T a) {
  return a < 0 ? Minus::of<T>(0, a) : a;
}
template <class T>
T negated(T a) {
  return Minus::of<T>(0, a);
}
void abs_of(Assembly& a) {
  with_integer(a, a.type(), [&]<class T>() {
    if constexpr (std::is_signed_v<T>) a.in.run = &unary<T, T, &absolute<T>>;
  });
}
void neg(Assembly& a) {
  with_integer(a, a.type(), [&]<class T>() { a.in.run = &unary<T, T, &negated<T>>; });
}
template <class T>
T distance(T a, T b, T c) {
  return Plus::of<T>(c, a < b ? Minus::of<T>(b, a) : Minus::of<T>(a, b));
}
void sad(Assembly& a) {
  with_integer(a, a.type(), [&]<class T>() { a.in.run = &ternary<T, T, T, T, &distance<T>>; });
}

template <class T>
uint32_t ones(T a) {
  return static_cast<uint32_t>(std::popcount(a));
}
template <class T>
uint32_t leading_zeros(T a) {
  return static_cast<uint32_t>(std::countl_zero(a));
}
template <class T>
uint32_t highest_bit(T a) {
  using U = std::make_unsigned_t<T>;
  U bits = static_cast<U>(a);
  if constexpr (std::is_signed_v<T>)
    if (a < 0) bits = static_cast<U>(~bits);
  return bits ? static_cast<uint32_t>(8 * sizeof(T) - 1) - static_cast<uint32_t>(std::countl_zero(bits)) : ~0u;
}
template <class T>
uint32_t highest_shift(T a) {
  const uint32_t bit = highest_bit<T>(a);
  return bit == ~0u ? bit : static_cast<uint32_t>(8 * sizeof(T) - 1) - bit;
}
template <class T>
T reversed(T a) {
  T result = 0;
  for (unsigned i = 0; i < 8 * sizeof(T); ++i) result = static_cast<T>(result << 1 | (a >> i & 1));
  return result;
}
void popc(Assembly& a) {
  a.in.run =
      a.type() == Type::b32 ? &unary<uint32_t, uint32_t, &ones<uint32_t>> : &unary<uint32_t, uint64_t, &ones<uint64_t>>;
}
void clz(Assembly& a) {
  a.in.run = a.type() == Type::b32 ? &unary<uint32_t, uint32_t, &leading_zeros<uint32_t>>
                                   : &unary<uint32_t, uint64_t, &leading_zeros<uint64_t>>;
}
void bfind(Assembly& a) {
  with_integer(a, a.type(), [&]<class T>() {
    a.in.run = a.has(0) ? &unary<uint32_t, T, &highest_shift<T>> : &unary<uint32_t, T, &highest_bit<T>>;
  });
}
void brev(Assembly& a) {
  a.in.run = a.type() == Type::b32 ? &unary<uint32_t, uint32_t, &reversed<uint32_t>>
                                   : &unary<uint64_t, uint64_t, &reversed<uint64_t>>;
}

// Bits pos to pos + len - 1, of signed types extended by the highest of them that exists.
template <class T>
T extract(T a, uint32_t b, uint32_t c) {
  constexpr uint32_t width = 8 * sizeof(T);
  const uint32_t pos = b & 0xff, len = c & 0xff;
  if (len == 0) return 0;
  using U = std::make_unsigned_t<T>;
  const U bits = pos < width ? static_cast<U>(static_cast<U>(a) >> pos) : U{0};
  const U mask = len >= width ? static_cast<U>(~U{0}) : static_cast<U>((U{1} << len) - 1);
  if constexpr (std::is_signed_v<T>) {
    const uint32_t last = std::min(pos + len - 1, width - 1);
    if (static_cast<U>(a) >> last & 1) {
      // Above the last bit that exists everything is a copy of it.
      const U kept = pos + len > width ? (pos < width ? static_cast<U>(~U{0} >> pos) : U{0}) : mask;
      return static_cast<T>((bits & kept) | static_cast<U>(~kept));
    }
  }
  return static_cast<T>(bits & mask);
}
void bfe(Assembly& a) {
  with_integer(a, a.type(), [&]<class T>() { a.in.run = &ternary<T, T, uint32_t, uint32_t, &extract<T>>; });
}

template <class T>
void insert(Warp& warp, const Instruction& in, uint32_t lanes) {
  constexpr uint32_t width = 8 * sizeof(T);
  T* const d = warp.lanes<T>(in.at[0]);
  const T *const a = warp.lanes<T>(in.at[1]), *const b = warp.lanes<T>(in.at[2]);
  const uint32_t *const c = warp.lanes<uint32_t>(in.at[3]), *const e = warp.lanes<uint32_t>(in.at[4]);
  each_lane(lanes, [=](uint32_t i) {
    const uint32_t pos = c[i] & 0xff, len = e[i] & 0xff;
    const T ones_of_len = len >= width ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << len) - 1);
    const T mask = pos >= width ? T{0} : static_cast<T>(ones_of_len << pos);
    d[i] = static_cast<T>((b[i] & ~mask) | (pos >= width ? T{0} : static_cast<T>(a[i] << pos) & mask));
  });
}
void bfi(Assembly& a) { a.in.run = a.type() == Type::b32 ? &insert<uint32_t> : &insert<uint64_t>; }

void bmsk(Assembly& a) {
  a.in.run = &binary<uint32_t, uint32_t, uint32_t, [](uint32_t from, uint32_t width) {
    const uint64_t ones_of = width >= 32 ? 0xffffffffull : (1ull << width) - 1;
    return from >= 32 ? 0u : static_cast<uint32_t>(ones_of << from);
  }>;
}

template <class A, class B>
int32_t dot_4(A a, B b, int32_t c) {
  uint32_t sum = static_cast<uint32_t>(c);
  for (int i = 0; i < 4; ++i) {
    const int32_t x = std::is_signed_v<A> ? int8_t(uint32_t(a) >> 8 * i) : int32_t(uint8_t(uint32_t(a) >> 8 * i));
    const int32_t y = std::is_signed_v<B> ? int8_t(uint32_t(b) >> 8 * i) : int32_t(uint8_t(uint32_t(b) >> 8 * i));
    sum += static_cast<uint32_t>(x * y);
  }
  return static_cast<int32_t>(sum);
}
void dp4a(Assembly& a) {
  const bool first = a.choice(0) == "s32", second = a.choice(1) == "s32";
  using S = int32_t;
  using U = uint32_t;
  a.in.run = first ? (second ? &ternary<S, S, S, S, &dot_4<S, S>> : &ternary<S, S, U, S, &dot_4<S, U>>)
                   : (second ? &ternary<S, U, S, S, &dot_4<U, S>> : &ternary<S, U, U, S, &dot_4<U, U>>);
}

constexpr Rule kRules[] = {
    {"9.7.1.1", "add", "$int", "d a b", &integer_2<Plus>},
    {"9.7.1.1", "add", "sat s32", "d a b",
     [](Assembly& a) { a.in.run = &binary<int32_t, int32_t, int32_t, &add_saturated<int32_t>>; }},
    {"9.7.1.2", "sub", "$int", "d a b", &integer_2<Minus>},
    {"9.7.1.2", "sub", "sat s32", "d a b",
     [](Assembly& a) { a.in.run = &binary<int32_t, int32_t, int32_t, &sub_saturated<int32_t>>; }},
    {"9.7.1.3", "mul", "lo|hi $int", "d a b", &mul},
    {"9.7.1.3", "mul", "wide $wide", "d:w a b", &mul_wide},
    {"9.7.1.4", "mad", "lo|hi $int", "d a b c", &mad},
    {"9.7.1.4", "mad", "wide $wide", "d:w a b c:w", &mad_wide_of},
    {"9.7.1.7", "sad", "$int", "d a b c", &sad},
    {"9.7.1.8", "div", "$int", "d a b", &integer_2<Quotient>},
    {"9.7.1.9", "rem", "$int", "d a b", &integer_2<Remainder>},
    {"9.7.1.10", "abs", "s16|s32|s64", "d a", &abs_of},
    {"9.7.1.11", "neg", "s16|s32|s64", "d a", &neg},
    {"9.7.1.12", "min", "$int", "d a b", &integer_2<Least>},
    {"9.7.1.13", "max", "$int", "d a b", &integer_2<Greatest>},
    {"9.7.1.14", "popc", "b32|b64", "d:u32 a", &popc},
    {"9.7.1.15", "clz", "b32|b64", "d:u32 a", &clz},
    {"9.7.1.16", "bfind", "shiftamt? u32|s32|u64|s64", "d:u32 a", &bfind},
    {"9.7.1.18", "brev", "b32|b64", "d a", &brev},
    {"9.7.1.19", "bfe", "u32|s32|u64|s64", "d a b:u32 c:u32", &bfe},
    {"9.7.1.20", "bfi", "b32|b64", "d a b c:u32 e:u32", &bfi},
    {"9.7.1.22", "bmsk", "clamp b32", "d a b", &bmsk},
    {"9.7.1.23", "dp4a", "u32|s32 u32|s32", "d:b32 a:b32 b:b32 c:b32", &dp4a},
};

}  // namespace

std::span<const Rule> integer_rules() { return kRules; }

}  // namespace attnrt::emulator
