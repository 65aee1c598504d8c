// SPDX-License-Identifier: Apache-2.0
#include "conformance/flex_case.hpp"

#include <deque>
#include <functional>

#include "attnrt/flex/canonical.hpp"
#include "conformance/batch.hpp"
#include "conformance/random.hpp"

namespace attnrt::conformance {
namespace {

using flex::Builder;
using flex::Op;
using flex::Value;

/// Expressions over a builder.
struct Expressions {
  Builder& builder;
  int q() { return builder.leaf(Op::q_idx); }
  int kv() { return builder.leaf(Op::kv_idx); }
  int h() { return builder.leaf(Op::h); }
  int score() { return builder.leaf(Op::score); }
  int number(int32_t v) { return builder.constant(flex::Type::i32, Value::of(v)); }
  int number(float v) { return builder.constant(flex::Type::f32, Value::of(v)); }
  int operator()(Op op, int a) { return builder.apply(op, {a}); }
  int operator()(Op op, int a, int b) { return builder.apply(op, {a, b}); }
  int operator()(Op op, int a, int b, int c) { return builder.apply(op, {a, b, c}); }
  int causal() { return (*this)(Op::le, kv(), q()); }
  int distance() { return (*this)(Op::sub, q(), kv()); }
};

flex::Buffer buffer(const char* name, flex::Element element, std::vector<int32_t> extents) {
  flex::Buffer out{name, element, {}};
  for (const int32_t extent : extents) out.extents.push_back({extent, ""});
  return out;
}

void add(std::deque<FlexCase>& table, const char* name, std::vector<flex::Buffer> buffers,
         std::vector<std::vector<uint32_t>> words, const std::function<flex::Program(Expressions)>& make) {
  Builder builder(std::move(buffers));
  FlexCase& out = table.emplace_back();
  out.name = name;
  out.program = make({builder});
  out.canonical = flex::write_canonical(out.program);
  out.bytes = {sizeof(attnrt_flex_program), static_cast<uint32_t>(out.program.buffers.size()), out.canonical.size(),
               out.canonical.c_str()};
  out.words = std::move(words);
  for (std::size_t i = 0; i < out.words.size(); ++i) {
    flex::BufferView view{out.words[i].data(), {}, {}};
    int64_t stride = 1;
    for (std::size_t d = out.program.buffers[i].extents.size(); d-- > 0;) {
      view.shape[d] = out.program.buffers[i].extents[d].size;
      view.strides[d] = stride;
      stride *= view.shape[d];
    }
    out.views.push_back(view);
  }
}

std::vector<uint32_t> documents() {
  std::vector<uint32_t> out;
  for (uint32_t i = 0; i < 2048; ++i) out.push_back(i / 61);
  return out;
}

std::vector<uint32_t> biases(std::size_t count) {
  Random random(97);
  std::vector<uint32_t> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(Value::of(2.0f * random.normal()).bits);
  return out;
}

std::deque<FlexCase> make_table() {
  std::deque<FlexCase> table;
  add(table, "documents", {buffer("doc", flex::Element::i32, {2048})}, {documents()}, [](Expressions e) {
    const int own = e.builder.load(0, {e.q()}), other = e.builder.load(0, {e.kv()});
    return e.builder.finish(e(Op::eq, own, other), flex::Program::kNone);
  });
  add(table, "dilated", {}, {}, [](Expressions e) {
    return e.builder.finish(e(Op::ne, e(Op::mod, e.distance(), e.number(5)), e.number(3)), flex::Program::kNone);
  });
  add(table, "bias of distance and head", {buffer("bias", flex::Element::f32, {8, 128})}, {biases(8 * 128)},
      [](Expressions e) {
        const int bias = e.builder.load(0, {e.h(), e(Op::add, e.distance(), e.number(64))});
        return e.builder.finish(flex::Program::kNone, e(Op::add, e.score(), bias));
      });
  add(table, "window of some heads, bent scores", {}, {}, [](Expressions e) {
    const int even = e(Op::eq, e(Op::mod, e.h(), e.number(2)), e.number(0));
    const int near = e(Op::lt, e(Op::abs, e.distance()), e.number(40));
    const int bent = e(Op::mul, e.number(3.0f), e(Op::tanh, e(Op::div, e.score(), e.number(3.0f))));
    return e.builder.finish(e(Op::logical_or, even, near), e(Op::select, even, bent, e.score()));
  });
  add(table, "prefix, and scores that fade", {}, {}, [](Expressions e) {
    const int far = e(Op::sqrt, e(Op::to_f32, e(Op::abs, e.distance())));
    return e.builder.finish(e(Op::logical_or, e.causal(), e(Op::lt, e.kv(), e.number(70))),
                            e(Op::sub, e.score(), e(Op::mul, e.number(0.125f), far)));
  });
  return table;
}

const std::deque<FlexCase>& table() {
  static const std::deque<FlexCase> cases = make_table();
  return cases;
}

}  // namespace

const FlexCase& flex_case(uint64_t seed) { return table()[seed % table().size()]; }

const FlexCase& flex_case(const attnrt_problem& problem) {
  for (const FlexCase& flex : table())
    if (&flex.bytes == problem.flex) return flex;
  return table()[0];
}

FlexTensors::FlexTensors(const FlexCase& flex, Shelf& shelf) {
  constexpr attnrt_dtype types[] = {{0, 32, 1}, {2, 32, 1}, {2, 16, 1}, {4, 16, 1}, {6, 8, 1}};  // by flex::Element
  const bool on_host = shelf.memory().device().type == ATTNRT_DEVICE_CPU;
  const attnrt_device host{ATTNRT_DEVICE_CPU, 0};
  for (std::size_t i = 0; i < flex.words.size(); ++i) {
    const attnrt_dtype type = types[static_cast<std::size_t>(flex.program.buffers[i].element)];
    const flex::BufferView& view = flex.views[i];
    const uint32_t* const data = shelf.put(flex.words[i]);
    const auto give = [&](std::initializer_list<int64_t> shape) {
      tensors_.push_back(shelf.tensor(data, type, shape));
      copies_.emplace_back(const_cast<void*>(view.data), host, type, shape);
    };
    const std::size_t rank = flex.program.buffers[i].extents.size();
    if (rank == 0) give({});
    if (rank == 1) give({view.shape[0]});
    if (rank == 2) give({view.shape[0], view.shape[1]});
    host_.push_back(copies_.back().get());
  }
  buffers_ = {sizeof buffers_, static_cast<uint32_t>(tensors_.size()), tensors_.data(),
              on_host ? nullptr : host_.data()};
}

}  // namespace attnrt::conformance
