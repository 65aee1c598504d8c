// SPDX-License-Identifier: Apache-2.0
#include "words.hpp"

#include <algorithm>
#include <cstdio>

namespace attnrt::core {
namespace {

constexpr Word kDtypes[] = {{ATTNRT_FP32, "fp32"},         {ATTNRT_FP16, "fp16"},
                            {ATTNRT_BF16, "bf16"},         {ATTNRT_FP8_E4M3, "fp8_e4m3"},
                            {ATTNRT_FP8_E4M3FNUZ, "fp8_e4m3fnuz"}, {ATTNRT_FP8_E5M2, "fp8_e5m2"},
                            {ATTNRT_INT8, "int8"}};
constexpr Word kFamilies[] = {{ATTNRT_FAMILY_STANDARD, "standard"}, {ATTNRT_FAMILY_MLA, "mla"}};
constexpr Word kAttnTypes[] = {{ATTNRT_ATTN_DECODER, "decoder"},
                               {ATTNRT_ATTN_ENCODER, "encoder"},
                               {ATTNRT_ATTN_ENCODER_ONLY, "encoder_only"},
                               {ATTNRT_ATTN_ENCODER_DECODER, "encoder_decoder"}};
constexpr Word kPhases[] = {
    {ATTNRT_PHASE_PREFILL, "prefill"}, {ATTNRT_PHASE_DECODE, "decode"}, {ATTNRT_PHASE_MIXED, "mixed"}};
constexpr Word kKvLayouts[] = {{ATTNRT_KV_CONTIGUOUS, "contiguous"}, {ATTNRT_KV_NHD, "nhd"},
                               {ATTNRT_KV_HND, "hnd"},               {ATTNRT_KV_PACKED, "packed"},
                               {ATTNRT_KV_XPACKED, "xpacked"},       {ATTNRT_KV_MLA_LATENT, "mla"},
                               {ATTNRT_KV_FP8_DS_MLA, "fp8_ds_mla"}, {ATTNRT_KV_NATIVE, "native"}};
constexpr Word kFeatures[] = {{ATTNRT_FEATURE_CAUSAL, "causal"},
                              {ATTNRT_FEATURE_NON_CAUSAL, "non_causal"},
                              {ATTNRT_FEATURE_SLIDING_WINDOW, "sliding_window"},
                              {ATTNRT_FEATURE_SOFTCAP, "softcap"},
                              {ATTNRT_FEATURE_ALIBI, "alibi"},
                              {ATTNRT_FEATURE_SINKS, "sinks"},
                              {ATTNRT_FEATURE_DENSE_MASK, "dense_mask"},
                              {ATTNRT_FEATURE_TREE_MASK, "tree_mask"},
                              {ATTNRT_FEATURE_MM_PREFIX, "mm_prefix"},
                              {ATTNRT_FEATURE_BLOCK_SPARSE, "block_sparse"},
                              {ATTNRT_FEATURE_SPARSE_TOPK, "sparse_topk"},
                              {ATTNRT_FEATURE_LSE, "lse"},
                              {ATTNRT_FEATURE_KV_SCALES, "kv_scales"},
                              {ATTNRT_FEATURE_PER_HEAD_SCALES, "per_head_scales"},
                              {ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES, "per_token_head_scales"},
                              {ATTNRT_FEATURE_DIFF_KV, "diff_kv"},
                              {ATTNRT_FEATURE_CONTEXT_PARALLEL, "context_parallel"},
                              {ATTNRT_FEATURE_OUTPUT_QUANT, "output_quant"},
                              {ATTNRT_FEATURE_FLEX, "flex"},
                              {ATTNRT_FEATURE_CAUSAL_PER_REQUEST, "causal_per_request"},
                              {ATTNRT_FEATURE_ALIBI_SQRT, "alibi_sqrt"},
                              {ATTNRT_FEATURE_WINDOW_PREFIX, "window_prefix"},
                              {ATTNRT_FEATURE_SPLIT_Q, "split_q"},
                              {ATTNRT_FEATURE_COMMON_PREFIX, "common_prefix"}};
constexpr Word kIsa[] = {{ATTNRT_ISA_AVX2, "avx2"},
                         {ATTNRT_ISA_AVX512, "avx512"},
                         {ATTNRT_ISA_AVX512_BF16, "avx512_bf16"},
                         {ATTNRT_ISA_AVX512_VNNI, "avx512_vnni"},
                         {ATTNRT_ISA_AVX512_FP16, "avx512_fp16"},
                         {ATTNRT_ISA_AMX_TILE, "amx_tile"},
                         {ATTNRT_ISA_AMX_BF16, "amx_bf16"},
                         {ATTNRT_ISA_AMX_INT8, "amx_int8"},
                         {ATTNRT_ISA_AMX_FP16, "amx_fp16"},
                         {ATTNRT_ISA_NEON, "neon"},
                         {ATTNRT_ISA_SVE, "sve"}};
constexpr Word kDeterminism[] = {{ATTNRT_DETERMINISM_NONE, "none"},
                                 {ATTNRT_DETERMINISM_REPEATABLE, "repeatable"},
                                 {ATTNRT_DETERMINISM_BATCH_INVARIANT, "batch-invariant"},
                                 {ATTNRT_DETERMINISM_SCHEDULE_INVARIANT, "schedule-invariant"}};
constexpr Word kGraphLevels[] = {{ATTNRT_GRAPH_NEVER, "never"},
                                 {ATTNRT_GRAPH_UNIFORM_DECODE, "uniform decode"},
                                 {ATTNRT_GRAPH_UNIFORM_BATCH, "uniform batch"},
                                 {ATTNRT_GRAPH_ALWAYS, "always"}};
constexpr Word kProvides[] = {{ATTNRT_HOST_LENGTHS, "host_lengths"},
                              {ATTNRT_HOST_LENGTHS_UPPER_BOUND, "host_lengths_upper_bound"},
                              {ATTNRT_DECODES_FIRST, "decodes_first"}};
constexpr Word kSanitizers[] = {{ATTNRT_SAN_ADDRESS, "address"}, {ATTNRT_SAN_THREAD, "thread"}};
constexpr Word kDevices[] = {{ATTNRT_DEVICE_CPU, "cpu"}, {ATTNRT_DEVICE_CUDA, "cuda"}, {ATTNRT_DEVICE_ROCM, "rocm"}};
constexpr Word kCausal[] = {
    {ATTNRT_CAUSAL_NEVER, "never"}, {ATTNRT_CAUSAL_ALWAYS, "always"}, {ATTNRT_CAUSAL_PER_REQUEST, "per request"}};

// Names are ASCII, and the C library's functions ask the host's locale: in Turkish 'I' is not the capital of 'i'.
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
constexpr char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
constexpr bool is_letter_or_digit(char c) { return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

namespace words {
const std::span<const Word> dtypes{kDtypes}, families{kFamilies}, attn_types{kAttnTypes}, phases{kPhases},
    kv_layouts{kKvLayouts}, features{kFeatures}, isa{kIsa}, determinism{kDeterminism}, graph_levels{kGraphLevels},
    provides{kProvides}, sanitizers{kSanitizers}, devices{kDevices}, causal{kCausal};
}

const char* name_of(std::span<const Word> words, uint64_t value) {
  for (const Word& w : words)
    if (w.value == value) return w.name;
  return "unknown";
}

std::optional<uint64_t> value_of(std::span<const Word> words, std::string_view name) {
  for (const Word& w : words)
    if (equal_ignoring_case(w.name, name)) return w.value;
  return std::nullopt;
}

std::vector<std::string> names_of(std::span<const Word> words, uint64_t mask) {
  std::vector<std::string> out;
  for (const Word& w : words)
    if (mask & w.value) out.emplace_back(w.name);
  return out;
}

std::vector<std::string> dtype_names(uint64_t mask) {
  std::vector<std::string> out;
  for (const Word& w : kDtypes)
    if (mask >> w.value & 1) out.emplace_back(w.name);
  return out;
}

std::string join(const std::vector<std::string>& items, const char* separator, const char* quote) {
  std::string out;
  for (const std::string& item : items) {
    if (!out.empty()) out += separator;
    out.append(quote).append(item).append(quote);
  }
  return out;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter_or_digit(c) || c == '_' || c == '.' || c == '-';
  });
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return upper(c); });
  return out;
}

std::string arch_name(int32_t device_type, uint32_t arch) {
  if (device_type == ATTNRT_DEVICE_CUDA) return std::to_string(arch / 10) + "." + std::to_string(arch % 10);
  if (device_type != ATTNRT_DEVICE_ROCM) return "";
  char text[16];
  std::snprintf(text, sizeof text, "gfx%x", arch);
  return text;
}

std::string sizes_text(const attnrt_sizes& s) {
  std::vector<std::string> parts;
  for (uint32_t i = 0; i < s.list_count; ++i) parts.push_back(std::to_string(s.list[i]));
  if (s.multiple) {
    const bool bounded = s.max != 0 || s.min > s.multiple;
    if (s.multiple == 1 && !bounded) {
      parts.emplace_back("any");
    } else if (!bounded) {
      parts.push_back("multiples of " + std::to_string(s.multiple));
    } else {
      std::string range = std::to_string(s.min) + (s.max ? " to " + std::to_string(s.max) : " and more");
      if (s.multiple > 1) range += " in steps of " + std::to_string(s.multiple);
      parts.push_back(std::move(range));
    }
  }
  return join(parts);
}

}  // namespace attnrt::core
