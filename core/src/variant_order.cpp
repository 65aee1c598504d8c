// SPDX-License-Identifier: Apache-2.0
#include "variant_order.hpp"

#include <algorithm>
#include <string_view>

#include "words.hpp"

namespace attnrt::core {
namespace {

VariantOrder order_of(const BackendEntry& backend, const VariantRule* rule, const std::vector<std::string>& names) {
  VariantOrder out{rule, {}, 0};
  const auto add = [&out](const attnrt_variant* variant) {
    if (std::find(out.variants.begin(), out.variants.end(), variant) == out.variants.end())
      out.variants.push_back(variant);
  };
  const attnrt_variant* const* const first = backend.table->variants;
  for (const std::string& name : names)
    for (uint32_t v = 0; v < backend.table->num_variants; ++v)
      if (equal_ignoring_case(first[v]->name, name)) add(first[v]);
  out.listed = out.variants.size();
  for (uint32_t v = 0; v < backend.table->num_variants; ++v) add(first[v]);
  return out;
}

}  // namespace

std::vector<VariantOrder> variant_orders(const BackendEntry& backend, const PriorityTable& table) {
  std::vector<VariantOrder> out;
  for (const VariantRule& rule : table.variants)
    for (const auto& [name, variants] : rule.order)
      if (equal_ignoring_case(name, backend.name)) out.push_back(order_of(backend, &rule, variants));
  out.push_back(order_of(backend, nullptr, {}));
  return out;
}

const VariantOrder& order_for(const std::vector<VariantOrder>& orders, const attnrt_problem& problem,
                              CpuVendor machine) {
  for (const VariantOrder& order : orders)
    if (!order.rule || order.rule->when.holds(problem, machine)) return order;
  return orders.back();
}

}  // namespace attnrt::core
