// SPDX-License-Identifier: Apache-2.0
//
// attnrt/flex/builder.hpp: makes programs that are valid: checks types, writes implicit conversions out, keeps equal
// nodes once, and, where asked to, simplifies. Header-only, C++17.
#ifndef ATTNRT_FLEX_BUILDER_HPP
#define ATTNRT_FLEX_BUILDER_HPP
#include <algorithm>
#include <initializer_list>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "attnrt/flex/meaning.hpp"
#include "attnrt/flex/program.hpp"

namespace attnrt::flex {

/// Collects the nodes of one program. A node that cannot be is kNone, and error() then says why: a sentence with the
/// operator, the types seen and the types wanted. [one thread]
class Builder {
 public:
  static constexpr int kNone = Program::kNone;
  enum class Simplify { no, yes };

  /// `buffers`: valid by refuse_buffers().
  explicit Builder(std::vector<Buffer> buffers, Simplify simplify = Simplify::no)
      : simplify_(simplify == Simplify::yes) {
    program_.buffers = std::move(buffers);
  }

  const std::string& error() const { return error_; }
  const Node& node(int number) const { return program_.nodes[static_cast<std::size_t>(number)]; }
  const std::vector<Buffer>& buffers() const { return program_.buffers; }

  bool depends_on_score(int number) const { return reads_score_[static_cast<std::size_t>(number)]; }

  /// All NaN are one.
  int constant(Type type, Value value) {
    if (type == Type::f32 && value.real() != value.real()) value = Value::of(std::numeric_limits<float>::quiet_NaN());
    Node node;
    node.type = type, node.bits = value.bits;
    return keep(node);
  }

  /// b, h, q_idx, kv_idx or score.
  int leaf(Op op) {
    Node node;
    node.op = op, node.type = op == Op::score ? Type::f32 : Type::i32;
    return keep(node);
  }

  int load(std::size_t buffer, const std::vector<int>& indices) {
    if (buffer >= program_.buffers.size())
      return fail(sdk::say("buffer ", buffer, " is not declared, wanted one of ", program_.buffers.size()));
    const Buffer& from = program_.buffers[buffer];
    if (indices.size() != from.extents.size())
      return fail(sdk::say(from.name, " has ", indices.size(), " indices, wanted ", from.extents.size()));
    Node node;
    node.op = Op::load, node.type = info(from.element).type, node.bits = static_cast<uint32_t>(buffer);
    for (const int index : indices) {
      if (index == kNone) return kNone;
      if (this->node(index).type != Type::i32)
        return fail(sdk::say("an index of ", from.name, " is ", type_name(this->node(index).type), ", wanted i32"));
      node.operands[node.num_operands++] = static_cast<uint16_t>(index);
    }
    return keep(node);
  }

  /// An operator over nodes. Where it takes f32, or one operand is f32, operands of i32 are converted.
  int apply(Op op, std::initializer_list<int> operands) { return apply(op, std::vector<int>(operands)); }
  int apply(Op op, std::vector<int> operands) {
    const OpInfo& about = info(op);
    if (std::find(operands.begin(), operands.end(), kNone) != operands.end()) return kNone;
    if (about.rule == Rule::leaf || about.rule == Rule::load || operands.size() != about.arity)
      return fail(sdk::say(about.name, " has ", operands.size(), " operands, wanted ", int{about.arity}));
    Type type = Type::boolean;
    if (!settle_types(about, operands, type)) return kNone;
    if (simplify_)
      if (const int simpler = rewrite(op, operands); simpler != kNone) return simpler;
    // In an order that does not hang on which was written first.
    if (commutes(op) && shapes_[static_cast<std::size_t>(operands[0])] > shapes_[static_cast<std::size_t>(operands[1])])
      std::swap(operands[0], operands[1]);
    Node node;
    node.op = op, node.type = type;
    for (const int operand : operands) node.operands[node.num_operands++] = static_cast<uint16_t>(operand);
    return keep(node);
  }

