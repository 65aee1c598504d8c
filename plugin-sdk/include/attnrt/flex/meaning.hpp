// SPDX-License-Identifier: Apache-2.0
//
// attnrt/flex/meaning.hpp: what each operator computes, for one value. The reference of every faster evaluator. No
// operator traps: integers wrap, division by zero has a result, positions of a buffer are clamped. Header-only, C++17.
// [thread-safe]
#ifndef ATTNRT_FLEX_MEANING_HPP
#define ATTNRT_FLEX_MEANING_HPP
#include <cmath>
#include <cstdint>
#include <limits>

#include "attnrt/flex/program.hpp"

namespace attnrt::flex {
namespace detail {

inline int32_t wrap(int64_t v) { return static_cast<int32_t>(static_cast<uint32_t>(v)); }

inline int32_t floor_div(int32_t a, int32_t b) {
  if (b == 0) return 0;
  const int64_t q = int64_t{a} / b;
  return wrap(q - (int64_t{a} % b != 0 && (a < 0) != (b < 0)));
}
inline int32_t floor_mod(int32_t a, int32_t b) {
  if (b == 0) return 0;
  const int64_t r = int64_t{a} % b;
  return wrap(r != 0 && (r < 0) != (b < 0) ? r + b : r);
}
inline float floor_mod(float a, float b) { return a - b * std::floor(a / b); }

inline float smaller(float a, float b) { return a != a || a < b ? a : b; }
inline float larger(float a, float b) { return a != a || a > b ? a : b; }

inline int32_t truncate(float v) {
  if (v != v) return 0;
  if (v >= 2147483648.0f) return std::numeric_limits<int32_t>::max();
  if (v <= -2147483648.0f) return std::numeric_limits<int32_t>::min();
  return static_cast<int32_t>(v);
}

inline int32_t shift_left(int32_t a, int32_t count) {
  return count < 0 || count > 31 ? 0 : wrap(int64_t{static_cast<uint32_t>(a)} << count);
}
inline int32_t shift_right(int32_t a, int32_t count) { return a >> (count < 0 || count > 31 ? 31 : count); }

template <class T>
bool compares(Op op, T a, T b) {
  switch (op) {
    case Op::lt:
      return a < b;
    case Op::le:
      return a <= b;
    case Op::eq:
      return a == b;
    default:
      return a != b;
  }
}

inline float real_function(Op op, float a) {
  switch (op) {
    case Op::exp:
      return std::exp(a);
    case Op::exp2:
      return std::exp2(a);
    case Op::log:
      return std::log(a);
    case Op::log2:
      return std::log2(a);
    case Op::sqrt:
      return std::sqrt(a);
    case Op::rsqrt:
      return 1.0f / std::sqrt(a);
    case Op::tanh:
      return std::tanh(a);
    case Op::sin:
      return std::sin(a);
    case Op::cos:
      return std::cos(a);
    case Op::floor:
      return std::floor(a);
    default:
      return std::ceil(a);
  }
}

inline int32_t integer_arithmetic(Op op, int32_t a, int32_t b) {
  switch (op) {
    case Op::add:
      return wrap(int64_t{a} + b);
    case Op::sub:
      return wrap(int64_t{a} - b);
    case Op::mul:
      return wrap(int64_t{a} * b);
    case Op::floor_div:
      return floor_div(a, b);
    case Op::mod:
      return floor_mod(a, b);
    case Op::min:
      return a < b ? a : b;
    case Op::max:
      return a > b ? a : b;
    case Op::neg:
      return wrap(-int64_t{a});
    default:
      return a < 0 ? wrap(-int64_t{a}) : a;  // abs
  }
}

inline float real_arithmetic(Op op, float a, float b) {
  switch (op) {
    case Op::add:
      return a + b;
    case Op::sub:
      return a - b;
    case Op::mul:
      return a * b;
    case Op::floor_div:
      return std::floor(a / b);
    case Op::mod:
      return floor_mod(a, b);
    case Op::min:
      return b != b ? b : smaller(a, b);
    case Op::max:
      return b != b ? b : larger(a, b);
    case Op::neg:
      return -a;
    default:
      return std::fabs(a);
  }
}

inline Value cast(Op op, Type from, Value a) {
  switch (op) {
    case Op::to_i32:
      return from == Type::f32 ? Value::of(truncate(a.real())) : a;
    case Op::to_f32:
      return from == Type::f32 ? a : Value::of(static_cast<float>(a.integer()));
    default:
      return Value::of(from == Type::f32 ? a.real() != 0.0f : a.bits != 0);
  }
}

}  // namespace detail

/// The value of an operator that is no leaf and no load. `type`: of its last operand, by which operators for more than
/// one type are told apart. Operands that it does not have are not read.
inline Value apply(Op op, Type type, Value a, Value b = {}, Value c = {}) {
  switch (info(op).rule) {
    case Rule::numbers:
      return type == Type::f32 ? Value::of(detail::real_arithmetic(op, a.real(), b.real()))
                               : Value::of(detail::integer_arithmetic(op, a.integer(), b.integer()));
    case Rule::reals:
      return Value::of(op == Op::div ? a.real() / b.real() : detail::real_function(op, a.real()));
    case Rule::compare:
    case Rule::equal:
      return Value::of(type == Type::f32 ? detail::compares(op, a.real(), b.real())
                                         : detail::compares(op, a.integer(), b.integer()));
    case Rule::logic:
      return Value::of(op == Op::logical_not   ? !a.truth()
                       : op == Op::logical_and ? a.truth() && b.truth()
                                               : a.truth() || b.truth());
    case Rule::bits:
      return {op == Op::bit_and ? a.bits & b.bits : op == Op::bit_or ? a.bits | b.bits : a.bits ^ b.bits};
    case Rule::integers:
      return Value::of(op == Op::shift_left ? detail::shift_left(a.integer(), b.integer())
                                            : detail::shift_right(a.integer(), b.integer()));
    case Rule::select:
      return a.truth() ? b : c;
    case Rule::cast:
      return detail::cast(op, type, a);
    case Rule::leaf:
    case Rule::load:
      break;
  }
  return {};
}

}  // namespace attnrt::flex
#endif
