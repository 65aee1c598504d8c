// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <sys/auxv.h>

#include <cstddef>
#include <cstdlib>
#include <string_view>

#include "words.hpp"

namespace attnrt::core {

const std::vector<Variable> known_variables = {
    {"ATTNRT_PLUGIN_PATH", "folders searched for plugins, a colon list; an empty element is the default folder"},
    {"ATTNRT_PRIORITY", "a priority table in place of the shipped one"},
    {"VLLM_ATTENTION_BACKEND", "the backend to use, read at each selection"},
    {"ATTNRT_OVERRIDE", "strict: a VLLM_ATTENTION_BACKEND that cannot be honoured is an error"},
    {"VLLM_BATCH_INVARIANT", "1: only batch-invariant variants"},
    {"CUDA_VISIBLE_DEVICES", "the CUDA devices that count, in this order; read whatever the engine says, as CUDA does"},
    {"HIP_VISIBLE_DEVICES", "the same for ROCm devices; HIP reads CUDA_VISIBLE_DEVICES where it is not set"},
    {"ROCR_VISIBLE_DEVICES", "the ROCm devices from which HIP_VISIBLE_DEVICES chooses"},
};

Result<Options> Options::from(const attnrt_options* in) {
  Options out;
  if (!in) return out;
  // What every engine of this major has, whatever is appended later.
  constexpr std::size_t base = offsetof(attnrt_options, reserved) + sizeof(attnrt_options::reserved);
  if (in->struct_size < base)
    return invalid("options.struct_size is " + std::to_string(in->struct_size) + ", wanted at least " +
                   std::to_string(base));
  constexpr uint32_t known = ATTNRT_OPTION_IGNORE_ENVIRONMENT | ATTNRT_OPTION_TRUST_ANY |
                             ATTNRT_OPTION_PINNED_ONLY;
  if (in->flags & ~known) return invalid("options.flags holds unknown bits: " + std::to_string(in->flags & ~known));
  out.read_environment = !(in->flags & ATTNRT_OPTION_IGNORE_ENVIRONMENT);
  out.trust_any = (in->flags & ATTNRT_OPTION_TRUST_ANY) != 0;
  out.pinned_only = (in->flags & ATTNRT_OPTION_PINNED_ONLY) != 0;
  if (in->probe > ATTNRT_PROBE_ALWAYS)
    return invalid("options.probe is " + std::to_string(in->probe) + ", wanted 0 (auto), 1 (never) or 2 (always)");
  out.probe = in->probe;
  const auto copy = [](const char* from, std::optional<std::string>& to) {
    if (from) to = from;
  };
  copy(in->plugin_path, out.plugin_path);
  copy(in->priority_file, out.priority_file);
  copy(in->attention_backend, out.attention_backend);
  copy(in->attention_config, out.attention_config);
  copy(in->cache_folder, out.cache_folder);
  return out;
}

std::optional<std::string> Options::env(const char* name) const {
  if (!read_environment) return std::nullopt;
  const char* value = std::getenv(name);
  return value ? std::optional<std::string>(value) : std::nullopt;
}

std::optional<std::string> Options::trusted_env(const char* name) const {
  return is_secure() ? std::nullopt : env(name);
}

std::optional<std::string> Options::name_in(const char* name, std::vector<std::string>* notes) const {
  const auto held = env(name);
  if (!held) return std::nullopt;
  constexpr std::string_view around = " \t\r\n\v\f\"'";
  const std::size_t first = held->find_first_not_of(around);
  std::string read = first == std::string::npos ? "" : held->substr(first, held->find_last_not_of(around) - first + 1);
  if (notes && read != *held)
    notes->push_back(std::string(name) + " is '" + printable(*held) + "', read as '" + printable(read) + "'");
  return read;
}

std::optional<std::string> Options::trusted_name_in(const char* name) const {
  return is_secure() ? std::nullopt : name_in(name);
}

bool Options::is_secure() { return getauxval(AT_SECURE) != 0; }

}  // namespace attnrt::core
