// SPDX-License-Identifier: Apache-2.0
//
// One batch of an op, ready to be planned and run: cache, tensors, workspace, plan.
#ifndef ATTNRT_CONFORMANCE_LAUNCH_HPP
#define ATTNRT_CONFORMANCE_LAUNCH_HPP
#include <memory>
#include <vector>

#include "conformance/batch.hpp"
#include "conformance/cache.hpp"
#include "conformance/executor.hpp"
#include "conformance/flex_case.hpp"
#include "conformance/random.hpp"
#include "conformance/rig.hpp"

namespace attnrt::conformance {

/// [one thread per object; objects of one rig may live in different threads where their memory allows it]
class Launch {
 public:
  /// Fills the cache and makes a plan. `requests` and `operands` live as long as the launch; with DECODES_FIRST the
  /// requests are put in that order. Where something fails, outcome() says what and update() is false.
  Launch(const Rig& rig, const Operands& operands, const std::vector<const RequestData*>& requests, bool lse,
         const Placement& placement, bool garbage = false);
  ~Launch();
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;

  /// plan_update with the batch; false and a fault where it did not succeed.
  bool update();
  /// One call of run.
  bool run();
  /// Fills out and lse with canaries again, so that a second run is judged by itself.
  void clear();
  /// Reads the results into the outcome and notes what was touched that should not have been.
  void collect();
  Outcome& outcome() noexcept { return outcome_; }

  /// What the calls are given, for checks that change one thing of it.
  const Rig& rig() const noexcept { return rig_; }
  const attnrt_limits& limits() const noexcept { return arrays_->limits; }
  const attnrt_memory& workspace() const noexcept { return workspace_; }
  const attnrt_batch& batch() const noexcept { return arrays_->batch; }
  const attnrt_run_args& args() const noexcept { return args_; }
  attnrt_kernel_plan* plan() const noexcept { return plan_; }
  attnrt_stream stream() const { return pool_ ? pool_->stream() : rig_.memory().stream(); }
  const Cache* cache() const noexcept { return cache_.get(); }
  Shelf& shelf() noexcept { return shelf_; }

 private:
  bool fault(const char* check, const std::string& sentence);
  bool call(const char* name, attnrt_status status, const Sink& sink);
  bool make_workspace(bool garbage);
  bool make_tensors(bool lse);

  const Rig& rig_;
  const Operands& operands_;
  Placement placement_;
  Outcome outcome_;
  Random random_;
  std::unique_ptr<Pool> pool_;
  Shelf shelf_;
  std::unique_ptr<FlexTensors> flex_;
  std::vector<std::size_t> order_;            ///< where each request of the batch stood in what was given
  std::vector<const RequestData*> requests_;  ///< in the order of the batch
  std::unique_ptr<BlockTable> table_;
  std::unique_ptr<Cache> cache_;
  std::unique_ptr<BatchArrays> arrays_;
  attnrt_memory workspace_{};
  attnrt_run_args args_{};
  Buffer* out_ = nullptr;
  Buffer* lse_ = nullptr;
  attnrt_kernel_plan* plan_ = nullptr;
};

}  // namespace attnrt::conformance
#endif
