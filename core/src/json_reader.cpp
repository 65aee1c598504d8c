// SPDX-License-Identifier: Apache-2.0
#include "json_reader.hpp"

#include <algorithm>

#include "json_keys/duplicate_key.hpp"
#include "spelling/nearest.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace json = boost::json;

Result<json::value> parse_json(std::string_view text, const std::string& file) {
  json::stream_parser parser;
  json::error_code error;
  std::size_t consumed = parser.write_some(text.data(), text.size(), error);
  if (!error && consumed < text.size()) error = json::error::extra_data;
  if (!error) parser.finish(error);
  if (!error) {
    if (const auto twice = json_keys::duplicate_key(text))
      return invalid(file + ": key '" + printable(*twice, 100) + "' stands twice in one object, wanted it once");
    return parser.release();
  }
  consumed = std::min(consumed, text.size());
  const std::string_view before = text.substr(0, consumed);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const auto column = consumed - (before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1) + 1;
  return invalid(file + ":" + std::to_string(line) + ":" + std::to_string(column) + ": " + error.message() +
                 ", wanted JSON");
}

namespace {
// Not static locals: their guards would hang the child of a fork.
const json::value null_value;
const json::object no_members;

const char* kind_of(const json::value& v) {
  switch (v.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return "a bool";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_: return "a number";
    case json::kind::string: return "a string";
    case json::kind::array: return "an array";
    case json::kind::object: return "an object";
  }
  return "unknown";
}
}  // namespace

void JsonReader::fail(const std::string& sentence) const {
  if (error_->empty()) *error_ = printable(file_ + "#" + pointer_ + ": " + sentence);
}

const json::object& JsonReader::object() const {
  if (value_->is_object()) return value_->get_object();
  fail(std::string("is ") + kind_of(*value_) + ", wanted an object");
  return no_members;
}

void JsonReader::allow(std::initializer_list<const char*> keys) const {
  for (const auto& member : object()) {
    const std::string_view key(member.key().data(), member.key().size());
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    const std::vector<std::string> wanted(keys.begin(), keys.end());
    fail("unknown key '" + std::string(key) + "', wanted one of " + join(wanted) + did_you_mean(key, wanted));
  }
}

bool JsonReader::has(const char* key) const { return value_->is_object() && value_->get_object().contains(key); }

JsonReader JsonReader::at(std::string_view key) const {
  JsonReader child = *this;
  child.pointer_.append("/").append(key);
  const json::value* found = object().if_contains({key.data(), key.size()});
  if (!found) fail("key '" + std::string(key) + "' is missing");
  child.value_ = found ? found : &null_value;
  return child;
}

JsonReader JsonReader::at(std::size_t index) const {
  JsonReader child = *this;
  child.pointer_ += "/" + std::to_string(index);
  child.value_ = value_->is_array() && index < value_->get_array().size() ? &value_->get_array()[index] : &null_value;
  return child;
}

std::size_t JsonReader::size() const {
  if (value_->is_array()) return value_->get_array().size();
  fail(std::string("is ") + kind_of(*value_) + ", wanted an array");
  return 0;
}

std::string JsonReader::text() const {
  if (value_->is_string()) return {value_->get_string().data(), value_->get_string().size()};
  fail(std::string("is ") + kind_of(*value_) + ", wanted a string");
  return "";
}

int64_t JsonReader::integer(int64_t low, int64_t high) const {
  json::error_code error;
  const int64_t n = value_->is_number() ? value_->to_number<int64_t>(error) : 0;
  if (!value_->is_number() || error) {
    fail(std::string("is ") + kind_of(*value_) + ", wanted a whole number");
    return low;
  }
  if (n >= low && n <= high) return n;
  fail("is " + std::to_string(n) + ", wanted " + std::to_string(low) + " to " + std::to_string(high));
  return low;
}

bool JsonReader::boolean() const {
  if (value_->is_bool()) return value_->get_bool();
  fail(std::string("is ") + kind_of(*value_) + ", wanted true or false");
  return false;
}

std::string JsonReader::scalar() const {
  if (value_->is_bool()) return value_->get_bool() ? "1" : "0";
  if (value_->is_int64()) return std::to_string(value_->get_int64());
  if (value_->is_string()) return text();
  fail(std::string("is ") + kind_of(*value_) + ", wanted a string, a whole number or a bool");
  return "";
}

std::vector<std::string> JsonReader::texts() const {
  std::vector<std::string> out;
  const std::size_t n = size();
  for (std::size_t i = 0; i < n; ++i) out.push_back(at(i).text());
  return out;
}

}  // namespace attnrt::core
