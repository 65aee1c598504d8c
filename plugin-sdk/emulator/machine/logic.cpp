// SPDX-License-Identifier: Apache-2.0
//
// 9.7.8 Logic and shift.
#include "chapters.hpp"
#include "lanes.hpp"

namespace attnrt::emulator {
namespace {

struct And {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(a & b);
  }
};
struct Or {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(a | b);
  }
};
struct Xor {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(a ^ b);
  }
};

template <class F>
void predicates(Warp& warp, const Instruction& in, uint32_t lanes) {
  const uint32_t a = warp.predicate(in.at[1], in.negated >> 1 & 1), b = warp.predicate(in.at[2], in.negated >> 2 & 1);
  warp.set_predicate(in.at[0], F::template of<uint32_t>(a, b), lanes);
}
template <class F>
void logic_2(Assembly& a) {
  if (a.type() == Type::pred)
    a.in.run = &predicates<F>;
  else
    with_integer(a, a.type(), [&]<class T>() { a.in.run = &binary<T, T, T, &F::template of<T>>; });
}

template <class T>
T inverted(T a) {
  return static_cast<T>(~a);
}
template <class T>
T is_zero(T a) {
  return a == 0;
}
void logic_not(Assembly& a) {
  if (a.type() == Type::pred)
    a.in.run = [](Warp& warp, const Instruction& in, uint32_t lanes) {
      warp.set_predicate(in.at[0], ~warp.predicate(in.at[1], in.negated >> 1 & 1), lanes);
    };
  else
    with_integer(a, a.type(), [&]<class T>() { a.in.run = &unary<T, T, &inverted<T>>; });
}
void cnot(Assembly& a) {
  with_integer(a, a.type(), [&]<class T>() { a.in.run = &unary<T, T, &is_zero<T>>; });
}

// Any function of three bits, as its table of eight values.
void lop3_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  uint32_t* const d = warp.lanes<uint32_t>(in.at[0]);
  const uint32_t *const a = warp.lanes<uint32_t>(in.at[1]), *const b = warp.lanes<uint32_t>(in.at[2]),
                        *const c = warp.lanes<uint32_t>(in.at[3]);
  const auto table = static_cast<uint32_t>(in.displacement);
  each_lane(lanes, [=](uint32_t i) {
    uint32_t result = 0;
    for (uint32_t k = 0; k < 8; ++k) {
      const uint32_t term = (k & 4 ? a[i] : ~a[i]) & (k & 2 ? b[i] : ~b[i]) & (k & 1 ? c[i] : ~c[i]);
      result |= table >> k & 1 ? term : 0;
    }
    d[i] = result;
  });
}
void lop3(Assembly& a) {
  if (a.in.displacement < 0 || a.in.displacement > 255) a.fail("lop3 with a table of more than 8 bits");
  a.in.run = &lop3_run;
}

// A shift by the width or more leaves nothing, or copies of the sign.
template <class T>
T shift_left(T a, uint32_t b) {
  return b >= 8 * sizeof(T) ? T{0} : static_cast<T>(a << b);
}
template <class T>
T shift_right(T a, uint32_t b) {
  constexpr uint32_t last = 8 * sizeof(T) - 1;
  if constexpr (std::is_signed_v<T>) return static_cast<T>(a >> (b > last ? last : b));
  return b > last ? T{0} : static_cast<T>(a >> b);
}
void shl(Assembly& a) {
  with_integer(a, a.type(), [&]<class T>() {
    using U = std::make_unsigned_t<T>;
    a.in.run = &binary<U, U, uint32_t, &shift_left<U>>;
  });
}
void shr(Assembly& a) {
  with_integer(a, a.type(), [&]<class T>() { a.in.run = &binary<T, T, uint32_t, &shift_right<T>>; });
}

uint32_t funnel_left(uint64_t both, uint32_t by) { return static_cast<uint32_t>(both << by >> 32); }
uint32_t funnel_right(uint64_t both, uint32_t by) { return static_cast<uint32_t>(both >> by); }
constexpr uint64_t joined(uint32_t low, uint32_t high) { return uint64_t{high} << 32 | low; }
void shf(Assembly& a) {
  using U = uint32_t;
  const bool wrap_around = a.choice(1) == "wrap";
  if (a.choice(0) == "l")
    a.in.run =
        wrap_around
            ? &ternary<U, U, U, U, [](U lo, U hi, U by) { return funnel_left(joined(lo, hi), by & 31); }>
            : &ternary<U, U, U, U, [](U lo, U hi, U by) { return by >= 32 ? lo : funnel_left(joined(lo, hi), by); }>;
  else
    a.in.run =
        wrap_around
            ? &ternary<U, U, U, U, [](U lo, U hi, U by) { return funnel_right(joined(lo, hi), by & 31); }>
            : &ternary<U, U, U, U, [](U lo, U hi, U by) { return by >= 32 ? hi : funnel_right(joined(lo, hi), by); }>;
}

constexpr Rule kRules[] = {
    {"9.7.8.1", "and", "b32|b64|b16|pred", "d a b", &logic_2<And>},
    {"9.7.8.2", "or", "b32|b64|b16|pred", "d a b", &logic_2<Or>},
    {"9.7.8.3", "xor", "b32|b64|b16|pred", "d a b", &logic_2<Xor>},
    {"9.7.8.4", "not", "b32|b64|b16|pred", "d a", &logic_not},
    {"9.7.8.5", "cnot", "$bits", "d a", &cnot},
    {"9.7.8.6", "lop3", "b32", "d a b c i", &lop3},
    {"9.7.8.7", "shf", "l|r wrap|clamp b32", "d a b c:u32", &shf},
    {"9.7.8.8", "shl", "$bits", "d a b:u32", &shl},
    {"9.7.8.9", "shr", "b32|b64|b16|u32|u64|u16|s32|s64|s16", "d a b:u32", &shr},
};

}  // namespace

std::span<const Rule> logic_rules() { return kRules; }

}  // namespace attnrt::emulator
