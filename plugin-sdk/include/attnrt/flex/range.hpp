// SPDX-License-Identifier: Apache-2.0
//
// attnrt/flex/range.hpp: which values a node can have while its operands stay within given ranges (interval
// arithmetic). The answer may be too wide and is never too narrow. It holds for evaluators that round as meaning.hpp
// does, that are off by a few units in the last place in exp, log and their like, and that count numbers below 2^-126
// as 0. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_FLEX_RANGE_HPP
#define ATTNRT_FLEX_RANGE_HPP
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

#include "attnrt/flex/meaning.hpp"

namespace attnrt::flex {

/// The values that a node can have. Only the members of its type count.
struct Range {
  Type type = Type::boolean;
  bool can_be_false = false, can_be_true = false;
  int64_t low = 0, high = 0;  ///< i32
  float least = 0, most = 0;  ///< f32; least > most: no number, NaN alone
  bool nan = false;           ///< f32

  static Range truth(bool can_be_false, bool can_be_true) {
    Range out;
    out.can_be_false = can_be_false, out.can_be_true = can_be_true;
    return out;
  }
  /// Integers that left 32 bits have wrapped: then they may be anything.
  static Range integers(int64_t low, int64_t high) {
    constexpr int64_t least = std::numeric_limits<int32_t>::min(), most = std::numeric_limits<int32_t>::max();
    Range out;
    out.type = Type::i32;
    const bool wrapped = low < least || high > most;
    out.low = wrapped ? least : low, out.high = wrapped ? most : high;
    return out;
  }
  static Range all_integers() { return integers(std::numeric_limits<int64_t>::min(), 0); }
  /// Bounds among the subnormals are moved out to the next number that every evaluator knows.
  static Range reals(float least, float most, bool nan) {
    constexpr float normal = std::numeric_limits<float>::min();
    if (least > 0 && least < normal) least = 0;
    if (least < 0 && least > -normal) least = -normal;
    if (most > 0 && most < normal) most = normal;
    if (most < 0 && most > -normal) most = 0;
    Range out;
    out.type = Type::f32, out.least = least, out.most = most, out.nan = nan;
    return out;
  }
  static Range all_reals() { return reals(-HUGE_VALF, HUGE_VALF, true); }
  static Range of(Type type, Value value) {
    if (type == Type::boolean) return truth(!value.truth(), value.truth());
    if (type == Type::i32) return integers(value.integer(), value.integer());
    const float real = value.real();
    return real != real ? reals(HUGE_VALF, -HUGE_VALF, true) : reals(real, real, false);
  }
  static Range all(Type type) {
    return type == Type::boolean ? truth(true, true) : type == Type::i32 ? all_integers() : all_reals();
  }
  /// The values of either.
  static Range either(const Range& a, const Range& b) {
    Range out = a;
    out.can_be_false |= b.can_be_false, out.can_be_true |= b.can_be_true;
    out.low = std::min(a.low, b.low), out.high = std::max(a.high, b.high);
    out.least = std::min(a.least, b.least), out.most = std::max(a.most, b.most);
    out.nan |= b.nan;
    return out;
  }

