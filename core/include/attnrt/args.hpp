// SPDX-License-Identifier: Apache-2.0
//
// attnrt/args.hpp: what one call is given, as values. Header-only, C++17.
#ifndef ATTNRT_ARGS_HPP
#define ATTNRT_ARGS_HPP
#include <cstdint>
#include <optional>
#include <string>

#include "attnrt/kv_cache.hpp"

namespace attnrt {
namespace detail {
/// What a call writes. Throws INVALID for const elements.
inline const attnrt_tensor* written(const char* name, const Tensor& tensor) {
  if (tensor.read_only())
    throw Error(ATTNRT_INVALID, std::string(name) + " is made of const elements, wanted memory that may be written");
  return tensor.get();
}
}  // namespace detail

/// The operands of one attention call; shapes and dtypes as in attnrt_run_args. What is not given stays as it is.
struct RunArgs {
  RunArgs() = default;
  /// Over a cache.
  RunArgs(const Tensor& query, const KvCache& cache, const Tensor& output)
      : q(query), k_cache(cache.k()), v_cache(cache.v()), out(output) {}
  /// Without a cache.
  RunArgs(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& output)
      : q(query), k(key), v(value), out(output) {}

  std::optional<float> scale;  ///< of the softmax; unset: 1 / sqrt(head size), see usual_scale
  Tensor q, k, v, k_cache, v_cache, out, lse;
  Tensor q_scale, k_scale, v_scale, out_scale, out_block_scale;
  Tensor sinks, alibi_slopes, dense_mask, tree_mask, prefix_ranges, sparse_indices, q_rope;
  const attnrt_block_sparse* block_sparse = nullptr;
  const attnrt_flex_buffers* flex = nullptr;  ///< FlexBuffers::get, with a problem that has a program

  /// The C form, valid while this object lives; `usual` is the scale where none is set. Throws INVALID for an output
  /// of const elements.
  attnrt_run_args view(float usual) const {
    auto a = sized<attnrt_run_args>();
    a.scale = scale.value_or(usual);
    a.q = q.get(), a.k = k.get(), a.v = v.get(), a.out = detail::written("out", out);
    a.lse = detail::written("lse", lse);
    a.k_cache = k_cache.get(), a.v_cache = v_cache.get();
    a.q_scale = q_scale.get(), a.k_scale = k_scale.get(), a.v_scale = v_scale.get();
    a.out_scale = out_scale.get(), a.out_block_scale = detail::written("out_block_scale", out_block_scale);
    a.sinks = sinks.get(), a.alibi_slopes = alibi_slopes.get();
    a.dense_mask = dense_mask.get(), a.tree_mask = tree_mask.get(), a.prefix_ranges = prefix_ranges.get();
    a.sparse_indices = sparse_indices.get(), a.q_rope = q_rope.get();
    a.block_sparse = block_sparse, a.flex = flex;
    return a;
  }
};

/// The operands of one cache write; shapes and dtypes as in attnrt_write_args.
struct WriteArgs {
  WriteArgs() = default;
  WriteArgs(const Tensor& key, const Tensor& value, const Tensor& slots, KvCache& cache)
      : k(key), v(value), slot_mapping(slots), k_cache(cache.k()), v_cache(cache.v()) {}

  Tensor k, v, slot_mapping, k_cache, v_cache, k_scale, v_scale;

  /// The C form, valid while this object lives. Throws INVALID for a cache of const elements.
  attnrt_write_args view() const {
    auto a = sized<attnrt_write_args>();
    a.k = k.get(), a.v = v.get(), a.slot_mapping = slot_mapping.get();
    a.k_cache = detail::written("k_cache", k_cache), a.v_cache = detail::written("v_cache", v_cache);
    a.k_scale = k_scale.get(), a.v_scale = v_scale.get();
    return a;
  }
};

/// The operands of one cache read-out; shapes and dtypes as in attnrt_gather_args. Request r's keys
/// [kv_starts[r], kv_starts[r] + kv_lens[r]) go to the rows of k and v from kv_start_loc[r] on. The arrays (of the
/// device that the op is on) live until the call has finished.
struct GatherArgs {
  GatherArgs() = default;
  GatherArgs(const KvCache& cache, const Tensor& key, const Tensor& value)
      : k_cache(cache.k()), v_cache(cache.v()), k(key), v(value) {}

  Tensor k_cache, v_cache;
  Tensor k, v;  ///< written
  Tensor k_scale, v_scale;
  int32_t num_seqs = 0;
  const int32_t* kv_starts = nullptr;     ///< [num_seqs], unset: 0
  const int32_t* kv_lens = nullptr;       ///< [num_seqs]
  const int32_t* kv_start_loc = nullptr;  ///< [num_seqs + 1]
  const int32_t* block_table = nullptr;   ///< [num_seqs, block_table_width], rows side by side
  int32_t block_table_width = 0;

  /// The C form, valid while this object lives. Throws INVALID for an output of const elements.
  attnrt_gather_args view() const {
    auto a = sized<attnrt_gather_args>();
    a.num_seqs = num_seqs;
    a.kv_starts = kv_starts, a.kv_lens = kv_lens, a.kv_start_loc = kv_start_loc, a.block_table = block_table;
    a.block_table_width = block_table_width, a.block_table_stride = block_table_width;
    a.k_cache = k_cache.get(), a.v_cache = v_cache.get();
    a.k = detail::written("k", k), a.v = detail::written("v", v);
    a.k_scale = k_scale.get(), a.v_scale = v_scale.get();
    return a;
  }
};

/// One partial result of a merge: out [T, Hq, Dv] in the output's dtype or fp32, lse [T, Hq] fp32.
struct Partial {
  Tensor out, lse;
};

}  // namespace attnrt
#endif
