// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <fstream>
#include <string>
#include <vector>

namespace attnrt::flex {

/// The blocks of docs/flex.md that begin with ```flex.
inline std::vector<std::string> documented_programs() {
  std::ifstream page(ATTNRT_FLEX_PAGE);
  std::vector<std::string> out;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line == "```flex")
      out.emplace_back();
    else if (inside && line != "```")
      out.back() += line + "\n";
    inside = line == "```flex" || (inside && line != "```");
  }
  return out;
}

}  // namespace attnrt::flex
