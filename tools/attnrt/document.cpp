// SPDX-License-Identifier: Apache-2.0
#include "document.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdint>
#include <sstream>

#include "attnrt/diag.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;
constexpr std::size_t kColumns = 80;

/// Text for a terminal and for JSON, whoever wrote it.
std::string shown(std::string_view text) { return sdk::printable(text, SIZE_MAX); }

bool is_short(const json::value& value) {
  if (value.is_object()) return value.get_object().empty();
  if (!value.is_array()) return true;
  return std::none_of(value.get_array().begin(), value.get_array().end(),
                      [](const json::value& item) { return item.is_array() || item.is_object(); });
}

void write(std::string& out, const json::value& value, std::size_t indent) {
  if (is_short(value) && !value.is_array()) {
    out += value.is_double()   ? fmt::format("{}", value.get_double())
           : value.is_string() ? json::serialize(json::value(shown(value.get_string())))
                               : json::serialize(value);
    return;
  }
  const bool object = value.is_object(), flat = is_short(value);
  const std::string gap = flat ? "" : "\n" + std::string(indent + 2, ' ');
  out += object ? '{' : '[';
  const char* comma = "";
  if (object) {
    for (const auto& [key, item] : value.get_object()) {
      out += comma + gap + json::serialize(json::value(key)) + ": ";
      write(out, item, indent + 2);
      comma = ",";
    }
  } else {
    for (const json::value& item : value.get_array()) {
      out += comma + gap;
      write(out, item, indent + 2);
      comma = flat ? ", " : ",";
    }
  }
  if (!flat) out += "\n" + std::string(indent, ' ');
  out += object ? '}' : ']';
}

const json::value* find(const json::value& object, const char* key) {
  return object.is_object() ? object.get_object().if_contains(key) : nullptr;
}

std::string text_of(const json::value& value) {
  if (value.is_null()) return "";
  return value.is_string() ? std::string(value.get_string().data(), value.get_string().size()) : json::serialize(value);
}

}  // namespace

std::string pretty(const json::value& value) {
  std::string out;
  write(out, value, 0);
  return out + "\n";
}

void print_json(const json::value& value) {
  fmt::print("{}", pretty(value));
}

std::string text_at(const json::value& object, const char* key) {
  const json::value* value = find(object, key);
  return value ? text_of(*value) : "";
}

std::string list_at(const json::value& object, const char* key) {
  std::string out;
  for (const json::value& item : array_at(object, key))
    out += fmt::format("{}{}", out.empty() ? "" : ", ", text_of(item));
  return out;
}

const json::array& array_at(const json::value& object, const char* key) {
  static const json::array empty;
  const json::value* value = find(object, key);
  return value && value->is_array() ? value->get_array() : empty;
}

std::string join_said(const std::string& first, const std::string& second) {
  return first + (first.empty() || second.empty() ? "" : ": ") + second;
}

void print_wrapped(const std::string& first, std::size_t indent, const std::string& text) {
  std::istringstream words(text);
  std::string line = first, word;
  bool start = true;
  while (words >> word) {
    word = shown(word);
    const std::size_t column = line.size() - (line.rfind('\n') + 1);  // npos + 1 is 0
    if (!start && column + 1 + word.size() > kColumns) {
      fmt::print("{}\n", line);
      line = std::string(indent, ' ');
      start = true;
    }
    line += start ? word : " " + word;
    start = false;
  }
  if (!start || !first.empty()) {
    line.erase(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
  }
}

}  // namespace attnrt::cli
