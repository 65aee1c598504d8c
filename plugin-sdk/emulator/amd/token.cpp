// SPDX-License-Identifier: Apache-2.0
#include "token.hpp"

#include <cctype>

#include "fault.hpp"

namespace attnrt::emulator::amd {
namespace {

bool of_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '$' || c == '-';
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::size_t behind_name(std::string_view line, std::size_t at) {
  if (at < line.size() && line[at] == '"') {
    const std::size_t end = line.find('"', at + 1);
    if (end == std::string_view::npos) throw TextFault("a quoted name does not end");
    return end + 1;
  }
  while (at < line.size() && of_name(line[at])) ++at;
  return at;
}
bool starts_with(std::string_view text, std::string_view begin) { return text.substr(0, begin.size()) == begin; }

// Behind 12, -1, 1.500000e+00, 0x1F, -inf, +qnan, +nan(0x3F).
std::size_t behind_number(std::string_view line, std::size_t at) {
  const std::size_t begin = at;
  ++at;
  while (at < line.size() && (of_name(line[at]) || (line[at] == '+' && (line[at - 1] == 'e' || line[at - 1] == 'E'))))
    ++at;
  const std::string_view text = line.substr(begin, at - begin);
  if (text.size() >= 3 && text.substr(text.size() - 3) == "nan" && at < line.size() && line[at] == '(') {
    const std::size_t end = line.find(')', at);
    if (end == std::string_view::npos) throw TextFault("the payload of a nan does not end");
    at = end + 1;
  }
  return at;
}
bool is_hexadecimal(std::string_view word) {
  return starts_with(word, "f0x") || starts_with(word, "bf0x") || starts_with(word, "hf0x");
}

}  // namespace

Tokens tokens_of(std::string_view line) {
  Tokens out;
  for (std::size_t at = 0; at < line.size();) {
    const char c = line[at];
    const std::size_t begin = at;
    const auto put = [&](Token::Kind kind, std::size_t end) {
      out.push_back({kind, line.substr(begin, end - begin)});
      at = end;
    };
    if (c == ' ' || c == '\t' || c == '\r')
      ++at;
    else if (c == ';')
      break;
    else if (c == '%' || c == '@')
      put(c == '%' ? Token::local : Token::global, behind_name(line, at + 1));
    else if (c == '!')
      put(Token::metadata, behind_name(line, at + 1));
    else if (c == '#')
      put(Token::attribute, behind_name(line, at + 1));
    else if (c == '"')
      put(Token::string, behind_name(line, at));
    else if (is_digit(c) || c == '-' || c == '+')
      put(Token::number, behind_number(line, at));
    else if (of_name(c)) {
      const std::size_t end = behind_name(line, at);
      put(is_hexadecimal(line.substr(at, end - at)) ? Token::number : Token::word, end);
    } else if (std::string_view("()<>[]{},=:*").find(c) != std::string_view::npos)
      put(Token::mark, at + 1);
    else
      throw TextFault(say("'", c, "' is not expected"));
  }
  return out;
}

std::size_t behind_closing(const Tokens& tokens, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < tokens.size(); ++i) {
    if (tokens[i].kind != Token::mark) continue;
    const char c = tokens[i].text[0];
    if (c == '(' || c == '<' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == '>' || c == ']' || c == '}')
      if (--depth == 0) return i + 1;
  }
  throw TextFault("a bracket is not closed");
}

}  // namespace attnrt::emulator::amd
