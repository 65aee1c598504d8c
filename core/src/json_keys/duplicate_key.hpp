// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace attnrt::json_keys {

/// The first key that stands twice in one object of a JSON text, at any depth. A parsed boost::json::value cannot tell:
/// its last one wins silently. Nothing where the text is not JSON. [thread-safe]
std::optional<std::string> duplicate_key(std::string_view json);

}  // namespace attnrt::json_keys
