// SPDX-License-Identifier: Apache-2.0
//
// PTX source as tokens (manual 4): words with their dots and "::", numbers, marks. Comments and .loc and .file lines,
// which end with their line, are gone.
#ifndef ATTNRT_EMULATOR_TEXT_HPP
#define ATTNRT_EMULATOR_TEXT_HPP
#include <cstdint>
#include <string_view>
#include <vector>

namespace attnrt::emulator {

enum class TokenKind : uint8_t { word, number, mark, text, end };

struct Token {
  TokenKind kind;
  uint32_t line;
  std::string_view text;
};

/// Tokens of a source that lives as long as they do; the last one is of kind end. Throws TextFault.
std::vector<Token> tokens_of(std::string_view source);

/// A place among tokens.
class Cursor {
 public:
  explicit Cursor(const std::vector<Token>& tokens) : next_(tokens.data()) {}
  /// At a token of such a list.
  explicit Cursor(const Token* at) : next_(at) {}
  const Token& peek(int ahead = 0) const;
  bool at_end() const { return next_->kind == TokenKind::end; }
  bool at(std::string_view text) const { return next_->text == text && next_->kind != TokenKind::end; }
  const Token& take();
  /// Takes the token if it is this one.
  bool skip(std::string_view text);
  /// Takes this token or throws TextFault.
  void want(std::string_view text);
  /// A number without sign: 12, 0x1f, 0b1, 017.
  uint64_t want_unsigned();
  [[noreturn]] void fail(std::string_view wanted) const;

 private:
  const Token* next_;
};

/// An integer literal (manual 4.5.1). false where it is none or does not fit 64 bits.
bool read_integer(std::string_view text, uint64_t& value);

}  // namespace attnrt::emulator
#endif
