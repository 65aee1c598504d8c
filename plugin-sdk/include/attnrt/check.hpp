// SPDX-License-Identifier: Apache-2.0
//
// attnrt/check.hpp: the contract of plugin.h as code. Every function looks at what one call was given and says what is
// wrong with it in one sentence: the thing, the value seen, the value wanted. The host calls these before a plugin is
// entered, plugin.hpp calls them again inside the plugin. Memory of a device is never read; on the CPU lengths, block
// ids and slots are checked too. Header-only, C++17. All functions are [thread-safe].
#ifndef ATTNRT_CHECK_HPP
#define ATTNRT_CHECK_HPP
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <type_traits>

#include "attnrt/base_size.hpp"
#include "attnrt/diag.hpp"
#include "attnrt/match.hpp"
#include "attnrt/overlap.hpp"
#include "attnrt/plugin.h"

namespace attnrt::sdk {

/// A number with at most six decimals and a point, whatever the host's locale writes: -0.5 is "-0.5".
inline std::string decimal(double number) {
  char text[340];  // the largest double has 309 digits before its point
  const auto end = std::to_chars(text, text + sizeof text, number, std::chars_format::fixed, 6).ptr;
  std::string out(text, end);
  if (out.find('.') == std::string::npos) return out;  // inf, nan
  out.erase(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
  return out;
}

/// Joins strings and numbers: say("q has ", 3, " dimensions").
template <class... Parts>
std::string say(const Parts&... parts) {
  std::string out;
  const auto one = [&out](const auto& part) {
    using T = std::decay_t<decltype(part)>;
    if constexpr (std::is_floating_point_v<T>) {
      out += decimal(static_cast<double>(part));
    } else if constexpr (std::is_arithmetic_v<T>) {
      out += std::to_string(part);
    } else {
      out += part;
    }
  };
  (one(parts), ...);
  return out;
}

/// The element type of a DLPack dtype as ATTNRT_FP32 ..., or -1 where it is not one of ours.
constexpr int dtype_of(attnrt_dtype t) {
  if (t.lanes != 1) return -1;
  if (t.code == 2 && t.bits == 32) return ATTNRT_FP32;
  if (t.code == 2 && t.bits == 16) return ATTNRT_FP16;
  if (t.code == 4 && t.bits == 16) return ATTNRT_BF16;
  if (t.code == 10 && t.bits == 8) return ATTNRT_FP8_E4M3;
  if (t.code == 11 && t.bits == 8) return ATTNRT_FP8_E4M3FNUZ;
  if (t.code == 12 && t.bits == 8) return ATTNRT_FP8_E5M2;
  if (t.code == 0 && t.bits == 8) return ATTNRT_INT8;
  return -1;
}

/// The DLPack dtype of ATTNRT_FP32 ...
constexpr attnrt_dtype to_dlpack(uint32_t dtype) {
  constexpr attnrt_dtype table[ATTNRT_DTYPE_COUNT_] = {{2, 32, 1}, {2, 16, 1}, {4, 16, 1}, {10, 8, 1},
                                                       {11, 8, 1}, {12, 8, 1}, {0, 8, 1}};
  return dtype < ATTNRT_DTYPE_COUNT_ ? table[dtype] : attnrt_dtype{0, 0, 0};
}

/// "fp32", "bf16", "fp8_e4m3" ...
constexpr const char* dtype_name(uint32_t dtype) {
  constexpr const char* names[ATTNRT_DTYPE_COUNT_] = {"fp32",         "fp16",     "bf16", "fp8_e4m3",
                                                      "fp8_e4m3fnuz", "fp8_e5m2", "int8"};
  return dtype < ATTNRT_DTYPE_COUNT_ ? names[dtype] : "unknown";
}

constexpr uint32_t dtype_bytes(uint32_t dtype) { return dtype == ATTNRT_FP32 ? 4 : dtype <= ATTNRT_BF16 ? 2 : 1; }

/// Copies a struct that the other side may know in an older or newer, shorter or longer form. False and a sentence
/// where it is NULL or shorter than the oldest form that serves.
template <class T>
bool accept(const Diag& diag, const char* what, const T* from, T& to) {
  if (!from) return diag.fail(say(what, " is NULL, wanted a struct"));
  if (from->struct_size < base_size<T>)
    return diag.fail(say(what, ".struct_size is ", from->struct_size, ", wanted at least ", base_size<T>));
  take(*from, to);
  return true;
}

namespace detail {
constexpr bool one_bit(uint32_t value, uint32_t all) { return value && !(value & ~all) && !(value & (value - 1)); }

inline bool within(const Diag& diag, const char* what, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return true;
  return diag.fail(say(what, " is ", value, ", wanted ", low, " to ", high));
}
}  // namespace detail

/// A problem that is complete and consistent in itself: known values, and a feature bit for each field that needs one.
inline bool check_problem(const Diag& diag, const attnrt_problem& p) {
  using detail::one_bit;
  using detail::within;
  if (p.device_type != ATTNRT_DEVICE_CPU && p.device_type != ATTNRT_DEVICE_CUDA && p.device_type != ATTNRT_DEVICE_ROCM)
    return diag.fail(say("device_type is ", p.device_type, ", wanted 1 (cpu), 2 (cuda) or 10 (rocm)"));
  if (!one_bit(p.family, ATTNRT_FAMILIES_ALL_)) return diag.fail(say("family is ", p.family, ", wanted one known bit"));
  if (!one_bit(p.attn_type, ATTNRT_ATTN_ALL_))
    return diag.fail(say("attn_type is ", p.attn_type, ", wanted one known bit"));
  if (!one_bit(p.phase, ATTNRT_PHASES_ALL_)) return diag.fail(say("phase is ", p.phase, ", wanted one known bit"));
  if (!p.kv_layouts || (p.kv_layouts & ~ATTNRT_KV_LAYOUTS_ALL_))
    return diag.fail(say("kv_layouts is ", p.kv_layouts, ", wanted known bits and at least one"));
  if (p.features & ~ATTNRT_FEATURES_ALL_)
    return diag.fail(say("features holds unknown bits: ", p.features & ~ATTNRT_FEATURES_ALL_));
  if (p.provides & ~ATTNRT_PROVIDES_ALL_)
    return diag.fail(say("provides holds unknown bits: ", p.provides & ~ATTNRT_PROVIDES_ALL_));
  if (!within(diag, "q_dtype", p.q_dtype, 0, ATTNRT_DTYPE_COUNT_ - 1)) return false;
  if (!within(diag, "kv_dtype", p.kv_dtype, 0, ATTNRT_DTYPE_COUNT_ - 1)) return false;
  if (!within(diag, "out_dtype", p.out_dtype, 0, ATTNRT_DTYPE_COUNT_ - 1)) return false;
  if (!within(diag, "num_heads", p.num_heads, 1, 65536)) return false;
  if (!within(diag, "num_kv_heads", p.num_kv_heads, 1, p.num_heads)) return false;
  if (p.num_heads % p.num_kv_heads)
    return diag.fail(say("num_heads is ", p.num_heads, ", wanted a multiple of num_kv_heads ", p.num_kv_heads));
  if (!within(diag, "head_size_qk", p.head_size_qk, 1, 65536)) return false;
  if (!within(diag, "head_size_v", p.head_size_v, 1, 65536)) return false;
  if (!within(diag, "block_size", p.block_size, 0, 1 << 20)) return false;
  if (!within(diag, "window_left", p.window_left, -1, INT32_MAX)) return false;
  if (!within(diag, "window_right", p.window_right, -1, INT32_MAX)) return false;
  if (!within(diag, "causal", p.causal, 0, ATTNRT_CAUSAL_PER_REQUEST)) return false;
  if (!within(diag, "determinism", p.determinism, 0, ATTNRT_DETERMINISM_SCHEDULE_INVARIANT)) return false;
  if (!within(diag, "graph_level", p.graph_level, 0, ATTNRT_GRAPH_ALWAYS)) return false;
  if (!(p.softcap >= 0.0f) || std::isinf(p.softcap))
    return diag.fail(say("softcap is ", p.softcap, ", wanted 0 (off) or a positive number"));
  if (p.cp_size > 1 && (p.cp_rank >= p.cp_size || p.cp_interleave == 0))
    return diag.fail(say("cp_rank is ", p.cp_rank, " of cp_size ", p.cp_size, " with cp_interleave ", p.cp_interleave,
                         ", wanted a rank below the size and an interleave of at least 1"));
  if (p.family == ATTNRT_FAMILY_MLA) {
    if (p.mla_kv_lora == 0 || p.head_size_qk != p.mla_kv_lora + p.mla_rope || p.head_size_v != p.mla_kv_lora)
      return diag.fail(say("MLA head sizes are ", p.head_size_qk, " and ", p.head_size_v, ", wanted kv_lora + rope = ",
                           p.mla_kv_lora + p.mla_rope, " and kv_lora = ", p.mla_kv_lora));
    if (p.num_kv_heads != 1) return diag.fail(say("MLA num_kv_heads is ", p.num_kv_heads, ", wanted 1"));
  }
  const struct {
    bool used;
    uint64_t bit;
    const char* text;
  } needs[] = {
      {p.causal == ATTNRT_CAUSAL_ALWAYS, ATTNRT_FEATURE_CAUSAL, "causal is always, wanted the feature bit CAUSAL"},
      {p.causal == ATTNRT_CAUSAL_NEVER, ATTNRT_FEATURE_NON_CAUSAL,
       "causal is never, wanted the feature bit NON_CAUSAL"},
      {p.causal == ATTNRT_CAUSAL_PER_REQUEST, ATTNRT_FEATURE_CAUSAL_PER_REQUEST,
       "causal is per request, wanted the feature bit CAUSAL_PER_REQUEST"},
      {p.window_left >= 0 || p.window_right >= 0, ATTNRT_FEATURE_SLIDING_WINDOW,
       "a window is set, wanted the feature bit SLIDING_WINDOW"},
      {p.softcap > 0, ATTNRT_FEATURE_SOFTCAP, "softcap is set, wanted the feature bit SOFTCAP"},
      {p.family == ATTNRT_FAMILY_STANDARD && p.head_size_qk != p.head_size_v, ATTNRT_FEATURE_DIFF_KV,
       "head_size_v differs from head_size_qk, wanted the feature bit DIFF_KV"},
      {p.cp_size > 1, ATTNRT_FEATURE_CONTEXT_PARALLEL, "cp_size is above 1, wanted the feature bit CONTEXT_PARALLEL"},
      {p.sparse_topk > 0, ATTNRT_FEATURE_SPARSE_TOPK, "sparse_topk is set, wanted the feature bit SPARSE_TOPK"},
  };
  for (const auto& need : needs)
    if (need.used && !(p.features & need.bit)) return diag.fail(need.text);
  return true;
}

/// Limits that are positive, bounded, and have a cache exactly where the problem has one.
inline bool check_limits(const Diag& diag, const attnrt_problem& p, const attnrt_limits& l) {
  using detail::within;
  if (!within(diag, "limits.num_workers", l.num_workers, 1, 4096)) return false;
  if (!within(diag, "limits.max_seqs", l.max_seqs, 0, INT32_MAX - 1)) return false;
  if (!within(diag, "limits.max_tokens", l.max_tokens, 0, INT32_MAX - 1)) return false;
  if (!within(diag, "limits.max_query_len", l.max_query_len, 0, INT32_MAX - 1)) return false;
  if (!within(diag, "limits.max_seq_len", l.max_seq_len, 0, INT32_MAX - 1)) return false;
  if (!within(diag, "limits.max_kv_tokens", l.max_kv_tokens, 0, INT32_MAX - 1)) return false;
  if (!within(diag, "limits.num_sms", l.num_sms, 0, 65536)) return false;
  const int64_t low = is_paged(p.kv_layouts) ? 1 : 0;
  if (!within(diag, "limits.num_blocks", l.num_blocks, low, INT32_MAX - 1)) return false;
  if (!within(diag, "limits.max_blocks_per_seq", l.max_blocks_per_seq, low, INT32_MAX - 1)) return false;
  if (low && p.block_size == 0) return diag.fail("block_size is 0, wanted the block size of the paged cache");
  return true;
}

/// Memory that is as large and as aligned as the workspace answer asked.
inline bool check_memory(const Diag& diag, const attnrt_workspace& want, const attnrt_memory& got) {
  const struct {
    const char* name;
    const void* data;
    uint64_t bytes, want_bytes, alignment;
  } pieces[] = {{"memory.plan", got.plan, got.plan_bytes, want.plan_bytes, want.plan_alignment},
                {"memory.pinned", got.pinned, got.pinned_bytes, want.pinned_bytes, want.pinned_alignment},
                {"memory.scratch", got.scratch, got.scratch_bytes, want.scratch_bytes, want.scratch_alignment}};
  for (const auto& m : pieces) {
    if (m.want_bytes == 0) continue;
    if (m.bytes < m.want_bytes) return diag.fail(say(m.name, " has ", m.bytes, " bytes, wanted ", m.want_bytes));
    if (!m.data) return diag.fail(say(m.name, " is NULL, wanted ", m.want_bytes, " bytes"));
    if (m.alignment > 1 && reinterpret_cast<uintptr_t>(m.data) % m.alignment)
      return diag.fail(say(m.name, " is not aligned to ", m.alignment, " bytes"));
  }
  return true;
}

/// What `run` needs to know of the last batch to check its tensors.
struct BatchShape {
  int32_t num_seqs = 0;
  int32_t num_tokens = 0;
  int32_t num_kv_rows = 0; ///< rows of k and v where there is no cache; 0 where the host cannot know
};

/// A batch within the limits: ascending offsets, lengths that hold their queries, block ids inside the cache. On
/// success `shape` describes it.
inline bool check_batch(const Diag& diag, const attnrt_problem& p, const attnrt_limits& l, const attnrt_batch& b,
                        BatchShape& shape) {
  using detail::within;
  const bool paged = is_paged(p.kv_layouts), cpu = p.device_type == ATTNRT_DEVICE_CPU;
  shape = {b.num_seqs, b.num_tokens, 0};
  if (!within(diag, "batch.num_seqs", b.num_seqs, 0, l.max_seqs)) return false;
  if (!within(diag, "batch.num_tokens", b.num_tokens, 0, l.max_tokens)) return false;
  if (!within(diag, "batch.max_query_len", b.max_query_len, 0, l.max_query_len)) return false;
  if (!within(diag, "batch.max_seq_len", b.max_seq_len, 0, l.max_seq_len)) return false;
  if (!within(diag, "batch.num_decodes", b.num_decodes, 0, b.num_seqs)) return false;
  if (!within(diag, "batch.common_prefix_len", b.common_prefix_len, 0, l.max_seq_len)) return false;
  if (!b.query_start_loc) return diag.fail("batch.query_start_loc is NULL, wanted num_seqs + 1 offsets");
  if (b.num_seqs && !b.seq_lens) return diag.fail("batch.seq_lens is NULL, wanted num_seqs lengths");
  if (paged && b.num_seqs && !b.block_table)
    return diag.fail("batch.block_table is NULL, wanted the table of a paged cache");
  if (paged && b.block_table_stride < b.block_table_width)
    return diag.fail(say("batch.block_table_stride is ", b.block_table_stride, ", wanted at least the width ",
                         b.block_table_width));
  if (paged && !within(diag, "batch.block_table_width", b.block_table_width, 0, INT32_MAX - 1)) return false;
  if (!paged && !b.kv_start_loc) return diag.fail("batch.kv_start_loc is NULL, wanted num_seqs + 1 offsets of k and v");
  const bool per_request = p.causal == ATTNRT_CAUSAL_PER_REQUEST;
  if (per_request != (b.causal != nullptr) && b.num_seqs)
    return diag.fail(per_request ? "batch.causal is NULL, wanted a flag for each request"
                                 : "batch.causal is set, wanted NULL where the problem fixes causality");
  if ((b.window_prefix_lens != nullptr) != ((p.features & ATTNRT_FEATURE_WINDOW_PREFIX) != 0) && b.num_seqs)
    return diag.fail("batch.window_prefix_lens is to be given exactly with the feature WINDOW_PREFIX");

  if (!cpu && (p.provides & ATTNRT_HOST_LENGTHS) && (!b.query_start_loc_host || (b.num_seqs && !b.seq_lens_host)))
    return diag.fail(
        "batch.query_start_loc_host or seq_lens_host is NULL, wanted both: problem.provides promises HOST_LENGTHS");

  const int32_t* qsl = b.query_start_loc_host ? b.query_start_loc_host : cpu ? b.query_start_loc : nullptr;
  const int32_t* lens = b.seq_lens_host ? b.seq_lens_host : cpu ? b.seq_lens : nullptr;
  const int32_t* kvl = b.kv_lens_host ? b.kv_lens_host : cpu ? b.kv_lens : nullptr;
  const int32_t* kvs = b.kv_start_loc_host ? b.kv_start_loc_host : cpu ? b.kv_start_loc : nullptr;
  if (qsl && qsl[0] != 0) return diag.fail(say("query_start_loc[0] is ", qsl[0], ", wanted 0"));
  if (kvs && kvs[0] < 0) return diag.fail(say("kv_start_loc[0] is ", kvs[0], ", wanted 0 or more"));
  int32_t first_sharer = -1;  // requests without queries share nothing
  for (int32_t r = 0; r < b.num_seqs; ++r) {
    const int64_t query_len = qsl ? int64_t{qsl[r + 1]} - qsl[r] : 0;
    if (query_len < 0)
      return diag.fail(say("query_start_loc[", r + 1, "] is ", qsl[r + 1], ", wanted at least ", qsl[r]));
    if (query_len > b.max_query_len)
      return diag.fail(
          say("request ", r, " has query length ", query_len, ", wanted at most max_query_len ", b.max_query_len));
    // A cache holds the query's own keys. Without one a query may be longer than what it sees.
    const int64_t least = paged ? query_len : 0;
    if (lens && (lens[r] < least || lens[r] > b.max_seq_len))
      return diag.fail(say("seq_lens[", r, "] is ", lens[r], ", wanted ", least, paged ? " (its query)" : "",
                           " to max_seq_len ", b.max_seq_len));
    int64_t keys = lens ? lens[r] : 0;
    if (!paged && kvs) {
      keys = int64_t{kvs[r + 1]} - kvs[r];
      if (keys < 0) return diag.fail(say("kv_start_loc[", r + 1, "] is ", kvs[r + 1], ", wanted at least ", kvs[r]));
    }
    if (kvl && b.kv_lens) {
      if (kvl[r] < 0 || kvl[r] > l.max_seq_len || (!paged && kvl[r] > keys))
        return diag.fail(say("kv_lens[", r, "] is ", kvl[r], ", wanted 0 to ", paged ? l.max_seq_len : keys));
      keys = kvl[r];
    }
    if ((paged ? lens : kvs) && query_len > 0 && b.common_prefix_len > keys)
      return diag.fail(say("batch.common_prefix_len is ", b.common_prefix_len, ", wanted at most the ", keys,
                           " keys of request ", r));
    if (!paged || !cpu) continue;
    const int64_t blocks = (keys + p.block_size - 1) / p.block_size;
    const int64_t width = std::min<int64_t>(b.block_table_width, l.max_blocks_per_seq);
    if (blocks > width)
      return diag.fail(
          say("request ", r, " needs ", blocks, " blocks for ", keys, " keys, the block table holds ", width));
    const int32_t* row = b.block_table + r * b.block_table_stride;
    for (int64_t i = 0; i < blocks; ++i)
      if (row[i] < 0 || row[i] >= l.num_blocks)
        return diag.fail(say("block_table[", r, "][", i, "] is ", row[i], ", wanted 0 to ", l.num_blocks - 1));
    if (query_len == 0) continue;
    if (first_sharer < 0) first_sharer = r;
    const int32_t* shared = b.block_table + first_sharer * b.block_table_stride;
    for (int64_t i = 0; i < b.common_prefix_len / static_cast<int64_t>(p.block_size); ++i)
      if (row[i] != shared[i])
        return diag.fail(say("block_table[", r, "][", i, "] is ", row[i], ", wanted ", shared[i], " as in request ",
                             first_sharer, ": common_prefix_len is ", b.common_prefix_len));
  }
  if (qsl && qsl[b.num_seqs] != b.num_tokens)
    return diag.fail(
        say("query_start_loc[", b.num_seqs, "] is ", qsl[b.num_seqs], ", wanted num_tokens ", b.num_tokens));
  if (!paged && kvs) {
    shape.num_kv_rows = kvs[b.num_seqs];
    if (shape.num_kv_rows > l.max_kv_tokens)
      return diag.fail(
          say("kv_start_loc ends at ", shape.num_kv_rows, ", wanted at most max_kv_tokens ", l.max_kv_tokens));
  }
  return true;
}

namespace detail {

/// A tensor on the problem's device with these dimensions: -1 = any size, ~n = at least n.
struct TensorWant {
  const char* name;
  const attnrt_tensor* tensor;
  int64_t dtypes;  ///< mask of (1 << ATTNRT_FP32 ...); 0 = not one of ours, checked by the caller
  int32_t ndim;
  int64_t shape[4];
};

inline bool check_tensor(const Diag& diag, int32_t device_type, const TensorWant& want) {
  const attnrt_tensor* t = want.tensor;
  if (!t) return diag.fail(say(want.name, " is NULL, wanted a tensor of ", want.ndim, " dimensions"));
  if (t->device.type != device_type)
    return diag.fail(say(want.name, " lies on device type ", t->device.type, ", wanted ", device_type));
  if (t->ndim != want.ndim) return diag.fail(say(want.name, " has ", t->ndim, " dimensions, wanted ", want.ndim));
  if (!t->shape || !t->strides) return diag.fail(say(want.name, " has no shape or strides, wanted both"));
  bool empty = false;
  for (int32_t i = 0; i < want.ndim; ++i) {
    const int64_t w = want.shape[i], got = t->shape[i];
    if (got < 0) return diag.fail(say(want.name, ".shape[", i, "] is ", got, ", wanted 0 or more"));
    if (w >= 0 && got != w) return diag.fail(say(want.name, ".shape[", i, "] is ", got, ", wanted ", w));
    if (w < -1 && got < ~w) return diag.fail(say(want.name, ".shape[", i, "] is ", got, ", wanted at least ", ~w));
    if (t->strides[i] < 0)
      return diag.fail(say(want.name, ".strides[", i, "] is ", t->strides[i], ", wanted 0 or more"));
    empty |= got == 0;
  }
  if (!empty && !t->data) return diag.fail(say(want.name, " has no data, wanted memory"));
  const uint64_t element = t->dtype.bits / 8u;
  if (!empty && element > 1 && (reinterpret_cast<uintptr_t>(t->data) + t->byte_offset) % element)
    return diag.fail(say(want.name, " is not aligned to its element size ", element));
  if (want.dtypes) {
    const int dtype = dtype_of(t->dtype);
    if (dtype < 0 || !(want.dtypes >> dtype & 1)) {
      std::string names;
      for (uint32_t d = 0; d < ATTNRT_DTYPE_COUNT_; ++d)
        if (want.dtypes >> d & 1) names += say(names.empty() ? "" : " or ", dtype_name(d));
      return diag.fail(say(want.name, " is ", dtype < 0 ? "of another type" : dtype_name(static_cast<uint32_t>(dtype)),
                           ", wanted ", names));
    }
  }
  return true;
}

/// Scales change results: they need the feature bit that tells of them.
struct Scale {
  const char* name;
  const attnrt_tensor* tensor;
  uint64_t bits = ATTNRT_FEATURE_KV_SCALES | ATTNRT_FEATURE_PER_HEAD_SCALES;
};
inline bool check_scales(const Diag& diag, const attnrt_problem& p, std::initializer_list<Scale> scales) {
  for (const Scale& scale : scales)
    if (scale.tensor && !(p.features & scale.bits))
      return diag.fail(say(scale.name, " is given, wanted NULL: its feature bit is not in the problem"));
  return true;
}

constexpr int64_t only(uint32_t dtype) { return int64_t{1} << dtype; }

/// Scales that the CPU can read: a 0 loses every value, NaN and infinity spoil every one.
inline bool check_scale_values(const Diag& diag, const char* name, const attnrt_tensor& scale) {
  if (scale.device.type != ATTNRT_DEVICE_CPU) return true;
  const char* data = static_cast<const char*>(scale.data) + scale.byte_offset;
  const int64_t columns = scale.ndim == 2 ? scale.shape[1] : 1;
  for (int64_t i = 0; i < scale.shape[0]; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      float value;
      const int64_t at = i * scale.strides[0] + (scale.ndim == 2 ? j * scale.strides[1] : 0);
      std::memcpy(&value, data + at * static_cast<int64_t>(sizeof value), sizeof value);
      if (std::isfinite(value) && value != 0.0f) continue;
      return diag.fail(say(name, "[", i, scale.ndim == 2 ? say("][", j) : "", "] is ", value,
                           ", wanted a finite number other than 0: 1 where values are stored as they are"));
    }
  return true;
}

/// Scales of a run: one, or one for each request and, with PER_HEAD_SCALES, each KV head.
inline bool check_run_scale(const Diag& diag, const attnrt_problem& p, int32_t num_seqs, const char* name,
                            const attnrt_tensor* scale) {
  if (!scale) return true;
  if (!check_tensor(diag, p.device_type, {name, scale, only(ATTNRT_FP32), 2, {-1, -1, 0, 0}})) return false;
  const int64_t heads = p.features & ATTNRT_FEATURE_PER_HEAD_SCALES ? p.num_kv_heads : 1;
  if (scale->shape[0] != 1 && scale->shape[0] < num_seqs)
    return diag.fail(say(name, ".shape[0] is ", scale->shape[0], ", wanted 1 or the ", num_seqs, " requests"));
  if (scale->shape[1] != 1 && scale->shape[1] != heads)
    return diag.fail(say(name, ".shape[1] is ", scale->shape[1], ", wanted ", heads == 1 ? "1" : say("1 or ", heads)));
  return check_scale_values(diag, name, *scale);
}

/// Scales of a cache write or read-out: one, with PER_HEAD_SCALES one or one a KV head.
inline bool check_cache_scale(const Diag& diag, const attnrt_problem& p, const char* name, const attnrt_tensor* scale) {
  if (!scale) return true;
  if (!check_tensor(diag, p.device_type, {name, scale, only(ATTNRT_FP32), 1, {-1, 0, 0, 0}})) return false;
  const int64_t heads = p.features & ATTNRT_FEATURE_PER_HEAD_SCALES ? p.num_kv_heads : 1;
  if (scale->shape[0] == 1 || scale->shape[0] == heads) return check_scale_values(diag, name, *scale);
  return diag.fail(say(name, ".shape[0] is ", scale->shape[0], ", wanted ", heads == 1 ? "1" : say("1 or ", heads)));
}

inline bool check_int(const Diag& diag, const char* name, const attnrt_tensor* t, int bits) {
  if (t->dtype.code == 0 && t->dtype.bits == bits && t->dtype.lanes == 1) return true;
  return diag.fail(say(name, " is of another type, wanted int", bits));
}

/// Rows are read as vectors: the last dimension of q, k, v, caches and out is dense.
inline bool check_dense_rows(const Diag& diag, const char* name, const attnrt_tensor* t) {
  const int32_t last = t->ndim - 1;
  if (t->shape[last] <= 1 || t->strides[last] == 1) return true;
  return diag.fail(say(name, ".strides[", last, "] is ", t->strides[last], ", wanted 1"));
}

inline bool check_rows(const Diag& diag, int32_t device_type, const TensorWant& want) {
  return check_tensor(diag, device_type, want) && check_dense_rows(diag, want.name, want.tensor);
}

/// A tensor that is written: no two of its elements may be one. `row_bytes` as in Footprint.
inline bool check_written(const Diag& diag, const char* name, const attnrt_tensor& t, int64_t row_bytes = 0) {
  if (Footprint(t, row_bytes).nested()) return true;
  std::string shape, strides;
  for (int32_t i = 0; i < t.ndim; ++i) {
    shape += say(i ? ", " : "", t.shape[i]);
    strides += say(i ? ", " : "", t.strides[i]);
  }
  return diag.fail(say(name, " overlaps itself: its strides are [", strides, "] for the shape [", shape,
                       "], wanted each to be at least what the dimensions of smaller strides take"));
}

/// Two tensors that one call writes.
inline bool check_apart(const Diag& diag, const char* name, const attnrt_tensor& t, const char* other_name,
                        const attnrt_tensor& other) {
  if (!Footprint(t).shares(Footprint(other))) return true;
  return diag.fail(say(name, " and ", other_name, " share memory, wanted two tensors that do not overlap"));
}

/// Is there room for a scale behind each row of a cache with PER_TOKEN_HEAD_SCALES, and is it aligned?
inline bool check_row_scales(const Diag& diag, const attnrt_problem& p, const char* name, const attnrt_tensor* t) {
  if (!(p.features & ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES)) return true;
  if (dtype_bytes(p.kv_dtype) != 1)
    return diag.fail(say("kv_dtype is ", dtype_name(p.kv_dtype), ", wanted one of 8 bits with per-token-head scales"));
  if ((reinterpret_cast<uintptr_t>(t->data) + t->byte_offset) % 4)
    return diag.fail(say(name, " is not aligned to 4 bytes, wanted that for the scales behind its rows"));
  const int64_t row = (t->shape[3] + 3) / 4 * 4 + 4;
  for (int32_t i = 0; i < 3; ++i)
    if (t->shape[i] > 1 && (t->strides[i] < row || t->strides[i] % 4))
      return diag.fail(say(name, ".strides[", i, "] is ", t->strides[i], ", wanted a multiple of 4 of at least ", row,
                           ": a scale lies behind each row"));
  return true;
}

/// The cache views of a run, write or gather; num_blocks 0 = any.
inline bool check_cache(const Diag& diag, const attnrt_problem& p, int32_t num_blocks, const attnrt_tensor* k,
                        const attnrt_tensor* v) {
  const int64_t blocks = num_blocks > 0 ? ~int64_t{num_blocks} : -1, bs = p.block_size;
  if (p.kv_layouts & ATTNRT_KV_NATIVE) return check_rows(diag, p.device_type, {"k_cache", k, 0, 2, {blocks, -1, 0, 0}});
  if (p.kv_layouts & ATTNRT_KV_FP8_DS_MLA)
    return check_rows(diag, p.device_type, {"k_cache", k, 0, 4, {blocks, bs, 1, 656}});
  const int64_t kinds = only(p.kv_dtype);
  if (!check_rows(diag, p.device_type, {"k_cache", k, kinds, 4, {blocks, bs, p.num_kv_heads, p.head_size_qk}}))
    return false;
  if (!check_row_scales(diag, p, "k_cache", k)) return false;
  if (p.kv_layouts & ATTNRT_KV_MLA_LATENT) return true;
  return check_rows(diag, p.device_type, {"v_cache", v, kinds, 4, {blocks, bs, p.num_kv_heads, p.head_size_v}}) &&
         check_row_scales(diag, p, "v_cache", v);
}

/// A cache that is written, after check_cache.
inline bool check_written_cache(const Diag& diag, const attnrt_problem& p, const attnrt_tensor* k,
                                const attnrt_tensor* v) {
  const auto row_bytes = [&p](const attnrt_tensor& t) {
    return p.features & ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES && t.ndim == 4 ? (t.shape[3] + 3) / 4 * 4 + 4 : int64_t{0};
  };
  if (!check_written(diag, "k_cache", *k, row_bytes(*k))) return false;
  const bool one = p.kv_layouts & (ATTNRT_KV_NATIVE | ATTNRT_KV_FP8_DS_MLA | ATTNRT_KV_MLA_LATENT);
  return one || check_written(diag, "v_cache", *v, row_bytes(*v));
}
}  // namespace detail

/// Tensors of one call against the problem, the limits and the batch of the last plan_update.
inline bool check_run(const Diag& diag, const attnrt_problem& p, const attnrt_limits& l, const BatchShape& shape,
                      const attnrt_run_args& a) {
  using namespace detail;
  const int32_t dev = p.device_type;
  if (!std::isfinite(a.scale) || a.scale == 0.0f) {
    // Of the head before the up-projection was absorbed, where the problem tells it.
    const uint32_t size = p.family == ATTNRT_FAMILY_MLA && p.mla_nope ? p.mla_nope + p.mla_rope : p.head_size_qk;
    return diag.fail(say("scale is ", a.scale, ", wanted a finite number other than 0: as a rule 1 / sqrt(head_size), ",
                         1 / std::sqrt(static_cast<double>(size)), " for head_size ", size));
  }
  const bool split = p.features & ATTNRT_FEATURE_SPLIT_Q;
  const int64_t heads = p.num_heads, kv_heads = p.num_kv_heads, t = ~int64_t{shape.num_tokens};
  const int64_t qk = split ? p.mla_kv_lora : p.head_size_qk;
  if (!check_rows(diag, dev, {"q", a.q, only(p.q_dtype), 3, {t, heads, qk, 0}})) return false;
  if (!check_rows(diag, dev, {"out", a.out, only(p.out_dtype), 3, {t, heads, p.head_size_v, 0}}) ||
      !check_written(diag, "out", *a.out))
    return false;
  if (split && !check_rows(diag, dev, {"q_rope", a.q_rope, only(p.q_dtype), 3, {t, heads, p.mla_rope, 0}}))
    return false;
  if (is_paged(p.kv_layouts)) {
    if (!check_cache(diag, p, l.num_blocks, a.k_cache, a.v_cache)) return false;
  } else {
    const int64_t s = ~int64_t{shape.num_kv_rows};
    if (!check_rows(diag, dev, {"k", a.k, only(p.kv_dtype), 3, {s, kv_heads, p.head_size_qk, 0}})) return false;
    if (!check_rows(diag, dev, {"v", a.v, only(p.kv_dtype), 3, {s, kv_heads, p.head_size_v, 0}})) return false;
  }
  if (a.lse) {
    if (!(p.features & ATTNRT_FEATURE_LSE)) return diag.fail("lse is given, wanted NULL without the feature bit LSE");
    if (!check_tensor(diag, dev, {"lse", a.lse, only(ATTNRT_FP32), 2, {t, heads, 0, 0}}) ||
        !check_written(diag, "lse", *a.lse) || !check_apart(diag, "out", *a.out, "lse", *a.lse))
      return false;
  }
  const struct {
    const void* given;
    uint64_t bits;
    const char* name;
  } operands[] = {{a.sinks, ATTNRT_FEATURE_SINKS, "sinks"},
                  {a.alibi_slopes, ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_ALIBI_SQRT, "alibi_slopes"},
                  {a.dense_mask, ATTNRT_FEATURE_DENSE_MASK, "dense_mask"},
                  {a.tree_mask, ATTNRT_FEATURE_TREE_MASK, "tree_mask"},
                  {a.prefix_ranges, ATTNRT_FEATURE_MM_PREFIX, "prefix_ranges"},
                  {a.sparse_indices, ATTNRT_FEATURE_SPARSE_TOPK, "sparse_indices"},
                  {a.block_sparse, ATTNRT_FEATURE_BLOCK_SPARSE, "block_sparse"},
                  {a.q_rope, ATTNRT_FEATURE_SPLIT_Q, "q_rope"},
                  {a.flex, ATTNRT_FEATURE_FLEX, "flex"}};
  for (const auto& o : operands)
    if ((o.given != nullptr) != ((p.features & o.bits) != 0))
      return diag.fail(say(o.name, o.given ? " is given, wanted NULL: its feature bit is not in the problem"
                                           : " is NULL, wanted the operand of a feature in the problem"));
  if (a.sinks && !check_tensor(diag, dev, {"sinks", a.sinks, only(ATTNRT_FP32) | only(p.q_dtype), 1, {heads, 0, 0, 0}}))
    return false;
  if (a.alibi_slopes &&
      !check_tensor(diag, dev, {"alibi_slopes", a.alibi_slopes, only(ATTNRT_FP32), 1, {heads, 0, 0, 0}}))
    return false;
  if (const attnrt_tensor* mask = a.dense_mask) {
    if (!check_tensor(diag, dev, {"dense_mask", mask, 0, 4, {-1, -1, -1, -1}})) return false;
    const attnrt_dtype type = mask->dtype;
    const bool is_bool = type.lanes == 1 && type.bits == 8 && (type.code == 6 || type.code == 1);
    if (const int number = dtype_of(type); !is_bool && (number < ATTNRT_FP32 || number > ATTNRT_BF16))
      return diag.fail("dense_mask is of another type, wanted bool, fp32, fp16 or bf16");
  }
  if (a.tree_mask && !check_tensor(diag, dev, {"tree_mask", a.tree_mask, only(ATTNRT_FP32), 3, {-1, -1, -1, 0}}))
    return false;
  if (a.prefix_ranges && !(check_tensor(diag, dev, {"prefix_ranges", a.prefix_ranges, 0, 2, {t, 2, 0, 0}}) &&
                           check_int(diag, "prefix_ranges", a.prefix_ranges, 32)))
    return false;
  if (a.sparse_indices &&
      !(check_tensor(diag, dev, {"sparse_indices", a.sparse_indices, 0, 2, {t, p.sparse_topk, 0, 0}}) &&
        check_int(diag, "sparse_indices", a.sparse_indices, 32)))
    return false;
  if (const attnrt_block_sparse* pattern = a.block_sparse) {
    if (!ATTNRT_HAS(pattern, head_step))
      return diag.fail(say("block_sparse.struct_size is ", pattern->struct_size, ", wanted ", sizeof *pattern));
    if (pattern->block == 0) return diag.fail("block_sparse.block is 0, wanted the tokens of a block");
  }
  if (!check_scales(diag, p, {{"q_scale", a.q_scale}, {"k_scale", a.k_scale}, {"v_scale", a.v_scale},
                              {"out_scale", a.out_scale, ATTNRT_FEATURE_OUTPUT_QUANT},
                              {"out_block_scale", a.out_block_scale, ATTNRT_FEATURE_OUTPUT_QUANT}})) return false;
  for (const auto& [name, scale] : {std::pair{"q_scale", a.q_scale}, {"k_scale", a.k_scale}, {"v_scale", a.v_scale}})
    if (!check_run_scale(diag, p, shape.num_seqs, name, scale)) return false;
  return true;
}

/// A cache write: rows that agree, and (on the CPU) slots inside the cache.
inline bool check_write(const Diag& diag, const attnrt_problem& p, const attnrt_write_args& a) {
  using namespace detail;
  const int32_t dev = p.device_type;
  if (!is_paged(p.kv_layouts)) return diag.fail("write_kv: the problem has no cache, wanted a paged KV layout");
  if (!check_scales(diag, p, {{"k_scale", a.k_scale}, {"v_scale", a.v_scale}})) return false;
  if (!check_cache_scale(diag, p, "k_scale", a.k_scale) || !check_cache_scale(diag, p, "v_scale", a.v_scale))
    return false;
  const bool mla = p.family == ATTNRT_FAMILY_MLA;
  const int64_t heads = p.num_kv_heads;
  const int64_t k_size = mla ? p.mla_kv_lora : p.head_size_qk, v_size = mla ? p.mla_rope : p.head_size_v;
  const bool own_scales = p.features & ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES;
  const int64_t kinds = own_scales ? only(p.q_dtype) : only(p.q_dtype) | only(p.kv_dtype);
  if (!check_rows(diag, dev, {"k", a.k, kinds, 3, {-1, heads, k_size, 0}})) return false;
  if (!check_rows(diag, dev, {"v", a.v, kinds, 3, {-1, heads, v_size, 0}})) return false;
  if (!check_tensor(diag, dev, {"slot_mapping", a.slot_mapping, 0, 1, {-1, 0, 0, 0}}) ||
      !check_int(diag, "slot_mapping", a.slot_mapping, 64))
    return false;
  const int64_t n = a.slot_mapping->shape[0];
  if (a.k->shape[0] < n || a.v->shape[0] < n)
    return diag.fail(say("slot_mapping has ", n, " entries, k has ", a.k->shape[0], " rows and v ", a.v->shape[0],
                         ", wanted at least as many rows"));
  if (!check_cache(diag, p, 0, a.k_cache, a.v_cache) || !check_written_cache(diag, p, a.k_cache, a.v_cache))
    return false;
  if (dev != ATTNRT_DEVICE_CPU) return true;
  int64_t blocks = a.k_cache->shape[0];
  if (!mla && a.v_cache) blocks = std::min(blocks, a.v_cache->shape[0]);
  const auto* slots =
      reinterpret_cast<const int64_t*>(static_cast<const char*>(a.slot_mapping->data) + a.slot_mapping->byte_offset);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t slot = slots[i * a.slot_mapping->strides[0]];
    if (slot < -1 || slot >= blocks * p.block_size)
      return diag.fail(say("slot_mapping[", i, "] is ", slot, ", wanted -1 (skip) to ", blocks * p.block_size - 1));
  }
  return true;
}

/// A cache read-out: tables as in check_batch.
inline bool check_gather(const Diag& diag, const attnrt_problem& p, const attnrt_gather_args& a) {
  using namespace detail;
  const int32_t dev = p.device_type;
  if (!is_paged(p.kv_layouts)) return diag.fail("gather_kv: the problem has no cache, wanted a paged KV layout");
  if (!check_scales(diag, p, {{"k_scale", a.k_scale}, {"v_scale", a.v_scale}})) return false;
  if (!check_cache_scale(diag, p, "k_scale", a.k_scale) || !check_cache_scale(diag, p, "v_scale", a.v_scale))
    return false;
  if (!within(diag, "gather.num_seqs", a.num_seqs, 0, INT32_MAX - 1)) return false;
  const bool mla = p.family == ATTNRT_FAMILY_MLA;
  const bool own_scales = p.features & ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES;
  const int64_t heads = p.num_kv_heads, kinds = own_scales ? only(p.q_dtype) : only(p.q_dtype) | only(p.kv_dtype);
  const int64_t k_size = mla ? p.mla_kv_lora : p.head_size_qk, v_size = mla ? p.mla_rope : p.head_size_v;
  if (!check_rows(diag, dev, {"k", a.k, kinds, 3, {-1, heads, k_size, 0}})) return false;
  if (!check_rows(diag, dev, {"v", a.v, kinds, 3, {-1, heads, v_size, 0}})) return false;
  if (!check_written(diag, "k", *a.k) || !check_written(diag, "v", *a.v)) return false;
  if (!check_cache(diag, p, 0, a.k_cache, a.v_cache)) return false;
  if (a.num_seqs && (!a.kv_lens || !a.kv_start_loc || !a.block_table))
    return diag.fail("gather: kv_lens, kv_start_loc or block_table is NULL, wanted all three");
  if (a.block_table_stride < a.block_table_width)
    return diag.fail(say("gather.block_table_stride is ", a.block_table_stride, ", wanted at least the width ",
                         a.block_table_width));
  if (dev != ATTNRT_DEVICE_CPU) return true;
  const int64_t rows = std::min(a.k->shape[0], a.v->shape[0]);
  const int64_t num_blocks =
      mla || !a.v_cache ? a.k_cache->shape[0] : std::min(a.k_cache->shape[0], a.v_cache->shape[0]);
  for (int32_t r = 0; r < a.num_seqs; ++r) {
    const int64_t start = a.kv_starts ? a.kv_starts[r] : 0, len = a.kv_lens[r], at = a.kv_start_loc[r];
    if (start < 0 || len < 0 || at < 0 || at + len > rows)
      return diag.fail(say("gather request ", r, ": start ", start, ", length ", len, ", row ", at,
                           ", wanted them inside ", rows, " rows"));
    if (len == 0) continue;
    const int64_t last = (start + len - 1) / p.block_size;
    if (last >= a.block_table_width)
      return diag.fail(
          say("gather request ", r, " needs ", last + 1, " blocks, the block table holds ", a.block_table_width));
    for (int64_t i = start / p.block_size; i <= last; ++i) {
      const int32_t id = a.block_table[r * a.block_table_stride + i];
      if (id < 0 || id >= num_blocks)
        return diag.fail(say("block_table[", r, "][", i, "] is ", id, ", wanted 0 to ", num_blocks - 1));
    }
  }
  return true;
}

/// A merge: partials of one shape.
inline bool check_merge(const Diag& diag, const attnrt_problem& p, const attnrt_merge_args& a) {
  using namespace detail;
  const int32_t dev = p.device_type;
  if (!within(diag, "merge.num_partials", a.num_partials, 1, 65536)) return false;
  if (!within(diag, "merge.num_tokens", a.num_tokens, 0, INT32_MAX - 1)) return false;
  if (!within(diag, "merge.num_merged_tokens", a.num_merged_tokens, 0, a.num_tokens)) return false;
  if (!check_scales(diag, p, {{"out_scale", a.out_scale, ATTNRT_FEATURE_OUTPUT_QUANT}})) return false;
  if (!a.outs || !a.lses) return diag.fail("merge.outs or merge.lses is NULL, wanted num_partials tensors each");
  const int64_t t = ~a.num_tokens, heads = p.num_heads;
  if (!check_rows(diag, dev, {"out", a.out, only(p.out_dtype), 3, {t, heads, p.head_size_v, 0}}) ||
      !check_written(diag, "out", *a.out))
    return false;
  if (a.lse && (!check_tensor(diag, dev, {"lse", a.lse, only(ATTNRT_FP32), 2, {t, heads, 0, 0}}) ||
                !check_written(diag, "lse", *a.lse) || !check_apart(diag, "out", *a.out, "lse", *a.lse)))
    return false;
  for (int32_t i = 0; i < a.num_partials; ++i) {
    const int64_t kinds = only(p.out_dtype) | only(ATTNRT_FP32);
    if (!check_rows(diag, dev, {"a partial out", a.outs[i], kinds, 3, {t, heads, p.head_size_v, 0}})) return false;
    if (!check_tensor(diag, dev, {"a partial lse", a.lses[i], only(ATTNRT_FP32), 2, {t, heads, 0, 0}})) return false;
  }
  return true;
}

}  // namespace attnrt::sdk
#endif