  /// The program of these two nodes, each of which may be kNone: what they need and nothing else, in the order in which
  /// a walk from mask and then score leaves the nodes, so that equal programs are equal in every byte.
  Program finish(int mask, int score) const {
    Program out;
    out.buffers = program_.buffers;
    std::vector<int> place(program_.nodes.size(), kNone);
    for (const int root : {mask, score}) {
      std::vector<std::pair<int, unsigned>> walk;
      if (root != kNone) walk.push_back({root, 0});
      while (!walk.empty()) {
        auto& [number, next] = walk.back();
        const Node& from = node(number);
        if (place[static_cast<std::size_t>(number)] != kNone) {
          walk.pop_back();
        } else if (next < from.num_operands) {
          walk.push_back({from.operands[next++], 0});
        } else {
          Node copy = from;
          for (unsigned k = 0; k < copy.num_operands; ++k)
            copy.operands[k] = static_cast<uint16_t>(place[from.operands[k]]);
          place[static_cast<std::size_t>(number)] = static_cast<int>(out.nodes.size());
          out.nodes.push_back(copy);
          walk.pop_back();
        }
      }
    }
    out.mask = mask == kNone ? kNone : place[static_cast<std::size_t>(mask)];
    out.score = score == kNone ? kNone : place[static_cast<std::size_t>(score)];
    return out;
  }

 private:
  using Key = std::tuple<Op, Type, uint32_t, std::array<uint16_t, kMaxRank>>;

  int fail(std::string sentence) {
    if (error_.empty()) error_ = std::move(sentence);
    return kNone;
  }

  int keep(const Node& node) {
    const auto [found, fresh] =
        known_.try_emplace(Key(node.op, node.type, node.bits, node.operands), static_cast<int>(program_.nodes.size()));
    if (!fresh) return found->second;
    unsigned depth = 0;
    for (unsigned k = 0; k < node.num_operands; ++k) depth = std::max(depth, depths_[node.operands[k]]);
    if (program_.nodes.size() == kMaxNodes || depth == kMaxDepth) {
      known_.erase(found);
      return fail(depth == kMaxDepth
                      ? sdk::say("the program is deeper than ", kMaxDepth, " operators, wanted at most that")
                      : sdk::say("the program has more than ", kMaxNodes, " nodes, wanted at most that"));
    }
    program_.nodes.push_back(node);
    depths_.push_back(depth + 1);
    shapes_.push_back(shape(node));
    bool reads = node.op == Op::score;
    for (unsigned k = 0; k < node.num_operands; ++k) reads |= reads_score_[node.operands[k]];
    reads_score_.push_back(reads);
    return found->second;
  }

  // A hash of a node and all below it (the finalizer of splitmix64, Steele et al. 2014).
  uint64_t shape(const Node& node) const {
    uint64_t hash = 0;
    const auto mix = [&hash](uint64_t value) {
      hash = (hash ^ value) + 0x9e3779b97f4a7c15;
      hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
      hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
      hash ^= hash >> 31;
    };
    mix(static_cast<uint64_t>(node.op));
    mix(static_cast<uint64_t>(node.type));
    mix(node.bits);
    for (unsigned k = 0; k < node.num_operands; ++k) mix(shapes_[node.operands[k]]);
    return hash;
  }

  std::string seen(const std::vector<int>& operands) const {
    std::string out;
    for (const int operand : operands) out += sdk::say(out.empty() ? "" : ", ", type_name(node(operand).type));
    return out;
  }

