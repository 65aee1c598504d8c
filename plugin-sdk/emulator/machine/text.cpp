// SPDX-License-Identifier: Apache-2.0
#include "text.hpp"

#include <algorithm>
#include <charconv>

#include "fault.hpp"
#include "type.hpp"

namespace attnrt::emulator {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool begins_word(char c) { return is_letter(c) || c == '_' || c == '$' || c == '%' || c == '.'; }
constexpr bool continues_word(char c) { return begins_word(c) || is_digit(c); }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) { tokens_.reserve(source.size() / 4); }

  std::vector<Token> run() {
    while (skip_space()) take();
    tokens_.push_back({TokenKind::end, line_, {}});
    return std::move(tokens_);
  }

 private:
  char at(std::size_t ahead) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }

  // false at the end.
  bool skip_space() {
    while (at_ < source_.size()) {
      const char c = source_[at_];
      if (c == '\n') ++line_;
      if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f') {
        ++at_;
      } else if (c == '/' && at(1) == '/') {
        at_ = std::min(source_.find('\n', at_), source_.size());
      } else if (c == '/' && at(1) == '*') {
        const std::size_t end = source_.find("*/", at_ + 2);
        if (end == std::string_view::npos) throw TextFault(say("line ", line_, ": a comment does not end"));
        line_ += static_cast<uint32_t>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                                  source_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
        at_ = end + 2;
      } else {
        return c != '\0';
      }
    }
    return false;
  }

  void take() {
    const std::size_t begin = at_;
    const char c = source_[at_];
    if (begins_word(c)) {
      while (continues_word(at(0)) || (at(0) == ':' && at(1) == ':' && (is_letter(at(2)) || is_digit(at(2)))))
        at_ += at(0) == ':' ? 2 : 1;
      const std::string_view word = source_.substr(begin, at_ - begin);
      if (word == ".loc" || word == ".file")
        at_ = std::min(source_.find('\n', at_), source_.size());
      else
        tokens_.push_back({TokenKind::word, line_, word});
      return;
    }
    if (is_digit(c)) {
      const char second = at(1);
      const bool coded = c == '0' && (second == 'x' || second == 'X' || second == 'f' || second == 'F' ||
                                      second == 'd' || second == 'D');
      while (is_digit(at(0)) || is_letter(at(0)) || at(0) == '.') {
        const char last = at(0);
        ++at_;
        if (!coded && (last == 'e' || last == 'E') && (at(0) == '-' || at(0) == '+')) ++at_;
      }
      tokens_.push_back({TokenKind::number, line_, source_.substr(begin, at_ - begin)});
      return;
    }
    if (c == '"') {
      const std::size_t end = source_.find('"', at_ + 1);
      if (end == std::string_view::npos) throw TextFault(say("line ", line_, ": a string does not end"));
      at_ = end + 1;
      tokens_.push_back({TokenKind::text, line_, source_.substr(begin + 1, end - begin - 1)});
      return;
    }
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e)
      throw TextFault(say("line ", line_, ": a byte of value ", static_cast<unsigned>(static_cast<unsigned char>(c)),
                          ", wanted ASCII text"));
    ++at_;
    tokens_.push_back({TokenKind::mark, line_, source_.substr(begin, 1)});
  }

  std::string_view source_;
  std::size_t at_ = 0;
  uint32_t line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokens_of(std::string_view source) { return Lexer(source).run(); }

const Token& Cursor::peek(int ahead) const {
  const Token* token = next_;
  for (; ahead > 0 && token->kind != TokenKind::end; --ahead) ++token;
  return *token;
}
const Token& Cursor::take() {
  const Token& taken = *next_;
  if (taken.kind != TokenKind::end) ++next_;
  return taken;
}
bool Cursor::skip(std::string_view text) {
  if (!at(text)) return false;
  ++next_;
  return true;
}
void Cursor::want(std::string_view text) {
  if (!skip(text)) fail(say("'", text, "'"));
}
uint64_t Cursor::want_unsigned() {
  uint64_t value = 0;
  if (next_->kind != TokenKind::number || !read_integer(next_->text, value)) fail("a whole number");
  ++next_;
  return value;
}
void Cursor::fail(std::string_view wanted) const {
  throw TextFault(at_end() ? say("line ", next_->line, ": the text ends, wanted ", wanted)
                           : say("line ", next_->line, ": '", next_->text, "', wanted ", wanted));
}

bool read_integer(std::string_view text, uint64_t& value) {
  int base = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) base = 16;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'b' || text[1] == 'B')) base = 2;
  if (base != 10) text.remove_prefix(2);
  if (base == 10 && text.size() > 1 && text[0] == '0') base = 8;
  if (!text.empty() && (text.back() == 'U' || text.back() == 'u')) text.remove_suffix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

Type type_named(std::string_view name) {
  struct Name {
    std::string_view text;
    Type type;
  };
  static constexpr Name names[] = {
      {"b32", Type::b32},       {"u32", Type::u32},       {"s32", Type::s32},       {"f32", Type::f32},
      {"b64", Type::b64},       {"u64", Type::u64},       {"s64", Type::s64},       {"f64", Type::f64},
      {"b16", Type::b16},       {"u16", Type::u16},       {"s16", Type::s16},       {"f16", Type::f16},
      {"bf16", Type::bf16},     {"pred", Type::pred},     {"b8", Type::b8},         {"u8", Type::u8},
      {"s8", Type::s8},         {"f16x2", Type::f16x2},   {"bf16x2", Type::bf16x2}, {"f32x2", Type::f32x2},
      {"e4m3x2", Type::e4m3x2}, {"e5m2x2", Type::e5m2x2}, {"tf32", Type::tf32},     {"b128", Type::b128}};
  for (const Name& known : names)
    if (known.text == name) return known.type;
  return Type::none;
}

}  // namespace attnrt::emulator
