// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace attnrt::core {

/// One word of a flex program's text.
struct FlexToken {
  enum class Kind { name, integer, real, symbol, end, wrong };
  Kind kind = Kind::end;
  std::string_view text;  ///< as it stands; of `wrong` what cannot be read
  int64_t integer = 0;    ///< the largest one where the number is larger
  float real = 0;
  int line = 1, column = 1;  ///< of its first letter, from 1 on

  bool is(std::string_view symbol) const { return (kind == Kind::symbol || kind == Kind::name) && text == symbol; }
};

/// Splits text into tokens. Blanks, line ends and comments, from # to the end of the line, separate them.
class FlexTokens {
 public:
  explicit FlexTokens(std::string_view text) : text_(text) { advance(); }
  const FlexToken& now() const { return now_; }
  /// The one behind now().
  FlexToken after() const;
  void advance();

 private:
  void skip_blanks();
  void read_number();

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::size_t line_start_ = 0;
  FlexToken now_;
};

}  // namespace attnrt::core
