// SPDX-License-Identifier: Apache-2.0
//
// Attention in fp32 loops, two passes over the keys, one row and head at a time. Compiled once for each fault:
// NAIVE_ENTRY names the function that returns the table, FAULT_<NAME> plants the mistake.
#include "naive_plugin.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "attnrt/plugin.hpp"

// Each fault is a constant, so that all copies compile the same lines.
#define FAULT(name) (sizeof(#name) > 1 && is_fault(#name))

namespace {

namespace sdk = attnrt::sdk;

constexpr bool same(const char* a, const char* b) {
  while (*a && *a == *b) ++a, ++b;
  return *a == *b;
}
#define NAIVE_TEXT_(x) #x
#define NAIVE_TEXT(x) NAIVE_TEXT_(x)
constexpr bool is_fault(const char* name) { return same(NAIVE_TEXT(NAIVE_ENTRY), name); }

float load(uint32_t dtype, const char* from) {
  float value;
  if (dtype == ATTNRT_FP32) {
    std::memcpy(&value, from, 4);
    return value;
  }
  uint16_t half;
  std::memcpy(&half, from, 2);
  uint32_t bits = uint32_t{half} << 16;
  if (dtype == ATTNRT_FP16) {
    const uint32_t exponent = half >> 10 & 31u, mantissa = half & 1023u;
    const float size = exponent == 31 ? (mantissa ? NAN : INFINITY)
                       : exponent == 0
                           ? std::ldexp(static_cast<float>(mantissa), -24)
                           : std::ldexp(static_cast<float>(mantissa + 1024), static_cast<int>(exponent) - 25);
    return half >> 15 ? -size : size;
  }
  std::memcpy(&value, &bits, 4);
  return value;
}

void store(uint32_t dtype, float value, char* to) {
  if (dtype == ATTNRT_FP32) {
    std::memcpy(to, &value, 4);
    return;
  }
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  uint16_t half;
  if (dtype == ATTNRT_BF16) {
    half = std::isnan(value) ? uint16_t{0x7fc0} : static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
  } else {
    const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
    const float size = std::fabs(value);
    if (!(size < 65520.0f)) {
      half = std::isnan(value) ? uint16_t{0x7e00} : static_cast<uint16_t>(sign | 0x7c00u);
    } else {
      const int e = size < 0x1p-14f ? -14 : std::ilogb(size);
      const auto digits = static_cast<uint32_t>(std::nearbyint(std::ldexp(size, 10 - e)));
      half = static_cast<uint16_t>(sign | (digits < 1024 ? digits : (static_cast<uint32_t>(e + 14) << 10) + digits));
    }
  }
  std::memcpy(to, &half, 2);
}

char* row_of(const attnrt_tensor& t, int64_t a, int64_t b, int64_t c = 0) {
  const int64_t at = a * t.strides[0] + b * t.strides[1] + (t.ndim > 3 ? c * t.strides[2] : 0);
  return static_cast<char*>(t.data) + t.byte_offset + at * (t.dtype.bits / 8);
}

void load_row(uint32_t dtype, const char* from, std::vector<float>& to) {
  for (std::size_t d = 0; d < to.size(); ++d) to[d] = load(dtype, from + d * sdk::dtype_bytes(dtype));
}

class Naive {
 public:
  explicit Naive(const sdk::CreateInfo& info) : p_(info.problem) {}

  struct Plan {
    Plan(const Naive&, const attnrt_limits& l, const attnrt_memory&) : limits(l) {}
    void update(const attnrt_batch& b, attnrt_stream) { batch = b; }
    attnrt_limits limits;
    attnrt_batch batch{};
  };

  attnrt_workspace workspace(const attnrt_limits&) const {
    attnrt_workspace sizes{};
    sizes.plan_bytes = sizes.scratch_bytes = 64;
    sizes.plan_alignment = sizes.scratch_alignment = sizes.pinned_alignment = 64;
    return sizes;
  }

  static void supports(const attnrt_problem& p, const sdk::Diag& diag) {
    if (p.out_dtype != p.q_dtype && p.out_dtype != ATTNRT_FP32)
      diag.add(ATTNRT_WHY_DTYPE, "out_dtype must be q_dtype or fp32");
    if (p.kv_dtype != p.q_dtype) diag.add(ATTNRT_WHY_KV_CACHE_DTYPE, "kv_dtype must be q_dtype");
  }

