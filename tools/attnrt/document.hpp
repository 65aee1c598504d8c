// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_DOCUMENT_HPP
#define ATTNRT_CLI_DOCUMENT_HPP
#include <boost/json.hpp>
#include <string>

namespace attnrt::cli {

/// The library's JSON documents, and ours, as printable text: two spaces deeper a level, short lists on one line.
std::string pretty(const boost::json::value& value);
/// pretty() on standard output.
void print_json(const boost::json::value& value);

/// A field as text: a string as it is, null and absent as "", everything else as JSON.
std::string text_at(const boost::json::value& object, const char* key);
/// A list as "a, b, c".
std::string list_at(const boost::json::value& object, const char* key);
/// A list to walk over, empty where there is none.
const boost::json::array& array_at(const boost::json::value& object, const char* key);

/// "first: second", without the colon where one is empty.
std::string join_said(const std::string& first, const std::string& second);

/// Prints words, made printable, in lines of 80 columns, the first indented by `first`, the others by `indent` spaces.
void print_wrapped(const std::string& first, std::size_t indent, const std::string& text);

}  // namespace attnrt::cli
#endif
