// SPDX-License-Identifier: Apache-2.0
#include "problem_flags.hpp"

#include "setting_flag.hpp"

namespace attnrt::cli {
namespace {

constexpr uint32_t kSparseTopk = 2048;  // of DeepSeek V3.2

uint32_t size(const MaybeSetting& setting, int64_t high, uint32_t otherwise) {
  return setting ? static_cast<uint32_t>(whole(*setting, 1, high)) : otherwise;
}

/// Latent decode reads one head of kv_lora + rope that all query heads share; prefill has keys and values of its own.
void set_mla(attnrt_problem& p, const ProblemFlags& flags) {
  const bool prefill = p.phase == ATTNRT_PHASE_PREFILL;
  const uint32_t rope = flags.mla_sizes.rope;
  p.mla_kv_lora = flags.mla_sizes.kv_lora;
  p.mla_nope = flags.mla_sizes.nope;
  p.mla_rope = rope;
  p.mla_v = flags.mla_sizes.v;
  p.num_heads = size(flags.num_heads, 65536, 128);
  p.num_kv_heads = size(flags.num_kv_heads, 65536, prefill ? p.num_heads : 1);
  if (prefill) {
    p.head_size_qk = size(flags.head_size, 65536, p.mla_nope + p.mla_rope);
    p.head_size_v = size(flags.head_size_v, 65536, p.mla_v);
    p.mla_nope = p.head_size_qk > rope ? p.head_size_qk - rope : p.head_size_qk;
    p.mla_v = p.head_size_v;
    p.features |= ATTNRT_FEATURE_LSE;
    p.kv_layouts = ATTNRT_KV_CONTIGUOUS;
    return;
  }
  p.family = ATTNRT_FAMILY_MLA;
  p.head_size_qk = size(flags.head_size, 65536, p.mla_kv_lora + p.mla_rope);
  p.head_size_v = size(flags.head_size_v, 65536, p.head_size_qk > rope ? p.head_size_qk - rope : 1);
  p.mla_kv_lora = p.head_size_v;
  p.mla_rope = p.head_size_qk > p.head_size_v ? p.head_size_qk - p.head_size_v : 0;
}

void set_standard(attnrt_problem& p, const ProblemFlags& flags) {
  p.head_size_qk = size(flags.head_size, 65536, p.head_size_qk);
  p.head_size_v = size(flags.head_size_v, 65536, p.head_size_qk);
  // Whoever names the query heads alone means a model without groups.
  const uint32_t kv_heads = flags.num_heads ? 0 : p.num_kv_heads;
  p.num_heads = size(flags.num_heads, 65536, p.num_heads);
  p.num_kv_heads = size(flags.num_kv_heads, 65536, kv_heads ? kv_heads : p.num_heads);
}

void set_window(attnrt_problem& p, const Setting& setting) {
  const auto reach = static_cast<int32_t>(whole(setting, 1, INT32_MAX)) - 1;
  p.window_left = reach;
  p.window_right = p.attn_type == ATTNRT_ATTN_DECODER ? 0 : reach;
}

}  // namespace

void add_problem_flags(CLI::App& verb, ProblemFlags& flags) {
  const auto value = [&verb](const char* name, const char* type, MaybeSetting& to, const char* help) {
    add_setting(verb, name, type, to, help)->group("The problem");
  };
  const auto flag = [&verb](const char* name, bool& to, const char* help) {
    verb.add_flag(name, to, help)->group("The problem");
  };
  const auto truth_flag = [&verb](const char* name, MaybeSetting& to, const char* said, const char* help) {
    verb.add_flag_function(
            name,
            [name, said, &to](int64_t) {
              to = Setting{said, name};
            },
            help)
        ->group("The problem");
  };
  value(
      "--device", "DEV", flags.device,
      "cpu, cuda:0 (a real one), cpu:avx2, cpu:amd:avx2, cuda:9.0 or rocm:gfx942 (need not be here); default: cuda:0, "
      "rocm:0 or cpu, the first that is here");
  value("--dtype", "TYPE", flags.dtype, "of q, k, v and the output: fp32, fp16, bf16 (default), fp8_e4m3, fp8_e5m2");
  value("--kv-cache-dtype", "TYPE", flags.kv_cache_dtype, "of the cache: auto (default, as --dtype) or a dtype");
  value("--head-size", "N", flags.head_size, "of q and k: 128");
  value("--head-size-v", "N", flags.head_size_v, "of v where it differs");
  value("--num-heads", "N", flags.num_heads, "query heads: 32, with --mla 128");
  value("--num-kv-heads", "N", flags.num_kv_heads, "KV heads: 8; with --num-heads alone, as many");
  value("--block-size", "N", flags.block_size, "tokens in a block of the cache; default: what the backend likes best");
  value("--kv-layout", "NAME", flags.kv_layout,
        "of the cache: nhd, hnd, native or contiguous (no cache); default: any");
  value("--attn-type", "NAME", flags.attn_type, "decoder (default), encoder, encoder_only, encoder_decoder");
  value("--phase", "NAME", flags.phase, "prefill, decode or mixed (default; encoders: prefill)");
  value("--sliding-window", "N", flags.sliding_window,
        "decoder: keys a query sees at most, its own included; else N - 1 on each side");
  value("--softcap", "X", flags.softcap, "scores become X * tanh(score / X)");
  value("--decode-query-len", "N", flags.decode_query_len,
        "query tokens of a decoding request, drafts included; default 1");
  value("--dcp-size", "N", flags.dcp_size, "ranks of decode context parallelism");
  truth_flag("--mla", flags.mla, "true", "multi-head latent attention, 576/512 (with --phase prefill 192/128)");
  truth_flag("--causal", flags.causal, "true", "a query sees no later key; default for decoders");
  truth_flag("--non-causal", flags.causal, "false", "a query sees all keys");
  verb.get_option("--non-causal")->excludes("--causal");
  flag("--sparse", flags.sparse, "top-k sparse attention");
  flag("--sink", flags.sink, "attention sinks: one more logit a head");
  flag("--mm-prefix", flags.mm_prefix, "multimodal prefix ranges seen both ways");
  flag("--alibi", flags.alibi, "ALiBi slopes");
  flag("--tree-mask", flags.tree_mask, "tree masks of speculative decoding");
  flag("--dense-mask", flags.dense_mask, "a mask or bias for each query and key");
  flag("--block-sparse", flags.block_sparse, "a block-sparse pattern");
  flag("--attention-free", flags.attention_free, "a model without attention layers");
  flag("--lse", flags.lse, "the log-sum-exp beside the output");
  flag("--batch-invariant", flags.batch_invariant, "bits that do not depend on the rest of the batch");
}

attnrt_problem to_problem(const Runtime& runtime, const ProblemFlags& flags) {
  attnrt_problem p = runtime.problem(flags.device ? flags.device->text.c_str() : nullptr);
  if (flags.dtype) {
    p.q_dtype = p.kv_dtype = p.out_dtype = element_type(*flags.dtype);
    if (p.q_dtype > ATTNRT_BF16) p.out_dtype = ATTNRT_BF16;
  }
  if (flags.kv_cache_dtype && lower(flags.kv_cache_dtype->text) != "auto")
    p.kv_dtype = element_type(*flags.kv_cache_dtype);
  // "fp8" alone is the format that the device multiplies.
  if (p.kv_dtype == ATTNRT_FP8_E4M3 && flags.kv_cache_dtype && lower(flags.kv_cache_dtype->text) == "fp8" &&
      p.device_type == ATTNRT_DEVICE_ROCM && p.arch < 0x950)
    p.kv_dtype = ATTNRT_FP8_E4M3FNUZ;
  if (flags.attn_type) p.attn_type = word(*flags.attn_type, sdk::words::attn_types);
  const bool encoder = p.attn_type == ATTNRT_ATTN_ENCODER || p.attn_type == ATTNRT_ATTN_ENCODER_ONLY;
  const bool causal = flags.causal ? truth(*flags.causal) : p.attn_type == ATTNRT_ATTN_DECODER;
  p.causal = causal ? ATTNRT_CAUSAL_ALWAYS : ATTNRT_CAUSAL_NEVER;
  p.phase = encoder ? ATTNRT_PHASE_PREFILL : ATTNRT_PHASE_MIXED;
  if (flags.phase) p.phase = word(*flags.phase, sdk::words::phases);
  p.kv_layouts = encoder ? ATTNRT_KV_CONTIGUOUS : 0;
  p.features = 0;
  if (flags.mla && truth(*flags.mla)) {
    set_mla(p, flags);
  } else {
    set_standard(p, flags);
  }
  if (flags.kv_layout)
    p.kv_layouts = word(*flags.kv_layout, {{"nhd", ATTNRT_KV_NHD},
                                           {"hnd", ATTNRT_KV_HND},
                                           {"native", ATTNRT_KV_NATIVE},
                                           {"contiguous", ATTNRT_KV_CONTIGUOUS}});
  p.block_size = size(flags.block_size, 1 << 20, 0);
  if (flags.sliding_window) set_window(p, *flags.sliding_window);
  if (flags.softcap) p.softcap = static_cast<float>(number(*flags.softcap, 0));
  if (flags.decode_query_len) p.decode_query_len = size(flags.decode_query_len, 1 << 20, 1);
  if (flags.attention_free) p.num_heads = p.num_kv_heads = 0;
  if (flags.dcp_size) p.cp_size = size(flags.dcp_size, 4096, 1);
  if (p.cp_size > 1) p.cp_interleave = 1;
  if (flags.sparse) p.sparse_topk = kSparseTopk;
  if (flags.batch_invariant) p.determinism = ATTNRT_DETERMINISM_BATCH_INVARIANT;
  const std::pair<bool, uint64_t> bits[] = {{flags.sink, ATTNRT_FEATURE_SINKS},
                                            {flags.mm_prefix, ATTNRT_FEATURE_MM_PREFIX},
                                            {flags.alibi, ATTNRT_FEATURE_ALIBI},
                                            {flags.tree_mask, ATTNRT_FEATURE_TREE_MASK},
                                            {flags.dense_mask, ATTNRT_FEATURE_DENSE_MASK},
                                            {flags.block_sparse, ATTNRT_FEATURE_BLOCK_SPARSE},
                                            {flags.lse, ATTNRT_FEATURE_LSE}};
  for (const auto& [given, bit] : bits)
    if (given) p.features |= bit;
  return p;
}

}  // namespace attnrt::cli