  static attnrt_kv_layout kv_layout(const attnrt_problem& p) {
    attnrt_kv_layout layout{};
    const int64_t bs = p.block_size, heads = p.num_kv_heads, qk = p.head_size_qk, v = p.head_size_v;
    const bool hnd = p.kv_layouts == ATTNRT_KV_HND, latent = p.kv_layouts == ATTNRT_KV_MLA_LATENT;
    layout.kind = p.kv_layouts;
    layout.id = hnd ? "hnd" : latent ? "mla" : "nhd";
    const int64_t values = bs * heads * (latent ? qk : qk + v), bytes = sdk::dtype_bytes(p.kv_dtype);
    layout.block_bytes = static_cast<uint64_t>(values * bytes);
    layout.alignment = 64;
    layout.v_offset = latent ? 0 : static_cast<uint64_t>(bs * heads * qk * bytes);
    const int64_t k_strides[] = {values, hnd ? qk : heads * qk, hnd ? bs * qk : qk};
    const int64_t v_strides[] = {values, hnd ? v : heads * v, hnd ? bs * v : v};
    std::copy(k_strides, k_strides + 3, layout.k_strides);
    if (!latent) std::copy(v_strides, v_strides + 3, layout.v_strides);
    layout.block_size = p.block_size;
    layout.dtype = p.kv_dtype;
    return layout;
  }

  void write_kv(const attnrt_write_args& a, attnrt_stream) const {
    const auto* slots = static_cast<const int64_t*>(a.slot_mapping->data);
    const int64_t bs = p_.block_size, heads = p_.num_kv_heads, bytes = sdk::dtype_bytes(p_.kv_dtype);
    const bool mla = p_.family == ATTNRT_FAMILY_MLA;
    const int64_t k_size = (mla ? p_.mla_kv_lora : p_.head_size_qk) * bytes;
    const int64_t v_size = (mla ? p_.mla_rope : p_.head_size_v) * bytes;
    for (int64_t i = 0; i < a.slot_mapping->shape[0]; ++i) {
      const int64_t slot = FAULT(naive_slot_minus_one) ? std::max<int64_t>(slots[i], 0) : slots[i];
      if (slot < 0) continue;
      for (int64_t h = 0; h < heads; ++h) {
        char* k = row_of(*a.k_cache, slot / bs, slot % bs, h);
        char* v = mla ? k + k_size : row_of(*a.v_cache, slot / bs, slot % bs, h);
        std::memcpy(k, row_of(*a.k, i, h), static_cast<std::size_t>(k_size));
        std::memcpy(v, row_of(*a.v, i, h), static_cast<std::size_t>(v_size));
      }
    }
  }

  void gather_kv(const attnrt_gather_args& a, attnrt_stream) const {
    const int64_t bs = p_.block_size, heads = p_.num_kv_heads, bytes = sdk::dtype_bytes(p_.kv_dtype);
    const bool mla = p_.family == ATTNRT_FAMILY_MLA;
    const int64_t k_size = (mla ? p_.mla_kv_lora : p_.head_size_qk) * bytes;
    const int64_t v_size = (mla ? p_.mla_rope : p_.head_size_v) * bytes;
    for (int32_t r = 0; r < a.num_seqs; ++r)
      for (int64_t i = 0; i < a.kv_lens[r]; ++i)
        for (int64_t h = 0; h < heads; ++h) {
          const int64_t j = i + (a.kv_starts ? a.kv_starts[r] : 0),
                        block = a.block_table[r * a.block_table_stride + j / bs];
          const char* k = row_of(*a.k_cache, block, j % bs, h);
          const char* v = mla ? k + k_size : row_of(*a.v_cache, block, j % bs, h);
          std::memcpy(row_of(*a.k, a.kv_start_loc[r] + i, h), k, static_cast<std::size_t>(k_size));
          std::memcpy(row_of(*a.v, a.kv_start_loc[r] + i, h), v, static_cast<std::size_t>(v_size));
        }
  }