  bool settle_types(const OpInfo& about, std::vector<int>& operands, Type& type) {
    const auto refuse = [&](const char* wanted) {
      fail(sdk::say(*about.symbol ? about.symbol : about.name, " has operands of type ", seen(operands), ", wanted ",
                    wanted));
      return false;
    };
    // The operands from `first` on become one type; i32 becomes f32 where one of them is that, or all have to be.
    const auto unite = [&](std::size_t first, bool real) {
      for (std::size_t i = first; i < operands.size(); ++i) real |= node(operands[i]).type == Type::f32;
      for (std::size_t i = first; i < operands.size(); ++i)
        if (real && node(operands[i]).type == Type::i32)
          if (operands[i] = apply(Op::to_f32, {operands[i]}); operands[i] == kNone) return false;
      for (std::size_t i = first; i < operands.size(); ++i)
        if (node(operands[i]).type != node(operands[first]).type) return false;
      return true;
    };
    const auto all = [&](Type wanted) {
      return std::all_of(operands.begin(), operands.end(), [&](int o) { return node(o).type == wanted; });
    };
    const auto of = [&](std::size_t i) { return node(operands[i]).type; };
    switch (about.rule) {
      case Rule::numbers:
      case Rule::compare:
        if (!unite(0, false) || of(0) == Type::boolean) return refuse("numbers");
        type = about.rule == Rule::numbers ? of(0) : Type::boolean;
        return true;
      case Rule::reals:
        if (!unite(0, true) || !all(Type::f32)) return refuse("numbers");
        type = Type::f32;
        return true;
      case Rule::equal:
        if (!unite(0, false)) return refuse("numbers, or bool and bool");
        type = Type::boolean;
        return true;
      case Rule::logic:
        if (!all(Type::boolean)) return refuse("bool");
        type = Type::boolean;
        return true;
      case Rule::bits:
        if (!all(Type::boolean) && !all(Type::i32)) return refuse("i32, or bool and bool");
        type = of(0);
        return true;
      case Rule::integers:
        if (!all(Type::i32)) return refuse("i32");
        type = Type::i32;
        return true;
      case Rule::select:
        if (of(0) != Type::boolean || !unite(1, false)) return refuse("bool and two values of one type");
        type = of(1);
        return true;
      case Rule::cast:
        type = cast_type(about.op);
        return true;
      case Rule::leaf:
      case Rule::load:
        break;
    }
    return false;
  }

  static Type cast_type(Op op) { return op == Op::to_i32 ? Type::i32 : op == Op::to_f32 ? Type::f32 : Type::boolean; }

  bool is_constant(int number) const { return node(number).op == Op::constant; }
  bool is_constant(int number, Value value) const { return is_constant(number) && node(number).bits == value.bits; }

  // A node with the same value for every operand, or kNone. Only what is equal to the bit, NaN and -0 included.
  int rewrite(Op op, const std::vector<int>& o) {
    if (std::all_of(o.begin(), o.end(), [&](int operand) { return is_constant(operand); })) return fold(op, o);
    const Type type = node(o.back()).type;
    const bool same = o.size() == 2 && o[0] == o[1], whole = type != Type::f32;
    const auto either = [&](Value value) {
      return is_constant(o[0], value) ? o[1] : is_constant(o[1], value) ? o[0] : kNone;
    };
    switch (op) {
      case Op::add:
        return whole ? either(Value::of(0)) : kNone;
      case Op::sub:
        if (!whole) return kNone;
        return same ? constant(Type::i32, Value::of(0)) : is_constant(o[1], Value::of(0)) ? o[0] : kNone;
      case Op::mul:
        return either(whole ? Value::of(1) : Value::of(1.0f));
      case Op::div:
        return is_constant(o[1], Value::of(1.0f)) ? o[0] : kNone;
      case Op::floor_div:
        return whole && is_constant(o[1], Value::of(1)) ? o[0] : kNone;
      case Op::min:
      case Op::max:
        return same ? o[0] : kNone;
      case Op::lt:
      case Op::ne:
        return same && whole ? constant(Type::boolean, Value::of(false)) : kNone;
      case Op::le:
      case Op::eq:
        return same && whole ? constant(Type::boolean, Value::of(true)) : kNone;
      case Op::logical_and:
      case Op::logical_or: {
        const Value neutral = Value::of(op == Op::logical_and), decides = Value::of(op != Op::logical_and);
        if (same) return o[0];
        if (is_constant(o[0], decides) || is_constant(o[1], decides)) return constant(Type::boolean, decides);
        return either(neutral);
      }
      case Op::logical_not:
        return node(o[0]).op == Op::logical_not ? node(o[0]).operands[0] : kNone;
      case Op::select:
        return o[1] == o[2] ? o[1] : is_constant(o[0]) ? o[node(o[0]).bits ? 1 : 2] : kNone;
      case Op::to_i32:
      case Op::to_f32:
      case Op::to_bool:
        return type == cast_type(op) ? o[0] : kNone;
      default:
        return kNone;
    }
  }

