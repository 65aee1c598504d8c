// SPDX-License-Identifier: Apache-2.0
#include "builtins.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "attnrt/flex/builder.hpp"

namespace attnrt::flex {
namespace {

/// Positions stay below 2^30, so that a sum with a constant of this size does not wrap.
constexpr int64_t kMostOffset = int64_t{1} << 29;

class Matcher {
 public:
  explicit Matcher(const Program& program) : program_(program), depends_(dependences(program)) {}

  const Node& node(int number) const { return program_.nodes[static_cast<std::size_t>(number)]; }
  int operand(int number, unsigned k) const { return node(number).operands[k]; }
  bool is(int number, Op op) const { return node(number).op == op; }
  uint8_t depends(int number) const { return depends_[static_cast<std::size_t>(number)]; }
  std::optional<int64_t> integer(int number) const {
    if (!is(number, Op::constant) || node(number).type != Type::i32) return {};
    return Value{node(number).bits}.integer();
  }

  /// An expression as q * q_idx + kv * kv_idx + offset.
  struct Distance {
    int q = 0, kv = 0;
    int64_t offset = 0;
    bool known = false;
  };
  Distance distance(int number) const {
    if (is(number, Op::q_idx)) return {1, 0, 0, true};
    if (is(number, Op::kv_idx)) return {0, 1, 0, true};
    if (const auto value = integer(number); value && *value <= kMostOffset && *value >= -kMostOffset)
      return {0, 0, *value, true};
    if (!is(number, Op::add) && !is(number, Op::sub)) return {};
    const Distance a = distance(operand(number, 0)), b = distance(operand(number, 1));
    if (!a.known || !b.known) return {};
    const int sign = is(number, Op::add) ? 1 : -1;
    const Distance out{a.q + sign * b.q, a.kv + sign * b.kv, a.offset + sign * b.offset, true};
    const bool wraps = std::abs(out.q) > 1 || std::abs(out.kv) > 1 || std::abs(out.offset) > kMostOffset;
    return wraps ? Distance{} : out;
  }

 private:
  const Program& program_;
  const std::vector<uint8_t> depends_;
};

/// The terms of a conjunction.
void split(const Matcher& match, int number, std::vector<int>& out) {
  if (match.is(number, Op::logical_and) ||
      (match.is(number, Op::bit_and) && match.node(number).type == Type::boolean)) {
    split(match, match.operand(number, 0), out);
    split(match, match.operand(number, 1), out);
  } else if (std::find(out.begin(), out.end(), number) == out.end()) {
    out.push_back(number);
  }
}

/// Takes a term that limits the distance of query and key to one side.
bool take_window(const Matcher& match, int term, Builtins& out) {
  if (!match.is(term, Op::lt) && !match.is(term, Op::le)) return false;
  const auto a = match.distance(match.operand(term, 0)), b = match.distance(match.operand(term, 1));
  if (!a.known || !b.known) return false;
  // a < b is a - b <= -1.
  const int q = a.q - b.q, kv = a.kv - b.kv;
  const int64_t most = b.offset - a.offset - (match.is(term, Op::lt) ? 1 : 0);
  if (std::abs(q) != 1 || kv != -q || most < 0) return false;
  int32_t& window = q == 1 ? out.window_left : out.window_right;
  const auto width = static_cast<int32_t>(most);
  window = window == Builtins::kNone ? width : std::min(window, width);
  return true;
}

/// cap * tanh(score / cap), cap > 0.
bool take_softcap(const Matcher& match, int root, Builtins& out) {
  if (!match.is(root, Op::mul)) return false;
  for (const unsigned k : {0u, 1u}) {
    const int cap = match.operand(root, k), bent = match.operand(root, 1 - k);
    if (!match.is(cap, Op::constant) || !match.is(bent, Op::tanh) || !match.is(match.operand(bent, 0), Op::div))
      continue;
    const int quotient = match.operand(bent, 0);
    const float value = Value{match.node(cap).bits}.real();
    if (!match.is(match.operand(quotient, 0), Op::score) || match.operand(quotient, 1) != cap || !(value > 0)) continue;
    out.softcap = value;
    return true;
  }
  return false;
}

/// score + slope * f32(kv_idx - q_idx), or score - slope * f32(q_idx - kv_idx); slope depends on h alone.
bool take_slope(const Matcher& match, int root, Builtins& out) {
  const bool plus = match.is(root, Op::add);
  if (!plus && !match.is(root, Op::sub)) return false;
  for (const unsigned k : {0u, 1u}) {
    if (!plus && k == 1) continue;
    if (!match.is(match.operand(root, k), Op::score)) continue;
    const int product = match.operand(root, 1 - k);
    if (!match.is(product, Op::mul)) continue;
    for (const unsigned i : {0u, 1u}) {
      const int far = match.operand(product, i), slope = match.operand(product, 1 - i);
      if (!match.is(far, Op::to_f32) || (match.depends(slope) & ~unsigned{kOnH}) != 0) continue;
      const auto distance = match.distance(match.operand(far, 0));
      if (!distance.known || distance.offset != 0 || distance.q != (plus ? -1 : 1) || distance.kv != -distance.q)
        continue;
      out.slope = slope;
      return true;
    }
  }
  return false;
}

/// The program of some of its nodes.
Program part_of(const Program& program, const std::vector<int>& terms, int score) {
  Builder builder(program.buffers, Builder::Simplify::yes);
  const std::vector<int> place = copy_nodes(program, builder);
  int mask = Program::kNone;
  for (const int term : terms) {
    const int here = place[static_cast<std::size_t>(term)];
    mask = mask == Program::kNone ? here : builder.apply(Op::logical_and, {mask, here});
  }
  return builder.finish(mask, score == Program::kNone ? score : place[static_cast<std::size_t>(score)]);
}

}  // namespace

Builtins take_builtins(Program& program, bool takes_score) {
  Builtins out;
  const Matcher match(program);
  std::vector<int> terms, left;
  if (program.mask != Program::kNone) split(match, program.mask, terms);
  std::copy_if(terms.begin(), terms.end(), std::back_inserter(left),
               [&](int term) { return !take_window(match, term, out); });
  int score = program.score;
  if (takes_score && score != Program::kNone && (take_softcap(match, score, out) || take_slope(match, score, out)))
    score = Program::kNone;
  if (out.slope != Program::kNone) {
    out.slopes = part_of(program, {}, out.slope);
    out.slope = out.slopes.score;
  }
  program = part_of(program, left, score);
  return out;
}

}  // namespace attnrt::flex