  void merge_states(const attnrt_merge_args& a, attnrt_stream) const {
    const int64_t last = a.num_partials - 1, step = sdk::dtype_bytes(p_.out_dtype);
    for (int64_t t = 0; t < a.num_tokens; ++t)
      for (int64_t h = 0; h < p_.num_heads; ++h) {
        const int64_t first = t < a.num_merged_tokens ? 0 : last;
        const auto lse_of = [&](int64_t i) {
          const float lse = load(ATTNRT_FP32, row_of(*a.lses[i], t, h));
          return !FAULT(naive_merge_nan) && (std::isnan(lse) || lse == INFINITY) ? -INFINITY : lse;
        };
        float top = -INFINITY, sum = 0;
        for (int64_t i = first; i <= last; ++i) top = std::max(top, lse_of(i));
        std::vector<float> out(p_.head_size_v, 0.0f);
        for (int64_t i = first; i <= last && top > -INFINITY; ++i) {
          const float weight = std::exp(lse_of(i) - top);
          sum += weight;
          if (weight == 0) continue;
          const auto dtype = static_cast<uint32_t>(sdk::dtype_of(a.outs[i]->dtype));
          for (std::size_t d = 0; d < out.size(); ++d)
            out[d] += weight * load(dtype, row_of(*a.outs[i], t, h) + d * sdk::dtype_bytes(dtype));
        }
        for (std::size_t d = 0; d < out.size(); ++d)
          store(p_.out_dtype, sum > 0 ? out[d] / sum : 0.0f, row_of(*a.out, t, h) + static_cast<int64_t>(d) * step);
        if (a.lse) store(ATTNRT_FP32, sum > 0 ? top + std::log(sum) : -INFINITY, row_of(*a.lse, t, h));
      }
  }

  void run(const Plan& plan, const attnrt_run_args& a, attnrt_stream stream) const {
    const attnrt_batch& b = plan.batch;
    struct Item {
      int32_t r, i;
    };
    std::vector<Item> items;
    for (int32_t r = 0; r < b.num_seqs; ++r)
      for (int32_t i = 0; i < b.query_start_loc[r + 1] - b.query_start_loc[r]; ++i) items.push_back({r, i});
    sdk::Executor(stream).parallel_for(
        static_cast<int64_t>(items.size()), 4, [&](int64_t begin, int64_t end, uint32_t) noexcept {
          for (int64_t n = begin; n < end; ++n)
            for (int32_t h = 0; h < static_cast<int32_t>(p_.num_heads); ++h)
              row(plan, a, items[static_cast<std::size_t>(n)].r, items[static_cast<std::size_t>(n)].i, h);
        });
  }

 private:
  bool seen(const attnrt_run_args& a, const attnrt_batch& b, int32_t r, int64_t t, int64_t pos_q, int64_t pos_k,
            bool in_tree) const {
    const bool causal = p_.causal == ATTNRT_CAUSAL_ALWAYS || (b.causal && b.causal[r]);
    const int64_t slip = FAULT(naive_causal_off_by_one) ? 1 : 0, wide = FAULT(naive_window_off_by_one) ? 1 : 0;
    bool yes = !causal || in_tree || pos_k <= pos_q + slip;
    yes &= p_.window_left < 0 || pos_k >= pos_q - p_.window_left - wide;
    yes &= p_.window_right < 0 || pos_k <= pos_q + p_.window_right;
    if (a.prefix_ranges) {
      const auto* range = reinterpret_cast<const int32_t*>(row_of(*a.prefix_ranges, t, 0));
      yes |= range[0] >= 0 && pos_k >= range[0] && pos_k <= range[1];
    }
    return yes;
  }

