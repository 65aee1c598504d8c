// SPDX-License-Identifier: Apache-2.0
// Bytes as a valid program, buffers and regions. The interval analysis never contradicts a pair, be it evaluated alone
// or in a row of keys, whose exp, log and their like round in their own way; and rows have the pairs' bits where a
// program has none of those.
#include <algorithm>

#include "../../plugins/flex/cpu/row_code.hpp"
#include "attnrt/flex/block_mask.hpp"
#include "attnrt/flex/builder.hpp"
#include "attnrt/flex/canonical.hpp"
#include "flex/print.hpp"
#include "target.hpp"

using namespace attnrt::flex;
namespace {

constexpr int32_t kRows = 70, kColumns = 37;

/// The buffers of every program: "rows" i32[70], "table" bf16[3, 37], "seen" bool[70], "shift" f32.
struct Tensors {
  explicit Tensors(fuzz::Bytes& in) {
    const uint8_t kind = in.take<uint8_t>();
    for (int32_t i = 0; i < kRows; ++i) rows[i] = kind & 1 ? i / 9 : static_cast<int32_t>(in.number());
    for (int32_t i = 0; i < kRows; ++i) seen[i] = kind & 2 ? i > 20 : in.take<uint8_t>();
    for (uint16_t& x : table) x = kind & 4 ? static_cast<uint16_t>(0x3f80 + (&x - table)) : in.take<uint16_t>();
    shift = in.take<float>();
  }
  int32_t rows[kRows];
  uint16_t table[3 * kColumns];
  uint8_t seen[kRows];
  float shift;
  BufferView views[4] = {
      {rows, {kRows}, {1}}, {table, {3, kColumns}, {kColumns, 1}}, {seen, {kRows}, {1}}, {&shift, {}, {}}};
};

std::vector<Buffer> buffers() {
  return {{"rows", Element::i32, {{kRows, ""}}},
          {"table", Element::bf16, {{3, ""}, {kColumns, ""}}},
          {"seen", Element::boolean, {{kRows, ""}}},
          {"shift", Element::f32, {}}};
}

/// Nodes by their types, each made of earlier ones.
class Maker {
 public:
  explicit Maker(fuzz::Bytes& in) : in_(in), builder_(buffers()) {
    for (const Op op : {Op::b, Op::h, Op::q_idx, Op::kv_idx}) add(builder_.leaf(op));
    add(builder_.constant(Type::f32, Value::of(0.5f)));
    add(builder_.constant(Type::boolean, Value::of(true)));
    add(builder_.load(3, {}));
  }

  Program make() {
    for (int i = 0; i < 48 && !in_.empty(); ++i) step();
    return builder_.finish(nodes_[0].back(), nodes_[2].back());
  }

 private:
  void add(int node) {
    if (node != Program::kNone) nodes_[static_cast<std::size_t>(builder_.node(node).type)].push_back(node);
  }
  int pick(Type type) {
    const std::vector<int>& from = nodes_[static_cast<std::size_t>(type)];
    return from[from.size() - 1 - in_.below(static_cast<uint32_t>(std::min<std::size_t>(from.size(), 255)))];
  }
  void step() {
    const uint32_t kind = in_.below(60);
    if (kind < 4) return add(builder_.constant(Type::i32, Value::of(static_cast<int32_t>(in_.number()))));
    if (kind < 6) return add(builder_.constant(Type::f32, Value::of(in_.take<float>())));
    if (kind == 6) return add(builder_.load(0, {pick(Type::i32)}));
    if (kind == 7) return add(builder_.load(2, {pick(Type::i32)}));
    if (kind == 8) return add(builder_.load(1, {pick(Type::i32), pick(Type::i32)}));
    constexpr uint32_t first = static_cast<uint32_t>(Op::add);
    const OpInfo& about = kOps[first + (kind - 9) % (std::size(kOps) - first)];
    const auto type = static_cast<Type>(in_.below(3));
    const Type number = type == Type::f32 ? Type::f32 : Type::i32;
    std::vector<int> operands;
    for (int k = 0; k < about.arity; ++k)
      operands.push_back(pick(about.rule == Rule::numbers || about.rule == Rule::compare            ? number
                              : about.rule == Rule::reals                                           ? Type::f32
                              : about.rule == Rule::logic || (about.rule == Rule::select && k == 0) ? Type::boolean
                              : about.rule == Rule::integers || (about.rule == Rule::bits && type == Type::f32)
                                  ? Type::i32
                                  : type));
    add(builder_.apply(about.op, operands));
  }

