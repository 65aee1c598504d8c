// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sstream>
#include <string>
#include <vector>

namespace attnrt::cli {

/// The items of "a,b,c"; empty ones are left out.
inline std::vector<std::string> items_of(const std::string& list) {
  std::vector<std::string> items;
  std::istringstream text(list);
  for (std::string item; std::getline(text, item, ',');)
    if (!item.empty()) items.push_back(item);
  return items;
}

}  // namespace attnrt::cli
