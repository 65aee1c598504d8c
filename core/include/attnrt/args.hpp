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
  const void* flex = nullptr;

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

}  // namespace attnrt
#endif
