// SPDX-License-Identifier: Apache-2.0
//
// attnrt/op.hpp: a variant created for one layer shape. Header-only, C++17.
#ifndef ATTNRT_OP_HPP
#define ATTNRT_OP_HPP
#include <memory>
#include <utility>
#include <vector>

#include "attnrt/kv_cache.hpp"
#include "attnrt/plan.hpp"
#include "attnrt/problem.hpp"

namespace attnrt {

/// A variant created for one layer shape; see attnrt_op. Copies share it, plans keep it. [thread-safe]
class Op {
 public:
  /// `keep` lives as long as the op: the log callback that a kernel may still call.
  explicit Op(attnrt_op* op, std::shared_ptr<const void> keep = nullptr)
      : op_(op, [keep = std::move(keep)](attnrt_op* p) { attnrt_op_free(p); }) {}
  /// The problem that it was created for. Throws INVALID for an op that was moved away.
  const attnrt_problem& problem() const {
    if (const attnrt_problem* p = attnrt_op_problem(op_.get())) return *p;
    throw Error(ATTNRT_INVALID, "op: it was moved away, wanted the op that holds the kernel");
  }
  /// Throws INVALID where the op has no cache.
  attnrt_kv_layout kv_layout() const {
    auto layout = sized<attnrt_kv_layout>();
    check(attnrt_op_kv_layout(op_.get(), &layout));
    return layout;
  }
  /// A cache of `num_blocks` blocks for one layer, in host memory. Throws as kv_layout and KvCache do.
  KvCache make_cache(int64_t num_blocks) const { return KvCache(problem(), kv_layout(), num_blocks); }
  /// A batch for plans of this op with these limits.
  Batch make_batch(const attnrt_limits& limits) const { return Batch(problem(), limits); }
  /// The memory that a plan with these limits needs. Throws INVALID for limits out of range.
  attnrt_workspace workspace(const attnrt_limits& limits) const {
    auto sizes = sized<attnrt_workspace>();
    check(attnrt_op_workspace(op_.get(), &limits, &sizes));
    return sizes;
  }
  /// A plan for batches within the limits. memory NULL: the runtime allocates it (CPU).
  Plan plan(const attnrt_limits& limits, const attnrt_memory* memory = nullptr) const {
    attnrt_plan* plan = nullptr;
    check(attnrt_plan_create(op_.get(), &limits, memory, &plan));
    return Plan(plan, usual_scale(problem()), op_);
  }
  /// Each layer, before run: new keys k [N, Hkv, Dqk] and values v [N, Hkv, Dv] go to their slots (int64 [N], see
  /// Batch::slots). MLA: k the latent [N, 1, kv_lora], v the rope part [N, 1, rope].
  void write(const Tensor& k, const Tensor& v, const Tensor& slots, KvCache& cache,
             attnrt_stream stream = nullptr) const {
    write(WriteArgs(k, v, slots, cache), stream);
  }
  void write(const WriteArgs& args, attnrt_stream stream = nullptr) const { write_kv(args.view(), stream); }
  /// The calls with C structs.
  void write_kv(const attnrt_write_args& args, attnrt_stream stream = nullptr) const {
    check(attnrt_write_kv(op_.get(), &args, stream));
  }
  /// Reads the cache out, for chunked MLA prefill and export. Throws UNSUPPORTED where the kernel has no such entry.
  void gather(const GatherArgs& args, attnrt_stream stream = nullptr) const { gather_kv(args.view(), stream); }
  void gather_kv(const attnrt_gather_args& args, attnrt_stream stream = nullptr) const {
    check(attnrt_gather_kv(op_.get(), &args, stream));
  }
  /// Merges partial results over disjoint keys, in order, into out [T, Hq, Dv] and, where it is given, lse [T, Hq].
  /// Throws UNSUPPORTED where the kernel has no such entry or merges fewer at once.
  void merge(const std::vector<Partial>& partials, const Tensor& out, const Tensor& lse = {},
             attnrt_stream stream = nullptr) const {
    std::vector<const attnrt_tensor*> outs, lses;
    for (const Partial& partial : partials) outs.push_back(partial.out.get()), lses.push_back(partial.lse.get());
    auto args = sized<attnrt_merge_args>();
    args.num_partials = static_cast<int32_t>(partials.size());
    args.outs = outs.data();
    args.lses = lses.data();
    args.out = detail::written("out", out);
    args.lse = detail::written("lse", lse);
    args.num_tokens = args.num_merged_tokens = out.size(0);
    merge_states(args, stream);
  }
  void merge_states(const attnrt_merge_args& args, attnrt_stream stream = nullptr) const {
    check(attnrt_merge_states(op_.get(), &args, stream));
  }

 private:
  std::shared_ptr<attnrt_op> op_;
};

}  // namespace attnrt
#endif
