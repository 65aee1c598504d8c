// SPDX-License-Identifier: Apache-2.0
//
// attnrt/flex/op.hpp: the operators of a flex program, in one table: the parser, the canonical form, the evaluators,
// the interval analysis and the documentation read it. docs/flex.md has the language. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_FLEX_OP_HPP
#define ATTNRT_FLEX_OP_HPP
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace attnrt::flex {

/// What a node's value is: a truth value, a 32-bit integer that wraps, a number of fp32.
enum class Type : uint8_t { boolean, i32, f32 };

constexpr const char* type_name(Type type) {
  constexpr const char* names[] = {"bool", "i32", "f32"};
  return names[static_cast<std::size_t>(type)];
}

enum class Op : uint8_t {
  constant,  ///< Node::bits
  b,         ///< the request's number in the batch
  h,         ///< the query head
  q_idx,     ///< the query's position in its request
  kv_idx,    ///< the key's position in its request
  score,     ///< scale * q . k, in score_mod alone
  load,      ///< an element of a buffer; indices outside of it count as the nearest one inside
  add,
  sub,
  mul,
  div,        ///< of f32
  floor_div,  ///< rounds toward minus infinity; i32: 0 where the divisor is 0
  mod,        ///< a - b * floor(a / b), with the sign of b; i32: 0 where b is 0
  min,        ///< NaN where an operand is NaN
  max,
  neg,
  abs,
  lt,
  le,
  eq,
  ne,
  logical_and,
  logical_or,
  logical_not,
  select,   ///< condition ? a : b
  bit_and,  ///< of i32, or of bool
  bit_or,
  bit_xor,
  shift_left,   ///< 0 where the count is not 0 to 31
  shift_right,  ///< of the signed number; all sign where the count is not 0 to 31
  exp,
  exp2,
  log,
  log2,
  sqrt,
  rsqrt,
  tanh,
  sin,
  cos,
  floor,
  ceil,
  to_i32,   ///< toward zero, saturating, NaN is 0
  to_f32,   ///< to nearest, ties to even; true is 1
  to_bool,  ///< is not 0
};

/// Which types an operator takes and gives.
enum class Rule : uint8_t {
  leaf,      ///< no operands; the type belongs to the node
  load,      ///< i32 indices; the type is the buffer's
  numbers,   ///< numbers of one type, which is the result's
  reals,     ///< f32 to f32
  compare,   ///< two numbers of one type to bool
  equal,     ///< two values of one type to bool
  logic,     ///< bool to bool
  bits,      ///< i32 to i32, or bool to bool
  integers,  ///< i32 to i32
  select,    ///< bool and two values of one type, which is the result's
  cast       ///< any type; the result's is in the operator's name
};

/// One operator: its name in the canonical form; how it is written, "" where that is a function of its name.
struct OpInfo {
  Op op;
  const char* name;
  const char* symbol;
  uint8_t arity;
  Rule rule;
};

inline constexpr OpInfo kOps[] = {
    {Op::constant, "constant", "", 0, Rule::leaf},
    {Op::b, "b", "", 0, Rule::leaf},
    {Op::h, "h", "", 0, Rule::leaf},
    {Op::q_idx, "q_idx", "", 0, Rule::leaf},
    {Op::kv_idx, "kv_idx", "", 0, Rule::leaf},
    {Op::score, "score", "", 0, Rule::leaf},
    {Op::load, "load", "", 0, Rule::load},
    {Op::add, "add", "+", 2, Rule::numbers},
    {Op::sub, "sub", "-", 2, Rule::numbers},
    {Op::mul, "mul", "*", 2, Rule::numbers},
    {Op::div, "div", "/", 2, Rule::reals},
    {Op::floor_div, "floor_div", "//", 2, Rule::numbers},
    {Op::mod, "mod", "%", 2, Rule::numbers},
    {Op::min, "min", "", 2, Rule::numbers},
    {Op::max, "max", "", 2, Rule::numbers},
    {Op::neg, "neg", "-", 1, Rule::numbers},
    {Op::abs, "abs", "", 1, Rule::numbers},
    {Op::lt, "lt", "<", 2, Rule::compare},
    {Op::le, "le", "<=", 2, Rule::compare},
    {Op::eq, "eq", "==", 2, Rule::equal},
    {Op::ne, "ne", "!=", 2, Rule::equal},
    {Op::logical_and, "and", "&&", 2, Rule::logic},
    {Op::logical_or, "or", "||", 2, Rule::logic},
    {Op::logical_not, "not", "!", 1, Rule::logic},
    {Op::select, "where", "", 3, Rule::select},
    {Op::bit_and, "bit_and", "&", 2, Rule::bits},
    {Op::bit_or, "bit_or", "|", 2, Rule::bits},
    {Op::bit_xor, "bit_xor", "^", 2, Rule::bits},
    {Op::shift_left, "shift_left", "<<", 2, Rule::integers},
    {Op::shift_right, "shift_right", ">>", 2, Rule::integers},
    {Op::exp, "exp", "", 1, Rule::reals},
    {Op::exp2, "exp2", "", 1, Rule::reals},
    {Op::log, "log", "", 1, Rule::reals},
    {Op::log2, "log2", "", 1, Rule::reals},
    {Op::sqrt, "sqrt", "", 1, Rule::reals},
    {Op::rsqrt, "rsqrt", "", 1, Rule::reals},
    {Op::tanh, "tanh", "", 1, Rule::reals},
    {Op::sin, "sin", "", 1, Rule::reals},
    {Op::cos, "cos", "", 1, Rule::reals},
    {Op::floor, "floor", "", 1, Rule::reals},
    {Op::ceil, "ceil", "", 1, Rule::reals},
    {Op::to_i32, "i32", "", 1, Rule::cast},
    {Op::to_f32, "f32", "", 1, Rule::cast},
    {Op::to_bool, "bool", "", 1, Rule::cast},
};

constexpr const OpInfo& info(Op op) { return kOps[static_cast<std::size_t>(op)]; }

namespace detail {
constexpr bool table_in_order() {
  for (std::size_t i = 0; i < sizeof(kOps) / sizeof(kOps[0]); ++i)
    if (static_cast<std::size_t>(kOps[i].op) != i) return false;
  return true;
}
static_assert(table_in_order(), "kOps follows the order of Op");
}  // namespace detail

/// The operator of a name of the canonical form, or NULL.
constexpr const OpInfo* find_op(std::string_view name) {
  for (const OpInfo& entry : kOps)
    if (name == entry.name) return &entry;
  return nullptr;
}

/// a op b is b op a, to the bit.
constexpr bool commutes(Op op) {
  return op == Op::add || op == Op::mul || op == Op::min || op == Op::max || op == Op::eq || op == Op::ne ||
         op == Op::logical_and || op == Op::logical_or || op == Op::bit_and || op == Op::bit_or || op == Op::bit_xor;
}

}  // namespace attnrt::flex
#endif
