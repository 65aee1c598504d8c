// SPDX-License-Identifier: Apache-2.0
#include "match.hpp"

#include <algorithm>
#include <optional>

#include "attnrt/diag.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

struct Check {
  const char* code;
  const char* text;
  uint64_t features;  ///< the bits this check is about, 0 = none
};

/// In the order of attnrt_why.
constexpr Check kChecks[ATTNRT_WHY_COUNT_] = {
    {"OTHER", "not supported", 0},
    {"NOT_INSTALLED", "not installed", 0},
    {"UNAVAILABLE", "device not available", 0},
    {"DISABLED", "disabled", 0},
    {"HEAD_SIZE", "head_size not supported", 0},
    {"DTYPE", "dtype not supported", 0},
    {"KV_CACHE_DTYPE", "kv_cache_dtype not supported", ATTNRT_FEATURE_KV_SCALES},
    {"BLOCK_SIZE", "block_size not supported", 0},
    {"MM_PREFIX", "partial multimodal token full attention not supported", ATTNRT_FEATURE_MM_PREFIX},
    {"FAMILY", "MLA not supported", 0},
    {"SINKS", "attention sinks not supported", ATTNRT_FEATURE_SINKS},
    {"SPARSE", "sparse not supported", ATTNRT_FEATURE_SPARSE_TOPK},
    {"PER_HEAD_SCALES", "per-head quant scales not supported",
     ATTNRT_FEATURE_PER_HEAD_SCALES | ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES},
    {"ARCH", "compute capability not supported", 0},
    {"ISA", "instruction set not supported", 0},
    {"ATTN_TYPE", "attention type not supported", 0},
    {"SLIDING_WINDOW", "sliding window not supported", ATTNRT_FEATURE_SLIDING_WINDOW | ATTNRT_FEATURE_WINDOW_PREFIX},
    {"NON_CAUSAL", "non-causal attention not supported", ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_CAUSAL_PER_REQUEST},
    {"BATCH_INVARIANCE", "batch invariance not supported", 0},
    {"CONTEXT_PARALLEL", "DCP not supported", ATTNRT_FEATURE_CONTEXT_PARALLEL},
    {"SOFTCAP", "softcap not supported", ATTNRT_FEATURE_SOFTCAP},
    {"ALIBI", "ALiBi not supported", ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_ALIBI_SQRT},
    {"LSE", "LSE output not supported", ATTNRT_FEATURE_LSE},
    {"DENSE_MASK", "dense mask not supported", ATTNRT_FEATURE_DENSE_MASK},
    {"TREE_MASK", "tree mask not supported", ATTNRT_FEATURE_TREE_MASK},
    {"BLOCK_SPARSE", "block-sparse not supported", ATTNRT_FEATURE_BLOCK_SPARSE},
    {"DIFF_KV", "different K and V head sizes not supported", ATTNRT_FEATURE_DIFF_KV},
    {"OUTPUT_QUANT", "output quantisation not supported", ATTNRT_FEATURE_OUTPUT_QUANT},
    {"PHASE", "phase not supported", 0},
    {"DECODE_QUERY_LEN", "decode query length not supported", 0},
    {"KV_LAYOUT", "KV layout not supported", 0},
    {"GQA_GROUP", "GQA group not supported", 0},
    {"GRAPH_LEVEL", "graph level not supported", 0},
    {"HOST_LENGTHS", "host lengths not provided", 0},
    {"FEATURE", "feature not supported", ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_FLEX | ATTNRT_FEATURE_SPLIT_Q},
};

bool known(attnrt_why why) { return why >= 0 && why < ATTNRT_WHY_COUNT_; }

std::string offers(const std::string& asked, const std::string& offered) {
  return asked + ": offers " + (offered.empty() ? "none" : offered);
}

std::string arch_ranges(const attnrt_caps& caps) {
  std::vector<std::string> parts;
  for (uint32_t i = 0; i < caps.num_arch_ranges; ++i) {
    const uint32_t low = caps.arch_ranges[2 * i], high = caps.arch_ranges[2 * i + 1];
    const std::string first = arch_name(caps.device_type, low);
    if (low == high) parts.push_back(first);
    else if (high == UINT32_MAX) parts.push_back(first + " and above");
    else parts.push_back(first + " to " + arch_name(caps.device_type, high));
  }
  const std::string device = name_of(words::devices, static_cast<uint64_t>(caps.device_type));
  return parts.empty() ? device : device + " " + join(parts);
}

