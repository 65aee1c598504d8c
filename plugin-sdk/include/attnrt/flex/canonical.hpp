// SPDX-License-Identifier: Apache-2.0
//
// attnrt/flex/canonical.hpp: a program as JSON of one form: equal programs have equal bytes, which are what crosses the
// ABI, what is hashed and what is kept. No blanks, members in this order:
//
//     {"flex":1,"buffers":[{"name":"doc","dtype":"i32","extents":["num_tokens"]}],
//      "nodes":[["q_idx"],["load",0,0],["kv_idx"],["load",0,2],["eq",1,3]],"mask":4,"score":null}
//
// A node is [operator, operands...] with the numbers of earlier nodes; ["i32",[5]], ["f32",[0.5]], ["f32",["inf"]] and
// ["bool",[true]] are constants, ["load",buffer,indices...] an element. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_FLEX_CANONICAL_HPP
#define ATTNRT_FLEX_CANONICAL_HPP
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "attnrt/diag.hpp"
#include "attnrt/flex/builder.hpp"

namespace attnrt::flex {
namespace detail {

inline std::string canonical_real(float value) {
  if (value != value) return "\"nan\"";
  if (std::isinf(value)) return value > 0 ? "\"inf\"" : "\"-inf\"";
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

inline std::string canonical_constant(const Node& node) {
  const Value value{node.bits};
  if (node.type == Type::boolean) return value.truth() ? "[\"bool\",[true]]" : "[\"bool\",[false]]";
  if (node.type == Type::i32) return sdk::say("[\"i32\",[", value.integer(), "]]");
  return "[\"f32\",[" + canonical_real(value.real()) + "]]";
}

/// Reads the bytes of one form from left to right. The first byte that does not fit ends it.
class CanonicalReader {
 public:
  explicit CanonicalReader(std::string_view text) : text_(text) {}

  bool is(std::string_view wanted) {
    if (text_.substr(at_, wanted.size()) != wanted) return false;
    at_ += wanted.size();
    return true;
  }
  bool want(std::string_view wanted) { return is(wanted) || refuse(sdk::say("wanted ", std::string(wanted))); }
  bool name(std::string& out) {
    if (!want("\"")) return false;
    const std::size_t end = text_.find('"', at_);
    if (end == std::string_view::npos) return refuse("wanted the end of a string");
    out = text_.substr(at_, end - at_);
    at_ = end + 1;
    return true;
  }
  char next() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  template <class T>
  bool number(T& out) {
    const char* const first = text_.data() + at_;
    const auto [end, error] = std::from_chars(first, text_.data() + text_.size(), out);
    if (error != std::errc()) return refuse("wanted a number");
    at_ += static_cast<std::size_t>(end - first);
    return true;
  }
  bool ended() { return at_ == text_.size() || refuse("wanted the end"); }
  bool refuse(const std::string& why) {
    if (error_.empty())
      error_ = sdk::say("the canonical form of a flex program has an error at byte ", at_, ": ", sdk::printable(why));
    return false;
  }
  const std::string& error() const { return error_; }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  std::string error_;
};

inline bool read_buffer(CanonicalReader& in, Buffer& out) {
  std::string dtype;
  if (!in.want("{\"name\":") || !in.name(out.name) || !in.want(",\"dtype\":") || !in.name(dtype)) return false;
  bool known = false;
  for (const ElementInfo& entry : kElements)
    if (dtype == entry.name) out.element = entry.element, known = true;
  if (!known) return in.refuse("'" + dtype + "' is no dtype of a buffer, wanted i32, f32, fp16, bf16 or bool");
  if (!in.want(",\"extents\":[")) return false;
  for (bool first = true; !in.is("]"); first = false) {
    Extent extent;
    if (!first && !in.want(",")) return false;
    if (!(in.next() == '"' ? in.name(extent.symbol) : in.number(extent.size))) return false;
    out.extents.push_back(std::move(extent));
  }
  return in.want("}");
}

inline bool read_constant(CanonicalReader& in, const std::string& type, Builder& builder, int& out) {
  if (type == "bool") {
    const bool truth = in.is("true");
    if (!truth && !in.want("false")) return false;
    out = builder.constant(Type::boolean, Value::of(truth));
    return true;
  }
  if (type == "i32") {
    int32_t value = 0;
    if (!in.number(value)) return false;
    out = builder.constant(Type::i32, Value::of(value));
    return true;
  }
  float value = 0;
  if (in.next() == '"') {
    std::string word;
    if (!in.name(word)) return false;
    if (word != "inf" && word != "-inf" && word != "nan") return in.refuse("wanted inf, -inf or nan");
    value = word == "nan" ? std::numeric_limits<float>::quiet_NaN() : word == "inf" ? HUGE_VALF : -HUGE_VALF;
  } else if (!in.number(value)) {
    return false;
  }
  out = builder.constant(Type::f32, Value::of(value));
  return true;
}

inline bool read_node(CanonicalReader& in, Builder& builder, const std::vector<int>& nodes, int& out) {
  std::string name;
  if (!in.want("[") || !in.name(name)) return false;
  std::vector<int> operands;
  uint32_t buffer = 0;
  const OpInfo* const about = find_op(name);
  if (!about || about->op == Op::constant) return in.refuse("'" + name + "' is no operator");
  // A constant has the name of its type, as a cast has, and its value in brackets of its own.
  if (about->op == Op::load && (!in.want(",") || !in.number(buffer))) return false;
  if (about->rule == Rule::cast && in.is(",[")) {
    if (!read_constant(in, name, builder, out)) return false;
    return in.want("]]");
  }
  while (in.is(",")) {
    std::size_t operand = 0;
    if (!in.number(operand)) return false;
    if (operand >= nodes.size()) return in.refuse(sdk::say("node ", operand, " is not there yet"));
    operands.push_back(nodes[operand]);
  }
  if (!in.want("]")) return false;
  out = about->op == Op::load                           ? builder.load(buffer, operands)
        : about->rule == Rule::leaf && operands.empty() ? builder.leaf(about->op)
                                                        : builder.apply(about->op, operands);
  return out != Program::kNone || in.refuse(builder.error());
}

inline bool read_root(CanonicalReader& in, const std::vector<int>& nodes, int& out) {
  out = Program::kNone;
  if (in.is("null")) return true;
  std::size_t number = 0;
  if (!in.number(number)) return false;
  if (number >= nodes.size()) return in.refuse(sdk::say("node ", number, " is not there"));
  out = nodes[number];
  return true;
}

}  // namespace detail

/// The canonical form of a program.
inline std::string write_canonical(const Program& program) {
  std::string out = "{\"flex\":1,\"buffers\":[";
  for (const Buffer& buffer : program.buffers) {
    out += sdk::say(&buffer == program.buffers.data() ? "" : ",", "{\"name\":\"", buffer.name, "\",\"dtype\":\"",
                    info(buffer.element).name, "\",\"extents\":[");
    for (const Extent& extent : buffer.extents)
      out += sdk::say(&extent == buffer.extents.data() ? "" : ",",
                      extent.symbol.empty() ? std::to_string(extent.size) : "\"" + extent.symbol + "\"");
    out += "]}";
  }
  out += "],\"nodes\":[";
  for (const Node& node : program.nodes) {
    if (&node != program.nodes.data()) out += ",";
    if (node.op == Op::constant) {
      out += detail::canonical_constant(node);
      continue;
    }
    out += sdk::say("[\"", info(node.op).name, "\"");
    if (node.op == Op::load) out += sdk::say(",", node.bits);
    for (unsigned k = 0; k < node.num_operands; ++k) out += sdk::say(",", node.operands[k]);
    out += "]";
  }
  const auto root = [](int number) { return number == Program::kNone ? std::string("null") : std::to_string(number); };
  return out + "],\"mask\":" + root(program.mask) + ",\"score\":" + root(program.score) + "}";
}

/// Reads a canonical form. Empty, or one sentence with the byte where it ends to be one; `out` is whole only where it
/// is empty. Bytes that mean a program but are not what write_canonical() writes of it are refused: the form is a key.
inline std::string read_canonical(std::string_view text, Program& out) {
  detail::CanonicalReader in(text);
  std::vector<Buffer> buffers;
  const auto read = [&] {
    if (!in.want("{\"flex\":1,\"buffers\":[")) return false;
    while (!in.is("]")) {
      if (!buffers.empty() && !in.want(",")) return false;
      if (buffers.size() == kMaxBuffers) return in.refuse(sdk::say("wanted at most ", kMaxBuffers, " buffers"));
      buffers.emplace_back();
      if (!detail::read_buffer(in, buffers.back())) return false;
    }
    if (const std::string why = refuse_buffers(buffers); !why.empty()) return in.refuse(why);
    Builder builder(buffers);
    std::vector<int> nodes;
    int mask = Program::kNone, score = Program::kNone;
    if (!in.want(",\"nodes\":[")) return false;
    while (!in.is("]")) {
      if (!nodes.empty() && !in.want(",")) return false;
      int node = Program::kNone;
      if (!detail::read_node(in, builder, nodes, node)) return false;
      nodes.push_back(node);
    }
    if (!in.want(",\"mask\":") || !detail::read_root(in, nodes, mask) || !in.want(",\"score\":") ||
        !detail::read_root(in, nodes, score) || !in.want("}") || !in.ended())
      return false;
    if (const std::string why = refuse_roots(builder, mask, score); !why.empty()) return in.refuse(why);
    out = builder.finish(mask, score);
    return write_canonical(out) == text || in.refuse("the same program has another canonical form");
  };
  read();
  return in.error();
}

}  // namespace attnrt::flex
#endif
