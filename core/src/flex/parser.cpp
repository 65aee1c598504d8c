// SPDX-License-Identifier: Apache-2.0
//
// A parser by recursive descent, one function a level of binding. It stops at the first error.
#include "parser.hpp"

#include <algorithm>
#include <limits>
#include <map>

#include "attnrt/diag.hpp"
#include "attnrt/flex/builder.hpp"
#include "attnrt/flex/canonical.hpp"
#include "token.hpp"

namespace attnrt::core {
namespace {

using flex::Builder;
using flex::Op;
using flex::Type;
using sdk::say;
constexpr int kNone = flex::Program::kNone;
constexpr int64_t kLargest = std::numeric_limits<int32_t>::max();
/// Of what an error repeats: characters of the text, and names that it could have meant.
constexpr std::size_t kMostQuoted = 80, kMostKnown = 20;

constexpr std::string_view kReserved[] = {"buffer", "let",    "mask", "score", "b",   "h",
                                          "q_idx",  "kv_idx", "true", "false", "inf", "nan"};

bool is_reserved(std::string_view name) {
  return std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved) || flex::find_op(name);
}

/// Binary operators by how loosely they bind, as in C. Comparisons do not chain.
struct Level {
  bool comparison, bits;
  std::vector<std::pair<std::string_view, Op>> ops;
};
const std::vector<Level>& levels() {
  static const std::vector<Level> table = {
      {false, false, {{"||", Op::logical_or}}},
      {false, false, {{"&&", Op::logical_and}}},
      {false, true, {{"|", Op::bit_or}}},
      {false, true, {{"^", Op::bit_xor}}},
      {false, true, {{"&", Op::bit_and}}},
      {true, false, {{"==", Op::eq}, {"!=", Op::ne}, {"<", Op::lt}, {"<=", Op::le}, {">", Op::lt}, {">=", Op::le}}},
      {false, false, {{"<<", Op::shift_left}, {">>", Op::shift_right}}},
      {false, false, {{"+", Op::add}, {"-", Op::sub}}},
      {false, false, {{"*", Op::mul}, {"/", Op::div}, {"//", Op::floor_div}, {"%", Op::mod}}}};
  return table;
}

/// A node and whether the text of it is a comparison without parentheses around it.
struct Term {
  int node = kNone;
  bool comparison = false;
};

class FlexParser {
 public:
  FlexParser(std::string_view text, const std::string& name, std::vector<flex::Buffer> declared)
      : tokens_(text), name_(name), buffers_(std::move(declared)) {}

  Result<flex::Program> program() {
    // Declarations stand before what they are used by, but not before all else: they are collected first.
    if (!declarations()) return error_;
    Builder builder(buffers_);
    builder_ = &builder;
    int mask = kNone, score = kNone;
    while (ok() && tokens_.now().kind != FlexToken::Kind::end) statement(mask, score);
    if (!ok()) return error_;
    if (const std::string why = flex::refuse_roots(builder, mask, score); !why.empty()) {
      fail(tokens_.now(), why);
      return error_;
    }
    return builder.finish(mask, score);
  }

  Result<flex::Buffer> buffer_alone() {
    flex::Buffer out;
    if (declaration("=", out) && tokens_.now().kind != FlexToken::Kind::end) unexpected("the end");
    if (ok())
      if (const std::string why = flex::refuse_buffers({out}); !why.empty()) fail(tokens_.now(), why);
    if (!ok()) return error_;
    return out;
  }

