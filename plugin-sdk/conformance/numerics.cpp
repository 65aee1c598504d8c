// SPDX-License-Identifier: Apache-2.0
#include "conformance/numerics.hpp"

#include <cstring>
#include <utility>

#include "attnrt/check.hpp"
#include "conformance/judge.hpp"
#include "conformance/random.hpp"
#include "conformance/request.hpp"
#include "conformance/rig.hpp"

namespace attnrt::conformance {

namespace {

/// With a claim of invariance, what the batch says of shared keys must not change a bit.
void check_hint(const Rig& rig, const Operands& operands, const std::vector<const RequestData*>& requests,
                const Case& c, const Outcome& told, std::vector<Fault>& faults) {
  Placement untold = c.placement;
  untold.tell_prefix = false;
  const Outcome outcome = rig.run(operands, requests, c.lse, untold);
  const auto same_lse = [&](std::size_t r) {
    const std::size_t size = told.lse[r].size();
    return size == outcome.lse[r].size() &&
           (size == 0 || std::memcmp(told.lse[r].data(), outcome.lse[r].data(), size * sizeof(float)) == 0);
  };
  for (std::size_t r = 0; r < requests.size() && outcome.done; ++r)
    if (told.bytes[r] != outcome.bytes[r] || !same_lse(r)) {
      faults.push_back({"common_prefix", sdk::say("request ", r, " has other bits without common_prefix_len")});
      return;
    }
}

}  // namespace

Findings check_case(const attnrt_variant& variant, Memory& memory, const Case& c, const NumericsOptions& options) {
  const Operands operands = make_operands(c);
  const std::vector<RequestData> requests = make_requests(c, operands);
  std::vector<const RequestData*> pointers;
  for (const RequestData& r : requests) pointers.push_back(&r);
  Rig rig(variant, memory, c.problem);
  const Outcome outcome = rig.run(operands, pointers, c.lse, c.placement);
  std::vector<Fault> faults = outcome.faults;
  const bool invariant = variant.caps->determinism >= ATTNRT_DETERMINISM_BATCH_INVARIANT;
  if (outcome.done && invariant && c.common_prefix > 0) check_hint(rig, operands, pointers, c, outcome, faults);
  if (outcome.done)
    for (Fault& fault :
         judge(c.problem, operands, requests, outcome, {options.reference_pairs, options.reference_threads, c.seed}))
      faults.push_back(std::move(fault));
  Findings out;
  for (Fault& fault : faults) out.push_back({fault.check, text(c), false, std::move(fault.sentence)});
  if (out.empty()) out.push_back({"numerics", text(c), true, "as the reference"});
  return out;
}

Findings check_numerics(const attnrt_variant& variant, Memory& memory, const NumericsOptions& options) {
  std::vector<Case> cases;
  for (Case& c : make_grid(variant, options.grid))
    if (options.q_dtypes >> c.problem.q_dtype & 1u) cases.push_back(std::move(c));
  Findings out;
  if (cases.empty())
    out.push_back({"numerics", variant.name, false, "the sheet admits no case of the grid, wanted at least one"});
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (options.begin) options.begin(i, cases.size(), cases[i]);
    const Findings last = check_case(variant, memory, cases[i], options);
    out.insert(out.end(), last.begin(), last.end());
    if (options.progress && !options.progress(i + 1, cases.size(), last)) break;
  }
  return out;
}

}  // namespace attnrt::conformance
