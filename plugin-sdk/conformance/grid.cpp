// SPDX-License-Identifier: Apache-2.0
#include "conformance/grid.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "attnrt/check.hpp"
#include "conformance/flex_case.hpp"
#include "conformance/pairwise.hpp"
#include "conformance/quantised.hpp"
#include "conformance/random.hpp"

namespace attnrt::conformance {
namespace {

using Lengths = std::vector<Length>;

const std::vector<Lengths>& standard_lengths() {
  static const std::vector<Lengths> all = {
      {{1, 1}},
      {{1, 7}, {1, 213}},
      {{1, 312}},
      {{1, 1328}},
      {{1, 7812}},
      {{1, 15}, {1, 16}, {1, 17}, {1, 31}, {1, 32}, {1, 33}},
      {{1, 63}, {1, 64}, {1, 65}, {1, 127}, {1, 128}, {1, 129}},
      {{1, 255}, {1, 256}, {1, 257}, {1, 511}, {1, 512}, {1, 513}, {1, 1023}, {1, 1025}},
      {{2, 2}, {2, 65}, {2, 300}},
      {{5, 5}},
      {{3, 16}},
      {{134, 5131}},
      {{463, 463}},
      {{2345, 2345}},
      {{1, 523}, {5, 18}, {129, 463}},
      {{992, 2456}, {1, 77}},
      {{15, 15}, {16, 16}, {17, 17}, {31, 47}, {33, 64}},
      {{63, 63}, {64, 64}, {65, 129}, {127, 127}},
      {{129, 257}, {128, 255}},
      {{0, 0}, {1, 9}, {0, 5}, {3, 3}},
      {},
      {{0, 17}, {0, 0}},
      {{5, 3}, {40, 17}, {3, 0}, {4, 9}},
  };
  return all;
}

const std::vector<Lengths>& latent_lengths() {
  static const std::vector<Lengths> all = {
      {{1, 1}},
      {{1, 7}, {1, 213}},
      {{1, 312}},
      {{1, 1328}},
      {{1, 15}, {1, 16}, {1, 17}, {1, 63}, {1, 64}, {1, 65}},
      {{1, 127}, {1, 128}, {1, 129}, {1, 255}, {1, 257}},
      {{2, 2}, {2, 65}, {2, 300}},
      {{1, 523}, {2, 129}},
      {{5, 18}, {1, 40}},
      {{33, 64}},
      {{0, 0}, {1, 9}, {0, 5}},
      {},
      {{1, 7812}},
  };
  return all;
}

// A cache of 8 bits differs in how it is read alone: fewer lengths will do.
const std::vector<Lengths>& narrow_lengths() {
  static const std::vector<Lengths> all = {
      {{1, 1}, {1, 312}},
      {{1, 7}, {1, 213}},
      {{1, 15}, {1, 16}, {1, 17}, {1, 255}, {1, 256}, {1, 257}},
      {{1, 1328}},
      {{1, 7812}},
      {{3, 16}},
      {{463, 463}},
      {{1, 523}, {5, 18}, {129, 463}},
      {{0, 0}, {1, 9}, {0, 5}, {3, 3}},
  };
  return all;
}

// Batches whose requests share so many keys, where a sheet claims to use that.
using Shared = std::pair<int32_t, Lengths>;

const std::vector<Shared>& standard_shared() {
  static const std::vector<Shared> all = {
      {512, {{1, 513}, {1, 900}, {0, 0}, {3, 530}, {1, 512}}},
      {256, {{1, 256}, {1, 257}, {2, 300}, {1, 511}, {5, 700}}},
      {1041, {{1, 1041}, {1, 1300}, {2, 1050}, {1, 2100}}},
      {1024, {{1, 1024}, {40, 1100}, {1, 1025}, {1, 1400}, {4, 1279}}},
      {2065, {{1, 2070}, {1, 2065}, {1, 2066}, {1, 2400}}},
      {512, Lengths(24, {1, 530})},
  };
  return all;
}

const std::vector<Shared>& latent_shared() {
  static const std::vector<Shared> all = {
      {256, {{1, 256}, {1, 257}, {2, 300}, {1, 511}}},
      {270, {{1, 270}, {1, 271}, {2, 300}, {1, 511}}},
      {512, {{1, 513}, {1, 700}, {0, 0}, {2, 530}, {1, 512}}},
      {800, {{1, 801}, {1, 900}, {1, 850}, {1, 800}}},
      {1041, {{1, 1041}, {1, 1300}, {1, 1050}}},
  };
  return all;
}

std::vector<std::pair<uint32_t, uint32_t>> head_sizes(const attnrt_caps& caps, bool all) {
  const attnrt_sizes& qk = *caps.head_sizes;
  const attnrt_sizes& v = caps.head_sizes_v ? *caps.head_sizes_v : qk;
  std::vector<uint32_t> values(qk.list, qk.list + qk.list_count);
  // Where sizes come one by one, some that no vector divides.
  for (const uint32_t size : {1u, 32u, 40u, 64u, 72u, 80u, 96u, 100u, 128u, 192u, 256u, 257u})
    if (qk.multiple && sdk::admits(qk, size)) values.push_back(size);
  for (uint32_t size = qk.min; all && qk.multiple && size <= std::min(qk.max ? qk.max : 256u, 256u); ++size)
    if (sdk::admits(qk, size) && size % 8 == 0) values.push_back(size);
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  std::vector<std::pair<uint32_t, uint32_t>> out;
  for (const uint32_t size : values) {
    if (sdk::admits(v, size)) out.emplace_back(size, size);
    if (!(caps.features & ATTNRT_FEATURE_DIFF_KV)) continue;
    for (const uint32_t other : {64u, 128u, 512u})
      if (other != size && sdk::admits(v, other)) out.emplace_back(size, other);
  }
  return out;
}

// What a point of the grid chooses; the values of each axis.
struct Axes {
  bool latent = false, mla_prefill = false, narrow = false;
  bool shared = false;
  std::vector<Lengths> lengths;
  std::vector<int32_t> prefixes;  ///< keys that are shared, for each of the lengths
  std::vector<std::pair<uint32_t, uint32_t>> heads, sizes;
  std::vector<uint32_t> blocks;
  struct Kinds {
    uint32_t q, kv, out;
  };
  std::vector<Kinds> dtypes;
  struct Store {
    uint32_t layout;
    bool strided, direct;
  };
  std::vector<Store> stores;
  struct Type {
    uint32_t attn_type, causal;
  };
  std::vector<Type> types;
  std::vector<int32_t> windows = {0, 1, 64, 256};
  std::vector<float> softcaps = {0, 5, 50};
  std::vector<bool> sinks = {false, true}, alibi = {false, true}, lse = {false, true};
  std::vector<uint64_t> extras = {0}, scales = {0};
  std::vector<uint32_t> workers = {1, 2, 4};
  std::vector<int32_t> pads = {0, 3};