 private:
  bool ok() const { return error_.ok(); }
  int fail(const FlexToken& at, const std::string& sentence) {
    if (ok()) error_ = invalid(say(name_, ":", at.line, ":", at.column, ": ", sentence));
    return kNone;
  }
  int unexpected(const std::string& wanted) {
    const FlexToken& at = tokens_.now();
    return fail(at, say("saw ", at.kind == FlexToken::Kind::end ? std::string("the end") : quoted(at.text), ", wanted ",
                        wanted));
  }
  /// As a sentence can hold it, whatever was typed.
  static std::string quoted(std::string_view text) { return say("'", sdk::printable(text, kMostQuoted), "'"); }
  bool take(std::string_view symbol) {
    if (!tokens_.now().is(symbol)) return false;
    tokens_.advance();
    return true;
  }
  bool want(std::string_view symbol) { return take(symbol) || unexpected(say("'", std::string(symbol), "'")) != kNone; }
  int made(const FlexToken& at, int node) { return node == kNone && ok() ? fail(at, builder_->error()) : node; }

  bool declarations() {
    const FlexTokens start = tokens_;
    for (; ok() && tokens_.now().kind != FlexToken::Kind::end;) {
      if (!tokens_.now().is("buffer")) {
        tokens_.advance();
        continue;
      }
      tokens_.advance();
      const FlexToken at = tokens_.now();
      flex::Buffer out;
      if (!declaration(":", out)) return false;
      buffers_.push_back(std::move(out));
      if (const std::string why = flex::refuse_buffers(buffers_); !why.empty()) return fail(at, why) != kNone;
    }
    tokens_ = start;
    if (const std::string why = flex::refuse_buffers(buffers_); !why.empty()) return fail(tokens_.now(), why) != kNone;
    return ok();
  }

  bool fits(const FlexToken& name) {
    return name.text.size() <= flex::kMaxNameLength ||
           fail(name, say("the name ", quoted(name.text), " has ", name.text.size(), " characters, wanted at most ",
                          flex::kMaxNameLength)) != kNone;
  }

  bool new_name(std::string& out) {
    const FlexToken at = tokens_.now();
    if (at.kind != FlexToken::Kind::name) return unexpected("a name") != kNone;
    if (!fits(at)) return false;
    out = at.text;
    if (is_reserved(out)) return fail(at, say("'", out, "' has a meaning of its own, wanted another name")) != kNone;
    tokens_.advance();
    return true;
  }

  bool declaration(std::string_view between, flex::Buffer& out) {
    if (!new_name(out.name) || !want(between)) return false;
    bool known = false;
    for (const flex::ElementInfo& entry : flex::kElements)
      if (tokens_.now().is(entry.name)) out.element = entry.element, known = true;
    if (!known) return unexpected("i32, f32, fp16, bf16 or bool") != kNone;
    tokens_.advance();
    if (!take("[")) return true;
    do {
      const FlexToken at = tokens_.now();
      flex::Extent extent;
      if (at.kind == FlexToken::Kind::integer && at.integer <= kLargest)
        extent.size = static_cast<int32_t>(at.integer);
      else if (at.kind == FlexToken::Kind::name && fits(at))
        extent.symbol = at.text;
      else
        return unexpected("a size or its name") != kNone;
      tokens_.advance();
      out.extents.push_back(std::move(extent));
    } while (take(","));
    return want("]");
  }

  void statement(int& mask, int& score) {
    const FlexToken at = tokens_.now();
    if (take(";")) return;
    if (take("buffer")) {
      flex::Buffer known;
      declaration(":", known);
    } else if (take("let")) {
      std::string name;
      if (!new_name(name) || !want("=")) return;
      if (lets_.count(name) || find_buffer(name) != buffers_.size()) {
        fail(at, say("'", name, "' is there already, wanted another name"));
        return;
      }
      lets_[name] = expression();
    } else if ((at.is("mask") || at.is("score")) && tokens_.after().is(":")) {
      tokens_.advance();
      tokens_.advance();
      int& root = at.is("mask") ? mask : score;
      if (root != kNone) {
        fail(at, say("there are two of '", std::string(at.text), ":', wanted one"));
        return;
      }
      const FlexToken start = tokens_.now();
      root = expression();
      if (root == kNone) return;
      if (at.is("score") && builder_->node(root).type == Type::i32)
        root = made(start, builder_->apply(Op::to_f32, {root}));
      if (root == kNone) return;
      const std::string why = flex::refuse_roots(*builder_, at.is("mask") ? root : kNone, at.is("mask") ? kNone : root);
      if (!why.empty()) fail(start, why);
    } else {
      unexpected("'mask:', 'score:', 'let' or 'buffer'");
    }
  }

