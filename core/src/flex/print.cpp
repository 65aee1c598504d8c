// SPDX-License-Identifier: Apache-2.0
#include "print.hpp"

#include <charconv>
#include <cmath>
#include <vector>

#include "attnrt/say.hpp"

namespace attnrt::core {
namespace {

using flex::Node;
using flex::Op;
using flex::Program;
using flex::Rule;
using sdk::say;

class FlexPrinter {
 public:
  explicit FlexPrinter(const Program& program)
      : program_(program), uses_(program.nodes.size()), texts_(program.nodes.size()) {
    for (const Node& node : program.nodes)
      for (unsigned k = 0; k < node.num_operands; ++k) ++uses_[node.operands[k]];
  }

  std::string text() {
    std::string out;
    for (const flex::Buffer& buffer : program_.buffers) {
      out += say("buffer ", buffer.name, ": ", info(buffer.element).name);
      for (const flex::Extent& extent : buffer.extents)
        out += say(&extent == buffer.extents.data() ? "[" : ", ",
                   extent.symbol.empty() ? std::to_string(extent.size) : extent.symbol);
      out += buffer.extents.empty() ? "\n" : "]\n";
    }
    for (std::size_t i = 0; i < program_.nodes.size(); ++i) {
      const Node& node = program_.nodes[i];
      texts_[i] = expression(node);
      if (uses_[i] < 2 || info(node.op).rule == Rule::leaf) continue;
      const std::string name = fresh_name();
      out += say("let ", name, " = ", texts_[i], "\n");
      texts_[i] = name;
    }
    if (program_.mask != Program::kNone) out += say("mask: ", texts_[static_cast<std::size_t>(program_.mask)], "\n");
    if (program_.score != Program::kNone) out += say("score: ", texts_[static_cast<std::size_t>(program_.score)], "\n");
    return out;
  }

 private:
  std::string fresh_name() {
    for (;;) {
      std::string name = say("t", next_name_++);
      bool taken = false;
      for (const flex::Buffer& buffer : program_.buffers) taken |= buffer.name == name;
      if (!taken) return name;
    }
  }

  // With parentheses where it is more than a word, so that what it stands in can be anything.
  std::string operand(const Node& node, unsigned k) const {
    const std::string& text = texts_[node.operands[k]];
    const Node& of = program_.nodes[node.operands[k]];
    const bool word = uses_[node.operands[k]] > 1 || info(of.op).rule == Rule::leaf || info(of.op).rule == Rule::load ||
                      (!*info(of.op).symbol);
    return word && text[0] != '-' ? text : say("(", text, ")");
  }

  static std::string constant(const Node& node) {
    const flex::Value value{node.bits};
    if (node.type == flex::Type::boolean) return value.truth() ? "true" : "false";
    if (node.type == flex::Type::i32) return std::to_string(value.integer());
    const float real = value.real();
    if (real != real) return "nan";
    if (std::isinf(real)) return real > 0 ? "inf" : "-inf";
    char text[32];
    std::string out(text, std::to_chars(text, text + sizeof text, real).ptr);
    return out.find_first_of(".e") == out.npos ? out + ".0" : out;
  }

  std::string expression(const Node& node) const {
    const flex::OpInfo& about = info(node.op);
    if (node.op == Op::constant) return constant(node);
    if (about.rule == Rule::leaf) return about.name;
    if (*about.symbol && node.num_operands == 2) return say(operand(node, 0), " ", about.symbol, " ", operand(node, 1));
    // -(7) is the operator and -7 the constant.
    if (node.op == Op::neg && program_.nodes[node.operands[0]].op == Op::constant)
      return say("-(", texts_[node.operands[0]], ")");
    if (*about.symbol) {
      // One unary operator in another: parentheses would count as levels that the program does not have.
      const Node& inner = program_.nodes[node.operands[0]];
      const bool unary = *info(inner.op).symbol && inner.num_operands == 1 && uses_[node.operands[0]] == 1;
      return say(about.symbol, unary ? texts_[node.operands[0]] : operand(node, 0));
    }
    const bool load = node.op == Op::load;
    std::string out = load ? program_.buffers[node.bits].name : about.name;
    if (load && node.num_operands == 0) return out;
    for (unsigned k = 0; k < node.num_operands; ++k) out += say(k ? ", " : load ? "[" : "(", texts_[node.operands[k]]);
    return out + (load ? "]" : ")");
  }

  const Program& program_;
  std::vector<unsigned> uses_;
  std::vector<std::string> texts_;
  unsigned next_name_ = 0;
};

}  // namespace

std::string print_flex(const flex::Program& program) { return FlexPrinter(program).text(); }

}  // namespace attnrt::core
