// SPDX-License-Identifier: Apache-2.0
// A capability sheet and a problem made from bytes. Matching says the same each time, agrees reason by reason with what
// plugin.h says of each field, written down here a second time, and has words for every refusal.
#include "match.hpp"

#include <vector>

#include "attnrt/check.hpp"
#include "target.hpp"

namespace sdk = attnrt::sdk;
namespace core = attnrt::core;
using fuzz::Bytes;
using fuzz::promise;

namespace {

struct Sheet {
  attnrt_caps caps{};
  attnrt_sizes blocks{}, heads{}, heads_v{};
  std::vector<uint32_t> lists[3], archs;

  explicit Sheet(Bytes& in) {
    caps.struct_size = sizeof caps;
    static constexpr int32_t devices[] = {ATTNRT_DEVICE_CPU, ATTNRT_DEVICE_CUDA, ATTNRT_DEVICE_ROCM};
    caps.device_type = devices[in.below(3)];
    for (uint32_t n = in.below(3) * 2; n > 0; --n) archs.push_back(in.number());
    caps.arch_ranges = archs.empty() ? nullptr : archs.data();
    caps.num_arch_ranges = static_cast<uint32_t>(archs.size() / 2);
    caps.families = in.take<uint8_t>() & ATTNRT_FAMILIES_ALL_;
    caps.isa = in.take<uint16_t>() & ATTNRT_ISA_ALL_;
    caps.features = in.take<uint32_t>() & ATTNRT_FEATURES_ALL_;
    caps.needs = in.take<uint8_t>() & ATTNRT_PROVIDES_ALL_;
    caps.q_dtypes = in.take<uint8_t>();
    caps.kv_dtypes = in.take<uint8_t>();
    caps.out_dtypes = in.take<uint8_t>();
    caps.attn_types = in.take<uint8_t>() & ATTNRT_ATTN_ALL_;
    caps.phases = in.take<uint8_t>() & ATTNRT_PHASES_ALL_;
    caps.kv_layouts = in.take<uint8_t>();
    caps.gqa_group_max = in.number();
    caps.decode_query_max = in.below(4);
    caps.determinism = in.below(4);
    caps.graph_level = in.below(4);
    caps.impl = "own";
    int list = 0;
    for (attnrt_sizes* s : {&blocks, &heads, &heads_v}) {
      s->struct_size = sizeof *s;
      for (uint32_t n = in.below(5); n > 0; --n) lists[list].push_back(in.number());
      s->list = lists[list].empty() ? nullptr : lists[list].data();
      s->list_count = static_cast<uint32_t>(lists[list++].size());
      s->multiple = in.number();
      s->min = in.number();
      s->max = in.number();
    }
    caps.block_sizes = &blocks;
    caps.head_sizes = &heads;
    caps.head_sizes_v = in.below(2) ? &heads_v : nullptr;
  }
  Sheet(const Sheet&) = delete;
  Sheet& operator=(const Sheet&) = delete;
};

attnrt_problem make_problem(Bytes& in) {
  attnrt_problem p{};
  p.struct_size = sizeof p;
  if (in.below(8) == 0) {  // anything at all
    p = in.take<attnrt_problem>();
    p.struct_size = sizeof p;
    p.block_size = in.number();
    return p;
  }
  static constexpr int32_t devices[] = {ATTNRT_DEVICE_CPU, ATTNRT_DEVICE_CUDA, ATTNRT_DEVICE_ROCM};
  p.device_type = devices[in.below(3)];
  p.arch = in.number();
  p.family = 1u << in.below(2);
  p.isa = in.take<uint16_t>() & ATTNRT_ISA_ALL_;
  p.features = in.take<uint32_t>() & ATTNRT_FEATURES_ALL_;
  p.attn_type = 1u << in.below(4);
  p.phase = 1u << in.below(3);
  p.q_dtype = in.below(ATTNRT_DTYPE_COUNT_);
  p.kv_dtype = in.below(ATTNRT_DTYPE_COUNT_);
  p.out_dtype = in.below(ATTNRT_DTYPE_COUNT_);
  p.kv_layouts = in.take<uint8_t>();
  p.block_size = in.number();
  p.num_kv_heads = 1 + in.below(8);
  p.num_heads = p.num_kv_heads * (1 + in.below(8));
  p.head_size_qk = in.number();
  p.head_size_v = in.below(2) ? p.head_size_qk : in.number();
  p.mla_kv_lora = p.head_size_v;
  p.mla_rope = p.head_size_qk - p.head_size_v;
  p.window_left = static_cast<int32_t>(in.below(4)) - 1;
  p.window_right = static_cast<int32_t>(in.below(4)) - 1;
  p.softcap = in.below(2) ? 30.0f : 0.0f;
  p.causal = in.below(3);
  p.provides = in.take<uint8_t>() & ATTNRT_PROVIDES_ALL_;
  p.decode_query_len = in.below(4);
  p.determinism = in.below(4);
  p.graph_level = in.below(4);
  p.cp_size = in.below(3);
  p.cp_interleave = 1;
  return p;
}

bool admitted(const attnrt_sizes& s, uint64_t value) {
  for (uint32_t i = 0; i < s.list_count; ++i)
    if (s.list[i] == value) return true;
  if (s.multiple == 0) return false;
  return value % s.multiple == 0 && value >= s.min && (s.max == 0 || value <= s.max);
}

/// By trying every block from the largest down.
uint32_t largest_block(const attnrt_sizes& s, uint32_t value) {
  for (uint32_t d = value; d > 0; --d)
    if (value % d == 0 && admitted(s, d)) return d;
  return 0;
}

bool holds(uint32_t mask, uint32_t index) {
  for (uint32_t i = 0; i < 32; ++i)
    if (i == index) return (mask & (1u << i)) != 0;
  return false;
}

/// The reason that a feature's absence is reported under.
attnrt_why reason_of(int bit) {
  switch (uint64_t{1} << bit) {
    case ATTNRT_FEATURE_NON_CAUSAL:
    case ATTNRT_FEATURE_CAUSAL_PER_REQUEST: return ATTNRT_WHY_NON_CAUSAL;
    case ATTNRT_FEATURE_SLIDING_WINDOW:
    case ATTNRT_FEATURE_WINDOW_PREFIX: return ATTNRT_WHY_SLIDING_WINDOW;
    case ATTNRT_FEATURE_SOFTCAP: return ATTNRT_WHY_SOFTCAP;
    case ATTNRT_FEATURE_ALIBI:
    case ATTNRT_FEATURE_ALIBI_SQRT: return ATTNRT_WHY_ALIBI;
    case ATTNRT_FEATURE_SINKS: return ATTNRT_WHY_SINKS;
    case ATTNRT_FEATURE_DENSE_MASK: return ATTNRT_WHY_DENSE_MASK;
    case ATTNRT_FEATURE_TREE_MASK: return ATTNRT_WHY_TREE_MASK;
    case ATTNRT_FEATURE_MM_PREFIX: return ATTNRT_WHY_MM_PREFIX;
    case ATTNRT_FEATURE_BLOCK_SPARSE: return ATTNRT_WHY_BLOCK_SPARSE;
    case ATTNRT_FEATURE_SPARSE_TOPK: return ATTNRT_WHY_SPARSE;
    case ATTNRT_FEATURE_LSE: return ATTNRT_WHY_LSE;
    case ATTNRT_FEATURE_KV_SCALES: return ATTNRT_WHY_KV_CACHE_DTYPE;
    case ATTNRT_FEATURE_PER_HEAD_SCALES:
    case ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES: return ATTNRT_WHY_PER_HEAD_SCALES;
    case ATTNRT_FEATURE_DIFF_KV: return ATTNRT_WHY_DIFF_KV;
    case ATTNRT_FEATURE_CONTEXT_PARALLEL: return ATTNRT_WHY_CONTEXT_PARALLEL;
    case ATTNRT_FEATURE_OUTPUT_QUANT: return ATTNRT_WHY_OUTPUT_QUANT;
    case ATTNRT_FEATURE_COMMON_PREFIX: return ATTNRT_WHY_COUNT_;  // a hint: the result is the same without
    default: return ATTNRT_WHY_FEATURE;
  }
}

/// What plugin.h says, field by field.
bool refused(attnrt_why why, const attnrt_caps& c, const attnrt_problem& p) {
  for (int bit = 0; bit < 64; ++bit)
    if ((p.features >> bit & 1) && !(c.features >> bit & 1) && reason_of(bit) == why) return true;
  const attnrt_sizes& v = c.head_sizes_v ? *c.head_sizes_v : *c.head_sizes;
  switch (why) {
    case ATTNRT_WHY_HEAD_SIZE: return !(admitted(*c.head_sizes, p.head_size_qk) && admitted(v, p.head_size_v));
    case ATTNRT_WHY_DTYPE: return !(holds(c.q_dtypes, p.q_dtype) && holds(c.out_dtypes, p.out_dtype));
    case ATTNRT_WHY_KV_CACHE_DTYPE: return !holds(c.kv_dtypes, p.kv_dtype);
    case ATTNRT_WHY_BLOCK_SIZE: {
      const bool paged = (p.kv_layouts & ~ATTNRT_KV_CONTIGUOUS) != 0;
      return paged && p.block_size > 0 && sdk::kernel_block(*c.block_sizes, p.block_size) == 0;  // itself checked below
    }
    case ATTNRT_WHY_FAMILY: return (c.families & p.family) == 0;
    case ATTNRT_WHY_SPARSE:
      return (c.features & ATTNRT_FEATURE_SPARSE_TOPK) && !(p.features & ATTNRT_FEATURE_SPARSE_TOPK);
    case ATTNRT_WHY_ARCH: {
      if (c.device_type != p.device_type) return true;
      for (uint32_t i = 0; i < c.num_arch_ranges; ++i)
        if (c.arch_ranges[2 * i] <= p.arch && p.arch <= c.arch_ranges[2 * i + 1]) return false;
      return c.num_arch_ranges > 0;
    }
    case ATTNRT_WHY_ISA: return c.device_type == p.device_type && (c.isa | p.isa) != p.isa;
    case ATTNRT_WHY_ATTN_TYPE: return (c.attn_types & p.attn_type) == 0;
    case ATTNRT_WHY_BATCH_INVARIANCE: return c.determinism < p.determinism;
    case ATTNRT_WHY_PHASE: return (c.phases & p.phase) == 0;
    case ATTNRT_WHY_DECODE_QUERY_LEN:
      return p.phase != ATTNRT_PHASE_PREFILL && c.decode_query_max && c.decode_query_max < p.decode_query_len;
    case ATTNRT_WHY_KV_LAYOUT: return (c.kv_layouts & p.kv_layouts) == 0;
    case ATTNRT_WHY_GQA_GROUP:
      return c.gqa_group_max && p.num_kv_heads && p.num_heads / p.num_kv_heads > c.gqa_group_max;
    case ATTNRT_WHY_GRAPH_LEVEL: return c.graph_level < p.graph_level;
    case ATTNRT_WHY_HOST_LENGTHS: return (c.needs | p.provides) != p.provides;
    default: return false;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  Bytes in(data, size);
  const Sheet sheet(in);
  const attnrt_problem p = make_problem(in);
  const attnrt_caps& caps = sheet.caps;

  for (const attnrt_sizes* sizes : {&sheet.blocks, &sheet.heads, &sheet.heads_v})
    for (const uint32_t value : {p.block_size, p.head_size_qk, p.head_size_v})
      promise(sdk::admits(*sizes, value) == admitted(*sizes, value), "a size is admitted as the sheet says");
  for (const uint32_t value : {p.block_size, p.head_size_qk}) {
    const uint32_t block = sdk::kernel_block(sheet.blocks, value);
    promise(block == 0 || (value % block == 0 && admitted(sheet.blocks, block)),
            "a kernel block is admitted and divides the manager's");
    if (value <= 1024) promise(block == largest_block(sheet.blocks, value), "a kernel block is the largest there is");
  }

  const sdk::WhySet whys = sdk::refusals(caps, p);
  promise(whys == sdk::refusals(caps, p), "matching says the same each time");
  promise(whys >> ATTNRT_WHY_COUNT_ == 0, "every reason is a known one");
  for (attnrt_why why = 0; why < ATTNRT_WHY_COUNT_; ++why)
    promise(((whys >> why & 1) != 0) == refused(why, caps, p), "the reasons are those of plugin.h",
            core::why_code(why));

  attnrt_variant variant{};
  variant.struct_size = sizeof variant;
  variant.name = "made";
  variant.caps = &caps;
  const core::Match match = core::match(variant, p);
  promise(match.sheet == whys && match.by_plugin == 0 && match.ok() == (whys == 0), "the core matches as the SDK does");
  struct Sink {
    std::string text;
    int count = 0;
  } sink;
  const attnrt_diag diag{sizeof diag, 0, &sink, [](void* self, attnrt_why, const char* text) {
                           static_cast<Sink*>(self)->text = text;
                           ++static_cast<Sink*>(self)->count;
                         }};
  const bool whole = sdk::check_problem(sdk::Diag(&diag), p);
  promise(sink.count == (whole ? 0 : 1), "a broken problem gets one sentence, a whole one none");
  if (!whole) fuzz::promise_sentence(sink.text);
  const auto texts = core::refusal_texts(match, variant, p);
  promise(texts.size() == static_cast<std::size_t>(match.count()), "every refusal has its words");
  for (const core::Refusal& r : texts)
    promise(!r.text.empty() && (!whole || !r.detail.empty()), "a refusal says what was asked and offered",
            core::why_code(r.why));
  return 0;
}
