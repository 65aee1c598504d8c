// SPDX-License-Identifier: Apache-2.0
// Any text as an attention-config under the shipped table. What is refused has a sentence; what is taken holds every
// key of the document and nothing else.
#include "attention_config.hpp"

#include <boost/json.hpp>
#include <set>

#include "target.hpp"

namespace core = attnrt::core;
namespace json = boost::json;
using fuzz::promise;

namespace {

const core::PriorityTable& shipped() {
  static const auto table = core::read_priority(ATTNRT_PRIORITY_TABLE);
  promise(static_cast<bool>(table), "the shipped table can be read");
  return *table;
}

bool is_digest(std::string_view text) {
  if (!text.starts_with("sha256:") || text.size() != 7 + 64) return false;
  for (const char c : text.substr(7))
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  return true;
}

std::string_view text(const json::value& v) { return {v.as_string().data(), v.as_string().size()}; }

/// A switch's value as its rules compare it.
std::string scalar(const json::value& v) {
  if (v.is_bool()) return v.as_bool() ? "1" : "0";
  return v.is_string() ? std::string(text(v)) : json::serialize(v);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static const std::set<std::string, std::less<>> switches = [] {
    std::set<std::string, std::less<>> out;
    for (const core::Switch& s : shipped().switches)
      if (!s.config.empty()) out.insert(s.config);
    return out;
  }();
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto config = core::parse_attention_config(input, shipped());
  if (!config) {
    promise(config.error().code == ATTNRT_INVALID, "a broken configuration is INVALID");
    promise(config.error().text.starts_with("attention-config"), "a refusal names what it is about",
            config.error().text);
    fuzz::promise_sentence(config.error().text);
    return 0;
  }
  const json::value document = json::parse({input.data(), input.size()});
  std::size_t values = 0, pins = 0;
  bool backend = false, mla_prefill_backend = false;
  for (const auto& member : document.as_object()) {
    const std::string key(member.key().data(), member.key().size());
    if (key == "backend") {
      backend = true;
      promise(config->backend == std::string(text(member.value())), "backend is what the document says");
    } else if (key == "mla_prefill_backend") {
      mla_prefill_backend = true;
      promise(config->mla_prefill_backend == std::string(text(member.value())),
              "mla_prefill_backend is what the document says");
    } else if (key == "pin") {
      for (const auto& pin : member.value().as_object()) {
        const auto found = config->pins.find(std::string(pin.key().data(), pin.key().size()));
        promise(found != config->pins.end() && found->second == text(pin.value()) && is_digest(found->second),
                "a pin is a digest, and its own");
        ++pins;
      }
    } else {
      promise(switches.contains(key), "every key is known", key);
      const auto found = config->values.find(key);
      promise(found != config->values.end() && found->second == scalar(member.value()),
              "a value is what the document says", key);
      ++values;
    }
  }
  promise(config->backend.has_value() == backend && config->mla_prefill_backend.has_value() == mla_prefill_backend &&
              config->values.size() == values && config->pins.size() == pins,
          "nothing is there that the document does not say");
  return 0;
}
