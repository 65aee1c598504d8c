// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "attention_config.hpp"
#include "cache_folder.hpp"
#include "catalog.hpp"
#include "choice.hpp"
#include "device.hpp"
#include "forces.hpp"
#include "fork.hpp"
#include "op.hpp"
#include "options.hpp"

namespace attnrt::core {

/// One engine's view: plugins, priority table, overrides. [thread-safe]
class Runtime {
 public:
  static Result<std::unique_ptr<Runtime>> open(Options options, std::shared_ptr<const Host> host);

  Status rescan();
  Status forgive(const std::string& plugin);
  Ledger ledger() const;
  /// Writes into the local ledger and ranks anew. UNAVAILABLE: there is no cache folder to keep it in.
  Status record(const std::vector<LedgerEntry>& entries);
  /// Keeps what was measured on this machine and ranks anew. UNAVAILABLE: there is no cache folder to keep it in.
  Status record(const std::vector<TunedTable>& tables);
  Status force(const std::string& backend);
  Status push_force(const std::string& backend);
  Status pop_force();

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
  Status known(const std::string& backend) const;
  Status unkept(const CacheFolder& cache) const;
  Result<PriorityTable> read_table() const;
  std::vector<TunedTable> tuned_here() const;
  void log_choice(const Choice& choice) const;

  Options options_;
  std::shared_ptr<const Host> host_;
  std::vector<DeviceReport> machine_;
  AttentionConfig config_;
  Forces forces_;
  // Under the StateLock.
  std::shared_ptr<const Catalog> catalog_;
  mutable std::set<std::string> logged_;
  Turns rescans_;
};

}  // namespace attnrt::core