  int expression() {
    const FlexToken at = tokens_.now();
    if (++depth_ > static_cast<int>(flex::kMaxDepth))
      return fail(at, say("the program is deeper than ", flex::kMaxDepth, " operators, wanted at most that"));
    const Term condition = binary(0);
    int out = condition.node;
    if (const FlexToken mark = tokens_.now(); out != kNone && take("?")) {
      const int yes = expression();
      const int no = yes == kNone || !want(":") ? kNone : expression();
      out = no == kNone ? kNone : made(mark, builder_->apply(Op::select, {condition.node, yes, no}));
    }
    --depth_;
    return out;
  }

  Term binary(std::size_t level) {
    if (level == levels().size()) return {unary(), false};
    const Level& here = levels()[level];
    Term left = binary(level + 1);
    for (bool compared = false; left.node != kNone; compared = true) {
      const FlexToken at = tokens_.now();
      const auto op = std::find_if(here.ops.begin(), here.ops.end(), [&](const auto& o) { return at.is(o.first); });
      if (op == here.ops.end() || at.kind != FlexToken::Kind::symbol) return left;
      if (here.comparison && compared) return {fail(at, "comparisons do not chain, wanted a < b && b < c"), false};
      tokens_.advance();
      const Term right = binary(level + 1);
      if (right.node == kNone) return {};
      if (here.bits && (left.comparison || right.comparison))
        return {fail(at, say("'", std::string(at.text),
                             "' stands beside a comparison, wanted parentheses around that: "
                             "languages differ in what binds first")),
                false};
      const bool turned = at.is(">") || at.is(">=");
      left.node = made(at, turned ? builder_->apply(op->second, {right.node, left.node})
                                  : builder_->apply(op->second, {left.node, right.node}));
      left.comparison = here.comparison;
    }
    return left;
  }

  int unary() {
    const FlexToken at = tokens_.now();
    const bool minus = at.is("-");
    if (!minus && !at.is("!") && !at.is("+")) return primary();
    if (++depth_ > static_cast<int>(flex::kMaxDepth))
      return fail(at, say("the program is deeper than ", flex::kMaxDepth, " operators, wanted at most that"));
    tokens_.advance();
    const FlexToken operand = tokens_.now();
    int out = kNone;
    if (minus && operand.kind == FlexToken::Kind::integer) {
      if (operand.integer > kLargest + 1) return unexpected("an integer of 32 bits");
      tokens_.advance();
      out = builder_->constant(Type::i32, flex::Value::of(static_cast<int32_t>(-operand.integer)));
    } else if (minus && operand.kind == FlexToken::Kind::real) {
      tokens_.advance();
      out = builder_->constant(Type::f32, flex::Value::of(-operand.real));
    } else if (minus && operand.is("inf")) {
      tokens_.advance();
      out = builder_->constant(Type::f32, flex::Value::of(-std::numeric_limits<float>::infinity()));
    } else if (const int node = unary(); node != kNone) {
      out = at.is("+") ? node : made(at, builder_->apply(minus ? Op::neg : Op::logical_not, {node}));
    }
    --depth_;
    return made(at, out);
  }

  std::size_t find_buffer(std::string_view name) const {
    const auto is = [&](const flex::Buffer& buffer) { return buffer.name == name; };
    return static_cast<std::size_t>(std::find_if(buffers_.begin(), buffers_.end(), is) - buffers_.begin());
  }

