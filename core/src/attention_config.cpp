// SPDX-License-Identifier: Apache-2.0
#include "attention_config.hpp"

#include <set>

#include "json_reader.hpp"
#include "spelling/nearest.hpp"
#include "words.hpp"

namespace attnrt::core {

Result<AttentionConfig> parse_attention_config(std::string_view text, const PriorityTable& table) {
  const auto value = parse_json(text, "attention-config");
  if (!value) return value.error();
  std::set<std::string> known;
  for (const Switch& s : table.switches)
    if (!s.config.empty()) known.insert(s.config);
  AttentionConfig config;
  std::string error;
  const JsonReader root(*value, "attention-config", error);
  for (const auto& member : root.object()) {
    const std::string key(member.key().data(), member.key().size());
    const JsonReader at = root.at(key);
    if (key == "backend") {
      config.backend = at.text();
    } else if (key == "mla_prefill_backend") {
      config.mla_prefill_backend = at.text();
    } else if (key == "rank") {
      const std::string rank = at.text();
      config.by_measurement = rank == "measured";
      if (!config.by_measurement && rank != "table")
        at.fail("is '" + rank + "', wanted table or measured" + did_you_mean(rank, {"table", "measured"}));
    } else if (key == "pin") {
      for (const auto& pin : at.object()) {
        const std::string plugin(pin.key().data(), pin.key().size());
        const std::string digest = at.at(plugin).text();
        if (digest.size() != 71 || !digest.starts_with("sha256:") ||
            digest.find_first_not_of("0123456789abcdef", 7) != std::string::npos)
          at.at(plugin).fail("is '" + digest + "', wanted sha256: and 64 lower-case hex digits");
        config.pins[plugin] = digest;
      }
    } else if (known.contains(key)) {
      config.values[key] = at.scalar();
    } else {
      std::vector<std::string> wanted(known.begin(), known.end());
      wanted.insert(wanted.begin(), {"backend", "mla_prefill_backend", "pin", "rank"});
      root.fail("unknown key '" + key + "', wanted one of " + join(wanted) + did_you_mean(key, wanted));
    }
  }
  if (!error.empty()) return invalid(error);
  return config;
}

}  // namespace attnrt::core
