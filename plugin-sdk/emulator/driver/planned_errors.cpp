// SPDX-License-Identifier: Apache-2.0
#include "planned_errors.hpp"

#include <algorithm>
#include <cstdlib>

#include "state.hpp"

namespace attnrt::emulator {

void PlannedErrors::plan(const char* list) {
  errors_.clear();
  std::string rest = list ? list : "";
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    const std::string word = rest.substr(0, end);
    rest.erase(0, end + 1);
    const std::size_t equals = std::min(word.find('='), word.size()), at = word.find('@', equals);
    const std::string name = word.substr(0, equals);
    const Result code = std::atoi(word.c_str() + std::min(equals + 1, word.size()));
    const uint64_t call = at == std::string::npos ? 0 : std::strtoull(word.c_str() + at + 1, nullptr, 10);
    errors_.insert({name, {code, call, calls(name)}});
  }
}

Result PlannedErrors::answer(const char* name) {
  const std::string_view wanted = name;
  auto counted = calls_.find(wanted);
  if (counted == calls_.end()) counted = calls_.emplace(wanted, 0).first;
  const uint64_t call = ++counted->second;
  const auto [begin, end] = errors_.equal_range(wanted);
  const auto found = std::find_if(begin, end, [&](const auto& error) {
    return !error.second.call || call == error.second.begin + error.second.call;
  });
  return found == end ? kSuccess : found->second.code;
}

uint64_t PlannedErrors::calls(std::string_view name) const {
  const auto found = calls_.find(name);
  return found == calls_.end() ? 0 : found->second;
}

}  // namespace attnrt::emulator

/// Takes a list of errors in the place of the one before (PlannedErrors). [thread-safe]
extern "C" __attribute__((visibility("default"))) void attnrt_emulator_fail(const char* list) {
  attnrt::emulator::State& all = attnrt::emulator::state();
  const std::lock_guard lock(all.mutex);
  all.planned.plan(list);
}

/// How often a function was called in this process: "cuMemAlloc", without "_v2". [thread-safe]
extern "C" __attribute__((visibility("default"))) uint64_t attnrt_emulator_calls(const char* function) {
  attnrt::emulator::State& all = attnrt::emulator::state();
  const std::lock_guard lock(all.mutex);
  return all.planned.calls(function);
}
