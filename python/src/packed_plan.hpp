// SPDX-License-Identifier: Apache-2.0
//
// packed_plan.hpp: calls without a cache: plan and batch in one, which grow with what they are given.
#pragma once
#include <optional>
#include <vector>

#include "attnrt/flex.hpp"
#include "bind.hpp"
#include "operand.hpp"

namespace attnrt::python {

/// What one request sees.
struct PackedRequest {
  int32_t query_len, kv_start, kv_len;
  bool operator==(const PackedRequest& other) const noexcept {
    return query_len == other.query_len && kv_start == other.kv_start && kv_len == other.kv_len;
  }
};

/// Tensors are [batch, length, heads, size], or [tokens, heads, size] with offsets for each request. A batch of keys
/// may have any stride that is a multiple of its rows': the rows between requests are left alone. The plan is updated
/// only where the lengths are others than those of the call before, so that the layers of a model share one update, or
/// where a program's buffers are given, whose contents it reads. One thread at a time.
class PackedPlan {
 public:
  PackedPlan(Op op, nb::object executor)
      : op_(std::move(op)),
        usual_scale_(usual_scale(op_.problem())),
        executor_(std::move(executor)),
        pool_(pool_of(executor_)) {}

  /// The operands of one call; what is not given is None.
  struct Call {
    nb::handle q, k, v, out, lse, sinks, alibi_slopes, dense_mask;
    nb::handle query_start_loc, kv_start_loc, kv_starts, kv_lens;
    nb::handle flex;  // the tensors of the program's buffers, in its order
    std::optional<double> scale;
  };
  void run(const Call& call);

 private:
  void prepare(int32_t tokens, int32_t rows, const attnrt_flex_buffers* flex);

  Op op_;
  float usual_scale_;
  nb::object executor_;
  const attnrt_executor* pool_;
  std::optional<Plan> plan_;
  std::optional<Batch> batch_;
  std::optional<Limits> limits_;
  std::vector<PackedRequest> wanted_, planned_;
  bool current_ = false;  // the plan holds planned_
  bool busy_ = false;
};

void bind_packed_plan(nb::module_& m);

}  // namespace attnrt::python
