// SPDX-License-Identifier: Apache-2.0
//
// A fixture plugin: the tables that sheets.py made from the fact files (ATTNRT_SHEETS), and the combination rules of
// backends_2026.json as supports().
#include <string>
#include <string_view>

#include "sheet.hpp"

namespace attnrt::tests {
namespace {

using sdk::make_backend;
using sdk::make_plugin;

bool mla_prefill(const attnrt_problem& p) { return p.family == ATTNRT_FAMILY_STANDARD && p.mla_kv_lora != 0; }

#ifdef ATTNRT_SHEETS_2026
bool eight_bit(const attnrt_problem& p) { return p.kv_dtype >= ATTNRT_FP8_E4M3; }
bool fp8_ds_mla(const attnrt_problem& p) {
  return (p.kv_layouts & ATTNRT_KV_FP8_DS_MLA) && !(p.kv_layouts & ATTNRT_KV_MLA_LATENT);
}
bool asks(const attnrt_problem& p, uint64_t feature) { return (p.features & feature) != 0; }

/// "{}" in a text stands for `value`.
struct Rule {
  const char* backend;
  const char* variant;  ///< "" = all
  bool (*refuses)(const attnrt_problem&);
  const char* text;
  uint32_t attnrt_problem::*value = nullptr;
};

constexpr const char* kNoFp8 = "FP8 KV cache requires FA3 on SM90 or FA4 on SM100";
constexpr const char* kNoMmPrefix =
    "mm_prefix (PrefixLM bidirectional attention) requires FlashAttention v4, "
    "which does not resolve for this head_size";
constexpr Rule kRules[] = {
    {"FLASH_ATTN", "FA2", [](const attnrt_problem& p) { return asks(p, ATTNRT_FEATURE_SINKS) && p.arch < 90; },
     "sink not supported on compute capability < 9.0"},
    {"FLASH_ATTN", "FA2", &eight_bit, kNoFp8},
    {"FLASH_ATTN", "FA2", [](const attnrt_problem& p) { return asks(p, ATTNRT_FEATURE_MM_PREFIX); }, kNoMmPrefix},
    {"FLASH_ATTN", "FA3", [](const attnrt_problem& p) { return asks(p, ATTNRT_FEATURE_MM_PREFIX); }, kNoMmPrefix},
    {"FLASH_ATTN", "FA4",
     [](const attnrt_problem& p) {
       return p.head_size_qk > 128 && p.head_size_qk != 256 && !(p.head_size_qk == 192 && p.head_size_v == 128);
     },
     "FA4 on SM10x takes head sizes above 128 only as 256 or (192, v 128)"},
    {"TRITON_ATTN", "cuda", [](const attnrt_problem& p) { return eight_bit(p) && p.arch < 89; }, "fp8 KV below SM89"},
    {"FLASHINFER", "native",
     [](const attnrt_problem& p) { return asks(p, ATTNRT_FEATURE_SLIDING_WINDOW) && p.arch / 10 == 9; },
     "SM90 + any sliding-window layer"},
    {"FLASHINFER", "", [](const attnrt_problem& p) { return p.causal == ATTNRT_CAUSAL_NEVER && p.cp_size > 1; },
     "non-causal+DCP"},
    {"CPU_ATTN", "vec", [](const attnrt_problem& p) { return eight_bit(p) && p.head_size_qk % 32 != 0; },
     "fp8 KV needs AVX-512 or AMX and head%32==0"},
    {"FLASHINFER_MLA", "",
     [](const attnrt_problem& p) { return p.mla_nope != 64 && p.mla_nope != 128 && p.mla_nope != 192; },
     "FlashInfer MLA kernel requires qk_nope_head_dim in [64, 128, 192], but got {}", &attnrt_problem::mla_nope},
    {"TOKENSPEED_MLA", "sheet",
     [](const attnrt_problem& p) { return p.mla_nope != 128 || p.mla_rope != 64 || p.mla_v != 128; },
     "tokenspeed_mla requires DeepSeek R1 MLA dimensions (qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128)"},
    {"FLASH_ATTN_MLA", "", [](const attnrt_problem& p) { return p.arch / 10 != 9; },
     "FlashAttention MLA not supported on this device"},
    {"FLASHMLA", "", [](const attnrt_problem& p) { return p.sparse_topk == 0 && p.arch / 10 != 9; },
     "FlashMLA Dense is only supported on Hopper devices."},
    {"FLASHMLA", "",
     [](const attnrt_problem& p) { return p.sparse_topk != 0 && p.arch / 10 != 9 && p.arch / 10 != 10; },
     "FlashMLA Sparse is only supported on Hopper and Blackwell DC devices."},
    {"FLASHINFER_MLA_SPARSE", "", &fp8_ds_mla, "FLASHINFER_MLA_SPARSE SM10 does not support fp8_ds_mla kv-cache dtype"},
    {"FLASHINFER_MLA_SPARSE", "", [](const attnrt_problem& p) { return p.mla_nope != 128 && p.mla_nope != 192; },
     "FlashInfer MLA Sparse kernel requires qk_nope_head_dim in [128, 192], but got {}", &attnrt_problem::mla_nope},
    {"FLASHINFER_MLA_SPARSE", "", [](const attnrt_problem& p) { return p.sparse_topk == 0; },
     "FlashInfer MLA Sparse requires model with index_topk config"},
    {"FLASHINFER_MLA_SPARSE_SM120", "", [](const attnrt_problem& p) { return p.sparse_topk == 0; },
     "FLASHINFER_MLA_SPARSE_SM120 requires a model with index_topk config"},
    {"FLASHINFER_MLA_SPARSE_SM120", "",
     [](const attnrt_problem& p) { return p.sparse_topk != 0 && p.sparse_topk != 2048; },
     "FLASHINFER_MLA_SPARSE_SM120 requires index_topk=2048; got {}", &attnrt_problem::sparse_topk},
    {"FLASH_ATTN_MLA_SPARSE", "", &eight_bit, "FlashAttention MLA Sparse currently supports only FP16/BF16 KV cache"},
    {"FLASH_ATTN_MLA_SPARSE", "", [](const attnrt_problem& p) { return p.arch / 10 != 9; },
     "FlashAttention MLA not supported on this device"},
    {"FLASH_ATTN_MLA_SPARSE", "", [](const attnrt_problem& p) { return p.cp_size > 1; },
     "FlashAttention MLA Sparse does not support DCP for now"},
    {"FLASH_ATTN_MLA_SPARSE", "", [](const attnrt_problem& p) { return p.sparse_topk == 0; },
     "FlashAttention MLA Sparse requires model with index_topk"},
    {"FLASHINFER_MLA_SPARSE_DSV4", "", [](const attnrt_problem& p) { return p.arch / 10 == 10 && fp8_ds_mla(p); },
     "FLASHINFER_MLA_SPARSE_DSV4 SM10x uses the plain per-tensor FP8 KV layout, not fp8_ds_mla"},
    {"FLASHINFER_MLA_SPARSE_DSV4", "", [](const attnrt_problem& p) { return p.arch / 10 != 10 && p.arch / 10 != 12; },
     "FLASHINFER_MLA_SPARSE_DSV4 requires SM10x or SM12x"},
};
#endif

void refuse(const attnrt_diag* diag, attnrt_why why, const std::string& text) {
  diag->add(diag->self, why, text.c_str());
}

bool takes_dims(const Sheet& sheet, const attnrt_problem& p) {
  for (uint32_t i = 0; i < sheet.num_dims; ++i)
    if (sheet.dims[3 * i] == p.mla_nope && sheet.dims[3 * i + 1] == p.mla_rope && sheet.dims[3 * i + 2] == p.mla_v)
      return true;
  return sheet.num_dims == 0;
}

attnrt_status judge(const Sheet& sheet, const attnrt_caps& caps, const attnrt_problem& p, const attnrt_diag* diag) {
  bool refused = false;
  const auto say = [&](attnrt_why why, const std::string& text) {
    refuse(diag, why, text);
    refused = true;
  };
  // "auto" is the model's dtype: a set of dtypes cannot say so by itself.
  if ((caps.kv_dtypes >> p.kv_dtype & 1) && p.kv_dtype != p.q_dtype && !(sheet.kv_explicit >> p.kv_dtype & 1))
    say(ATTNRT_WHY_KV_CACHE_DTYPE, "kv_cache_dtype not supported");
  if (sheet.prefill_only && !mla_prefill(p)) say(ATTNRT_WHY_OTHER, "serves the prefill of MLA alone");
  if (mla_prefill(p) && !takes_dims(sheet, p)) say(ATTNRT_WHY_OTHER, "MLA dimensions not supported");
#ifdef ATTNRT_SHEETS_2026
  const std::string_view backend = sheet.backend, variant = sheet.variant;
  for (const Rule& rule : kRules) {
    if (backend != rule.backend || (*rule.variant && variant != rule.variant) || !rule.refuses(p)) continue;
    std::string text = rule.text;
    if (rule.value) text.replace(text.find("{}"), 2, std::to_string(p.*rule.value));
    say(ATTNRT_WHY_OTHER, text);
  }
#endif
  return refused ? ATTNRT_UNSUPPORTED : ATTNRT_OK;
}

#include ATTNRT_SHEETS

constexpr attnrt_plugin kPlugin = make_plugin(ATTNRT_PLUGIN_NAME, ATTNRT_PLUGIN_VERSION, "", kBackends);

}  // namespace

attnrt_status sheet_supports(const attnrt_variant* variant, const attnrt_problem* problem, const attnrt_diag* diag) {
  return judge(*static_cast<const Sheet*>(variant->self), *variant->caps, *problem, diag);
}

attnrt_status sheet_kv_layout(const attnrt_variant*, const attnrt_problem* problem, attnrt_kv_layout* layout,
                              const attnrt_diag* diag) {
  // Rows of 656 bytes hold e4m3 and nothing else holds it in a cache that offers both.
  const bool packed_rows = problem->kv_layouts == ATTNRT_KV_FP8_DS_MLA;
  if (packed_rows && problem->kv_dtype != ATTNRT_FP8_E4M3) {
    refuse(diag, ATTNRT_WHY_KV_LAYOUT, "fp8_ds_mla holds fp8_e4m3 alone");
    return ATTNRT_UNSUPPORTED;
  }
  layout->kind = problem->kv_layouts;
  layout->id = "sheet";
  layout->block_size = problem->block_size;
  layout->block_bytes = uint64_t{problem->block_size} * 656;
  layout->dtype = problem->kv_dtype;
  return ATTNRT_OK;
}

}  // namespace attnrt::tests

ATTNRT_EXPORT_PLUGIN(attnrt::tests::kPlugin, ATTNRT_PLUGIN_NAME, ATTNRT_PLUGIN_VERSION)
