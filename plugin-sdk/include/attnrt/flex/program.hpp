// SPDX-License-Identifier: Apache-2.0
//
// attnrt/flex/program.hpp: a mask and a score that a user wrote, as a list of nodes. PyTorch's FlexAttention has the
// same two functions (arXiv:2412.05496):
//
//     out = softmax(where(mask(b, h, q_idx, kv_idx), score(scale * q . k, b, h, q_idx, kv_idx), -inf)) v
//
// Nodes stand after their operands, equal nodes stand once: a program is a graph without loops, so each ends and its
// cost is known. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_FLEX_PROGRAM_HPP
#define ATTNRT_FLEX_PROGRAM_HPP
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "attnrt/flex/op.hpp"
#include "attnrt/say.hpp"

namespace attnrt::flex {

/// The largest program. Whoever reads one refuses more.
constexpr std::size_t kMaxNodes = 4096, kMaxBuffers = 16, kMaxRank = 4, kMaxDepth = 64, kMaxNameLength = 63;

/// What a buffer stores. A load gives i32 of i32, bool of bool (one byte, not 0), f32 of the others.
enum class Element : uint8_t { i32, f32, fp16, bf16, boolean };

struct ElementInfo {
  Element element;
  const char* name;
  uint8_t bytes;
  Type type;
};
inline constexpr ElementInfo kElements[] = {{Element::i32, "i32", 4, Type::i32},
                                            {Element::f32, "f32", 4, Type::f32},
                                            {Element::fp16, "fp16", 2, Type::f32},
                                            {Element::bf16, "bf16", 2, Type::f32},
                                            {Element::boolean, "bool", 1, Type::boolean}};
constexpr const ElementInfo& info(Element element) { return kElements[static_cast<std::size_t>(element)]; }

/// The size of one dimension: a number, or a name that has one size wherever it stands in a program.
struct Extent {
  int32_t size = 0;    ///< > 0, or 0 where there is a name
  std::string symbol;  ///< "num_tokens"
  bool operator==(const Extent& other) const { return size == other.size && symbol == other.symbol; }
};

/// A tensor that the program reads. Rank 0 is one number.
struct Buffer {
  std::string name;
  Element element = Element::i32;
  std::vector<Extent> extents;
  bool operator==(const Buffer& other) const {
    return name == other.name && element == other.element && extents == other.extents;
  }
};

struct Node {
  Op op = Op::constant;
  Type type = Type::i32;
  uint8_t num_operands = 0;
  std::array<uint16_t, kMaxRank> operands{};  ///< numbers of nodes before this one
  uint32_t bits = 0;                          ///< constant: the value's; load: the buffer's number

  bool operator==(const Node& o) const {
    return op == o.op && type == o.type && num_operands == o.num_operands && operands == o.operands && bits == o.bits;
  }
};

/// A value of any type: bool as 0 or 1, i32 and f32 as their bits.
struct Value {
  uint32_t bits = 0;
  bool truth() const { return bits != 0; }
  int32_t integer() const { return static_cast<int32_t>(bits); }
  float real() const {
    float f;
    std::memcpy(&f, &bits, sizeof f);
    return f;
  }
  static Value of(bool v) { return {v ? 1u : 0u}; }
  static Value of(int32_t v) { return {static_cast<uint32_t>(v)}; }
  static Value of(float v) {
    Value out;
    std::memcpy(&out.bits, &v, sizeof v);
    return out;
  }
};

/// A program as the canonical form holds it. Made by a Builder, which keeps it valid.
struct Program {
  static constexpr int kNone = -1;
  std::vector<Node> nodes;
  std::vector<Buffer> buffers;
  int mask = kNone;   ///< a node of type bool; kNone: every key is seen
  int score = kNone;  ///< a node of type f32; kNone: the score stays

  bool operator==(const Program& o) const {
    return nodes == o.nodes && buffers == o.buffers && mask == o.mask && score == o.score;
  }
};

/// What a value depends on, one bit each.
enum Dependence : uint8_t { kOnB = 1, kOnH = 2, kOnQ = 4, kOnKv = 8, kOnScore = 16 };

/// Of each node the Dependence bits. What does not depend on kv_idx is evaluated once a row.
inline std::vector<uint8_t> dependences(const Program& program) {
  std::vector<uint8_t> out(program.nodes.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Node& node = program.nodes[i];
    switch (node.op) {
      case Op::b:
        out[i] = kOnB;
        break;
      case Op::h:
        out[i] = kOnH;
        break;
      case Op::q_idx:
        out[i] = kOnQ;
        break;
      case Op::kv_idx:
        out[i] = kOnKv;
        break;
      case Op::score:
        out[i] = kOnScore;
        break;
      default:
        break;
    }
    for (unsigned k = 0; k < node.num_operands; ++k) out[i] |= out[node.operands[k]];
  }
  return out;
}

/// Can this be the name of a buffer, an extent or a `let`: a letter or _, then letters, digits, _.
inline bool is_name(std::string_view text) {
  if (text.empty() || text.size() > kMaxNameLength) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!letter && (i == 0 || c < '0' || c > '9')) return false;
  }
  return true;
}

/// Why these buffers cannot be declared together; empty where they can.
inline std::string refuse_buffers(const std::vector<Buffer>& buffers) {
  if (buffers.size() > kMaxBuffers)
    return sdk::say("there are ", buffers.size(), " buffers, wanted at most ", kMaxBuffers);
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const Buffer& buffer = buffers[i];
    if (!is_name(buffer.name))
      return sdk::say("buffer ", i, " has the name '", buffer.name,
                      "', wanted a letter, then letters, digits and _, at most ", kMaxNameLength);
    for (std::size_t k = 0; k < i; ++k)
      if (buffers[k].name == buffer.name) return sdk::say("buffer ", buffer.name, " is declared twice, wanted once");
    if (buffer.extents.size() > kMaxRank)
      return sdk::say("buffer ", buffer.name, " has ", buffer.extents.size(), " dimensions, wanted at most ", kMaxRank);
    for (const Extent& extent : buffer.extents)
      if (extent.symbol.empty() ? extent.size < 1 : extent.size != 0 || !is_name(extent.symbol))
        return sdk::say("buffer ", buffer.name, " has the extent '", extent.symbol, extent.size,
                        "', wanted a number from 1 on, or a name");
  }
  return {};
}

}  // namespace attnrt::flex
#endif