  fuzz::Bytes& in_;
  Builder builder_;
  std::vector<int> nodes_[3];
};

bool is_exact(const Program& program) {
  return std::none_of(program.nodes.begin(), program.nodes.end(),
                      [](const Node& node) { return node.op >= Op::exp && node.op <= Op::cos && node.op != Op::sqrt; });
}

bool same(float a, float b) { return a != a ? b != b : Value::of(a).bits == Value::of(b).bits; }

/// The program is printed where a promise is broken alone: that takes most of the time otherwise.
void promise(bool kept, const char* what, const Program& program) {
  if (!kept) fuzz::promise(false, what, attnrt::core::print_flex(program));
}

/// A first and a last one, not far apart.
std::pair<int32_t, int32_t> span(fuzz::Bytes& in) {
  const auto first = static_cast<int32_t>(in.number() & 0x3fffffff);
  return {first, first + static_cast<int32_t>(in.below(80))};
}

/// A row of keys as the CPU evaluates it.
void check_row(const Program& program, const Tensors& tensors, const Region& region, Visibility seen, int32_t query,
               Evaluator& evaluator) {
  const bool exact = is_exact(program);
  const int32_t count = region.kv_last - region.kv_first + 1;
  const RowCode mask(program, program.mask), score(program, program.score);
  std::vector<Slot> scratch(std::max(mask.scratch_bytes(), score.scratch_bytes()) / sizeof(Slot) + 1);
  auto* const bytes = reinterpret_cast<std::byte*>(scratch.data());
  std::vector<float> bias(static_cast<std::size_t>(count)), made(static_cast<std::size_t>(count), 1.25f);
  RowCall call{&mask.view(), tensors.views, 1, region.h_last, query, region.kv_first, count};
  portable_rows().hide(call, bias.data(), bytes);
  call.code = &score.view();
  portable_rows().score(call, made.data(), bytes);
  for (int32_t i = 0; i < count; ++i) {
    const Pair pair{1, region.h_last, query, region.kv_first + i, 1.25f};
    const auto at = static_cast<std::size_t>(i);
    const bool visible = bias[at] == 0;
    if (seen != Visibility::unknown)
      promise(visible == (seen == Visibility::full), "a row of keys shows what its region does", program);
    if (!exact) continue;
    promise(visible == evaluator.visible(pair), "a row of keys shows what its pairs do", program);
    promise(same(made[at], evaluator.score(pair)), "a row of scores is that of its pairs", program);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  fuzz::Bytes in(data, size);
  const uint8_t regions = static_cast<uint8_t>(1 + in.below(3));
  std::pair<int32_t, int32_t> spans[3][3];
  for (auto& region : spans)
    for (auto& bounds : region) bounds = span(in);
  const Tensors tensors(in);
  const Program program = Maker(in).make();
  const std::string canonical = write_canonical(program);
  Program again;
  fuzz::promise(read_canonical(canonical, again).empty() && again == program, "a made program has a canonical form",
                canonical);

  static std::vector<BufferRanges> ranges(program.buffers.size());  // filled again, as a plan's are
  for (std::size_t i = 0; i < ranges.size(); ++i) ranges[i].fill(program.buffers[i], tensors.views[i]);
  RegionAnalysis analysis(program, ranges.data());
  Evaluator evaluator(program, tensors.views);
  for (uint8_t k = 0; k < regions; ++k) {
    const auto [h, q, kv] = std::tie(spans[k][0], spans[k][1], spans[k][2]);
    const Region region{1, 1, h.first & 63, (h.first & 63) + 3, q.first, q.second, kv.first, kv.second};
    const Visibility seen = analysis.visibility(region);
    for (int32_t i = 0; i < 12; ++i) {
      const auto inside = [i](int32_t first, int32_t last) { return first + (last - first) * (i % 4) / 3; };
      const Pair pair{1, inside(region.h_first, region.h_last), inside(region.q_first, region.q_last),
                      region.kv_first + (region.kv_last - region.kv_first) * i / 11, 0};
      for (std::size_t node = 0; node <= static_cast<std::size_t>(program.mask); ++node)
        promise(analysis.range(node).holds(evaluator.value(static_cast<int>(node), pair)),
                "a range holds the value of a pair", program);
      if (seen != Visibility::unknown)
        promise(evaluator.visible(pair) == (seen == Visibility::full), "a region shows what its pairs do", program);
    }
    for (const int32_t query : {region.q_first, region.q_last})
      check_row(program, tensors, region, seen, query, evaluator);
  }
  return 0;
}
