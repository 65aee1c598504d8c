// SPDX-License-Identifier: Apache-2.0
#include "tuned_class.hpp"

#include "words.hpp"

namespace attnrt::core {
namespace {

/// What leaves the work for each key and query as it is, though it may be done for fewer of them.
constexpr uint64_t kSameWork = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_CAUSAL_PER_REQUEST |
                               ATTNRT_FEATURE_SLIDING_WINDOW | ATTNRT_FEATURE_SINKS | ATTNRT_FEATURE_LSE |
                               ATTNRT_FEATURE_COMMON_PREFIX;

/// The measured size that speaks for this one, 0 = none.
uint32_t measured_size(uint32_t head_size) {
  for (const uint32_t size : {64u, 128u, 256u})
    if (head_size <= size) return head_size > size / 2 ? size : 0;
  return 0;
}

}  // namespace

std::optional<TunedClass> tuned_class(const attnrt_problem& p) {
  if (p.device_type != ATTNRT_DEVICE_CPU || p.device_id < 0) return std::nullopt;
  if (p.determinism >= ATTNRT_DETERMINISM_BATCH_INVARIANT || (p.features & ~kSameWork)) return std::nullopt;
  if (p.attn_type != ATTNRT_ATTN_DECODER || p.decode_query_len > 1 || p.cp_size > 1) return std::nullopt;
  if (p.kv_dtype != p.q_dtype || p.out_dtype != p.q_dtype) return std::nullopt;
  if (p.q_dtype != ATTNRT_FP32 && p.q_dtype != ATTNRT_FP16 && p.q_dtype != ATTNRT_BF16) return std::nullopt;
  TunedClass out{p.family, p.phase, p.q_dtype, 0, 0};
  if (p.family == ATTNRT_FAMILY_MLA) {
    out.head_size = p.head_size_qk;
    if (p.phase != ATTNRT_PHASE_DECODE || p.head_size_qk != 576 || p.head_size_v != 512) return std::nullopt;
    return out;
  }
  if (p.phase != ATTNRT_PHASE_PREFILL && p.phase != ATTNRT_PHASE_DECODE && p.phase != ATTNRT_PHASE_MIXED)
    return std::nullopt;
  if (p.mla_kv_lora != 0 || p.head_size_qk != p.head_size_v || p.num_kv_heads == 0) return std::nullopt;
  out.head_size = measured_size(p.head_size_qk);
  if (out.head_size == 0) return std::nullopt;
  const uint32_t group = p.num_heads / p.num_kv_heads;
  out.gqa_group = group <= 1 ? 1 : group <= 4 ? 4 : 8;
  return out;
}

std::string describe(const TunedClass& t) {
  std::string out = t.family == ATTNRT_FAMILY_MLA ? "MLA " : "";
  out += std::string(name_of(words::phases, t.phase)) + ", " + name_of(words::dtypes, t.dtype);
  out += ", head size " + std::to_string(t.head_size);
  if (t.gqa_group == 1) return out + ", a KV head for each query head";
  return out + (t.gqa_group ? ", " + std::to_string(t.gqa_group) + " query heads a KV head" : "");
}

uint32_t first_layout(uint32_t kv_layouts) noexcept {
  for (const uint32_t layout : {ATTNRT_KV_NATIVE, ATTNRT_KV_NHD, ATTNRT_KV_HND, ATTNRT_KV_PACKED, ATTNRT_KV_XPACKED,
                                ATTNRT_KV_MLA_LATENT, ATTNRT_KV_FP8_DS_MLA, ATTNRT_KV_CONTIGUOUS})
    if (kv_layouts & layout) return layout;
  return 0;
}

}  // namespace attnrt::core
