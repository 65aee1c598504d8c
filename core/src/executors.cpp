// SPDX-License-Identifier: Apache-2.0
#include "executors.hpp"

#include "cpu_quota.hpp"

namespace attnrt::core {

std::shared_ptr<Executor> Executors::find(const Key& key) const {
  const StateLock lock;
  const auto it = all_.find(key);
  return it == all_.end() ? nullptr : it->second;
}

const attnrt_executor* Executors::get(uint32_t num_workers, const Log& log) {
  const Key asked(fork_generation(), num_workers);
  if (const auto pool = find(asked)) return pool->face();
  const Turn turn(starts_);
  const Key key(asked.first, num_workers ? num_workers : usable_cpus());
  auto pool = find(key);
  if (!pool) {
    pool = std::make_shared<Executor>(key.second);
    if (!pool->refusal().empty())
      log.write(ATTNRT_LOG_WARNING, "default_executor: " + std::to_string(key.second) + " workers were wanted and " +
                                        std::to_string(pool->face()->num_workers) +
                                        " are used: the system refused a thread (" + pool->refusal() + ")");
  }
  const StateLock lock;
  all_.emplace(key, pool);
  all_.emplace(asked, pool);
  return pool->face();
}

}  // namespace attnrt::core
