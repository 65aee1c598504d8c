// SPDX-License-Identifier: Apache-2.0
#include "json_text.hpp"

#include <cstdint>

#include "words.hpp"

namespace attnrt::core {
namespace json = boost::json;
namespace {

void make_printable(json::value& value) {
  if (value.is_string()) {
    json::string& text = value.get_string();
    std::string shown = printable(std::string_view(text.data(), text.size()), SIZE_MAX);
    if (shown != std::string_view(text.data(), text.size())) text = shown;
  } else if (value.is_array()) {
    for (json::value& item : value.get_array()) make_printable(item);
  } else if (value.is_object()) {
    for (auto& member : value.get_object()) make_printable(member.value());
  }
}

}  // namespace

std::string json_text(json::object document) {
  for (auto& member : document) make_printable(member.value());
  return json::serialize(document);
}

}  // namespace attnrt::core