  std::vector<std::size_t> counts() const {
    return {lengths.size(), heads.size(), sizes.size(),   blocks.size(),   dtypes.size(),
            stores.size(),  types.size(), windows.size(), softcaps.size(), sinks.size(),
            alibi.size(),   lse.size(),   extras.size(),  workers.size(),  pads.size(),
            scales.size()};
  }
};

struct Kind {
  bool latent = false, mla_prefill = false;
  bool narrow = false;  ///< the cache is of 8 bits
  bool shared = false;  ///< requests share keys, and nothing keeps a kernel from using that
};

Axes make_axes(const attnrt_caps& caps, const Kind& kind, bool all) {
  const auto [latent, mla_prefill, narrow, shared] = kind;
  Axes axes;
  axes.latent = latent;
  axes.mla_prefill = mla_prefill;
  axes.narrow = narrow;
  axes.shared = shared;
  if (!shared) axes.lengths = narrow ? narrow_lengths() : latent ? latent_lengths() : standard_lengths();
  axes.prefixes.resize(axes.lengths.size());
  for (const Shared& batch : latent ? latent_shared() : standard_shared()) {
    if (!(caps.features & ATTNRT_FEATURE_COMMON_PREFIX) || (!shared && axes.prefixes.back() > 0)) continue;
    axes.prefixes.push_back(batch.first);
    axes.lengths.push_back(batch.second);
  }
  axes.heads = {{4, 4}, {8, 2}, {9, 3}, {32, 8}, {5, 1}, {2, 1}};
  if (mla_prefill) axes.heads = {{4, 4}, {16, 16}, {1, 1}};
  if (latent) axes.heads = {{16, 1}, {128, 1}};
  axes.sizes = head_sizes(caps, all);
  if (mla_prefill) axes.sizes = {{192, 128}};
  if (latent) axes.sizes = {{576, 512}};
  for (const uint32_t block : {1u, 8u, 16u, 24u, 32u, 64u, 128u, 544u})
    if ((!latent || block == 16 || block == 64) && sdk::admits(*caps.block_sizes, block)) axes.blocks.push_back(block);
  for (uint32_t i = 0; i < caps.block_sizes->list_count; ++i)
    if (std::find(axes.blocks.begin(), axes.blocks.end(), caps.block_sizes->list[i]) == axes.blocks.end())
      axes.blocks.push_back(caps.block_sizes->list[i]);
  if (axes.blocks.empty()) axes.blocks.push_back(0);
  for (const uint32_t q : {ATTNRT_FP32, ATTNRT_FP16, ATTNRT_BF16})
    for (uint32_t kv = narrow ? ATTNRT_FP8_E4M3 : 0; kv < (narrow ? ATTNRT_DTYPE_COUNT_ : ATTNRT_FP8_E4M3); ++kv)
      for (const uint32_t out : {ATTNRT_FP32, ATTNRT_FP16, ATTNRT_BF16})
        if ((caps.q_dtypes >> q & 1u) && (caps.kv_dtypes >> kv & 1u) && (caps.out_dtypes >> out & 1u) &&
            (kv == q || narrow) && (out == q || out == ATTNRT_FP32))
          axes.dtypes.push_back({q, kv, out});
  for (const uint32_t layout :
       {ATTNRT_KV_CONTIGUOUS, ATTNRT_KV_NHD, ATTNRT_KV_HND, ATTNRT_KV_PACKED, ATTNRT_KV_XPACKED,
        ATTNRT_KV_MLA_LATENT, ATTNRT_KV_NATIVE}) {
    const bool paged = layout != ATTNRT_KV_CONTIGUOUS;
    if (!(caps.kv_layouts & layout) || (shared && !paged)) continue;
    axes.stores.push_back({layout, false, false});
    if (layout != ATTNRT_KV_NATIVE) axes.stores.push_back({layout, true, paged});
  }
  for (const uint32_t causal : {ATTNRT_CAUSAL_ALWAYS, ATTNRT_CAUSAL_NEVER, ATTNRT_CAUSAL_PER_REQUEST})
    if (caps.attn_types & ATTNRT_ATTN_DECODER) axes.types.push_back({ATTNRT_ATTN_DECODER, causal});
  for (const uint32_t type : {ATTNRT_ATTN_ENCODER, ATTNRT_ATTN_ENCODER_ONLY, ATTNRT_ATTN_ENCODER_DECODER})
    if (!latent && !mla_prefill && !shared && (caps.attn_types & type))
      axes.types.push_back({type, ATTNRT_CAUSAL_NEVER});
  for (const uint64_t extra :
       {ATTNRT_FEATURE_DENSE_MASK, ATTNRT_FEATURE_TREE_MASK, ATTNRT_FEATURE_MM_PREFIX, ATTNRT_FEATURE_BLOCK_SPARSE,
        ATTNRT_FEATURE_SPARSE_TOPK, ATTNRT_FEATURE_CONTEXT_PARALLEL, ATTNRT_FEATURE_WINDOW_PREFIX,
        ATTNRT_FEATURE_ALIBI_SQRT, ATTNRT_FEATURE_SPLIT_Q, ATTNRT_FEATURE_FLEX})
    if (!shared && (caps.features & extra)) axes.extras.push_back(extra);
  if (shared) {
    axes.windows = {0, 1500};
    axes.alibi = {false};
  }
  if (narrow) {
    axes.windows = {0, 64};
    axes.softcaps = {0, 50};
    for (const uint64_t scale :
         {ATTNRT_FEATURE_KV_SCALES, ATTNRT_FEATURE_PER_HEAD_SCALES, ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES})
      if (caps.features & scale) axes.scales.push_back(scale);
  }
  return axes;
}

// Encoders attend to what they were given; everybody else may have context.
Lengths fit(const Lengths& lengths, uint32_t attn_type) {
  Lengths out = lengths;
  if (attn_type == ATTNRT_ATTN_ENCODER || attn_type == ATTNRT_ATTN_ENCODER_ONLY)
    for (Length& l : out) l.keys = l.query = l.query > 1 ? l.query : std::min(l.keys, 600);
  return out;
}

void set_phase(Case& c, const attnrt_caps& caps) {
  attnrt_problem& p = c.problem;
  int32_t longest = 0, shortest = 1 << 30;
  bool fresh = false;
  for (const Length& l : c.lengths)
    if (l.query > 0) {
      longest = std::max(longest, l.query);
      shortest = std::min(shortest, l.query);
      fresh |= l.query == l.keys && l.query > 1;
    }
  const auto most = static_cast<int32_t>(caps.decode_query_max ? std::min(2u, caps.decode_query_max) : 2u);
  if (longest <= most && !fresh && (caps.phases & ATTNRT_PHASE_DECODE)) {
    p.phase = ATTNRT_PHASE_DECODE;
    p.decode_query_len = static_cast<uint32_t>(std::max(1, longest));
  } else if ((longest > 1 && shortest <= 1) || !(caps.phases & ATTNRT_PHASE_PREFILL)) {
    p.phase = ATTNRT_PHASE_MIXED;
  } else {
    p.phase = ATTNRT_PHASE_PREFILL;
  }
}

Case make_case(const Axes& axes, const Point& point, const attnrt_caps& caps, const GridOptions& options) {
  Case c;
  attnrt_problem& p = c.problem;
  p = empty_problem(options.isa);
  p.device_type = caps.device_type;
  p.arch = options.arch;
  const auto [attn_type, causal] = axes.types[point[6]];
  p.family = axes.latent ? ATTNRT_FAMILY_MLA : ATTNRT_FAMILY_STANDARD;
  p.attn_type = attn_type;
  p.causal = causal;
  p.features = causal == ATTNRT_CAUSAL_ALWAYS  ? ATTNRT_FEATURE_CAUSAL
               : causal == ATTNRT_CAUSAL_NEVER ? ATTNRT_FEATURE_NON_CAUSAL
                                               : ATTNRT_FEATURE_CAUSAL_PER_REQUEST;
  std::tie(p.num_heads, p.num_kv_heads) = axes.heads[point[1]];
  std::tie(p.head_size_qk, p.head_size_v) = axes.sizes[point[2]];
  if (axes.latent || axes.mla_prefill) {
    p.mla_kv_lora = 512;
    p.mla_nope = 128;
    p.mla_rope = 64;
    p.mla_v = 128;
  }
  if (!axes.latent && p.head_size_qk != p.head_size_v) p.features |= ATTNRT_FEATURE_DIFF_KV;
  const auto [q, kv, out] = axes.dtypes[point[4]];
  p.q_dtype = q;
  p.kv_dtype = kv;
  p.out_dtype = out;
  const Axes::Store store = axes.stores[point[5]];
  p.kv_layouts = store.layout;
  p.block_size = sdk::is_paged(store.layout) ? axes.blocks[point[3]] : 0;
  c.placement.strided = store.strided;
  c.placement.direct = store.direct;
  c.lengths = fit(axes.lengths[point[0]], attn_type);
  c.common_prefix = axes.prefixes[point[0]];
  const bool shares = attn_type == ATTNRT_ATTN_DECODER && sdk::is_paged(store.layout) &&
                      axes.extras[point[12]] != ATTNRT_FEATURE_CONTEXT_PARALLEL;
  if (!shares) c.common_prefix = 0;
  if (c.common_prefix > 0) p.features |= ATTNRT_FEATURE_COMMON_PREFIX;
  if (const int32_t window = axes.windows[point[7]]) {
    p.features |= ATTNRT_FEATURE_SLIDING_WINDOW;
    p.window_left = window - 1;
    p.window_right = causal == ATTNRT_CAUSAL_NEVER ? window - 1 : 0;
  }
  p.softcap = axes.softcaps[point[8]];
  if (p.softcap > 0) p.features |= ATTNRT_FEATURE_SOFTCAP;
  if (axes.sinks[point[9]]) p.features |= ATTNRT_FEATURE_SINKS;
  if (axes.alibi[point[10]]) p.features |= ATTNRT_FEATURE_ALIBI;
  c.lse = axes.lse[point[11]];
  const uint64_t extra = axes.extras[point[12]];
  p.features |= extra;
  if (extra == ATTNRT_FEATURE_SPARSE_TOPK) p.sparse_topk = 32;
  if (extra == ATTNRT_FEATURE_CONTEXT_PARALLEL) {
    p.cp_size = point[0] % 2 ? 2 : 4;
    p.cp_rank = static_cast<uint32_t>(point[1]) % p.cp_size;
    p.cp_interleave = point[2] % 2 ? 16 : 1;
    c.lse = true;
  }
  if (axes.mla_prefill) c.lse = true;
  if (c.lse) p.features |= ATTNRT_FEATURE_LSE;
  p.features |= axes.scales[point[15]];
  p.provides = caps.needs | (point[13] % 2 ? ATTNRT_HOST_LENGTHS : 0u);
  c.placement.workers = axes.workers[point[13]];
  c.placement.pad_tokens = axes.pads[point[14]];
  c.placement.pad_seqs = axes.pads[point[14]] ? 1 : 0;
  set_phase(c, caps);
  c.seed = options.seed;
  for (const std::size_t index : point) c.seed = mix(c.seed, index);
  c.seed >>= 32;  // short enough to be read out
  if (extra == ATTNRT_FEATURE_FLEX) p.flex = &flex_case(c.seed).bytes;
  c.placement.seed = mix(c.seed, 1);
  return c;
}

}  // namespace

bool sensible(const attnrt_variant& variant, const Case& c, double most) {
  const attnrt_problem& p = c.problem;
  const bool decoder = p.attn_type == ATTNRT_ATTN_DECODER;
  const bool cross = p.attn_type == ATTNRT_ATTN_ENCODER_DECODER;
  constexpr uint64_t causal_only = ATTNRT_FEATURE_TREE_MASK | ATTNRT_FEATURE_MM_PREFIX | ATTNRT_FEATURE_BLOCK_SPARSE |
                                   ATTNRT_FEATURE_WINDOW_PREFIX | ATTNRT_FEATURE_SPARSE_TOPK |
                                   ATTNRT_FEATURE_CONTEXT_PARALLEL;
  if ((p.features & causal_only) && (!decoder || p.causal != ATTNRT_CAUSAL_ALWAYS)) return false;
  if ((p.features & ATTNRT_FEATURE_WINDOW_PREFIX) && p.window_left < 0) return false;
  if ((p.features & ATTNRT_FEATURE_CONTEXT_PARALLEL) && !sdk::is_paged(p.kv_layouts)) return false;
  if ((p.features & ATTNRT_FEATURE_ALIBI_SQRT) && ((p.features & ATTNRT_FEATURE_ALIBI) || !decoder)) return false;
  if ((p.features & ATTNRT_FEATURE_SPLIT_Q) && p.family != ATTNRT_FAMILY_MLA) return false;
  constexpr uint64_t scales =
      ATTNRT_FEATURE_KV_SCALES | ATTNRT_FEATURE_PER_HEAD_SCALES | ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES;
  if ((p.features & scales) && !quantises(p)) return false;
  if (has_row_scales(p) && ((p.features & scales) != ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES ||
                            !sdk::is_paged(p.kv_layouts) || p.family == ATTNRT_FAMILY_MLA))
    return false;
  // A cache holds the keys of its queries; masks that speak of positions know none below 0.
  const bool more_queries =
      std::any_of(c.lengths.begin(), c.lengths.end(), [](const Length& l) { return l.keys < l.query; });
  if (decoder && more_queries && (sdk::is_paged(p.kv_layouts) || (p.features & causal_only))) return false;
  if (cross && (p.window_left >= 0 || (p.features & ATTNRT_FEATURE_ALIBI))) return false;
  if (!decoder && !cross && sdk::is_paged(p.kv_layouts)) return false;
  if (!c.placement.direct && sdk::is_paged(p.kv_layouts) && !variant.write_kv) return false;
  if (p.family == ATTNRT_FAMILY_STANDARD && p.kv_layouts == ATTNRT_KV_MLA_LATENT) return false;
  if (p.family == ATTNRT_FAMILY_MLA && !(p.kv_layouts & (ATTNRT_KV_MLA_LATENT | ATTNRT_KV_NATIVE))) return false;
  if (multiply_adds(c) > most) return false;
  double elements = 0, masked = 0;
  for (const Length& l : c.lengths) {
    elements += static_cast<double>(l.keys) * p.num_kv_heads * (p.head_size_qk + p.head_size_v);
    if (p.features & ATTNRT_FEATURE_DENSE_MASK) masked += static_cast<double>(l.query) * l.keys * p.num_heads;
  }
  return elements < 4e6 && masked < 4e6;
}

bool admitted(const attnrt_variant& variant, const attnrt_problem& problem) {
  if (sdk::refusals(*variant.caps, problem)) return false;
  sdk::DiagSink deaf(sdk::DiagSink::Keep::count);
  if (!sdk::check_problem(sdk::Diag(deaf.get()), problem)) return false;
  return !variant.supports || variant.supports(&variant, &problem, deaf.get()) == ATTNRT_OK;
}

std::vector<Case> make_grid(const attnrt_variant& variant, const GridOptions& options) {
  const std::size_t limit = options.max_cases ? options.max_cases : options.all ? 2000 : 200;
  const double most = options.max_multiply_adds > 0 ? options.max_multiply_adds : options.all ? 3e9 : 2e8;
  const attnrt_caps& caps = *variant.caps;
  std::vector<Axes> kinds;
  const auto add = [&](const Kind& kind) {
    Axes axes = make_axes(caps, kind, options.all);
    const std::vector<std::size_t> counts = axes.counts();
    if (std::find(counts.begin(), counts.end(), 0u) == counts.end()) kinds.push_back(std::move(axes));
  };
  if (caps.families & ATTNRT_FAMILY_STANDARD) {
    add({});
    const attnrt_sizes& v = caps.head_sizes_v ? *caps.head_sizes_v : *caps.head_sizes;
    if (sdk::admits(*caps.head_sizes, 192) && sdk::admits(v, 128) && (caps.features & ATTNRT_FEATURE_DIFF_KV))
      add({.mla_prefill = true});
    add({.narrow = true});
    add({.shared = true});
  }
  if (caps.families & ATTNRT_FAMILY_MLA) {
    add({.latent = true});
    add({.latent = true, .narrow = true});
    add({.latent = true, .shared = true});
  }
  std::vector<Case> out;
  // The first kind takes what its corners (MLA prefill, a cache of 8 bits, shared keys) and the other family leave.
  const auto corner = [limit](const Axes& axes) {
    return limit / (axes.shared ? 6 : axes.mla_prefill || axes.narrow ? 5 : 4);
  };
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const Axes& axes = kinds[i];
    const auto admits = [&](const Point& point) {
      const Case c = make_case(axes, point, caps, options);
      return sensible(variant, c, most) && admitted(variant, c.problem);
    };
    std::size_t share = corner(axes);
    if (i == 0) {
      share = limit;
      for (std::size_t other = 1; other < kinds.size(); ++other) share -= corner(kinds[other]);
    }
    if (i + 1 == kinds.size()) share = limit - out.size();
    for (const Point& point : pairwise_cover(axes.counts(), share, options.seed, admits))
      out.push_back(make_case(axes, point, caps, options));
  }
  return out;
}

std::vector<Case> sample_cases(const attnrt_variant& variant, const GridOptions& options, std::size_t count) {
  GridOptions small = options;
  small.max_multiply_adds = 4e6;
  small.max_cases = std::max<std::size_t>(4 * count, 24);
  std::vector<Case> grid = make_grid(variant, small), out;
  std::erase_if(grid, [](const Case& c) {
    return std::all_of(c.lengths.begin(), c.lengths.end(), [](const Length& l) { return l.query == 0; });
  });
  for (std::size_t i = 0; i < grid.size() && out.size() < count; ++i) {
    Case& c = grid[i * grid.size() / std::min(grid.size(), count) % grid.size()];
    c.placement.workers = std::min(c.placement.workers, 2u);
    out.push_back(c);
  }
  return out;
}

}  // namespace attnrt::conformance
