// SPDX-License-Identifier: Apache-2.0
//
// attnrt/plan.hpp: the persistent state of one batch in flight. Header-only, C++17.
#ifndef ATTNRT_PLAN_HPP
#define ATTNRT_PLAN_HPP
#include <memory>
#include <string>
#include <utility>

#include "attnrt/args.hpp"
#include "attnrt/batch.hpp"
#include "attnrt/handle.hpp"

namespace attnrt {

/// Persistent state of one batch in flight; see attnrt_plan. It keeps its op alive. [one thread per plan]
class Plan {
 public:
  /// `usual_scale`: of runs that name none. `op` is kept until the plan is gone.
  explicit Plan(attnrt_plan* plan, float usual_scale = 0, std::shared_ptr<const attnrt_op> op = nullptr)
      : op_(std::move(op)), plan_(plan), usual_scale_(usual_scale) {}

  /// Each step. The batch's arrays stay alive and unchanged until the last run of the step has finished; an
  /// attnrt_batch itself is copied. Throws INVALID for a batch outside the limits or of an op with other blocks.
  void update(const Batch& batch, attnrt_stream stream = nullptr) {
    const attnrt_problem* problem = attnrt_op_problem(op_.get());
    const int64_t wanted = problem && sdk::is_paged(problem->kv_layouts) ? int64_t{problem->block_size} : 0;
    if (problem && batch.block_size() != wanted)
      throw Error(ATTNRT_INVALID, "update: the batch was made for blocks of " + std::to_string(batch.block_size()) +
                                      " tokens, wanted the " + std::to_string(wanted) + " of the plan's op");
    update(batch.view(), stream);
  }
  void update(Batch&& batch, attnrt_stream stream = nullptr) = delete;
  void update(const attnrt_batch& batch, attnrt_stream stream = nullptr) {
    check(attnrt_plan_update(plan_.get(), &batch, stream));
  }

  /// Each layer, over its cache: q [T, Hq, Dqk], out [T, Hq, Dv] (written).
  void run(const Tensor& q, const KvCache& cache, const Tensor& out, attnrt_stream stream = nullptr) const {
    run(RunArgs(q, cache, out), stream);
  }
  /// Each layer, without a cache: k [S, Hkv, Dqk], v [S, Hkv, Dv].
  void run(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out, attnrt_stream stream = nullptr) const {
    run(RunArgs(q, k, v, out), stream);
  }
  /// Each layer, with any operands.
  void run(const RunArgs& args, attnrt_stream stream = nullptr) const { run(args.view(usual_scale_), stream); }
  void run(const attnrt_run_args& args, attnrt_stream stream = nullptr) const {
    check(attnrt_run(plan_.get(), &args, stream));
  }

 private:
  std::shared_ptr<const attnrt_op> op_;  // outlives the plan: declared first
  detail::Handle<attnrt_plan> plan_;
  float usual_scale_;
};

}  // namespace attnrt
#endif
