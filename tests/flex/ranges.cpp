// SPDX-License-Identifier: Apache-2.0
//
// The interval analysis never contradicts the evaluation of a pair: random programs, regions and buffers; every node of
// the mask is compared, not the mask alone.
#include "attnrt/flex/region.hpp"
#include "programs.hpp"

using namespace attnrt::flex;

namespace {

Range narrowed(RandomPrograms& random, int32_t most) {
  const auto first = static_cast<int32_t>(random.below(static_cast<std::size_t>(most)));
  return Range::integers(first, first + static_cast<int32_t>(random.below(random.below(3) ? 8 : 60)));
}

std::vector<BufferRanges> ranges_of(const Program& program, const BufferView* views) {
  std::vector<BufferRanges> out(program.buffers.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i].fill(program.buffers[i], views[i]);
  return out;
}

}  // namespace

TEST_CASE("ranges hold every value that a pair can give") {
  RandomPrograms random(23);
  int told = 0;
  for (int i = 0; i < 1500; ++i) {
    const Program program = random.next();
    RandomBuffers buffers(static_cast<uint32_t>(i));
    const std::vector<BufferRanges> ranges = ranges_of(program, buffers.views);
    RegionAnalysis analysis(program, ranges.data());
    Evaluator evaluator(program, buffers.views);
    for (int k = 0; k < 6; ++k) {
      const Range q = narrowed(random, 120), kv = narrowed(random, 120), h = narrowed(random, 4);
      const Region region{1,
                          1,
                          static_cast<int32_t>(h.low),
                          static_cast<int32_t>(h.high),
                          static_cast<int32_t>(q.low),
                          static_cast<int32_t>(q.high),
                          static_cast<int32_t>(kv.low),
                          static_cast<int32_t>(kv.high)};
      const Visibility seen = analysis.visibility(region);
      told += seen != Visibility::unknown;
      for (int pair = 0; pair < 40; ++pair) {
        const auto inside = [&](const Range& r) {
          return static_cast<int32_t>(r.low) +
                 static_cast<int32_t>(random.below(static_cast<std::size_t>(r.high - r.low + 1)));
        };
        const Pair at{1, inside(h), inside(q), inside(kv), 0};
        for (std::size_t node = 0; node <= static_cast<std::size_t>(program.mask); ++node)
          if (!analysis.range(node).holds(evaluator.value(static_cast<int>(node), at)))
            FAIL("node " << node << " " << info(program.nodes[node].op).name << " of program " << i);
        if (seen != Visibility::unknown && evaluator.visible(at) != (seen == Visibility::full))
          FAIL("the mask of program " << i);
      }
    }
  }
  CHECK(told > 1000);  // it would be no use if it never knew
}

TEST_CASE("ranges of small integers hold what every pair of them gives") {
  constexpr Op ops[] = {Op::add, Op::sub,     Op::mul,    Op::floor_div, Op::mod,        Op::min,
                        Op::max, Op::bit_and, Op::bit_or, Op::bit_xor,   Op::neg,        Op::abs,
                        Op::lt,  Op::le,      Op::eq,     Op::ne,        Op::shift_left, Op::shift_right};
  for (const Op op : ops)
    for (int32_t a = -5; a <= 5; ++a)
      for (int32_t a_last = a; a_last <= 5; ++a_last)
        for (int32_t b = -5; b <= 5; ++b)
          for (int32_t b_last = b; b_last <= 5; ++b_last) {
            const Range told = range_of(op, Range::integers(a, a_last), Range::integers(b, b_last), {});
            for (int32_t x = a; x <= a_last; ++x)
              for (int32_t y = b; y <= b_last; ++y)
                if (!told.holds(apply(op, Type::i32, Value::of(x), Value::of(y))))
                  FAIL(info(op).name << " of " << x << " in " << a << ".." << a_last << " and " << y << " in " << b
                                     << ".." << b_last);
          }
}

TEST_CASE("masks that people write are told without a pair") {
  const int32_t doc[] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2};
  const BufferView view{doc, {12}, {1}};
  struct Row {
    const char* text;
    Region region;
    Visibility wanted;
  };
  constexpr Visibility empty = Visibility::empty, full = Visibility::full, unknown = Visibility::unknown;
  const Row rows[] = {
      {"mask: kv_idx <= q_idx", {0, 0, 0, 0, 8, 11, 0, 8}, full},
      {"mask: kv_idx <= q_idx", {0, 0, 0, 0, 8, 11, 0, 9}, unknown},
      {"mask: kv_idx <= q_idx", {0, 0, 0, 0, 0, 3, 4, 7}, empty},
      {"mask: q_idx - kv_idx < 4 && kv_idx <= q_idx", {0, 0, 0, 0, 8, 9, 6, 8}, full},
      {"mask: q_idx - kv_idx < 4 && kv_idx <= q_idx", {0, 0, 0, 0, 8, 9, 0, 4}, empty},
      {"mask: doc[q_idx] == doc[kv_idx]", {0, 0, 0, 0, 4, 7, 4, 7}, full},
      {"mask: doc[q_idx] == doc[kv_idx]", {0, 0, 0, 0, 4, 7, 0, 3}, empty},
      {"mask: doc[q_idx] == doc[kv_idx]", {0, 0, 0, 0, 4, 8, 4, 7}, unknown},
      {"mask: kv_idx < 3 || kv_idx <= q_idx", {0, 0, 0, 0, 0, 1, 0, 2}, full},
      {"mask: (q_idx // 4) == (kv_idx // 4)", {0, 0, 0, 0, 4, 7, 4, 7}, full},
      {"mask: q_idx % 8 < 4", {0, 0, 0, 0, 8, 11, 0, 99}, full},
      {"mask: h < 2 ? kv_idx <= q_idx : true", {0, 0, 2, 3, 0, 3, 4, 7}, full},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const Program program = parsed(std::string("buffer doc: i32[n]\n") + row.text);
    const std::vector<BufferRanges> ranges = ranges_of(program, &view);
    CHECK(RegionAnalysis(program, ranges.data()).visibility(row.region) == row.wanted);
  }
}

TEST_CASE("the range of a box is that of its elements") {
  std::vector<float> table(3 * 9000);
  RandomPrograms random(2);
  for (float& v : table) v = static_cast<float>(random.below(1000000)) - 500000;
  const Buffer buffer{"t", Element::f32, {{3, ""}, {9000, ""}}};
  BufferRanges ranges;
  ranges.fill(buffer, {table.data(), {3, 9000}, {9000, 1}});
  for (int i = 0; i < 300; ++i) {
    const auto first = static_cast<int64_t>(random.below(9000));
    const int64_t last = first + static_cast<int64_t>(random.below(random.below(2) ? 9000 : 70));
    const auto row = static_cast<int64_t>(random.below(3));
    const Range box[] = {Range::integers(row - 5, row), Range::integers(first, last)};
    const Range told = ranges.of(box);
    float least = HUGE_VALF, most = -HUGE_VALF;
    for (int64_t r = 0; r <= row; ++r)
      for (int64_t c = first; c <= std::min<int64_t>(last, 8999); ++c) {
        least = std::min(least, table[static_cast<std::size_t>(r * 9000 + c)]);
        most = std::max(most, table[static_cast<std::size_t>(r * 9000 + c)]);
      }
    CHECK(told.least == least);
    CHECK(told.most == most);
  }
}
