// SPDX-License-Identifier: Apache-2.0
//
// programs.hpp: programs for tests: texts that must parse, and random ones.
#pragma once
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "attnrt/flex/builder.hpp"
#include "attnrt/flex/evaluate.hpp"
#include "flex/parser.hpp"

namespace attnrt::flex {

inline Program parsed(const std::string& text) {
  const core::Result<Program> result = core::parse_flex(text, "test", {});
  INFO(text);
  INFO((result ? std::string() : result.error().text));
  REQUIRE(static_cast<bool>(result));
  return *result;
}

/// Random programs of every operator, over buffers "rows" i32[97], "table" f32[5, 41], "seen" bool[64] and "shift" i32.
class RandomPrograms {
 public:
  /// `exact`: without the operators that evaluators may round in their own way.
  explicit RandomPrograms(uint32_t seed, bool exact = false) : random_(seed), exact_(exact) {}

  Program next() {
    Builder builder({{"rows", Element::i32, {{97, ""}}},
                     {"table", Element::f32, {{5, ""}, {41, ""}}},
                     {"seen", Element::boolean, {{64, ""}}},
                     {"shift", Element::i32, {}}});
    std::vector<int> by_type[3];
    const auto add = [&](int node) {
      if (node != Program::kNone) by_type[static_cast<int>(builder.node(node).type)].push_back(node);
    };
    const auto pick = [&](Type type) {
      const std::vector<int>& from = by_type[static_cast<int>(type)];
      // Late nodes more often: deep programs.
      const std::size_t n = from.size(), i = std::max(below(n), below(n));
      return from[i];
    };
    for (const Op op : {Op::b, Op::h, Op::q_idx, Op::kv_idx}) add(builder.leaf(op));
    for (const int32_t value : {0, 1, 2, 7, 64, -3, 1000000, INT32_MAX, INT32_MIN})
      add(builder.constant(Type::i32, Value::of(value)));
    for (const float value : {0.0f, 1.0f, -0.5f, 3.25f, 1e-40f, 3e38f, HUGE_VALF})
      add(builder.constant(Type::f32, Value::of(value)));
    add(builder.constant(Type::boolean, Value::of(true)));
    add(builder.load(3, {}));
    for (int i = 0; i < 40; ++i) {
      if (below(5) == 0) {
        const std::size_t buffer = below(3);
        add(buffer == 1 ? builder.load(1, {pick(Type::i32), pick(Type::i32)})
                        : builder.load(buffer, {pick(Type::i32)}));
        continue;
      }
      const OpInfo& about =
          kOps[static_cast<std::size_t>(Op::add) + below(std::size(kOps) - static_cast<std::size_t>(Op::add))];
      if (exact_ && about.op >= Op::exp && about.op <= Op::cos && about.op != Op::sqrt) continue;
      const Type type = static_cast<Type>(below(3)), number = below(2) ? Type::i32 : Type::f32;
      std::vector<int> operands;
      for (int k = 0; k < about.arity; ++k) {
        Type wanted = type;
        if (about.rule == Rule::numbers || about.rule == Rule::compare) wanted = number;
        if (about.rule == Rule::reals) wanted = Type::f32;
        if (about.rule == Rule::logic || (about.rule == Rule::select && k == 0)) wanted = Type::boolean;
        if (about.rule == Rule::integers || (about.rule == Rule::bits && type == Type::f32)) wanted = Type::i32;
        operands.push_back(pick(wanted));
      }
      add(builder.apply(about.op, operands));
    }
    REQUIRE(builder.error().empty());
    return builder.finish(by_type[0].back(), by_type[2].back());
  }

  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }

 private:
  std::mt19937 random_;
  bool exact_;
};

/// Memory for the buffers of RandomPrograms.
struct RandomBuffers {
  explicit RandomBuffers(uint32_t seed) : rows(97), table(5 * 41), seen(64) {
    std::mt19937 random(seed);
    // Ascending here and there, so that ranges are narrow, and wild elsewhere.
    for (std::size_t i = 0; i < rows.size(); ++i)
      rows[i] = static_cast<int32_t>(random() % 3 ? i / 16 : random() % 200) - 20;
    for (float& v : table) v = static_cast<float>(static_cast<int32_t>(random() % 2001) - 1000) / 37.0f;
    table[17] = std::numeric_limits<float>::quiet_NaN();
    table[90] = -std::numeric_limits<float>::infinity();
    for (std::size_t i = 0; i < seen.size(); ++i) seen[i] = i / 16 % 2;
    shift = static_cast<int32_t>(random() % 9) - 4;
    views[0] = {rows.data(), {97}, {1}};
    views[1] = {table.data(), {5, 41}, {41, 1}};
    views[2] = {seen.data(), {64}, {1}};
    views[3] = {&shift, {}, {}};
  }
  std::vector<int32_t> rows;
  std::vector<float> table;
  std::vector<uint8_t> seen;
  int32_t shift;
  BufferView views[4];
};

}  // namespace attnrt::flex