  void row(const Plan& plan, const attnrt_run_args& a, int32_t r, int32_t i, int32_t h) const {
    const attnrt_batch& b = plan.batch;
    const int64_t query_len = b.query_start_loc[r + 1] - b.query_start_loc[r], t = b.query_start_loc[r] + i;
    const int64_t pos_q = b.seq_lens[r] - query_len + i, bs = p_.block_size;
    const bool paged = sdk::is_paged(p_.kv_layouts);
    int64_t keys = b.kv_lens ? b.kv_lens[r] : paged ? b.seq_lens[r] : b.kv_start_loc[r + 1] - b.kv_start_loc[r];
    const int64_t known = keys;
    if (FAULT(naive_reads_tail) && paged) keys = std::min((keys + bs - 1) / bs * bs, keys + 1);
    if (FAULT(naive_block_too_far) && paged) keys = (keys + bs - 1) / bs * bs + 1;
    const int64_t kvh = h / static_cast<int32_t>(p_.num_heads / p_.num_kv_heads);
    const int64_t cp = std::max(1u, p_.cp_size), interleave = std::max(1u, p_.cp_interleave);
    const auto place = [&](const attnrt_tensor& cache, int64_t j) {
      int64_t block = b.block_table[r * b.block_table_stride + j / bs];
      if (j / bs >= (known + bs - 1) / bs)
        block = (block % plan.limits.num_blocks + plan.limits.num_blocks) % plan.limits.num_blocks;
      return row_of(cache, block, j % bs, kvh);
    };
    std::vector<float> q(p_.head_size_qk), k(p_.head_size_qk), out(p_.head_size_v, 0.0f);
    std::vector<float> scores(static_cast<std::size_t>(keys), -INFINITY);
    load_row(p_.q_dtype, row_of(*a.q, t, h), q);
    const float scale = FAULT(naive_scale_twice) ? a.scale * a.scale : a.scale;
    const float sink = a.sinks ? load(static_cast<uint32_t>(sdk::dtype_of(a.sinks->dtype)),
                                      static_cast<char*>(a.sinks->data) + h * (a.sinks->dtype.bits / 8))
                               : -INFINITY;
    float top = sink;
    for (int64_t j = 0; j < keys; ++j) {
      const int64_t pos_k = cp > 1 ? ((j / interleave) * cp + p_.cp_rank) * interleave + j % interleave : j;
      const bool in_tree = a.tree_mask && j >= known - query_len;
      if (!seen(a, b, r, t, pos_q, pos_k, in_tree) && j < known) continue;
      load_row(p_.kv_dtype, paged ? place(*a.k_cache, j) : row_of(*a.k, b.kv_start_loc[r] + j, kvh), k);
      float s = 0;
      for (std::size_t d = 0; d < q.size(); ++d) s += q[d] * k[d];
      s *= scale;
      if (p_.softcap > 0 && !FAULT(naive_softcap_ignored)) s = p_.softcap * std::tanh(s / p_.softcap);
      if (a.alibi_slopes) {
        const auto distance = static_cast<float>(FAULT(naive_alibi_sign) ? pos_q - pos_k : pos_k - pos_q);
        s += static_cast<const float*>(a.alibi_slopes->data)[h] * distance;
      }
      if (a.dense_mask) {
        const attnrt_tensor& m = *a.dense_mask;
        s += static_cast<const float*>(
            m.data)[r * m.strides[0] + h * m.strides[1] + i * m.strides[2] + j * m.strides[3]];
      }
      if (in_tree) s += load(ATTNRT_FP32, row_of(*a.tree_mask, r, i) + (j - (known - query_len)) * 4);
      scores[static_cast<std::size_t>(j)] = s;
      top = s > top || std::isnan(s) ? s : top;
    }
    float sum = 0;
    if (a.sinks && top > -INFINITY) sum = std::exp(sink - top) * (FAULT(naive_sink_twice) ? 2.0f : 1.0f);
    std::vector<float> v(p_.head_size_v);
    // Which end is summed first changes the last bits.
    const bool backwards =
        (FAULT(naive_batch_dependent) && b.num_seqs > 1) || (FAULT(naive_chunk_dependent) && query_len == 1);
    for (int64_t n = 0; n < keys; ++n) {
      const int64_t j = backwards ? keys - 1 - n : n;
      if (scores[static_cast<std::size_t>(j)] == -INFINITY) continue;
      const float weight = std::exp(scores[static_cast<std::size_t>(j)] - top);
      sum += weight;
      const attnrt_tensor* cache = a.v_cache ? a.v_cache : a.k_cache;
      load_row(p_.kv_dtype, paged ? place(*cache, j) : row_of(*a.v, b.kv_start_loc[r] + j, kvh), v);
      for (std::size_t d = 0; d < out.size(); ++d) out[d] += weight * v[d];
    }
    char* to = row_of(*a.out, t, h);
    const std::size_t bytes = sdk::dtype_bytes(p_.out_dtype);
    for (std::size_t d = 0; d < out.size(); ++d) store(p_.out_dtype, sum != 0 ? out[d] / sum : 0.0f, to + d * bytes);
    if (FAULT(naive_writes_past) && h + 1 == static_cast<int32_t>(p_.num_heads))
      store(p_.out_dtype, 0.0f, to + out.size() * bytes);
    if (!a.lse) return;
    const float lse = sum != 0 ? top + std::log(sum) : -INFINITY;
    store(ATTNRT_FP32, FAULT(naive_lse_base) ? lse * 1.442695f : lse, row_of(*a.lse, t, h));
  }

