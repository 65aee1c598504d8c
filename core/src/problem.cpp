// SPDX-License-Identifier: Apache-2.0
#include "problem.hpp"

#include "attnrt/check.hpp"
#include "attnrt/flex/canonical.hpp"
#include "words.hpp"

namespace attnrt::core {

attnrt_problem default_problem(const Device& device) {
  attnrt_problem p{};
  p.struct_size = sizeof p;
  p.device_type = device.type;
  p.device_id = device.id;
  p.arch = device.arch;
  p.isa = device.isa;
  p.family = ATTNRT_FAMILY_STANDARD;
  p.attn_type = ATTNRT_ATTN_DECODER;
  p.phase = ATTNRT_PHASE_MIXED;
  p.q_dtype = p.kv_dtype = p.out_dtype = ATTNRT_BF16;
  p.num_heads = 32;
  p.num_kv_heads = 8;
  p.head_size_qk = 128;  // head_size_v follows
  p.window_left = p.window_right = -1;
  p.causal = ATTNRT_CAUSAL_ALWAYS;
  p.provides = ATTNRT_HOST_LENGTHS | ATTNRT_HOST_LENGTHS_UPPER_BOUND;
  p.decode_query_len = 1;
  return p;
}

namespace {

bool is_encoder(const attnrt_problem& p) {
  return p.attn_type == ATTNRT_ATTN_ENCODER || p.attn_type == ATTNRT_ATTN_ENCODER_ONLY;
}

uint32_t usual_layouts(const attnrt_problem& p) {
  constexpr uint32_t paged = ATTNRT_KV_NHD | ATTNRT_KV_HND | ATTNRT_KV_PACKED | ATTNRT_KV_XPACKED | ATTNRT_KV_NATIVE;
  if (p.family == ATTNRT_FAMILY_MLA) return ATTNRT_KV_MLA_LATENT | ATTNRT_KV_FP8_DS_MLA | ATTNRT_KV_NATIVE;
  if (is_mla_prefill(p) || is_encoder(p)) return ATTNRT_KV_CONTIGUOUS;
  return paged;
}

Status check_flex(const attnrt_problem& p) {
  if (!(p.features & ATTNRT_FEATURE_FLEX)) return {};
  if (!p.flex) return invalid("problem: features has flex and flex is NULL, wanted a program");
  if (p.flex->struct_size < sdk::base_size<attnrt_flex_program> || !p.flex->bytes)
    return invalid("problem: flex has struct_size " + std::to_string(p.flex->struct_size) + ", wanted at least " +
                   std::to_string(sdk::base_size<attnrt_flex_program>) + " and its bytes");
  flex::Program program;
  std::string why = flex::read_canonical({p.flex->bytes, static_cast<std::size_t>(p.flex->num_bytes)}, program);
  if (why.empty() && program.buffers.size() != p.flex->num_buffers)
    why = "flex.num_buffers is " + std::to_string(p.flex->num_buffers) + ", wanted the program's " +
          std::to_string(program.buffers.size());
  return why.empty() ? Status{} : invalid("problem: " + why);
}

}  // namespace

Result<attnrt_problem> complete(attnrt_problem p) {
  // Of latent attention there is no encoder at all, which selection says with its reasons.
  if (is_encoder(p) && p.family == ATTNRT_FAMILY_STANDARD && p.causal == ATTNRT_CAUSAL_ALWAYS)
    return invalid(std::string("problem: attn_type is ") + name_of(words::attn_types, p.attn_type) +
                   " and causal is always, wanted causal never: a token of an encoder sees all others");
  if (p.head_size_v == 0)
    p.head_size_v = p.family == ATTNRT_FAMILY_MLA ? p.mla_kv_lora : is_mla_prefill(p) ? p.mla_v : p.head_size_qk;
  if (p.causal == ATTNRT_CAUSAL_ALWAYS) p.features |= ATTNRT_FEATURE_CAUSAL;
  if (p.causal == ATTNRT_CAUSAL_NEVER) p.features |= ATTNRT_FEATURE_NON_CAUSAL;
  if (p.causal == ATTNRT_CAUSAL_PER_REQUEST) p.features |= ATTNRT_FEATURE_CAUSAL_PER_REQUEST;
  if (p.window_left >= 0 || p.window_right >= 0) p.features |= ATTNRT_FEATURE_SLIDING_WINDOW;
  if (p.softcap > 0) p.features |= ATTNRT_FEATURE_SOFTCAP;
  if (p.family == ATTNRT_FAMILY_STANDARD && p.head_size_qk != p.head_size_v) p.features |= ATTNRT_FEATURE_DIFF_KV;
  if (p.cp_size > 1) p.features |= ATTNRT_FEATURE_CONTEXT_PARALLEL | ATTNRT_FEATURE_LSE;
  if (p.sparse_topk > 0) p.features |= ATTNRT_FEATURE_SPARSE_TOPK;
  if (is_mla_prefill(p)) p.features |= ATTNRT_FEATURE_LSE;
  if (!(p.features & ATTNRT_FEATURE_FLEX)) p.flex = nullptr;  // whoever does not know it has not written it
  if (Status broken = check_flex(p); !broken.ok()) return broken;
  if (p.decode_query_len == 0) p.decode_query_len = 1;
  if (p.kv_layouts == 0) p.kv_layouts = usual_layouts(p);

  sdk::DiagSink said;
  if (!sdk::check_problem(sdk::Diag(said.get()), p)) return invalid("problem: " + said.text());
  return p;
}

attnrt_problem mla_prefill_half(const attnrt_problem& mla) {
  attnrt_problem p = mla;
  p.family = ATTNRT_FAMILY_STANDARD;
  p.phase = ATTNRT_PHASE_PREFILL;
  p.kv_layouts = ATTNRT_KV_CONTIGUOUS;
  p.block_size = 0;
  p.num_kv_heads = p.num_heads;
  p.head_size_qk = mla.mla_nope + mla.mla_rope;
  p.head_size_v = mla.mla_v;
  p.kv_dtype = mla.q_dtype;  // up-projected keys and values have the model's dtype whatever the cache holds
  // Cached context is attended without a mask and merged, new tokens causally; indices and latent rows are decode's.
  p.flex = nullptr;
  p.features &=
      ~(ATTNRT_FEATURE_FLEX | ATTNRT_FEATURE_SPARSE_TOPK | ATTNRT_FEATURE_SPLIT_Q | ATTNRT_FEATURE_KV_SCALES |
        ATTNRT_FEATURE_PER_HEAD_SCALES | ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES | ATTNRT_FEATURE_CONTEXT_PARALLEL);
  p.features |= ATTNRT_FEATURE_LSE | ATTNRT_FEATURE_NON_CAUSAL;
  if (p.head_size_qk != p.head_size_v) p.features |= ATTNRT_FEATURE_DIFF_KV;
  p.sparse_topk = 0;
  p.cp_size = p.cp_rank = p.cp_interleave = 0;
  return p;
}

std::string describe(const attnrt_problem& p) {
  const std::string arch = arch_name(p.device_type, p.arch);
  std::string out = name_of(words::devices, static_cast<uint64_t>(p.device_type));
  if (!arch.empty()) out += " (" + arch + ")";
  out += " with head_size=" + std::to_string(p.head_size_qk);
  if (p.head_size_v && p.head_size_v != p.head_size_qk) out += ", head_size_v=" + std::to_string(p.head_size_v);
  out += std::string(", dtype=") + name_of(words::dtypes, p.q_dtype);
  out += std::string(", kv_cache_dtype=") + (p.kv_dtype == p.q_dtype ? "auto" : name_of(words::dtypes, p.kv_dtype));
  out += ", block_size=" + (p.block_size ? std::to_string(p.block_size) : std::string("any"));
  out += ", num_heads=" + std::to_string(p.num_heads) + ", num_kv_heads=" + std::to_string(p.num_kv_heads);
  out += std::string(", family=") + (is_mla_prefill(p) ? "mla prefill" : name_of(words::families, p.family));
  out += std::string(", attn_type=") + name_of(words::attn_types, p.attn_type);
  out += std::string(", phase=") + name_of(words::phases, p.phase);
  out += ", features=[" + join(names_of(words::features, p.features)) + "]";
  if (p.determinism) out += std::string(", determinism=") + name_of(words::determinism, p.determinism);
  return out;
}

}  // namespace attnrt::core
