// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "priority.hpp"
#include "registry.hpp"

namespace attnrt::core {

/// A backend's variants in the order in which they are tried.
struct VariantOrder {
  const VariantRule* rule = nullptr;  ///< who says so; NULL = their plugin
  std::vector<const attnrt_variant*> variants;
  std::size_t listed = 0;  ///< how many of them the rule names; they stand first, then the others in the plugin's order
};

/// All orders that the table knows for a backend, in the order of its rules; last that of the plugin.
std::vector<VariantOrder> variant_orders(const BackendEntry& backend, const PriorityTable& table);

/// The one for a problem; `machine` as for When.
const VariantOrder& order_for(const std::vector<VariantOrder>& orders, const attnrt_problem& problem,
                              CpuVendor machine);

}  // namespace attnrt::core
