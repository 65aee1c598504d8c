// SPDX-License-Identifier: Apache-2.0
//
// Reading JSON strictly: syntax errors by line and column, everything else by JSON Pointer.
#pragma once
#include <boost/json.hpp>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "result.hpp"

namespace attnrt::core {

/// Parses text. Error: "FILE:LINE:COLUMN: ...".
Result<boost::json::value> parse_json(std::string_view text, const std::string& file);

/// One value and its place, read with expectations; the first one that fails is kept and later reads give empty values.
class JsonReader {
 public:
  JsonReader(const boost::json::value& value, std::string file, std::string& error)
      : value_(&value), file_(std::move(file)), error_(&error) {}

  bool ok() const { return error_->empty(); }
  void fail(const std::string& sentence) const;

  /// Every key must be one of these.
  void allow(std::initializer_list<const char*> keys) const;
  bool has(const char* key) const;
  JsonReader at(std::string_view key) const;
  JsonReader at(std::size_t index) const;
  std::size_t size() const;  ///< of an array; fails where it is none
  std::string text() const;
  int64_t integer(int64_t low, int64_t high) const;
  bool boolean() const;
  /// A string, a number or a bool as text: true and 1 read "1".
  std::string scalar() const;
  bool is_object() const { return value_->is_object(); }
  const boost::json::object& object() const;
  std::vector<std::string> texts() const;
  const std::string& pointer() const { return pointer_; }

 private:
  const boost::json::value* value_;
  std::string file_, pointer_;
  std::string* error_;
};

}  // namespace attnrt::core
