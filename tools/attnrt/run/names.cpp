// SPDX-License-Identifier: Apache-2.0
#include "run/names.hpp"

#include <spdlog/fmt/fmt.h>

#include "failure.hpp"
#include "nearest.hpp"

namespace attnrt::cli {
namespace {

constexpr const char* kCache = "k_cache and v_cache, or kv_cache";
constexpr const char* kNarrowCache = "a cache of 8 bits";

std::vector<std::string> spellings(const std::vector<RunName>& names) {
  std::vector<std::string> all;
  for (const RunName& n : names) {
    all.emplace_back(n.name);
    all.insert(all.end(), n.aliases.begin(), n.aliases.end());
  }
  return all;
}

/// From the names here to the spelling of the file, for the names that it has.
template <class Found>
std::map<std::string, std::string, std::less<>> resolve(const std::string& path, const char* kind,
                                                        const std::map<std::string, Found>& found,
                                                        const std::vector<RunName>& names) {
  std::map<std::string_view, const char*> canonical;
  for (const RunName& n : names) {
    canonical[n.name] = n.name;
    for (const char* alias : n.aliases) canonical[alias] = n.name;
  }
  std::map<std::string, std::string, std::less<>> out;
  for (const auto& [spelling, value] : found) {
    if (is_extra(spelling) || is_flex_buffer(spelling)) continue;
    const auto known = canonical.find(spelling);
    if (known == canonical.end()) {
      const std::vector<std::string> all = spellings(names);
      throw Failure(fmt::format("{}: {} {} is not understood, wanted one of {}, or a name of your own after 'extra.'{}",
                                path, kind, in_quotes(spelling), fmt::join(all, ", "), did_you_mean(spelling, all)));
    }
    const auto [place, fresh] = out.emplace(known->second, spelling);
    if (!fresh)
      throw Failure(fmt::format("{}: {}s '{}' and '{}' are both there and mean the same, wanted one of them", path,
                                kind, place->second, spelling));
  }
  return out;
}

const std::string* find(const std::map<std::string, std::string, std::less<>>& names, std::string_view name) {
  const auto found = names.find(name);
  return found == names.end() ? nullptr : &found->second;
}

}  // namespace

const std::vector<RunName>& tensor_names() {
  static const std::vector<RunName> names{
      {"q", {"query", "query_states"}},
      {"k", {"key", "key_states"}},
      {"v", {"value", "value_states"}},
      {"k_cache", {"key_cache"}},
      {"v_cache", {"value_cache"}},
      {"kv_cache", {}},
      {"k_scale", {}, kNarrowCache},
      {"v_scale", {}, kNarrowCache},
      {"k_row_scales", {}, "k_cache and v_cache of 8 bits"},
      {"v_row_scales", {}, "k_cache and v_cache of 8 bits"},
      {"block_table", {"block_tables", "page_table"}, kCache},
      {"slot_mapping", {}, kCache},
      {"query_start_loc", {"cu_seqlens_q", "cu_seq_lens_q"}},
      {"seq_lens", {}},
      {"kv_start_loc", {"cu_seqlens_k", "cu_seq_lens_k", "cu_seqlens_kv"}, "k and v without a cache"},
      {"kv_lens", {}},
      {"causal_per_request", {}},
      {"attn_mask", {"attention_mask", "attn_bias"}},
      {"sinks", {"sink", "s_aux"}},
      {"alibi_slopes", {}},
      {"expected.out", {}},
      {"expected.lse", {}}};
  return names;
}

const std::vector<RunName>& metadata_names() {
  static const std::vector<RunName> names{{"attn_type", {}},
                                          {"causal", {}},
                                          {"is_causal", {}},
                                          {"scale", {"sm_scale", "softmax_scale", "scaling"}},
                                          {"sliding_window", {}},
                                          {"window_size", {}},
                                          {"softcap", {"logits_soft_cap"}},
                                          {"kv_layout", {}},
                                          {"layout", {}},
                                          {"mla", {}},
                                          {"enable_gqa", {}},
                                          {"dropout_p", {}},
                                          {"deterministic", {}},
                                          {"return_attn_probs", {}},
                                          {"max_seqlen_q", {}},
                                          {"max_seqlen_k", {}},
                                          {"provenance", {}},
                                          {"source", {}},
                                          {"description", {}},
                                          {"format", {}}};
  return names;
}

bool is_extra(std::string_view name) { return name.substr(0, 6) == "extra."; }
bool is_flex_buffer(std::string_view name) { return name.substr(0, 5) == "flex."; }

RunNames::RunNames(const Safetensors& file)
    : tensors_(resolve(file.path(), "tensor", file.header().tensors, tensor_names())),
      keys_(resolve(file.path(), "metadata key", file.header().metadata, metadata_names())) {}

const std::string* RunNames::tensor(std::string_view name) const { return find(tensors_, name); }

const std::string* RunNames::key(std::string_view name) const { return find(keys_, name); }

}  // namespace attnrt::cli