  attnrt_problem p_;
};

constexpr attnrt_sizes any_block = {sizeof(attnrt_sizes), 0, nullptr, 1, 1, 0, 16};
constexpr attnrt_sizes heads = {sizeof(attnrt_sizes), 0, nullptr, 8, 32, 256, 0};
constexpr uint32_t latent_qk[] = {576}, latent_v[] = {512};
constexpr attnrt_sizes latent_heads = {sizeof(attnrt_sizes), 1, latent_qk, 0, 0, 0, 0};
constexpr attnrt_sizes latent_heads_v = {sizeof(attnrt_sizes), 1, latent_v, 0, 0, 0, 0};

constexpr attnrt_caps make_caps(bool latent) {
  attnrt_caps caps{};
  caps.struct_size = sizeof(caps);
  caps.device_type = ATTNRT_DEVICE_CPU;
  caps.families = latent ? ATTNRT_FAMILY_MLA : ATTNRT_FAMILY_STANDARD;
  caps.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_CAUSAL_PER_REQUEST |
                  ATTNRT_FEATURE_SLIDING_WINDOW | ATTNRT_FEATURE_SOFTCAP | ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_SINKS |
                  ATTNRT_FEATURE_DENSE_MASK | ATTNRT_FEATURE_TREE_MASK | ATTNRT_FEATURE_MM_PREFIX | ATTNRT_FEATURE_LSE |
                  ATTNRT_FEATURE_DIFF_KV | ATTNRT_FEATURE_CONTEXT_PARALLEL;
  caps.q_dtypes = caps.kv_dtypes = caps.out_dtypes = 1u << ATTNRT_FP32 | 1u << ATTNRT_FP16 | 1u << ATTNRT_BF16;
  caps.attn_types = latent ? ATTNRT_ATTN_DECODER : ATTNRT_ATTN_ALL_;
  caps.phases = ATTNRT_PHASES_ALL_;
  caps.kv_layouts = latent ? ATTNRT_KV_MLA_LATENT : ATTNRT_KV_CONTIGUOUS | ATTNRT_KV_NHD | ATTNRT_KV_HND;
  caps.block_sizes = &any_block;
  caps.head_sizes = latent ? &latent_heads : &heads;
  caps.head_sizes_v = latent ? &latent_heads_v : nullptr;
  caps.determinism = ATTNRT_DETERMINISM_SCHEDULE_INVARIANT;
  caps.impl = "own";
  return caps;
}

constexpr attnrt_caps standard_caps = make_caps(false), latent_caps = make_caps(true);
constexpr attnrt_variant standard = sdk::make_variant<Naive>("standard", &standard_caps);
constexpr attnrt_variant latent = sdk::make_variant<Naive>("latent", &latent_caps);
constexpr const attnrt_variant* standard_variants[] = {&standard};
constexpr const attnrt_variant* latent_variants[] = {&latent};
constexpr attnrt_backend naive = sdk::make_backend("NAIVE", "fp32 loops", standard_variants);
constexpr attnrt_backend naive_mla = sdk::make_backend("NAIVE_MLA", "fp32 loops over a latent", latent_variants);
constexpr const attnrt_backend* backends[] = {&naive, &naive_mla};
constexpr attnrt_plugin plugin = sdk::make_plugin("naive", "0.1.0", "test", backends);

}  // namespace

const attnrt_plugin* NAIVE_ENTRY() { return &plugin; }
