// SPDX-License-Identifier: Apache-2.0
#include "forces.hpp"

#include <atomic>
#include <map>
#include <vector>

#include "fork.hpp"

namespace attnrt::core {

/// The stacks of this thread, by their owner.
static std::map<uint64_t, std::vector<std::string>>& stacks() {
  thread_local std::map<uint64_t, std::vector<std::string>> of_thread;
  return of_thread;
}

Forces::Forces() {
  static std::atomic<uint64_t> next{1};
  id_ = next.fetch_add(1);
}

void Forces::set(const std::string& backend) {
  const StateLock lock;
  global_ = backend;
}

void Forces::push(const std::string& backend) { stacks()[id_].push_back(backend); }

Status Forces::pop() {
  const auto it = stacks().find(id_);
  if (it == stacks().end()) return invalid("pop_force: this thread forces nothing, wanted a push_force before");
  it->second.pop_back();
  if (it->second.empty()) stacks().erase(it);
  return {};
}

std::optional<Override> Forces::strongest() const {
  if (const auto it = stacks().find(id_); it != stacks().end() && !it->second.back().empty())
    return Override{Source::scoped_force, it->second.back(), "a scoped force", true};
  const StateLock lock;
  if (global_.empty()) return std::nullopt;
  return Override{Source::global_force, global_, "a global force", true};
}

}  // namespace attnrt::core
