// SPDX-License-Identifier: Apache-2.0
#include "row_code.hpp"

#include <algorithm>

namespace attnrt::flex {
namespace {

/// What a node changes by from key to key: 1 or -1; 0 where it may be anything.
int8_t step_of(const Program& program, const std::vector<bool>& varies, uint16_t number) {
  const Node& node = program.nodes[number];
  const uint16_t a = node.operands[0], b = node.operands[1];
  const auto turned = [&](uint16_t operand) { return static_cast<int8_t>(-step_of(program, varies, operand)); };
  switch (node.op) {
    case Op::kv_idx:
      return 1;
    case Op::neg:
      return turned(a);
    case Op::add:
      return !varies[b] ? step_of(program, varies, a) : !varies[a] ? step_of(program, varies, b) : int8_t{0};
    case Op::sub:
      return !varies[b] ? step_of(program, varies, a) : !varies[a] ? turned(b) : int8_t{0};
    default:
      return 0;
  }
}

/// RowInstruction::divisor of a node.
int32_t divisor_of(const Program& program, const Node& node) {
  if (node.op != Op::floor_div && node.op != Op::mod) return 0;
  const Node& by = program.nodes[node.operands[1]];
  const int32_t value = by.op == Op::constant && by.type == Type::i32 ? Value{by.bits}.integer() : 0;
  return value > 0 && value <= kMostDivisor ? value : 0;
}

}  // namespace

RowCode::RowCode(const Program& program, int root) : program_(program) {
  view_.code = this;
  view_.position_slot = view_.score_slot = kNoSlot;
  const std::size_t count = static_cast<std::size_t>(root) + 1;
  std::vector<bool> needed(count), varies(count), read(count);
  needed[count - 1] = true;
  for (std::size_t i = count; i-- > 0;)
    if (needed[i])
      for (unsigned k = 0; k < program.nodes[i].num_operands; ++k) needed[program.nodes[i].operands[k]] = true;
  for (std::size_t i = 0; i < count; ++i) {
    const Node& node = program.nodes[i];
    varies[i] = node.op == Op::kv_idx || node.op == Op::score;
    for (unsigned k = 0; k < node.num_operands; ++k) varies[i] = varies[i] || varies[node.operands[k]];
  }
  // The last instruction that reads each node: from there on its slot is free. What does not vary keeps its slot for
  // the whole row.
  std::vector<std::size_t> last(count, 0);
  for (std::size_t i = 0; i < count; ++i)
    if (needed[i] && varies[i])
      for (unsigned k = 0; k < program.nodes[i].num_operands; ++k) {
        last[program.nodes[i].operands[k]] = i;
        read[program.nodes[i].operands[k]] = true;
      }
  last[count - 1] = count;
  read[count - 1] = true;

  std::vector<uint16_t> slot(count, kNoSlot), free;
  const auto take = [&] {
    if (free.empty()) return static_cast<uint16_t>(view_.num_slots++);
    const uint16_t out = free.back();
    free.pop_back();
    return out;
  };
  for (std::size_t i = 0; i < count; ++i) {
    if (!needed[i] || varies[i]) continue;
    slot[i] = read[i] ? static_cast<uint16_t>(view_.num_slots++) : kNoSlot;
    uniforms_.push_back({static_cast<uint16_t>(i), slot[i]});
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!needed[i] || !varies[i]) continue;
    const Node& node = program.nodes[i];
    if (node.op == Op::kv_idx || node.op == Op::score) {
      // Written at the start of every step, so that it is nobody else's before its last use.
      slot[i] = static_cast<uint16_t>(view_.num_slots++);
      (node.op == Op::kv_idx ? view_.position_slot : view_.score_slot) = slot[i];
      continue;
    }
    RowInstruction next;
    next.op = node.op;
    next.num_operands = node.num_operands;
    next.type = program.nodes[node.operands[node.num_operands - 1]].type;
    for (unsigned k = 0; k < node.num_operands; ++k) next.operands[k] = slot[node.operands[k]];
    if (node.op == Op::load) {
      next.buffer = static_cast<uint16_t>(node.bits);
      next.element = program.buffers[node.bits].element;
      next.step = step_of(program, varies, node.operands[node.num_operands - 1]);
      for (unsigned k = 0; k + 1 < node.num_operands; ++k)
        if (varies[node.operands[k]]) next.step = 0;
    }
    next.divisor = divisor_of(program, node);
    next.to = slot[i] = take();  // before its operands give theirs back: it has a slot of its own
    for (unsigned k = 0; k < node.num_operands; ++k) {
      const uint16_t operand = node.operands[k];
      const Op op = program.nodes[operand].op;
      const bool again =
          std::find(node.operands.begin(), node.operands.begin() + k, operand) != node.operands.begin() + k;
      if (!again && varies[operand] && last[operand] == i && op != Op::kv_idx && op != Op::score)
        free.push_back(slot[operand]);
    }
    instructions_.push_back(next);
  }
  view_.result_slot = slot[count - 1];
  view_.instructions = instructions_.data();
  view_.num_instructions = static_cast<uint32_t>(instructions_.size());
  view_.uniforms = uniforms_.data();
  view_.num_uniforms = static_cast<uint32_t>(uniforms_.size());
}

std::size_t RowCode::scratch_bytes() const {
  return view_.num_slots * sizeof(Slot) + (program_.nodes.size() * sizeof(Value) + 63) / 64 * 64;
}

void RowCode::fill_uniforms(const RowCall& row, Value* values) const {
  for (const RowUniform& uniform : uniforms_) {
    const Node& node = program_.nodes[uniform.node];
    Value& out = values[uniform.node];
    switch (node.op) {
      case Op::constant:
        out = {node.bits};
        continue;
      case Op::b:
        out = Value::of(row.b);
        continue;
      case Op::h:
        out = Value::of(row.h);
        continue;
      case Op::q_idx:
        out = Value::of(row.q_idx);
        continue;
      case Op::load: {
        int32_t indices[kMaxRank] = {};
        for (unsigned k = 0; k < node.num_operands; ++k) indices[k] = values[node.operands[k]].integer();
        out = load(program_.buffers[node.bits], row.views[node.bits], indices);
        continue;
      }
      default:
        break;
    }
    Value v[3];
    for (unsigned k = 0; k < node.num_operands; ++k) v[k] = values[node.operands[k]];
    out = apply(node.op, program_.nodes[node.operands[node.num_operands - 1]].type, v[0], v[1], v[2]);
  }
}

void fill_uniforms(const RowCall& row, Value* values) { row.code->code->fill_uniforms(row, values); }

}  // namespace attnrt::flex
