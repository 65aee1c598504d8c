// SPDX-License-Identifier: Apache-2.0
//
// bind.hpp: the classes of runtime.hpp with what Python's lifetimes and threads add. Every call into the library
// releases the GIL: it may wait, and its log calls back into Python.
#pragma once
#include <nanobind/nanobind.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "attnrt/runtime.hpp"

namespace attnrt::python {

namespace nb = nanobind;

/// A Runtime; ops and executors of Python keep it.
struct RuntimeState {
  std::unique_ptr<Runtime> runtime;
  ~RuntimeState() {
    nb::gil_scoped_release released;  // its pool's threads may be logging
    runtime.reset();
  }
};

/// A pool, and the runtime whose it is. The Python class Executor.
struct ExecutorState {
  const attnrt_executor* pool;
  nb::object runtime;
};
/// NULL, the calling thread, for None.
const attnrt_executor* pool_of(nb::handle executor);

/// Limits, with the executor that plans of them run on.
struct LimitsState {
  Limits limits;
  nb::object executor;
};

/// A batch that tells when it is read and when it changed since a plan read it. Used with the GIL held.
struct BatchState {
  Batch batch;
  uint64_t version = 0;
  int readers = 0;

  /// Before a change. Throws INVALID while a run reads the batch.
  void change() {
    if (readers > 0) throw Error(ATTNRT_INVALID, "batch: a run reads it, wanted a batch for each step in flight");
    ++version;
  }
};

/// A plan, the batch that it was given, and whether a call is in it. Fields are used with the GIL held.
class PlanState {
 public:
  PlanState(Plan plan, const attnrt_problem& problem, nb::object executor)
      : plan_(std::move(plan)),
        usual_scale_(usual_scale(problem)),
        executor_(std::move(executor)),
        pool_(pool_of(executor_)) {}
  void update(nb::object batch);
  void run(const attnrt_run_args& args);
  float scale_of(nb::handle scale) const {
    return scale.is_none() ? usual_scale_ : static_cast<float>(nb::cast<double>(scale));
  }

 private:
  class Turn;
  Plan plan_;
  float usual_scale_;
  nb::object executor_, batch_;
  const attnrt_executor* pool_;
  const BatchState* read_ = nullptr;  // what batch_ is
  uint64_t version_ = 0;              // of the batch, at the update
  bool busy_ = false;
};

void bind_problem(nb::module_& m);
void bind_runtime(nb::module_& m);
void bind_op(nb::module_& m);
void bind_batch(nb::module_& m);
void bind_plan(nb::module_& m);

}  // namespace attnrt::python