  bool holds(Value value) const {
    if (type == Type::boolean) return value.truth() ? can_be_true : can_be_false;
    if (type == Type::i32) return low <= value.integer() && value.integer() <= high;
    const float real = value.real();
    return real != real ? nan : least <= real && real <= most;
  }
};

namespace detail {

inline Range corners(std::initializer_list<int64_t> values) {
  return Range::integers(std::min(values), std::max(values));
}

// a // b and a % b for b of one sign: monotone in either operand, so that corners bound them.
inline Range integer_division(Op op, const Range& a, int64_t b_low, int64_t b_high) {
  const auto quotient = [](int64_t x, int64_t y) { return x / y - (x % y != 0 && (x < 0) != (y < 0)); };
  if (op == Op::floor_div)
    return corners(
        {quotient(a.low, b_low), quotient(a.low, b_high), quotient(a.high, b_low), quotient(a.high, b_high)});
  if (b_low == b_high && quotient(a.low, b_low) == quotient(a.high, b_low)) {
    const int64_t base = quotient(a.low, b_low) * b_low;
    return Range::integers(a.low - base, a.high - base);
  }
  if (b_low < 0) return Range::integers(b_low + 1, 0);
  return Range::integers(0, a.low >= 0 ? std::min(a.high, b_high - 1) : b_high - 1);
}

inline Range divide_integers(Op op, const Range& a, const Range& b) {
  Range out;
  bool any = false;
  const auto join = [&](const Range& part) {
    out = any ? Range::either(out, part) : part;
    any = true;
  };
  if (b.low < 0) join(integer_division(op, a, b.low, std::min<int64_t>(b.high, -1)));
  if (b.low <= 0 && b.high >= 0) join(Range::integers(0, 0));
  if (b.high > 0) join(integer_division(op, a, std::max<int64_t>(b.low, 1), b.high));
  return out;
}

inline Range integer_range(Op op, const Range& a, const Range& b) {
  switch (op) {
    case Op::add:
      return Range::integers(a.low + b.low, a.high + b.high);
    case Op::sub:
      return Range::integers(a.low - b.high, a.high - b.low);
    case Op::mul:
      return corners({a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high});
    case Op::floor_div:
    case Op::mod:
      return divide_integers(op, a, b);
    case Op::min:
      return Range::integers(std::min(a.low, b.low), std::min(a.high, b.high));
    case Op::max:
      return Range::integers(std::max(a.low, b.low), std::max(a.high, b.high));
    case Op::neg:
      return Range::integers(-a.high, -a.low);
    default:  // abs
      return Range::integers(a.low <= 0 && a.high >= 0 ? 0 : std::min(std::abs(a.low), std::abs(a.high)),
                             std::max(std::abs(a.low), std::abs(a.high)));
  }
}

inline bool numbers(const Range& a) { return a.least <= a.most; }
inline bool holds_zero(const Range& a) { return a.least <= 0 && a.most >= 0; }
inline bool unbounded(const Range& a) { return std::isinf(a.least) || std::isinf(a.most); }

inline Range real_corners(std::initializer_list<float> values, bool nan) {
  for (const float value : values)
    if (value != value) return Range::all_reals();
  return Range::reals(std::min(values), std::max(values), nan);
}

inline Range real_range(Op op, const Range& a, const Range& b) {
  const bool nan = a.nan || b.nan;
  const bool unary = op == Op::neg || op == Op::abs;
  if (!numbers(a) || (!unary && !numbers(b))) return Range::reals(HUGE_VALF, -HUGE_VALF, true);
  switch (op) {
    case Op::add:
      return real_corners({a.least + b.least, a.most + b.most, a.least + b.most, a.most + b.least}, nan);
    case Op::sub:
      return real_corners({a.least - b.most, a.most - b.least, a.least - b.least, a.most - b.most}, nan);
    case Op::mul:
      if ((holds_zero(a) && unbounded(b)) || (holds_zero(b) && unbounded(a))) return Range::all_reals();
      return real_corners({a.least * b.least, a.least * b.most, a.most * b.least, a.most * b.most}, nan);
    case Op::div:
      if (holds_zero(b)) return Range::all_reals();
      return real_corners({a.least / b.least, a.least / b.most, a.most / b.least, a.most / b.most}, nan);
    case Op::floor_div: {
      const Range quotient = real_range(Op::div, a, b);
      return Range::reals(std::floor(quotient.least), std::floor(quotient.most), quotient.nan);
    }
    case Op::min:
      return Range::reals(std::min(a.least, b.least), std::min(a.most, b.most), nan);
    case Op::max:
      return Range::reals(std::max(a.least, b.least), std::max(a.most, b.most), nan);
    case Op::neg:
      return Range::reals(-a.most, -a.least, a.nan);
    case Op::abs:
      return Range::reals(holds_zero(a) ? 0 : std::min(std::fabs(a.least), std::fabs(a.most)),
                          std::max(std::fabs(a.least), std::fabs(a.most)), a.nan);
    default:
      return Range::all_reals();  // mod
  }
}

// Room for what another evaluator's function is off by.
inline Range widened(float least, float most, bool nan) {
  constexpr float relative = 4e-6f, absolute = 1e-6f;
  if (least != least || most != most) return Range::all_reals();
  const auto room = [](float of) { return std::isinf(of) ? 0 : std::fabs(of) * relative + absolute; };
  return Range::reals(least - room(least), most + room(most), nan);
}

inline Range function_range(Op op, const Range& a) {
  if (!numbers(a)) return a;
  const auto f = [op](float x) { return real_function(op, x); };
  switch (op) {
    case Op::exp:
    case Op::exp2: {
      const Range out = widened(f(a.least), f(a.most), a.nan);
      return Range::reals(std::max(out.least, 0.0f), out.most, out.nan);
    }
    case Op::tanh:
      return widened(f(a.least), f(a.most), a.nan);
    case Op::sin:
    case Op::cos:
      return widened(-1, 1, a.nan || unbounded(a));
    case Op::log:
    case Op::log2:
      if (a.most < 0) return Range::reals(HUGE_VALF, -HUGE_VALF, true);
      // A subnormal number may count as 0.
      return widened(a.least < std::numeric_limits<float>::min() ? -HUGE_VALF : f(a.least), f(a.most),
                     a.nan || a.least < 0);
    case Op::sqrt:
      if (a.most < 0) return Range::reals(HUGE_VALF, -HUGE_VALF, true);
      return widened(a.least <= 0 ? 0 : f(a.least), f(a.most), a.nan || a.least < 0);
    case Op::rsqrt:
      return a.least <= 0 ? Range::all_reals() : widened(f(a.most), f(a.least), a.nan);
    default:
      return Range::reals(f(a.least), f(a.most), a.nan);  // floor, ceil: exact, ascending
  }
}

template <class T>
Range order(Op op, T a_low, T a_high, T b_low, T b_high, bool nan) {
  bool always = false, never = false;
  switch (op) {
    case Op::lt:
      always = a_high < b_low, never = a_low >= b_high;
      break;
    case Op::le:
      always = a_high <= b_low, never = a_low > b_high;
      break;
    default:
      always = a_low == a_high && b_low == b_high && a_low == b_low;
      never = a_high < b_low || b_high < a_low;
  }
  if (op == Op::ne) return Range::truth(!never, !always || nan);
  return Range::truth(!always || nan, !never);
}

inline Range compare_range(Op op, const Range& a, const Range& b) {
  if (a.type == Type::i32) return order(op, a.low, a.high, b.low, b.high, false);
  if (a.type == Type::f32) {
    if (!numbers(a) || !numbers(b)) return Range::truth(op != Op::ne, op == Op::ne);
    return order(op, a.least, a.most, b.least, b.most, a.nan || b.nan);
  }
  const bool equal = (a.can_be_true && b.can_be_true) || (a.can_be_false && b.can_be_false);
  const bool differ = (a.can_be_true && b.can_be_false) || (a.can_be_false && b.can_be_true);
  return op == Op::eq ? Range::truth(differ, equal) : Range::truth(equal, differ);
}

inline Range logic_range(Op op, const Range& a, const Range& b) {
  if (op == Op::logical_not) return Range::truth(a.can_be_true, a.can_be_false);
  if (op == Op::logical_and) return Range::truth(a.can_be_false || b.can_be_false, a.can_be_true && b.can_be_true);
  return Range::truth(a.can_be_false && b.can_be_false, a.can_be_true || b.can_be_true);
}

inline Range bits_range(Op op, const Range& a, const Range& b) {
  if (a.type == Type::boolean)
    return op == Op::bit_xor ? compare_range(Op::ne, a, b)
                             : logic_range(op == Op::bit_and ? Op::logical_and : Op::logical_or, a, b);
  if (a.low == a.high && b.low == b.high)
    return Range::of(Type::i32, apply(op, Type::i32, Value::of(static_cast<int32_t>(a.low)),
                                      Value::of(static_cast<int32_t>(b.low))));
  if (op == Op::bit_and && (a.low >= 0 || b.low >= 0))
    return Range::integers(0, a.low < 0 ? b.high : b.low < 0 ? a.high : std::min(a.high, b.high));
  if (op == Op::bit_and || a.low < 0 || b.low < 0) return Range::all_integers();
  int64_t ones = 0;
  while (ones < std::max(a.high, b.high)) ones = ones * 2 + 1;
  return Range::integers(op == Op::bit_or ? std::max(a.low, b.low) : 0, ones);
}

inline Range shift_range(Op op, const Range& a, const Range& count) {
  if (count.low != count.high)
    return op == Op::shift_right ? Range::integers(std::min<int64_t>(a.low, 0), std::max<int64_t>(a.high, 0))
                                 : Range::all_integers();
  const int64_t by = count.low;
  if (op == Op::shift_right) {
    const int64_t step = by < 0 || by > 31 ? 31 : by;
    return Range::integers(a.low >> step, a.high >> step);
  }
  return by < 0 || by > 31 ? Range::integers(0, 0)
                           : Range::integers(a.low * (int64_t{1} << by), a.high * (int64_t{1} << by));
}

inline Range cast_range(Op op, const Range& a) {
  const Range number = a.type != Type::boolean ? a : Range::integers(!a.can_be_false, a.can_be_true);
  if (op == Op::to_i32) {
    if (number.type == Type::i32) return number;
    const Range zero = Range::integers(0, 0);
    if (!numbers(number)) return zero;
    const Range whole = Range::integers(truncate(number.least), truncate(number.most));
    return number.nan ? Range::either(whole, zero) : whole;
  }
  if (op == Op::to_f32)
    return number.type == Type::f32
               ? number
               : Range::reals(static_cast<float>(number.low), static_cast<float>(number.high), false);
  if (a.type == Type::boolean) return a;
  const Range zero = a.type == Type::i32 ? Range::integers(0, 0) : Range::reals(0, 0, false);
  return compare_range(Op::ne, number, zero);
}

}  // namespace detail

/// What an operator that is no leaf and no load can give. Operands that it does not have are not read.
inline Range range_of(Op op, const Range& a, const Range& b, const Range& c) {
  switch (info(op).rule) {
    case Rule::numbers:
      return a.type == Type::f32 ? detail::real_range(op, a, b) : detail::integer_range(op, a, b);
    case Rule::reals:
      return op == Op::div ? detail::real_range(op, a, b) : detail::function_range(op, a);
    case Rule::compare:
    case Rule::equal:
      return detail::compare_range(op, a, b);
    case Rule::logic:
      return detail::logic_range(op, a, b);
    case Rule::bits:
      return detail::bits_range(op, a, b);
    case Rule::integers:
      return detail::shift_range(op, a, b);
    case Rule::select:
      return !a.can_be_false ? b : !a.can_be_true ? c : Range::either(b, c);
    case Rule::cast:
      return detail::cast_range(op, a);
    case Rule::leaf:
    case Rule::load:
      break;
  }
  return a;
}

}  // namespace attnrt::flex
#endif
