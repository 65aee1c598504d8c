// SPDX-License-Identifier: Apache-2.0
#include "print_cuda.hpp"

#include <vector>

namespace attnrt::flex {
namespace {

using sdk::say;

/// A kernel holds a copy of the program for each score of a thread's tile: above this number of nodes it calls one
/// function instead.
constexpr std::size_t kMostCopied = 64;
/// Registers a row, of which a thread has two.
constexpr std::size_t kMostKept = 6;

const char* type_of(Type type) {
  constexpr const char* names[] = {"bool", "int", "float"};
  return names[static_cast<std::size_t>(type)];
}

class Printer {
 public:
  explicit Printer(const Program& program) : program_(program), depends_(dependences(program)) { choose_kept(); }

  std::string all() const {
    std::string row, fields, kept;
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      fields += say("    ", type_of(node(kept_[i]).type), " k", kept_[i], ";\n");
      kept += say(", n", kept_[i]);
    }
    const bool masks = program_.mask != Program::kNone, scores = program_.score != Program::kNone;
    return say(
        "namespace attnrt::flex {\n\nstruct Program {\n  static constexpr bool kMasks = ", masks ? "true" : "false",
        ", kScores = ", scores ? "true" : "false", ";\n  struct Row {\n    int b, h, q_idx;\n", fields,
        "  };\n  static __device__ Row row(const FlexArguments& g, int b, int h, int q_idx) {\n", body(kept_, {}),
        "    return {b, h, q_idx", kept, "};\n  }\n", function("bool visible(", "", program_.mask),
        function("float score(", "float score, ", program_.score), "};\n\n}  // namespace attnrt::flex\n");
  }

 private:
  const Node& node(std::size_t number) const { return program_.nodes[number]; }
  bool varies(std::size_t number) const { return depends_[number] & (kOnKv | kOnScore); }
  bool is_leaf(std::size_t number) const {
    return node(number).op == Op::constant || info(node(number).op).rule == Rule::leaf;
  }

  /// Which nodes these need, themselves included; `given` ones need nothing.
  std::vector<bool> needed(const std::vector<std::size_t>& roots, const std::vector<std::size_t>& given) const {
    std::vector<bool> out(program_.nodes.size()), have(program_.nodes.size());
    for (const std::size_t root : roots) out[root] = true;
    for (const std::size_t number : given) have[number] = true;
    for (std::size_t i = out.size(); i-- > 0;)
      if (out[i] && !have[i])
        for (unsigned k = 0; k < node(i).num_operands; ++k) out[node(i).operands[k]] = true;
    return out;
  }

  /// Of a row: what varying nodes read, or what is a result, but for leaves.
  void choose_kept() {
    std::vector<bool> read(program_.nodes.size());
    for (const int root : {program_.mask, program_.score}) {
      if (root == Program::kNone) continue;
      const auto number = static_cast<std::size_t>(root);
      read[number] = true;
      const std::vector<bool> below = needed({number}, {});
      for (std::size_t i = 0; i < below.size(); ++i)
        if (below[i] && varies(i))
          for (unsigned k = 0; k < node(i).num_operands; ++k) read[node(i).operands[k]] = true;
    }
    for (std::size_t i = 0; i < read.size() && kept_.size() < kMostKept; ++i)
      if (read[i] && !varies(i) && !is_leaf(i)) kept_.push_back(i);
  }

  std::string value(std::size_t number) const {
    const Node& n = node(number);
    if (n.op == Op::load) {
      const Buffer& buffer = program_.buffers[n.bits];
      std::string out = say("load_", info(buffer.element).name, "(g.buffers[", n.bits, "]");
      for (unsigned k = 0; k < n.num_operands; ++k) out += say(", n", n.operands[k]);
      return out + ")";
    }
    if (n.op == Op::constant) {
      if (n.type == Type::boolean) return n.bits ? "true" : "false";
      return say(n.type == Type::f32 ? "__uint_as_float(" : "wrap(", n.bits, "u)");
    }
    if (is_leaf(number)) return info(n.op).name;
    std::string out = say("op_", info(n.op).name, "(");
    for (unsigned k = 0; k < n.num_operands; ++k) out += say(k ? ", n" : "n", n.operands[k]);
    return out + ")";
  }

  /// The lines that compute these nodes. `kept`: nodes that are there as members of `row`.
  std::string body(const std::vector<std::size_t>& roots, const std::vector<std::size_t>& kept) const {
    std::vector<bool> have(program_.nodes.size());
    for (const std::size_t number : kept) have[number] = true;
    const std::vector<bool> wanted = needed(roots, kept);
    std::string out;
    for (std::size_t i = 0; i < wanted.size(); ++i)
      if (wanted[i])
        out += say("    const ", type_of(node(i).type), " n", i, " = ", have[i] ? say("row.k", i) : value(i), ";\n");
    return out;
  }

  std::string function(const char* name, const char* more, int root) const {
    if (root == Program::kNone) return {};
    const auto number = static_cast<std::size_t>(root);
    std::size_t count = 0;
    for (const bool one : needed({number}, kept_)) count += one;
    return say("  static __device__ ", count > kMostCopied ? "__noinline__ " : "", name,
               "const FlexArguments& g, const Row& row, ", more,
               "int kv_idx) {\n    const int b = row.b, h = row.h, q_idx = row.q_idx;\n", body({number}, kept_),
               "    return n", number, ";\n  }\n");
  }

  const Program& program_;
  const std::vector<uint8_t> depends_;
  std::vector<std::size_t> kept_;  ///< computed once a row
};

}  // namespace

std::string print_cuda(const Program& program) { return Printer(program).all(); }

}  // namespace attnrt::flex
