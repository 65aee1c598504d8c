// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ledger.hpp"
#include "priority.hpp"
#include "registry.hpp"
#include "tuned.hpp"
#include "variant_order.hpp"

namespace attnrt::core {

/// A place in a ranking: a name, and the backend behind it where one is loaded; else the file that would offer it,
/// where one is known (absence.hpp).
struct Slot {
  std::string name;
  const BackendEntry* backend = nullptr;
  const PluginFile* file = nullptr;
};

/// A switch with its names looked up.
struct ResolvedSwitch {
  const Switch* source = nullptr;
  std::vector<const BackendEntry*> exclude;
  const BackendEntry *first = nullptr, *second = nullptr;  ///< `before`
  struct Only {
    const BackendEntry* backend;
    std::vector<const attnrt_variant*> variants;
  };
  std::vector<Only> only;
  /// Does `exclude` or `only` speak of it?
  bool touches(const BackendEntry* backend) const;
};

/// What was measured of loaded variants on the problems of one class, on this machine.
struct TunedTimes {
  TunedClass problem_class;
  struct Time {
    const attnrt_variant* variant;
    uint32_t layout;
    Timing timing;
    std::string date;
  };
  std::vector<Time> times;
  /// NULL = not measured with this layout.
  const Timing* find(const attnrt_variant* variant, uint32_t layout) const;
  /// "2026-12-01"; "" = not measured.
  std::string date_of(const attnrt_variant* variant) const;
};

/// Registry and table as one immutable snapshot, names resolved, so that a selection compares no strings.
struct Catalog {
  std::shared_ptr<const Registry> registry;
  std::shared_ptr<const PriorityTable> table;
  /// For each rule of the table, and one more for "no rule": listed names in order, then all other backends by name.
  std::vector<std::vector<Slot>> rankings;
  std::vector<ResolvedSwitch> switches;
  CpuVendor cpu_vendor = CpuVendor::any;          ///< of this machine
  std::vector<std::vector<VariantOrder>> orders;  ///< of each of the registry's backends
  /// Variants that passed the conformance kit, and on which kind of device.
  struct Verified {
    const attnrt_variant* variant;
    int32_t device_type;
    uint32_t arch;
    uint64_t isa;  ///< of a CPU's level, else 0
  };
  std::vector<Verified> verified;
  std::vector<TunedTimes> tuned;

  /// What was measured of problems like this one; NULL = nothing.
  const TunedTimes* tuned_for(const attnrt_problem& problem) const;
  bool is_verified(const attnrt_variant* variant, const attnrt_problem& problem) const;
  /// Is this backend ("NAME" or "NAME/variant") loaded? Error: the table knows the name but no loaded plugin offers it
  /// (UNSUPPORTED, with the state of the file that would, or "not installed"), or nobody knows it (INVALID, with the
  /// names that are loaded).
  Status known(std::string_view name) const;
  /// The ranking for a problem and the rule behind it (NULL = none fits).
  const std::vector<Slot>& ranking_for(const attnrt_problem& problem, const Rule*& rule) const;
  /// The order of a backend's variants for a problem. `backend` is one of the registry's.
  const VariantOrder& variants_of(const BackendEntry& backend, const attnrt_problem& problem) const;
};

/// `tuned`: the tables of this machine's CPU; those of other builds than the loaded ones are left out.
std::shared_ptr<const Catalog> make_catalog(std::shared_ptr<const Registry> registry,
                                            std::shared_ptr<const PriorityTable> table, const Ledger& ledger = {},
                                            CpuVendor cpu_vendor = CpuVendor::any,
                                            const std::vector<TunedTable>& tuned = {});

}  // namespace attnrt::core