/// What was asked of one field of the problem and what a sheet offers.
struct Values {
  std::string field, asked, offered;
  std::string prefix = "";  ///< before the value where it stands without the field's name
};

/// For the checks of sizes, dtypes and layouts; nothing for the others.
std::optional<Values> values_of(attnrt_why why, const attnrt_caps& caps, const attnrt_problem& p) {
  switch (why) {
    case ATTNRT_WHY_HEAD_SIZE:
      if (!sdk::admits(*caps.head_sizes, p.head_size_qk))
        return Values{"head_size", std::to_string(p.head_size_qk), sizes_text(*caps.head_sizes)};
      return Values{"head_size_v", std::to_string(p.head_size_v),
                    sizes_text(caps.head_sizes_v ? *caps.head_sizes_v : *caps.head_sizes), "v "};
    case ATTNRT_WHY_DTYPE:
      if (!sdk::in_set(caps.q_dtypes, p.q_dtype))
        return Values{"dtype", name_of(words::dtypes, p.q_dtype), join(dtype_names(caps.q_dtypes))};
      return Values{"out_dtype", name_of(words::dtypes, p.out_dtype), join(dtype_names(caps.out_dtypes)), "output "};
    case ATTNRT_WHY_KV_CACHE_DTYPE:
      if (sdk::in_set(caps.kv_dtypes, p.kv_dtype)) return std::nullopt;  // the scales are what is missing
      return Values{"kv_cache_dtype", name_of(words::dtypes, p.kv_dtype), join(dtype_names(caps.kv_dtypes))};
    case ATTNRT_WHY_BLOCK_SIZE:
      return Values{"block_size", std::to_string(p.block_size), sizes_text(*caps.block_sizes)};
    case ATTNRT_WHY_KV_LAYOUT:
      return Values{"kv_layouts", join(names_of(words::kv_layouts, p.kv_layouts)),
                    join(names_of(words::kv_layouts, caps.kv_layouts))};
    default:
      return std::nullopt;
  }
}

// The question to the plugin: of the acceptable layouts those that its sheet offers, or the plugin would have to judge
// a layout that it can never be given.
attnrt_problem question(const attnrt_variant& variant, attnrt_problem problem) {
  if (const uint32_t offered = problem.kv_layouts & variant.caps->kv_layouts) problem.kv_layouts = offered;
  return problem;
}

}  // namespace

Match match(const attnrt_variant& variant, const attnrt_problem& problem) {
  Match m{sdk::refusals(*variant.caps, problem), 0};
  // No check stops another, so that a user sees every reason at once; other hardware's kernels have nothing to add.
  if (variant.supports && variant.caps->device_type == problem.device_type) {
    sdk::DiagSink reasons(sdk::DiagSink::Keep::count);
    const attnrt_problem asked = question(variant, problem);
    const bool admitted = variant.supports(&variant, &asked, reasons.get()) == ATTNRT_OK;
    m.by_plugin = admitted ? 0 : static_cast<int>(std::clamp<std::size_t>(reasons.count(), 1, INT32_MAX));
  }
  return m;
}

const char* why_code(attnrt_why why) { return kChecks[known(why) ? why : ATTNRT_WHY_OTHER].code; }

std::string why_text(attnrt_why why, const attnrt_problem& p) {
  switch (why) {
    case ATTNRT_WHY_FAMILY: return p.family == ATTNRT_FAMILY_MLA ? "MLA not supported" : "non-MLA not supported";
    case ATTNRT_WHY_SPARSE:
      return p.features & ATTNRT_FEATURE_SPARSE_TOPK ? "sparse not supported" : "non-sparse not supported";
    case ATTNRT_WHY_ATTN_TYPE:
      return std::string("attention type ") + name_of(words::attn_types, p.attn_type) + " not supported";
    default: return kChecks[known(why) ? why : ATTNRT_WHY_OTHER].text;
  }
}

