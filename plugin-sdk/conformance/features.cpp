// SPDX-License-Identifier: Apache-2.0
#include "conformance/features.hpp"

#include <string>
#include <utility>

#include "attnrt/check.hpp"
#include "attnrt/words.hpp"
#include "conformance/judge.hpp"
#include "conformance/request.hpp"
#include "conformance/rig.hpp"

namespace attnrt::conformance {
namespace {

using sdk::say;

// A call as the reference sees it.
struct Call {
  attnrt_problem problem;
  Operands operands;
  std::vector<RequestData> requests;
};

// Takes the feature away; false where the call means nothing without it.
bool take_away(uint64_t feature, Call& call) {
  attnrt_problem& p = call.problem;
  Operands& o = call.operands;
  switch (feature) {
    case ATTNRT_FEATURE_CAUSAL:
      p.causal = ATTNRT_CAUSAL_NEVER;
      return true;
    case ATTNRT_FEATURE_NON_CAUSAL:
      p.causal = ATTNRT_CAUSAL_ALWAYS;
      return true;
    case ATTNRT_FEATURE_CAUSAL_PER_REQUEST:
      for (RequestData& r : call.requests) r.causal = !r.causal;
      return true;
    case ATTNRT_FEATURE_SLIDING_WINDOW:
      p.window_left = p.window_right = -1;
      return true;
    case ATTNRT_FEATURE_SOFTCAP:
      p.softcap = 0;
      return true;
    case ATTNRT_FEATURE_FLEX:
      o.flex = nullptr;
      return true;
    case ATTNRT_FEATURE_ALIBI:
      o.alibi_slopes.clear();
      return true;
    case ATTNRT_FEATURE_ALIBI_SQRT:
      p.features = (p.features & ~ATTNRT_FEATURE_ALIBI_SQRT) | ATTNRT_FEATURE_ALIBI;
      return true;
    case ATTNRT_FEATURE_SINKS:
      o.sinks.clear();
      return true;
    case ATTNRT_FEATURE_DENSE_MASK:
      for (RequestData& r : call.requests) r.dense_mask.clear();
      return true;
    case ATTNRT_FEATURE_TREE_MASK:
      for (RequestData& r : call.requests) r.tree_mask.clear();
      return true;
    case ATTNRT_FEATURE_MM_PREFIX:
      for (RequestData& r : call.requests) r.prefix_ranges.clear();
      return true;
    case ATTNRT_FEATURE_BLOCK_SPARSE:
      o.block_sparse = {};
      return true;
    case ATTNRT_FEATURE_SPARSE_TOPK:
      p.sparse_topk = 0;
      for (RequestData& r : call.requests) r.sparse_indices.clear();
      return true;
    case ATTNRT_FEATURE_WINDOW_PREFIX:
      for (RequestData& r : call.requests) r.window_prefix = 0;
      return true;
    case ATTNRT_FEATURE_CONTEXT_PARALLEL:
      p.cp_size = 1;
      return true;
    case ATTNRT_FEATURE_KV_SCALES:
    case ATTNRT_FEATURE_PER_HEAD_SCALES:
      o.k_scale.clear();
      o.v_scale.clear();
      return true;
    case ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES:
      for (RequestData& r : call.requests) r.k_row_scale.clear(), r.v_row_scale.clear();
      return true;
    default:
      return false;
  }
}

// "" or how the outcome departs from the reference of this call.
std::string departs(const Call& call, const Outcome& outcome, const NumericsOptions& options, uint64_t seed) {
  const std::vector<Fault> faults = judge(call.problem, call.operands, call.requests, outcome,
                                          {options.reference_pairs, options.reference_threads, seed});
  return faults.empty() ? "" : faults[0].check + ": " + faults[0].sentence;
}

// The same problem with lengths in which most features show: a decode, a chunk with context, a fresh prompt.
Case telling(const attnrt_variant& v, Case c) {
  if (c.problem.attn_type != ATTNRT_ATTN_DECODER || !(v.caps->phases & ATTNRT_PHASE_MIXED)) return c;
  c.lengths = {{1, 33}, {6, 70}, {17, 17}};
  c.problem.phase = ATTNRT_PHASE_MIXED;
  return c;
}

class Show {
 public:
  Show(const attnrt_variant& variant, Memory& memory, const NumericsOptions& options, uint64_t feature, Findings& out)
      : v_(variant), memory_(memory), options_(options), feature_(feature), out_(out) {}

  /// False once the feature was seen to matter.
  bool still_to_tell() const { return !told_; }

  void visit(const Case& c) {
    Call call{c.problem, make_operands(c), {}};
    call.requests = make_requests(c, call.operands);
    std::vector<const RequestData*> pointers;
    for (const RequestData& r : call.requests) pointers.push_back(&r);
    const Rig rig(v_, memory_, c.problem);
    Outcome outcome = rig.run(call.operands, pointers, c.lse, c.placement);
    for (Fault& fault : outcome.faults) fail(c, std::move(fault.sentence));
    if (!outcome.done) return;
    ++cases_;
    if (std::string how = departs(call, outcome, options_, c.seed); !how.empty()) return fail(c, std::move(how));
    if (feature_ == ATTNRT_FEATURE_LSE) {
      for (auto& rows : outcome.lse)
        for (float& lse : rows) lse *= 1.442695f;
    } else if (!take_away(feature_, call)) {
      told_ = true;
      control_ = false;
      return;
    }
    told_ = !departs(call, outcome, options_, c.seed).empty();
  }

  void conclude() {
    const std::string where = say(v_.name, " ", sdk::words::features.name(feature_));
    if (failed_) return;
    if (cases_ == 0) {
      out_.push_back({"feature", where, false, "no admitted case of the grid uses it, so that nothing shows it"});
      return;
    }
    out_.push_back({"feature", where, true, say("as the reference in ", cases_, cases_ == 1 ? " case" : " cases")});
    if (!control_) return;
    out_.push_back({"feature_control", where, told_,
                    told_ ? "without it the reference is another"
                          : "the results agree with a reference without it: these cases cannot tell"});
  }

 private:
  void fail(const Case& c, std::string sentence) {
    failed_ = true;
    out_.push_back({"feature", text(c), false, say(sdk::words::features.name(feature_), ": ", sentence)});
  }

  const attnrt_variant& v_;
  Memory& memory_;
  const NumericsOptions& options_;
  uint64_t feature_;
  Findings& out_;
  std::size_t cases_ = 0;
  bool told_ = false, control_ = true, failed_ = false;
};

}  // namespace

Findings check_features(const attnrt_variant& variant, Memory& memory, const NumericsOptions& options) {
  Findings out;
  GridOptions grid = options.grid;
  grid.max_multiply_adds = 2e7;
  grid.max_cases = 160;
  const std::vector<Case> cases = make_grid(variant, grid);
  for (int bit = 0; bit < 24; ++bit) {
    const uint64_t feature = uint64_t{1} << bit;
    // A hint changes no result.
    if (!(variant.caps->features & feature & ~ATTNRT_FEATURE_COMMON_PREFIX)) continue;
    Show show(variant, memory, options, feature, out);
    int tries = 0;
    for (const Case& c : cases) {
      if (!(c.problem.features & feature) || !(options.q_dtypes >> c.problem.q_dtype & 1u)) continue;
      if (tries++ == 24 || !show.still_to_tell()) break;
      const Case better = telling(variant, c);
      const bool usable = sensible(variant, better, grid.max_multiply_adds) && admitted(variant, better.problem);
      show.visit(usable ? better : c);
    }
    show.conclude();
  }
  return out;
}

}  // namespace attnrt::conformance
