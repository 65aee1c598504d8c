// SPDX-License-Identifier: Apache-2.0
//
// What a check of the conformance kit has to say.
#ifndef ATTNRT_CONFORMANCE_FINDING_HPP
#define ATTNRT_CONFORMANCE_FINDING_HPP
#include <string>
#include <vector>

namespace attnrt::conformance {

/// The result of one check on one case. The kit prints nothing: whoever calls it decides what to show.
struct Finding {
  std::string check;  ///< "out", "rms", "lse", "guard", "cache_write", "batch_invariant" ...
  std::string where;  ///< the case in words, enough to find it again
  bool pass = false;      ///< also true where it was skipped
  std::string sentence;  ///< what was seen and what was wanted; why it was skipped
  bool skipped = false;
};

using Findings = std::vector<Finding>;

/// Findings that did not pass. [thread-safe]
inline Findings failures(const Findings& all) {
  Findings out;
  for (const Finding& finding : all)
    if (!finding.pass) out.push_back(finding);
  return out;
}

}  // namespace attnrt::conformance
#endif