std::string why_wanted(attnrt_why why, const attnrt_caps& caps, const attnrt_problem& problem) {
  const auto v = values_of(why, caps, problem);
  return v ? v->field + " is " + v->asked + ", wanted " + (v->offered.empty() ? "none" : v->offered) : "";
}

std::string why_detail(attnrt_why why, const attnrt_caps& caps, const attnrt_problem& p) {
  const auto number = [](uint64_t n) { return std::to_string(n); };
  if (const auto v = values_of(why, caps, p)) return offers(v->prefix + v->asked, v->offered);
  switch (why) {
    case ATTNRT_WHY_KV_CACHE_DTYPE:
      return "kv_scales: offers " + join(names_of(words::features, caps.features));
    case ATTNRT_WHY_FAMILY:
      return offers(name_of(words::families, p.family), join(names_of(words::families, caps.families)));
    case ATTNRT_WHY_ARCH: {
      const std::string arch = arch_name(p.device_type, p.arch);
      const std::string device = name_of(words::devices, static_cast<uint64_t>(p.device_type));
      return offers(arch.empty() ? device : device + " " + arch, arch_ranges(caps));
    }
    case ATTNRT_WHY_ISA:
      return offers(join(names_of(words::isa, p.isa)).empty() ? "baseline" : join(names_of(words::isa, p.isa)),
                    "code that needs " + join(names_of(words::isa, caps.isa)));
    case ATTNRT_WHY_ATTN_TYPE:
      return offers(name_of(words::attn_types, p.attn_type), join(names_of(words::attn_types, caps.attn_types)));
    case ATTNRT_WHY_BATCH_INVARIANCE:
      return offers(name_of(words::determinism, p.determinism), name_of(words::determinism, caps.determinism));
    case ATTNRT_WHY_PHASE: return offers(name_of(words::phases, p.phase), join(names_of(words::phases, caps.phases)));
    case ATTNRT_WHY_DECODE_QUERY_LEN:
      return offers(number(p.decode_query_len), "at most " + number(caps.decode_query_max));
    case ATTNRT_WHY_GQA_GROUP:
      return offers(number(p.num_heads / p.num_kv_heads), "at most " + number(caps.gqa_group_max));
    case ATTNRT_WHY_GRAPH_LEVEL:
      return offers(name_of(words::graph_levels, p.graph_level), name_of(words::graph_levels, caps.graph_level));
    case ATTNRT_WHY_HOST_LENGTHS: {
      const std::string provided = join(names_of(words::provides, p.provides));
      return "provided: " + (provided.empty() ? "nothing" : provided) + "; needs " +
             join(names_of(words::provides, caps.needs));
    }
    default: {
      const uint64_t missing = p.features & ~caps.features & (known(why) ? kChecks[why].features : 0);
      if (why == ATTNRT_WHY_SPARSE && !missing) return "dense: offers sparse_topk alone";
      return missing ? offers(join(names_of(words::features, missing)), join(names_of(words::features, caps.features)))
                     : "";
    }
  }
}

std::vector<Refusal> refusal_texts(const Match& m, const attnrt_variant& variant, const attnrt_problem& problem) {
  std::vector<Refusal> out;
  for (attnrt_why why = 0; why < ATTNRT_WHY_COUNT_; ++why)
    if (m.sheet & sdk::why_bit(why))
      out.push_back({why, why_text(why, problem), why_detail(why, *variant.caps, problem)});
  if (m.by_plugin) {
    sdk::DiagSink reasons;
    const attnrt_problem asked = question(variant, problem);
    variant.supports(&variant, &asked, reasons.get());
    const char* none = "refused by the plugin without a reason";
    for (const auto& [why, text] : reasons.sentences()) out.push_back({why, text.empty() ? none : text, ""});
    const std::size_t kept = reasons.sentences().size();
    if (reasons.count() == 0) out.push_back({ATTNRT_WHY_OTHER, none, ""});
    if (reasons.count() > kept)
      out.push_back({ATTNRT_WHY_OTHER, "and " + std::to_string(reasons.count() - kept) + " reasons more", ""});
  }
  return out;
}

}  // namespace attnrt::core
