// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "attention_config.hpp"
#include "cache_folder.hpp"
#include "catalog.hpp"
#include "device.hpp"
#include "fork.hpp"
#include "op.hpp"
#include "options.hpp"
#include "phases.hpp"

namespace attnrt::core {

/// One engine's view: plugins, priority table, overrides. [thread-safe]
class Runtime {
 public:
  static Result<std::unique_ptr<Runtime>> open(Options options, std::shared_ptr<const Host> host);

  Outcome rescan();
  Outcome forgive(const std::string& plugin);
  Ledger ledger() const;
  /// Writes into the local ledger and ranks anew. UNAVAILABLE: there is no cache folder to keep it in.
  Outcome record(const std::vector<LedgerEntry>& entries);
  Outcome force(const std::string& backend);
  Outcome push_force(const std::string& backend);
  Outcome pop_force();

  Result<attnrt_problem> problem_for(const char* device) const;
  /// A choice, also without a winner; Error: the problem is broken.
  Result<std::shared_ptr<const Choice>> select(const attnrt_problem& problem) const;

  std::shared_ptr<const Catalog> catalog() const;
  const std::shared_ptr<const Host>& host() const noexcept { return host_; }
  const Options& options() const noexcept { return options_; }
  const std::vector<DeviceReport>& machine() const noexcept { return machine_; }
  /// Where this runtime remembers; a folder that is refused is told once. [thread-safe]
  CacheFolder cache_folder() const;

 private:
  Runtime(Options options, std::shared_ptr<const Host> host);
  Outcome known(const std::string& backend) const;
  Probe prober() const;
  Result<PriorityTable> read_table() const;
  Wishes wishes() const;
  std::vector<SwitchValue> switch_values(const Catalog& catalog, std::vector<std::string>& notes) const;
  void log_choice(const Choice& choice) const;

  Options options_;
  std::shared_ptr<const Host> host_;
  std::vector<DeviceReport> machine_;
  AttentionConfig config_;
  uint64_t id_;  ///< for the scoped forces of each thread; never used again
  // Under the StateLock.
  std::shared_ptr<const Catalog> catalog_;
  std::string global_force_;
  mutable std::set<std::string> logged_;
  Turns rescans_;
};

}  // namespace attnrt::core
