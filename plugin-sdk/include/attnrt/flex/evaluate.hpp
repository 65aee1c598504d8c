// SPDX-License-Identifier: Apache-2.0
//
// attnrt/flex/evaluate.hpp: a program for one pair of query and key. Slow and plain: what faster evaluators are held
// to. Header-only, C++17.
#ifndef ATTNRT_FLEX_EVALUATE_HPP
#define ATTNRT_FLEX_EVALUATE_HPP
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "attnrt/flex/meaning.hpp"
#include "attnrt/flex/program.hpp"

namespace attnrt::flex {

/// A buffer's memory at a call. Strides in elements.
struct BufferView {
  const void* data = nullptr;
  int64_t shape[kMaxRank] = {};
  int64_t strides[kMaxRank] = {};
};

/// One element as a value. fp16 and bf16 become fp32, exactly. [thread-safe]
inline Value read_element(Element element, const void* data, int64_t offset) {
  const auto at = [&](auto sample) {
    std::memcpy(&sample, static_cast<const char*>(data) + offset * static_cast<int64_t>(sizeof sample), sizeof sample);
    return sample;
  };
  switch (element) {
    case Element::i32:
    case Element::f32:
      return {at(uint32_t{})};
    case Element::boolean:
      return Value::of(at(uint8_t{}) != 0);
    case Element::bf16:
      return {uint32_t{at(uint16_t{})} << 16};
    case Element::fp16:
      break;
  }
  const uint32_t half = at(uint16_t{}), sign = (half & 0x8000u) << 16, rest = half & 0x7fffu;
  if (rest >= 0x7c00u) return {sign | 0x7f800000u | (rest & 0x3ffu) << 13};
  if (rest >= 0x400u) return {sign | ((rest << 13) + (112u << 23))};
  return {sign | Value::of(static_cast<float>(rest) * 0x1p-24f).bits};
}

/// The element at these indices, each moved to the nearest one inside; 0 where the buffer is empty. [thread-safe]
inline Value load(const Buffer& buffer, const BufferView& view, const int32_t* indices) {
  int64_t offset = 0;
  for (std::size_t d = 0; d < buffer.extents.size(); ++d) {
    if (view.shape[d] <= 0) return {};
    offset += std::clamp<int64_t>(indices[d], 0, view.shape[d] - 1) * view.strides[d];
  }
  return read_element(buffer.element, view.data, offset);
}

/// One pair.
struct Pair {
  int32_t b = 0, h = 0, q_idx = 0, kv_idx = 0;
  float score = 0;  ///< scale * q . k
};

/// Evaluates one program over given buffers. [one thread]
class Evaluator {
 public:
  /// `views`: one for each buffer of the program; both outlive this.
  Evaluator(const Program& program, const BufferView* views)
      : program_(program), views_(views), values_(program.nodes.size()) {}

  bool visible(const Pair& pair) { return program_.mask == Program::kNone || value(program_.mask, pair).truth(); }
  float score(const Pair& pair) {
    return program_.score == Program::kNone ? pair.score : value(program_.score, pair).real();
  }

  /// Of any node.
  Value value(int number, const Pair& pair) {
    for (std::size_t i = 0; i <= static_cast<std::size_t>(number); ++i) values_[i] = one(program_.nodes[i], pair);
    return values_[static_cast<std::size_t>(number)];
  }

 private:
  Value one(const Node& node, const Pair& pair) const {
    switch (node.op) {
      case Op::constant:
        return {node.bits};
      case Op::b:
        return Value::of(pair.b);
      case Op::h:
        return Value::of(pair.h);
      case Op::q_idx:
        return Value::of(pair.q_idx);
      case Op::kv_idx:
        return Value::of(pair.kv_idx);
      case Op::score:
        return Value::of(pair.score);
      case Op::load: {
        int32_t indices[kMaxRank] = {};
        for (unsigned k = 0; k < node.num_operands; ++k) indices[k] = values_[node.operands[k]].integer();
        return load(program_.buffers[node.bits], views_[node.bits], indices);
      }
      default:
        break;
    }
    Value v[3];
    for (unsigned k = 0; k < node.num_operands; ++k) v[k] = values_[node.operands[k]];
    return apply(node.op, program_.nodes[node.operands[node.num_operands - 1]].type, v[0], v[1], v[2]);
  }

  const Program& program_;
  const BufferView* views_;
  std::vector<Value> values_;
};

}  // namespace attnrt::flex
#endif