  int fold(Op op, const std::vector<int>& o) {
    Value values[3];
    for (std::size_t i = 0; i < o.size(); ++i) values[i].bits = node(o[i]).bits;
    const Type from = node(o.back()).type;
    const Value value = flex::apply(op, from, values[0], values[1], values[2]);
    const Rule rule = info(op).rule;
    const Type type = rule == Rule::cast                             ? cast_type(op)
                      : rule == Rule::compare || rule == Rule::equal ? Type::boolean
                                                                     : from;
    return constant(type, value);
  }

  bool simplify_;
  Program program_;
  std::vector<unsigned> depths_;
  std::vector<uint64_t> shapes_;
  std::vector<bool> reads_score_;
  std::map<Key, int> known_;
  std::string error_;
};

/// Why these nodes, each of which may be kNone, are no mask and no score; empty where they are.
inline std::string refuse_roots(const Builder& builder, int mask, int score) {
  if (mask == Program::kNone && score == Program::kNone)
    return "there is neither a mask nor a score, wanted one of them";
  if (mask != Program::kNone) {
    if (const Type type = builder.node(mask).type; type != Type::boolean)
      return sdk::say("mask is ", type_name(type), ", wanted bool");
    if (builder.depends_on_score(mask)) return "mask reads score, wanted b, h, q_idx, kv_idx and buffers alone";
  }
  if (score != Program::kNone)
    if (const Type type = builder.node(score).type; type != Type::f32)
      return sdk::say("score is ", type_name(type), ", wanted f32");
  return {};
}

/// Puts all nodes of a program into a builder with the same buffers; returns where each of them is. A valid program
/// fits.
inline std::vector<int> copy_nodes(const Program& program, Builder& builder) {
  std::vector<int> place;
  for (const Node& node : program.nodes) {
    std::vector<int> operands;
    for (unsigned k = 0; k < node.num_operands; ++k) operands.push_back(place[node.operands[k]]);
    if (node.op == Op::constant)
      place.push_back(builder.constant(node.type, {node.bits}));
    else if (node.op == Op::load)
      place.push_back(builder.load(node.bits, operands));
    else if (info(node.op).rule == Rule::leaf)
      place.push_back(builder.leaf(node.op));
    else
      place.push_back(builder.apply(node.op, operands));
  }
  return place;
}

/// The same program with constants folded and what has no effect left out: equal to the bit for all operands. Kernels
/// run this one.
inline Program simplify(const Program& program) {
  Builder builder(program.buffers, Builder::Simplify::yes);
  const std::vector<int> place = copy_nodes(program, builder);
  const auto at = [&](int number) {
    return number == Program::kNone ? number : place[static_cast<std::size_t>(number)];
  };
  int mask = at(program.mask), score = at(program.score);
  if (mask != Program::kNone && builder.node(mask).op == Op::constant && builder.node(mask).bits) mask = Program::kNone;
  if (score != Program::kNone && builder.node(score).op == Op::score) score = Program::kNone;
  return builder.finish(mask, score);
}

}  // namespace attnrt::flex
#endif
