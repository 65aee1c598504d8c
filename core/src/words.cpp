// SPDX-License-Identifier: Apache-2.0
#include "words.hpp"

#include <algorithm>
#include <cstdio>

namespace attnrt::core {
namespace {

// Names are ASCII, and the C library's functions ask the host's locale: in Turkish 'I' is not the capital of 'i'.
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
constexpr char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
constexpr bool is_letter_or_digit(char c) { return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

std::optional<uint64_t> value_of(const Words& words, std::string_view name) {
  for (const Word& w : words)
    if (equal_ignoring_case(w.name, name)) return w.value;
  return std::nullopt;
}

std::vector<std::string> names_of(const Words& words, uint64_t mask) {
  std::vector<std::string> out;
  for (const Word& w : words)
    if (mask & w.value) out.emplace_back(w.name);
  return out;
}

std::vector<std::string> dtype_names(uint64_t mask) {
  std::vector<std::string> out;
  for (const Word& w : words::dtypes)
    if (mask >> w.value & 1) out.emplace_back(w.name);
  return out;
}

std::string join(const std::vector<std::string>& items, const char* separator, const char* quote) {
  std::string out;
  for (const std::string& item : items) {
    if (!out.empty()) out += separator;
    out.append(quote).append(item).append(quote);
  }
  return out;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter_or_digit(c) || c == '_' || c == '.' || c == '-';
  });
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return upper(c); });
  return out;
}

std::string arch_name(int32_t device_type, uint32_t arch) {
  if (device_type == ATTNRT_DEVICE_CUDA) return std::to_string(arch / 10) + "." + std::to_string(arch % 10);
  if (device_type != ATTNRT_DEVICE_ROCM) return "";
  char text[16];
  std::snprintf(text, sizeof text, "gfx%x", arch);
  return text;
}

std::string sizes_text(const attnrt_sizes& s) {
  std::vector<std::string> parts;
  for (uint32_t i = 0; i < s.list_count; ++i) parts.push_back(std::to_string(s.list[i]));
  if (s.multiple) {
    const bool bounded = s.max != 0 || s.min > s.multiple;
    if (s.multiple == 1 && !bounded) {
      parts.emplace_back("any");
    } else if (!bounded) {
      parts.push_back("multiples of " + std::to_string(s.multiple));
    } else {
      std::string range = std::to_string(s.min) + (s.max ? " to " + std::to_string(s.max) : " and more");
      if (s.multiple > 1) range += " in steps of " + std::to_string(s.multiple);
      parts.push_back(std::move(range));
    }
  }
  return join(parts);
}

}  // namespace attnrt::core
