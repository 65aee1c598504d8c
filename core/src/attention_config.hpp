// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "priority.hpp"
#include "result.hpp"

namespace attnrt::core {

/// The JSON object behind --attention-config: a backend for decode (or all), one for MLA prefill, who ranks
/// them, pinned files, and the keys that the priority table's switches listen to.
struct AttentionConfig {
  std::optional<std::string> backend, mla_prefill_backend;
  bool by_measurement = false;  ///< "rank": "measured"
  std::map<std::string, std::string> values;
  std::map<std::string, std::string> pins;  ///< plugin name -> "sha256:..." that its file must have
};

/// Error: no JSON object, a key that neither attnrt nor the table knows, a value of the wrong type.
Result<AttentionConfig> parse_attention_config(std::string_view text, const PriorityTable& table);

}  // namespace attnrt::core
