// SPDX-License-Identifier: Apache-2.0
#include "overrides.hpp"

#include <algorithm>

#include "words.hpp"

namespace attnrt::core {

static std::string normal_flag(const std::string& value) {
  if (equal_ignoring_case(value, "true")) return "1";
  if (equal_ignoring_case(value, "false")) return "0";
  return value;
}

bool is_auto(const std::string& name) { return name.empty() || equal_ignoring_case(name, "auto"); }

Wishes wishes(const Options& options, const AttentionConfig& config, const std::optional<Override>& forced) {
  Wishes out;
  Override& wish = out.decode;
  if (forced) wish = *forced;
  if (wish.source == Source::automatic && options.attention_backend && !is_auto(*options.attention_backend))
    wish = {Source::argument, *options.attention_backend, "--attention-backend", true};
  if (wish.source == Source::automatic && config.backend && !is_auto(*config.backend))
    wish = {Source::argument, *config.backend, "--attention-config.backend", true};
  const auto mode = options.name_in("ATTNRT_OVERRIDE", &out.notes);
  if (mode && !mode->empty() && *mode != "strict")
    out.notes.push_back("ATTNRT_OVERRIDE=" + *mode + " has no effect, wanted strict");
  if (const auto env = options.name_in("VLLM_ATTENTION_BACKEND", &out.notes); env && !is_auto(*env)) {
    if (wish.source == Source::automatic)
      wish = {Source::environment, *env, "VLLM_ATTENTION_BACKEND", mode == "strict"};
    else if (!equal_ignoring_case(*env, wish.value))
      out.notes.push_back("VLLM_ATTENTION_BACKEND=" + *env + " has no effect: " + wish.origin + " asks for " +
                          wish.value);
  }
  out.by_measurement = config.by_measurement;
  if (config.mla_prefill_backend && !is_auto(*config.mla_prefill_backend))
    out.prefill = {Source::argument, *config.mla_prefill_backend, "--attention-config.mla_prefill_backend", true};
  return out;
}

std::vector<SwitchValue> switch_values(const Options& options, const AttentionConfig& config, const Catalog& catalog,
                                       std::vector<std::string>& notes) {
  std::vector<SwitchValue> out;
  out.reserve(catalog.switches.size());
  for (const ResolvedSwitch& s : catalog.switches) {
    SwitchValue value{s.source->preset.value_or(""), ""};
    std::vector<std::string> read;
    if (const auto env = s.source->env.empty() ? std::nullopt : options.name_in(s.source->env.c_str(), &read)) {
      value = {normal_flag(*env), s.source->env};
      if (!read.empty() && std::find(notes.begin(), notes.end(), read[0]) == notes.end()) notes.push_back(read[0]);
      if (const auto beaten = config.values.find(s.source->config);
          beaten != config.values.end() && beaten->second != value.value) {
        const std::string note =
            s.source->config + "=" + beaten->second + " has no effect: " + s.source->env + " is set";
        if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
      }
    } else if (const auto it = config.values.find(s.source->config); it != config.values.end()) {
      value = {it->second, s.source->config};
    }
    out.push_back(std::move(value));
  }
  return out;
}

attnrt_problem with_invariance(attnrt_problem problem, const Options& options, std::vector<std::string>& notes) {
  const auto flag = options.name_in("VLLM_BATCH_INVARIANT", &notes);
  if (!flag || flag->empty()) return problem;
  if (normal_flag(*flag) == "1")
    problem.determinism = std::max<uint32_t>(problem.determinism, ATTNRT_DETERMINISM_BATCH_INVARIANT);
  else if (normal_flag(*flag) != "0")
    notes.push_back("VLLM_BATCH_INVARIANT=" + *flag + " has no effect, wanted 0 or 1");
  return problem;
}

}  // namespace attnrt::core
