// SPDX-License-Identifier: Apache-2.0
#include "token.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "attnrt/diag.hpp"

namespace attnrt::core {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Longest first.
constexpr std::string_view kSymbols[] = {"//", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+",
                                         "-",  "*",  "/",  "%",  "<",  ">",  "!",  "&",  "|",  "^",
                                         "?",  ":",  "(",  ")",  "[",  "]",  ",",  ";",  "="};

}  // namespace

void FlexTokens::skip_blanks() {
  for (bool comment = false; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c == '\n') {
      ++line_;
      line_start_ = at_ + 1;
      comment = false;
    } else if (c == '#') {
      comment = true;
    } else if (!comment && c != ' ' && c != '\t' && c != '\r') {
      return;
    }
  }
}

void FlexTokens::read_number() {
  std::size_t end = at_;
  const bool hex = text_.substr(at_, 2) == "0x";
  bool real = false;
  if (hex) end += 2;
  for (; end < text_.size(); ++end) {
    const char c = text_[end];
    const bool exponent = !hex && (c == 'e' || c == 'E');
    if (exponent && end + 1 < text_.size() && (text_[end + 1] == '-' || text_[end + 1] == '+')) ++end;
    real |= exponent || c == '.';
    if (!is_digit(c) && !is_letter(c) && c != '.') break;
  }
  now_.text = text_.substr(at_, end - at_);
  const char* const first = now_.text.data() + (hex ? 2 : 0);
  const char* const last = now_.text.data() + now_.text.size();
  const auto whole = [&](std::from_chars_result result) { return result.ptr == last && result.ec == std::errc(); };
  if (real) {
    now_.kind = whole(std::from_chars(first, last, now_.real)) ? FlexToken::Kind::real : FlexToken::Kind::wrong;
    return;
  }
  const std::from_chars_result result = std::from_chars(first, last, now_.integer, hex ? 16 : 10);
  if (result.ec == std::errc::result_out_of_range) now_.integer = std::numeric_limits<int64_t>::max();
  now_.kind = result.ptr == last && result.ec != std::errc::invalid_argument ? FlexToken::Kind::integer
                                                                             : FlexToken::Kind::wrong;
}

void FlexTokens::advance() {
  skip_blanks();
  now_ = {};
  now_.line = line_;
  now_.column = static_cast<int>(at_ - line_start_) + 1;
  now_.text = text_.substr(at_, 0);
  if (at_ == text_.size()) return;
  const char c = text_[at_];
  if (is_letter(c)) {
    std::size_t end = at_;
    while (end < text_.size() && (is_letter(text_[end]) || is_digit(text_[end]))) ++end;
    now_.kind = FlexToken::Kind::name;
    now_.text = text_.substr(at_, end - at_);
  } else if (is_digit(c) || (c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) {
    read_number();
  } else {
    now_.kind = FlexToken::Kind::wrong;
    now_.text = text_.substr(at_, std::max<std::size_t>(sdk::detail::printable_character(text_.substr(at_, 4)), 1));
    for (const std::string_view symbol : kSymbols)
      if (now_.kind == FlexToken::Kind::wrong && text_.substr(at_, symbol.size()) == symbol) {
        now_.kind = FlexToken::Kind::symbol;
        now_.text = symbol;
      }
    now_.text = text_.substr(at_, now_.text.size());  // a symbol's text is that of the table above
  }
  at_ += now_.text.size();
}

FlexToken FlexTokens::after() const {
  FlexTokens copy = *this;
  copy.advance();
  return copy.now();
}

}  // namespace attnrt::core