  bool list(std::string_view end, std::vector<int>& out) {
    do {
      out.push_back(expression());
      if (out.back() == kNone) return false;
    } while (take(","));
    return want(end);
  }

  int primary() {
    const FlexToken at = tokens_.now();
    if (at.kind == FlexToken::Kind::integer) {
      if (at.integer > kLargest) return unexpected("an integer of 32 bits");
      tokens_.advance();
      return made(at, builder_->constant(Type::i32, flex::Value::of(static_cast<int32_t>(at.integer))));
    }
    if (at.kind == FlexToken::Kind::real) {
      tokens_.advance();
      return made(at, builder_->constant(Type::f32, flex::Value::of(at.real)));
    }
    if (take("(")) {
      const int inner = expression();
      return inner != kNone && want(")") ? inner : kNone;
    }
    if (at.kind != FlexToken::Kind::name) return unexpected("a number, a name or '('");
    tokens_.advance();
    return named(at);
  }

  int named(const FlexToken& at) {
    const std::string name(at.text);
    if (name == "true" || name == "false")
      return made(at, builder_->constant(Type::boolean, flex::Value::of(name == "true")));
    if (name == "inf")
      return made(at, builder_->constant(Type::f32, flex::Value::of(std::numeric_limits<float>::infinity())));
    if (name == "nan")
      return made(at, builder_->constant(Type::f32, flex::Value::of(std::numeric_limits<float>::quiet_NaN())));
    if (const auto let = lets_.find(name); let != lets_.end()) return let->second;
    if (const std::size_t buffer = find_buffer(name); buffer != buffers_.size()) {
      std::vector<int> indices;
      if (tokens_.now().is("[") && (tokens_.advance(), !list("]", indices))) return kNone;
      return made(at, builder_->load(buffer, indices));
    }
    if (name == "b" || name == "h" || name == "q_idx" || name == "kv_idx" || name == "score")
      return made(at, builder_->leaf(flex::find_op(name)->op));
    const flex::OpInfo* const about = flex::find_op(name);
    if (about && !*about->symbol && about->rule != flex::Rule::leaf && about->rule != flex::Rule::load) {
      std::vector<int> operands;
      if (!want("(") || !list(")", operands)) return kNone;
      return made(at, builder_->apply(about->op, operands));
    }
    return fail(at, say(quoted(name), " is not known, wanted b, h, q_idx, kv_idx, score, a function, a buffer or a let",
                        known()));
  }

  // ": doc, window", what the program itself has named; the first of many.
  std::string known() const {
    std::string out;
    std::size_t count = 0;
    const auto add = [&](const std::string& name) {
      if (++count <= kMostKnown) out += say(out.empty() ? ": " : ", ", name);
    };
    for (const flex::Buffer& buffer : buffers_) add(buffer.name);
    for (const auto& let : lets_) add(let.first);
    return count > kMostKnown ? say(out, " and ", count - kMostKnown, " more") : out;
  }

  FlexTokens tokens_;
  const std::string& name_;
  std::vector<flex::Buffer> buffers_;
  Builder* builder_ = nullptr;
  std::map<std::string, int> lets_;
  int depth_ = 0;
  Status error_;
};

}  // namespace

Result<flex::Program> parse_flex(std::string_view text, const std::string& name, std::vector<flex::Buffer> declared) {
  if (const std::size_t first = text.find_first_not_of(" \t\r\n"); first != text.npos && text[first] == '{') {
    flex::Program out;
    const std::size_t last = text.find_last_not_of(" \t\r\n");
    if (const std::string why = flex::read_canonical(text.substr(first, last - first + 1), out); !why.empty())
      return invalid(say(name, ": ", why));
    return out;
  }
  return FlexParser(text, name, std::move(declared)).program();
}

Result<flex::Buffer> parse_flex_buffer(std::string_view text, const std::string& name) {
  return FlexParser(text, name, {}).buffer_alone();
}

}  // namespace attnrt::core
