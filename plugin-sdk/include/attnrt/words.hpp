// SPDX-License-Identifier: Apache-2.0
//
// attnrt/words.hpp: the names of every bit and value of plugin.h, in the spelling of the command line, the priority
// table and the JSON. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_WORDS_HPP
#define ATTNRT_WORDS_HPP
#include <cstddef>
#include <cstdint>

#include "attnrt/plugin.h"

namespace attnrt::sdk {

/// One value or bit and its name.
struct Word {
  uint64_t value;
  const char* name;
};

/// The names of one enumeration, in the order of its values.
class Words {
 public:
  template <std::size_t N>
  constexpr Words(const Word (&words)[N]) : first_(words), size_(N) {}
  constexpr const Word* begin() const noexcept { return first_; }
  constexpr const Word* end() const noexcept { return first_ + size_; }
  constexpr std::size_t size() const noexcept { return size_; }
  /// The name of one value or one bit; "unknown" where there is none.
  constexpr const char* name(uint64_t value) const noexcept {
    for (const Word& word : *this)
      if (word.value == value) return word.name;
    return "unknown";
  }

 private:
  const Word* first_;
  std::size_t size_;
};

namespace detail {
inline constexpr Word kDtypes[] = {{ATTNRT_FP32, "fp32"},
                                   {ATTNRT_FP16, "fp16"},
                                   {ATTNRT_BF16, "bf16"},
                                   {ATTNRT_FP8_E4M3, "fp8_e4m3"},
                                   {ATTNRT_FP8_E4M3FNUZ, "fp8_e4m3fnuz"},
                                   {ATTNRT_FP8_E5M2, "fp8_e5m2"},
                                   {ATTNRT_INT8, "int8"}};
inline constexpr Word kFamilies[] = {{ATTNRT_FAMILY_STANDARD, "standard"}, {ATTNRT_FAMILY_MLA, "mla"}};
inline constexpr Word kAttnTypes[] = {{ATTNRT_ATTN_DECODER, "decoder"},
                                      {ATTNRT_ATTN_ENCODER, "encoder"},
                                      {ATTNRT_ATTN_ENCODER_ONLY, "encoder_only"},
                                      {ATTNRT_ATTN_ENCODER_DECODER, "encoder_decoder"}};
inline constexpr Word kPhases[] = {
    {ATTNRT_PHASE_PREFILL, "prefill"}, {ATTNRT_PHASE_DECODE, "decode"}, {ATTNRT_PHASE_MIXED, "mixed"}};
inline constexpr Word kKvLayouts[] = {
    {ATTNRT_KV_CONTIGUOUS, "contiguous"}, {ATTNRT_KV_NHD, "nhd"},         {ATTNRT_KV_HND, "hnd"},
    {ATTNRT_KV_PACKED, "packed"},         {ATTNRT_KV_XPACKED, "xpacked"}, {ATTNRT_KV_MLA_LATENT, "mla"},
    {ATTNRT_KV_FP8_DS_MLA, "fp8_ds_mla"}, {ATTNRT_KV_NATIVE, "native"}};
inline constexpr Word kFeatures[] = {{ATTNRT_FEATURE_CAUSAL, "causal"},
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
inline constexpr Word kIsa[] = {{ATTNRT_ISA_AVX2, "avx2"},
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
inline constexpr Word kDeterminism[] = {{ATTNRT_DETERMINISM_NONE, "none"},
                                        {ATTNRT_DETERMINISM_REPEATABLE, "repeatable"},
                                        {ATTNRT_DETERMINISM_BATCH_INVARIANT, "batch-invariant"},
                                        {ATTNRT_DETERMINISM_SCHEDULE_INVARIANT, "schedule-invariant"}};
inline constexpr Word kGraphLevels[] = {{ATTNRT_GRAPH_NEVER, "never"},
                                        {ATTNRT_GRAPH_UNIFORM_DECODE, "uniform decode"},
                                        {ATTNRT_GRAPH_UNIFORM_BATCH, "uniform batch"},
                                        {ATTNRT_GRAPH_ALWAYS, "always"}};
inline constexpr Word kProvides[] = {{ATTNRT_HOST_LENGTHS, "host_lengths"},
                                     {ATTNRT_HOST_LENGTHS_UPPER_BOUND, "host_lengths_upper_bound"},
                                     {ATTNRT_DECODES_FIRST, "decodes_first"}};
inline constexpr Word kSanitizers[] = {{ATTNRT_SAN_ADDRESS, "address"}, {ATTNRT_SAN_THREAD, "thread"}};
inline constexpr Word kDevices[] = {
    {ATTNRT_DEVICE_CPU, "cpu"}, {ATTNRT_DEVICE_CUDA, "cuda"}, {ATTNRT_DEVICE_ROCM, "rocm"}};
inline constexpr Word kCausal[] = {
    {ATTNRT_CAUSAL_NEVER, "never"}, {ATTNRT_CAUSAL_ALWAYS, "always"}, {ATTNRT_CAUSAL_PER_REQUEST, "per request"}};
}  // namespace detail

/// Dtypes by number, everything else by bit or value.
namespace words {
inline constexpr Words dtypes{detail::kDtypes};
inline constexpr Words families{detail::kFamilies};
inline constexpr Words attn_types{detail::kAttnTypes};
inline constexpr Words phases{detail::kPhases};
inline constexpr Words kv_layouts{detail::kKvLayouts};
inline constexpr Words features{detail::kFeatures};
inline constexpr Words isa{detail::kIsa};
inline constexpr Words determinism{detail::kDeterminism};
inline constexpr Words graph_levels{detail::kGraphLevels};
inline constexpr Words provides{detail::kProvides};
inline constexpr Words sanitizers{detail::kSanitizers};
inline constexpr Words devices{detail::kDevices};
inline constexpr Words causal{detail::kCausal};
}  // namespace words

}  // namespace attnrt::sdk
#endif
