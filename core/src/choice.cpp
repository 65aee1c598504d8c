// SPDX-License-Identifier: Apache-2.0
#include "choice.hpp"

namespace attnrt::core {

const char* source_name(Source source) {
  constexpr const char* names[] = {"scoped force", "global force", "argument", "environment", "automatic"};
  return names[static_cast<int>(source)];
}

const Verdict* best_verdict(const Choice& choice, const Candidate& candidate) {
  const Verdict* best = nullptr;
  for (std::size_t i = candidate.first; i < candidate.first + candidate.count; ++i)
    if (const Verdict& v = choice.verdicts[i]; !best || v.count() < best->count()) best = &v;
  return best;
}

}  // namespace attnrt::core
