// SPDX-License-Identifier: Apache-2.0
//
// Attention in fp32 loops, two passes over the keys, one row and head at a time; variant.self says which mistake to
// make.
#include "naive_plugin.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "attnrt/plugin.hpp"

namespace {

namespace sdk = attnrt::sdk;

enum class Fault {
#define NAIVE_NAME(name) name,
  NAIVE_MUTANTS(NAIVE_NAME)
#undef NAIVE_NAME
};

#define FAULT(name) (fault_ == Fault::name)

constexpr uint64_t kScales =
    ATTNRT_FEATURE_KV_SCALES | ATTNRT_FEATURE_PER_HEAD_SCALES | ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES;

float load_byte(uint32_t dtype, uint8_t byte) {
  if (dtype == ATTNRT_INT8) return static_cast<float>(static_cast<int8_t>(byte));
  const int digits = dtype == ATTNRT_FP8_E4M3 ? 3 : 2, bias = dtype == ATTNRT_FP8_E4M3 ? 7 : 15;
  const int exponent = byte >> digits & (dtype == ATTNRT_FP8_E4M3 ? 15 : 31), mantissa = byte & ((1 << digits) - 1);
  if ((byte & 0x7f) == 0x7f) return NAN;
  const float size = std::ldexp(static_cast<float>(exponent ? mantissa + (1 << digits) : mantissa),
                                (exponent ? exponent : 1) - bias - digits);
  return byte & 0x80 ? -size : size;
}

float number_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

float load_half(uint16_t half) {
  const uint32_t exponent = half >> 10 & 31u, mantissa = half & 1023u, sign = uint32_t{half} >> 15 << 31;
  const float subnormal = static_cast<float>(static_cast<int32_t>(mantissa)) * 0x1p-24f;
  const float size =
      exponent == 0 ? subnormal : number_of((exponent == 31 ? 255u : exponent + 112) << 23 | mantissa << 13);
  return sign ? -size : size;
}

// Rows are most of what this plugin reads, so what depends on their type is asked once a row.
template <class Load>
void load_each(const char* from, std::size_t bytes, std::vector<float>& to, Load&& read) {
  for (std::size_t d = 0; d < to.size(); ++d) to[d] = read(from + d * bytes);
}

float load(uint32_t dtype, const char* from) {
  float value;
  if (dtype == ATTNRT_FP32) {
    std::memcpy(&value, from, 4);
    return value;
  }
  if (dtype >= ATTNRT_FP8_E4M3) return load_byte(dtype, static_cast<uint8_t>(*from));
  uint16_t half;
  std::memcpy(&half, from, 2);
  return dtype == ATTNRT_FP16 ? load_half(half) : number_of(uint32_t{half} << 16);
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

// The nearest number of a type of 8 bits, ties to even; the largest one for what is larger.
uint8_t nearest_byte(uint32_t dtype, float value, bool wraps) {
  if (dtype == ATTNRT_INT8) {
    const float whole = std::nearbyint(value);
    if (wraps && std::fabs(whole) < 1e6f) return static_cast<uint8_t>(static_cast<int>(whole));
    return static_cast<uint8_t>(static_cast<int8_t>(std::fmax(-128.0f, std::fmin(127.0f, whole))));
  }
  const int digits = dtype == ATTNRT_FP8_E4M3 ? 3 : 2, bias = dtype == ATTNRT_FP8_E4M3 ? 7 : 15;
  const auto sign = static_cast<uint8_t>(std::signbit(value) ? 0x80 : 0);
  const float most = dtype == ATTNRT_FP8_E4M3 ? 448.0f : 57344.0f;
  float size = std::fabs(value);
  if (wraps && size > most && size < 1e30f) size -= most;
  size = std::fmin(size, most);
  const int e = size < std::ldexp(1.0f, 1 - bias) ? 1 - bias : std::ilogb(size);
  const int steps = static_cast<int>(std::nearbyint(std::ldexp(size, digits - e)));
  return static_cast<uint8_t>(sign | (steps < 1 << digits ? steps : ((e + bias - 1) << digits) + steps));
}

char* row_of(const attnrt_tensor& t, int64_t a, int64_t b, int64_t c = 0) {
  const int64_t at = a * t.strides[0] + b * t.strides[1] + (t.ndim > 3 ? c * t.strides[2] : 0);
  return static_cast<char*>(t.data) + t.byte_offset + at * (t.dtype.bits / 8);
}

struct Bytes {
  explicit Bytes(uint32_t dtype) {
    for (uint32_t byte = 0; byte < 256; ++byte) number[byte] = load_byte(dtype, static_cast<uint8_t>(byte));
  }
  float number[256];
};
const Bytes kE4m3(ATTNRT_FP8_E4M3), kE5m2(ATTNRT_FP8_E5M2), kInt8(ATTNRT_INT8);

void load_row(uint32_t dtype, const char* from, std::vector<float>& to) {
  if (dtype == ATTNRT_FP32) {
    std::memcpy(to.data(), from, to.size() * sizeof(float));
  } else if (dtype == ATTNRT_FP16) {
    load_each(from, 2, to, [](const char* at) { return load(ATTNRT_FP16, at); });
  } else if (dtype == ATTNRT_BF16) {
    load_each(from, 2, to, [](const char* at) { return load(ATTNRT_BF16, at); });
  } else {
    const Bytes& bytes = dtype == ATTNRT_INT8 ? kInt8 : dtype == ATTNRT_FP8_E4M3 ? kE4m3 : kE5m2;
    load_each(from, 1, to, [&bytes](const char* at) { return bytes.number[static_cast<uint8_t>(*at)]; });
  }
}

// In four chains: one would wait for its own sum at each step.
float dot(const float* a, const float* b, std::size_t n) {
  float sum[4] = {0, 0, 0, 0};
  std::size_t d = 0;
  for (; d + 4 <= n; d += 4)
    for (std::size_t c = 0; c < 4; ++c) sum[c] += a[d + c] * b[d + c];
  for (; d < n; ++d) sum[0] += a[d] * b[d];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

class Naive {
 public:
  explicit Naive(const sdk::CreateInfo& info)
      : fault_(*static_cast<const Fault*>(info.variant.self)), p_(info.problem) {
    if (FAULT(naive_create_refuses) && p_.num_heads % 2)
      throw sdk::Error(ATTNRT_UNSUPPORTED, "num_heads is odd, wanted even");
  }

  struct Plan {
    Plan(const Naive& n, const attnrt_limits& l, const attnrt_memory&) : naive(n), limits(l) {}
    void update(const attnrt_batch& b, attnrt_stream) {
      batch = b;
      if (naive.keeps_last()) naive.last_ = b;
    }
    const Naive& naive;
    attnrt_limits limits;
    attnrt_batch batch{};
  };

  attnrt_workspace workspace(const attnrt_limits&) const {
    attnrt_workspace sizes{};
    sizes.plan_bytes = sizes.scratch_bytes = 64;
    if (FAULT(naive_workspace_grows)) sizes.scratch_bytes += static_cast<uint64_t>(last_.num_tokens) * 64;
    sizes.plan_alignment = sizes.scratch_alignment = sizes.pinned_alignment = 64;
    return sizes;
  }

  static void supports(const attnrt_problem& p, const sdk::Diag& diag) {
    if (p.out_dtype != p.q_dtype && p.out_dtype != ATTNRT_FP32)
      diag.add(ATTNRT_WHY_DTYPE, "out_dtype must be q_dtype or fp32");
    const bool narrow = p.kv_dtype >= ATTNRT_FP8_E4M3;
    if (p.kv_dtype != p.q_dtype && !narrow)
      diag.add(ATTNRT_WHY_KV_CACHE_DTYPE, "kv_dtype must be q_dtype or of 8 bits");
    if ((p.features & kScales) && !narrow) diag.add(ATTNRT_WHY_KV_CACHE_DTYPE, "kv_dtype must be of 8 bits for scales");
    if (!has_row_scales(p)) return;
    if ((p.features & kScales) != ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES || !sdk::is_paged(p.kv_layouts))
      diag.add(ATTNRT_WHY_PER_HEAD_SCALES, "per-token-head scales must be the only ones, in a cache");
  }
  static bool has_row_scales(const attnrt_problem& p) { return p.features & ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES; }

  static attnrt_kv_layout kv_layout(const attnrt_problem& p) {
    attnrt_kv_layout layout{};
    const int64_t bs = p.block_size, heads = p.num_kv_heads;
    const bool hnd = p.kv_layouts == ATTNRT_KV_HND, latent = p.kv_layouts == ATTNRT_KV_MLA_LATENT;
    layout.kind = p.kv_layouts;
    layout.id = hnd ? "hnd" : latent ? "mla" : "nhd";
    if (has_row_scales(p)) layout.id = hnd ? "hnd+row_scales" : "nhd+row_scales";
    const int64_t scale = has_row_scales(p) ? 4 : 0, qk = p.head_size_qk + scale, v = p.head_size_v + scale;
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
    const int64_t bs = p_.block_size, heads = p_.num_kv_heads;
    const bool mla = p_.family == ATTNRT_FAMILY_MLA;
    for (int64_t i = 0; i < a.slot_mapping->shape[0]; ++i) {
      const int64_t slot = FAULT(naive_slot_minus_one) ? std::max<int64_t>(slots[i], 0) : slots[i];
      if (slot < 0) continue;
      for (int64_t h = 0; h < heads; ++h) {
        char* k = row_of(*a.k_cache, slot / bs, slot % bs, h);
        char* v =
            mla ? k + p_.mla_kv_lora * sdk::dtype_bytes(p_.kv_dtype) : row_of(*a.v_cache, slot / bs, slot % bs, h);
        put_row(*a.k, i, h, k, a.k_scale);
        put_row(*a.v, i, h, v, mla ? a.k_scale : a.v_scale);
      }
    }
  }

  void gather_kv(const attnrt_gather_args& a, attnrt_stream) const {
    const int64_t bs = p_.block_size, heads = p_.num_kv_heads;
    const bool mla = p_.family == ATTNRT_FAMILY_MLA;
    for (int32_t r = 0; r < a.num_seqs; ++r)
      for (int64_t i = 0; i < a.kv_lens[r]; ++i)
        for (int64_t h = 0; h < heads; ++h) {
          const int64_t j = i + (a.kv_starts && !FAULT(naive_gather_start) ? a.kv_starts[r] : 0),
                        block = a.block_table[r * a.block_table_stride + j / bs], to = a.kv_start_loc[r] + i;
          const char* k = row_of(*a.k_cache, block, j % bs, h);
          const char* v =
              mla ? k + p_.mla_kv_lora * sdk::dtype_bytes(p_.kv_dtype) : row_of(*a.v_cache, block, j % bs, h);
          get_row(*a.k, to, h, k, a.k_scale);
          get_row(*a.v, to, h, v, mla ? a.k_scale : a.v_scale);
        }
  }

  void merge_states(const attnrt_merge_args& a, attnrt_stream) const {
    const int64_t last = a.num_partials - 1, step = sdk::dtype_bytes(p_.out_dtype);
    for (int64_t t = 0; t < a.num_tokens; ++t)
      for (int64_t h = 0; h < p_.num_heads; ++h) {
        const int64_t first = t < a.num_merged_tokens ? 0 : last;
        const auto lse_of = [&](int64_t i) {
          const float lse = load(ATTNRT_FP32, row_of(*a.lses[i], t, h));
          return lse == INFINITY || (FAULT(naive_merge_nan) && std::isnan(lse)) ? -INFINITY : lse;
        };
        float top = -INFINITY, sum = 0;
        for (int64_t i = first; i <= last; ++i) top = std::isnan(lse_of(i)) ? lse_of(i) : std::max(lse_of(i), top);
        std::vector<float> out(p_.head_size_v, 0.0f);
        for (int64_t i = first; i <= last && top != -INFINITY; ++i) {
          const float weight = std::exp(lse_of(i) - top);
          sum += weight;
          if (weight == 0) continue;
          const auto dtype = static_cast<uint32_t>(sdk::dtype_of(a.outs[i]->dtype));
          for (std::size_t d = 0; d < out.size(); ++d)
            out[d] += weight * load(dtype, row_of(*a.outs[i], t, h) + d * sdk::dtype_bytes(dtype));
        }
        for (std::size_t d = 0; d < out.size(); ++d)
          store(p_.out_dtype, sum != 0 ? out[d] / sum : 0.0f, row_of(*a.out, t, h) + static_cast<int64_t>(d) * step);
        if (a.lse) store(ATTNRT_FP32, sum != 0 ? top + std::log(sum) : -INFINITY, row_of(*a.lse, t, h));
      }
  }

  void run(const Plan& plan, const attnrt_run_args& a, attnrt_stream stream) const {
    const attnrt_batch& b = batch_of(plan);
    if (FAULT(naive_allocates)) std::vector<char>(64, runs_ & 1 ? 1 : 2).swap(waste_);
    if (FAULT(naive_system_call)) syscall(SYS_getppid);
    if (FAULT(naive_spoils_cache) && a.k_cache && b.num_seqs && (b.kv_lens ? b.kv_lens : b.seq_lens)[0]) {
      char* first = row_of(*a.k_cache, b.block_table[0], 0, 0);
      *first = static_cast<char>(*first ^ 1);
    }
    if (FAULT(naive_reads_past_q)) {  // and does nothing with it
      const char* end = row_of(*a.q, a.q->shape[0], 0);
      [[maybe_unused]] const volatile char beyond = *end;
    }
    ++runs_;
    sdk::Executor(stream).parallel_for(b.num_tokens, 4, [&](int64_t begin, int64_t end, uint32_t) noexcept {
      int32_t r = 0;
      for (int64_t t = begin; t < end; ++t) {
        while (b.query_start_loc[r + 1] <= t) ++r;
        for (int32_t h = 0; h < static_cast<int32_t>(p_.num_heads); ++h)
          row(plan, a, r, static_cast<int32_t>(t - b.query_start_loc[r]), h);
      }
    });
  }

 private:
  // Of one KV head: the last dimension of a scale is one, or the heads.
  static float scale_of(const attnrt_tensor* scale, int64_t request, int64_t head) {
    if (!scale) return 1.0f;
    const int32_t last = scale->ndim - 1;
    const int64_t h = scale->shape[last] == 1 ? 0 : head;
    const int64_t r = last == 0 || scale->shape[0] == 1 ? 0 : request;
    return static_cast<const float*>(scale->data)[r * scale->strides[0] * last + h * scale->strides[last]];
  }
  static float row_scale(const char* row, int64_t d) { return load(ATTNRT_FP32, row + (d + 3) / 4 * 4); }

  void put_row(const attnrt_tensor& rows, int64_t i, int64_t h, char* to, const attnrt_tensor* scales) const {
    const int64_t d = rows.shape[2];
    const char* from = row_of(rows, i, h);
    if (static_cast<uint32_t>(sdk::dtype_of(rows.dtype)) == p_.kv_dtype) {
      std::memcpy(to, from, static_cast<std::size_t>(d * sdk::dtype_bytes(p_.kv_dtype)));
      return;
    }
    std::vector<float> values(static_cast<std::size_t>(d));
    load_row(p_.q_dtype, from, values);
    float scale = scale_of(scales, 0, h), top = 0;
    if (has_row_scales(p_)) {
      for (const float x : values) top = std::max(top, std::fabs(x));
      scale = top / (p_.kv_dtype == ATTNRT_INT8 ? 127.0f : p_.kv_dtype == ATTNRT_FP8_E4M3 ? 448.0f : 57344.0f);
      store(ATTNRT_FP32, scale, to + (d + 3) / 4 * 4);
    }
    for (std::size_t n = 0; n < values.size(); ++n) {
      const float x = scale == 0 ? 0.0f : values[n] / scale;
      to[n] =
          static_cast<char>(nearest_byte(p_.kv_dtype, FAULT(naive_truncates) ? std::trunc(x) : x, FAULT(naive_wraps)));
    }
  }

  void get_row(const attnrt_tensor& rows, int64_t i, int64_t h, const char* from, const attnrt_tensor* scales) const {
    const int64_t d = rows.shape[2], bytes = rows.dtype.bits / 8;
    char* to = row_of(rows, i, h);
    if (static_cast<uint32_t>(sdk::dtype_of(rows.dtype)) == p_.kv_dtype) {
      std::memcpy(to, from, static_cast<std::size_t>(d * bytes));
      return;
    }
    const float scale = has_row_scales(p_) ? row_scale(from, d) : scale_of(scales, 0, h);
    for (int64_t n = 0; n < d; ++n)
      store(p_.q_dtype, load(p_.kv_dtype, from + n) * (FAULT(naive_gathers_stored) ? 1.0f : scale), to + n * bytes);
  }

  static float mask_at(const attnrt_tensor& mask, std::initializer_list<int64_t> place) {
    int64_t at = 0;
    int32_t dim = 0;
    for (const int64_t i : place) at += mask.shape[dim] == 1 ? 0 : i * mask.strides[dim], ++dim;
    const char* from = static_cast<const char*>(mask.data) + at * (mask.dtype.bits / 8);
    if (mask.dtype.bits == 8) return *from ? 0.0f : -INFINITY;
    return load(static_cast<uint32_t>(sdk::dtype_of(mask.dtype)), from);
  }

  bool seen(const attnrt_run_args& a, const attnrt_batch& b, int32_t r, int64_t t, int64_t pos_q, int64_t pos_k,
            bool in_tree) const {
    const bool causal = p_.causal == ATTNRT_CAUSAL_ALWAYS || (b.causal && b.causal[r]);
    const int64_t slip = FAULT(naive_causal_off_by_one) ? 1 : FAULT(naive_causal_too_few) ? -1 : 0, wide = FAULT(naive_window_off_by_one) ? 1 : 0;
    bool yes = !causal || in_tree || pos_k <= pos_q + slip;
    yes &= p_.window_left < 0 || pos_k >= pos_q - p_.window_left - wide;
    yes &= p_.window_right < 0 || pos_k <= pos_q + p_.window_right;
    if (a.prefix_ranges) {
      const auto* range = reinterpret_cast<const int32_t*>(row_of(*a.prefix_ranges, t, 0));
      yes |= range[0] >= 0 && pos_k >= range[0] && pos_k <= range[1];
    }
    return yes;
  }

  bool keeps_last() const { return FAULT(naive_shared_plans) || FAULT(naive_workspace_grows); }
  const attnrt_batch& batch_of(const Plan& plan) const { return FAULT(naive_shared_plans) ? last_ : plan.batch; }

  // Rows of a worker; they keep their room, so that a second run allocates nothing.
  struct Room {
    std::vector<float> q, k, v, out, scores;
  };

  void row(const Plan& plan, const attnrt_run_args& a, int32_t r, int32_t i, int32_t h) const {
    const attnrt_batch& b = batch_of(plan);
    thread_local Room room;
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
      const int64_t shared = FAULT(naive_prefix_too_far) ? (b.common_prefix_len + bs - 1) / bs : 0;
      const bool first = j / bs < shared || FAULT(naive_first_table);
      int64_t block = b.block_table[(first ? 0 : r) * b.block_table_stride + j / bs];
      if (j / bs >= (known + bs - 1) / bs || FAULT(naive_first_table))
        block = (block % plan.limits.num_blocks + plan.limits.num_blocks) % plan.limits.num_blocks;
      return row_of(cache, block, j % bs, kvh);
    };
    auto& [q, k, v, out, scores] = room;
    q.resize(p_.head_size_qk), k.resize(p_.head_size_qk), v.resize(p_.head_size_v);
    out.assign(p_.head_size_v, 0.0f);
    scores.assign(static_cast<std::size_t>(keys), -INFINITY);
    load_row(p_.q_dtype, row_of(*a.q, t, h), q);
    const float scale = FAULT(naive_scale_missing) ? 1.0f : FAULT(naive_scale_twice) ? a.scale * a.scale : a.scale;
    const float sink = a.sinks ? load(static_cast<uint32_t>(sdk::dtype_of(a.sinks->dtype)),
                                      static_cast<char*>(a.sinks->data) + h * (a.sinks->dtype.bits / 8))
                               : -INFINITY;
    float top = sink;
    for (int64_t j = 0; j < keys; ++j) {
      const int64_t pos_k =
          cp > 1 ? ((j / interleave) * cp + (FAULT(naive_rank_ignored) ? 0 : p_.cp_rank)) * interleave + j % interleave
                 : j;
      const bool in_tree = a.tree_mask && j >= known - query_len;
      if (!seen(a, b, r, t, pos_q, pos_k, in_tree) && j < known) continue;
      if (FAULT(naive_prefix_skipped) && r > 0 && j < b.common_prefix_len) continue;
      const char* key = paged ? place(*a.k_cache, j) : row_of(*a.k, b.kv_start_loc[r] + j, kvh);
      load_row(p_.kv_dtype, key, k);
      const std::size_t dims = FAULT(naive_head_size) ? std::min<std::size_t>(q.size(), 128) : q.size();
      float s = dot(q.data(), k.data(), dims);
      s *= scale * (FAULT(naive_k_scale_ignored) ? 1.0f : scale_of(a.k_scale, r, FAULT(naive_first_scale) ? 0 : kvh));
      if (has_row_scales(p_))
        s *= row_scale(FAULT(naive_other_token) && j ? place(*a.k_cache, j - 1) : key, p_.head_size_qk);
      if (p_.softcap > 0 && !FAULT(naive_softcap_ignored)) s = p_.softcap * std::tanh(s / p_.softcap);
      if (a.alibi_slopes) {
        const auto distance = static_cast<float>(FAULT(naive_alibi_sign) ? pos_q - pos_k : pos_k - pos_q);
        s += static_cast<const float*>(a.alibi_slopes->data)[h] * distance;
      }
      if (a.dense_mask) s += mask_at(*a.dense_mask, {FAULT(naive_first_mask) ? 0 : r, h, i, j});
      if (in_tree) s += mask_at(*a.tree_mask, {r, i, j - (known - query_len)});
      scores[static_cast<std::size_t>(j)] = s;
      top = s > top || std::isnan(s) ? s : top;
    }
    float sum = 0;
    if (a.sinks && top > -INFINITY) sum = std::exp(sink - top) * (FAULT(naive_sink_twice) ? 2.0f : 1.0f);
    // Which end is summed first changes the last bits.
    const bool backwards =
        (FAULT(naive_batch_dependent) && b.num_seqs > 1) || (FAULT(naive_chunk_dependent) && query_len == 1) ||
        (FAULT(naive_unrepeatable) && runs_ % 2 == 0);
    for (int64_t n = 0; n < keys; ++n) {
      const int64_t j = backwards ? keys - 1 - n : n;
      if (scores[static_cast<std::size_t>(j)] == -INFINITY) continue;
      const float times = FAULT(naive_prefix_twice) && j < b.common_prefix_len ? 2.0f : 1.0f;
      const float weight = times * std::exp(scores[static_cast<std::size_t>(j)] - top);
      sum += weight;
      const attnrt_tensor* cache = a.v_cache ? a.v_cache : a.k_cache;
      const char* value = paged ? place(*cache, j) : row_of(*a.v, b.kv_start_loc[r] + j, kvh);
      load_row(p_.kv_dtype, value, v);
      const float size = has_row_scales(p_) ? weight * row_scale(value, p_.head_size_v) : weight;
      for (std::size_t d = 0; d < out.size(); ++d) out[d] += size * v[d];
    }
    const float last = scale_of(p_.family == ATTNRT_FAMILY_MLA && !a.v_scale ? a.k_scale : a.v_scale, r, kvh);
    for (float& x : out) x = sum != 0 ? x / sum * last : 0.0f;
    char* to = row_of(*a.out, t, h);
    const std::size_t bytes = sdk::dtype_bytes(p_.out_dtype);
    for (std::size_t d = 0; d < out.size(); ++d) store(p_.out_dtype, out[d], to + d * bytes);
    if (FAULT(naive_writes_past) && h + 1 == static_cast<int32_t>(p_.num_heads))
      store(p_.out_dtype, 0.0f, to + out.size() * bytes);
    if (!a.lse) return;
    const float lse = sum != 0 ? top + std::log(sum) : -INFINITY;
    store(ATTNRT_FP32, FAULT(naive_lse_base) ? lse * 1.442695f : lse, row_of(*a.lse, t, h));
  }

  Fault fault_;
  attnrt_problem p_;
  mutable attnrt_batch last_{};  // where plans share what each should own
  mutable std::atomic<uint32_t> runs_{0};
  mutable std::vector<char> waste_;
};

// Entry points that forgive what they must refuse.
attnrt_status lenient_create(const attnrt_variant* variant, const attnrt_host* host, const attnrt_problem* problem,
                             attnrt_device device, attnrt_kernel_op** op, const attnrt_diag* diag) {
  attnrt_problem known = *problem;
  known.struct_size = sizeof(known);
  known.features &= ATTNRT_FEATURES_ALL_;
  return sdk::detail::Adapter<Naive>::create(variant, host, &known, device, op, diag);
}
attnrt_status lenient_update(attnrt_kernel_plan* plan, const attnrt_batch* batch, attnrt_stream stream,
                             const attnrt_diag* diag) {
  sdk::detail::Adapter<Naive>::plan_update(plan, batch, stream, diag);
  return ATTNRT_OK;
}
attnrt_status blind_run(const attnrt_kernel_plan* plan, const attnrt_run_args* args, attnrt_stream stream,
                        const attnrt_diag* diag) {
  if (!args->out || args->struct_size < sizeof(*args)) return ATTNRT_INVALID;  // without a word
  return sdk::detail::Adapter<Naive>::run(plan, args, stream, diag);
}

attnrt_status silent_supports(const attnrt_variant* variant, const attnrt_problem* problem, const attnrt_diag* diag) {
  if (problem->num_heads > 12) return ATTNRT_UNSUPPORTED;
  return sdk::detail::Adapter<Naive>::supports(variant, problem, diag);
}

attnrt_variant with_fault(attnrt_variant v, Fault fault_) {
  if (FAULT(naive_unknown_bits)) v.create = &lenient_create;
  if (FAULT(naive_keeps_batch)) v.plan_update = &lenient_update;
  if (FAULT(naive_wordless)) v.run = &blind_run;
  if (FAULT(naive_no_write_kv)) v.write_kv = nullptr;
  if (FAULT(naive_refuses_silently)) v.supports = &silent_supports;
  return v;
}

constexpr attnrt_sizes any_block = {sizeof(attnrt_sizes), 0, nullptr, 1, 1, 0, 16};
constexpr attnrt_sizes heads = {sizeof(attnrt_sizes), 0, nullptr, 8, 32, 256, 0};
constexpr uint32_t latent_qk[] = {576}, latent_v[] = {512};
constexpr attnrt_sizes latent_heads = {sizeof(attnrt_sizes), 1, latent_qk, 0, 0, 0, 0};
constexpr attnrt_sizes latent_heads_v = {sizeof(attnrt_sizes), 1, latent_v, 0, 0, 0, 0};

attnrt_caps make_caps(bool latent, Fault fault_) {
  attnrt_caps caps{};
  caps.struct_size = sizeof(caps);
  caps.device_type = ATTNRT_DEVICE_CPU;
  caps.families = latent ? ATTNRT_FAMILY_MLA : ATTNRT_FAMILY_STANDARD;
  caps.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_CAUSAL_PER_REQUEST |
                  ATTNRT_FEATURE_SLIDING_WINDOW | ATTNRT_FEATURE_SOFTCAP | ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_SINKS |
                  ATTNRT_FEATURE_DENSE_MASK | ATTNRT_FEATURE_TREE_MASK | ATTNRT_FEATURE_MM_PREFIX | ATTNRT_FEATURE_LSE |
                  ATTNRT_FEATURE_DIFF_KV | ATTNRT_FEATURE_CONTEXT_PARALLEL | ATTNRT_FEATURE_COMMON_PREFIX;
  if (FAULT(naive_claims_sparse)) caps.features |= ATTNRT_FEATURE_BLOCK_SPARSE;
  if (FAULT(naive_claims_quant)) caps.features |= ATTNRT_FEATURE_OUTPUT_QUANT;
  caps.q_dtypes = caps.kv_dtypes = caps.out_dtypes = 1u << ATTNRT_FP32 | 1u << ATTNRT_FP16 | 1u << ATTNRT_BF16;
  caps.kv_dtypes |= 1u << ATTNRT_FP8_E4M3 | 1u << ATTNRT_FP8_E5M2 | 1u << ATTNRT_INT8;
  caps.features |= latent ? ATTNRT_FEATURE_KV_SCALES : kScales;
  caps.attn_types = latent ? ATTNRT_ATTN_DECODER : ATTNRT_ATTN_ALL_;
  if (latent) caps.features &= ~ATTNRT_FEATURE_DIFF_KV;
  caps.phases = latent ? ATTNRT_PHASE_DECODE | ATTNRT_PHASE_MIXED : ATTNRT_PHASES_ALL_;
  caps.kv_layouts = latent ? ATTNRT_KV_MLA_LATENT : ATTNRT_KV_CONTIGUOUS | ATTNRT_KV_NHD | ATTNRT_KV_HND;
  caps.block_sizes = &any_block;
  caps.head_sizes = latent ? &latent_heads : &heads;
  caps.head_sizes_v = latent ? &latent_heads_v : nullptr;
  caps.determinism = ATTNRT_DETERMINISM_SCHEDULE_INVARIANT;
  caps.impl = "own";
  return caps;
}

// The tables of one fault.
struct Tables {
  explicit Tables(Fault f)
      : fault(f),
        caps{make_caps(false, f), make_caps(true, f)},
        variants{with_fault(sdk::make_variant<Naive>("standard", &caps[0], &fault), f),
                 with_fault(sdk::make_variant<Naive>("latent", &caps[1], &fault), f)} {}
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  Fault fault;
  attnrt_caps caps[2];
  attnrt_variant variants[2];
  const attnrt_variant* standard[1] = {&variants[0]};
  const attnrt_variant* latent[1] = {&variants[1]};
  attnrt_backend backends[2] = {sdk::make_backend("NAIVE", "fp32 loops", standard),
                                sdk::make_backend("NAIVE_MLA", "fp32 loops over a latent", latent)};
  const attnrt_backend* list[2] = {&backends[0], &backends[1]};
  attnrt_plugin plugin = sdk::make_plugin("naive", "0.1.0", "test", list);
};

}  // namespace

#define NAIVE_DEFINE(name)                     \
  const attnrt_plugin* name() {                \
    static const Tables tables(Fault::name);   \
    return &tables.plugin;                     \
  }
NAIVE_MUTANTS(NAIVE_DEFINE)
