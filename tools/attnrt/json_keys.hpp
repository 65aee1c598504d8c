// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_JSON_KEYS_HPP
#define ATTNRT_CLI_JSON_KEYS_HPP
#include <optional>
#include <string>
#include <string_view>

namespace attnrt::cli {

/// The first key that stands twice in one object of a JSON text, at any depth. A parsed boost::json::value cannot tell:
/// its last one wins silently. Nothing where the text is not JSON.
std::optional<std::string> duplicate_key(std::string_view json);

}  // namespace attnrt::cli
#endif
