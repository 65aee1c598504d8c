// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <memory>
#include <utility>

#include "executor.hpp"
#include "fork.hpp"
#include "log.hpp"

namespace attnrt::core {

/// The default pools, one for each number of workers that was asked for, made at first use. [thread-safe]
class Executors {
 public:
  /// num_workers 0 = as many as usable_cpus() tells at the first call. A pool with fewer threads than that, because the
  /// system refused them, is logged once as a warning. In the child of a fork: a pool of the child's own, never one of
  /// the parent.
  const attnrt_executor* get(uint32_t num_workers, const Log& log);

 private:
  using Key = std::pair<uint32_t, uint32_t>;  ///< fork generation, workers asked for
  std::shared_ptr<Executor> find(const Key& key) const;

  Turns starts_;                                  ///< so that two callers do not start the same threads
  std::map<Key, std::shared_ptr<Executor>> all_;  ///< under the StateLock; 0 workers name the pool of that question
};

}  // namespace attnrt::core
