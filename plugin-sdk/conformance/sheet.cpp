// SPDX-License-Identifier: Apache-2.0
#include "conformance/sheet.hpp"

#include <string>
#include <utility>

#include "attnrt/check.hpp"
#include "attnrt/words.hpp"
#include "conformance/numerics.hpp"
#include "conformance/problem_change.hpp"
#include "conformance/random.hpp"
#include "conformance/rig.hpp"

namespace attnrt::conformance {
namespace {

using sdk::say;

bool has_8bit(uint32_t dtypes) { return (dtypes >> ATTNRT_FP8_E4M3) != 0; }

// What a claim asks to stand beside it.
void check_rules(const attnrt_variant& v, Findings& out) {
  const attnrt_caps& c = *v.caps;
  constexpr uint64_t scales =
      ATTNRT_FEATURE_KV_SCALES | ATTNRT_FEATURE_PER_HEAD_SCALES | ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES;
  constexpr uint64_t causality =
      ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_CAUSAL_PER_REQUEST;
  const bool paged = sdk::is_paged(c.kv_layouts);
  const struct {
    bool broken;
    const char* sentence;
  } rules[] = {
      {paged && !v.kv_layout, "claims a paged cache without kv_layout, wanted the function"},
      {paged && !v.write_kv, "claims a paged cache without write_kv, wanted the function"},
      {has_8bit(c.kv_dtypes) && !(c.features & scales), "claims an 8-bit cache without scales, wanted KV_SCALES"},
      {(c.features & scales) && !has_8bit(c.kv_dtypes), "claims KV scales without an 8-bit cache dtype"},
      {!(c.features & causality), "claims no causality, wanted CAUSAL, NON_CAUSAL or both"},
      {(c.features & ATTNRT_FEATURE_CAUSAL_PER_REQUEST) &&
           !((c.features & ATTNRT_FEATURE_CAUSAL) && (c.features & ATTNRT_FEATURE_NON_CAUSAL)),
       "claims causality per request without both CAUSAL and NON_CAUSAL"},
      {(c.features & ATTNRT_FEATURE_CONTEXT_PARALLEL) && !(c.features & ATTNRT_FEATURE_LSE),
       "claims partial results without LSE, by which they are merged"},
      {(c.families & ATTNRT_FAMILY_MLA) &&
           !(c.kv_layouts & (ATTNRT_KV_MLA_LATENT | ATTNRT_KV_FP8_DS_MLA | ATTNRT_KV_NATIVE)),
       "claims MLA without a layout for latents"},
      {c.device_type == ATTNRT_DEVICE_CPU && c.graph_level != ATTNRT_GRAPH_NEVER, "claims graphs, which a CPU has not"},
      {(c.features & ATTNRT_FEATURE_OUTPUT_QUANT) && !has_8bit(c.out_dtypes),
       "claims quantised output without its dtype"},
      {(c.features & ATTNRT_FEATURE_SPLIT_Q) && !(c.families & ATTNRT_FAMILY_MLA), "claims a split q without MLA"},
  };
  for (const auto& rule : rules)
    if (rule.broken) out.push_back({"sheet", v.name, false, rule.sentence});
}

// What one problem of the grid reaches.
struct Reached {
  uint64_t features = 0;
  uint32_t families = 0, q_dtypes = 0, kv_dtypes = 0, out_dtypes = 0, attn_types = 0, phases = 0, kv_layouts = 0;

  void add(const attnrt_problem& p) {
    features |= p.features;
    families |= p.family;
    q_dtypes |= 1u << p.q_dtype;
    kv_dtypes |= 1u << p.kv_dtype;
    out_dtypes |= 1u << p.out_dtype;
    attn_types |= p.attn_type;
    phases |= p.phase;
    kv_layouts |= p.kv_layouts;
  }
};

void check_reach(const attnrt_variant& v, const GridOptions& options, Findings& out) {
  GridOptions wide = options;
  wide.max_cases = 160;
  wide.max_multiply_adds = 2e8;
  Reached reached;
  for (const Case& c : make_grid(v, wide)) reached.add(c.problem);
  const attnrt_caps& c = *v.caps;
  // A draft has no reference.
  const uint64_t exempt = ATTNRT_FEATURE_FLEX;
  const uint64_t features = c.features & ~exempt & ~reached.features;
  for (int bit = 0; bit < 64; ++bit)
    if (features >> bit & 1u)
      out.push_back({"sheet", v.name, false,
                     say("claims ", sdk::words::features.name(uint64_t{1} << bit), ", which no admitted case of the grid reaches")});
  const struct {
    const char* name;
    uint32_t missing;
  } masks[] = {{"families", c.families & ~reached.families},       {"q_dtypes", c.q_dtypes & ~reached.q_dtypes},
               {"kv_dtypes", c.kv_dtypes & ~reached.kv_dtypes},    {"out_dtypes", c.out_dtypes & ~reached.out_dtypes},
               {"attn_types", c.attn_types & ~reached.attn_types}, {"phases", c.phases & ~reached.phases},
               {"kv_layouts", c.kv_layouts & ~reached.kv_layouts}};
  for (const auto& mask : masks)
    if (mask.missing)
      out.push_back({"sheet", v.name, false,
                     say(mask.name, " claims bits ", mask.missing, ", which no admitted case of the grid reaches")});
}

// A batch that fits a problem and is quick to compute.
Case tiny_case(const attnrt_problem& problem, Random& random) {
  Case c;
  c.problem = problem;
  c.lengths = {{1, 5}, {3, 19}};
  const auto longest = static_cast<int32_t>(problem.decode_query_len);
  if (problem.phase == ATTNRT_PHASE_DECODE) c.lengths = {{1, 9}, {longest, 16 + longest}};
  if (problem.attn_type & (ATTNRT_ATTN_ENCODER | ATTNRT_ATTN_ENCODER_ONLY)) c.lengths = {{1, 1}, {7, 7}};
  c.lse = problem.features & ATTNRT_FEATURE_LSE;
  c.seed = random.next() >> 32;
  c.placement.seed = mix(c.seed, 1);
  return c;
}

class Survey {
 public:
  Survey(const attnrt_variant& variant, Memory& memory, Findings& out) : v_(variant), memory_(memory), out_(out) {}

  void visit(const attnrt_problem& p, Random& random) {
    const Case c = tiny_case(p, random);
    const auto fail = [&](const std::string& sentence) { out_.push_back({"supports", text(c), false, sentence}); };
    bool admits = sdk::refusals(*v_.caps, p) == 0;
    if (v_.supports) {
      Sink first, second;
      const attnrt_status status = v_.supports(&v_, &p, first.get());
      if (v_.supports(&v_, &p, second.get()) != status || first.words() != second.words())
        return fail("supports answers differently the second time");
      if (status != ATTNRT_OK && status != ATTNRT_UNSUPPORTED)
        return fail(first.text("supports", status) + ", wanted OK or UNSUPPORTED");
      if ((status == ATTNRT_OK) != first.words().empty())
        return fail(status == ATTNRT_OK ? "supports answers OK and gives a reason: " + first.words()
                                        : "supports refuses without a reason");
      admits &= status == ATTNRT_OK;
    }
    Rig rig(v_, memory_, p);
    if (!admits) {
      ++refused_;
      if (rig.op()) return fail("create makes an op for a problem that sheet or supports refuse, wanted UNSUPPORTED");
      if (rig.status() != ATTNRT_UNSUPPORTED) return fail(rig.faults()[0].sentence + ", wanted UNSUPPORTED");
      if (!rig.reasons()) fail("create refuses without a reason");
      return;
    }
    ++admitted_;
    if (!rig.op()) return fail("sheet and supports admit it, and " + rig.faults()[0].sentence);
    if (!sensible(v_, c, 2e6)) return;
    NumericsOptions options;
    options.reference_pairs = 3e3;
    options.reference_threads = 1;
    ++served_;
    for (Finding& finding : check_case(v_, memory_, c, options)) {
      if (finding.pass) continue;
      finding.check = "served";
      out_.push_back(std::move(finding));
    }
  }

  std::string summary() const {
    return say(admitted_, " problems admitted and created, ", served_, " of them computed, ", refused_,
               " refused with a reason");
  }

 private:
  const attnrt_variant& v_;
  Memory& memory_;
  Findings& out_;
  std::size_t admitted_ = 0, served_ = 0, refused_ = 0;
};

}  // namespace

Findings check_sheet(const attnrt_variant& variant, const GridOptions& options) {
  Findings out;
  check_rules(variant, out);
  check_reach(variant, options, out);
  if (out.empty()) out.push_back({"sheet", variant.name, true, "its claims agree and are all reached by the grid"});
  return out;
}

Findings check_supports(const attnrt_variant& variant, Memory& memory, const GridOptions& options) {
  Findings out;
  Random random(mix(options.seed, 77));
  const std::vector<Case> base = sample_cases(variant, options, 12);
  Survey survey(variant, memory, out);
  const int points = options.all ? 4000 : options.max_cases && options.max_cases < 100 ? 250 : 1000;
  for (int i = 0; i < points && !base.empty() && out.size() < 20; ++i) {
    attnrt_problem p = base[static_cast<std::size_t>(i) % base.size()].problem;
    for (int64_t changes = 1 + random.below(2); changes > 0; --changes) change(p, random);
    sdk::DiagSink deaf(sdk::DiagSink::Keep::count);
    if (sdk::check_problem(sdk::Diag(deaf.get()), p)) survey.visit(p, random);
  }
  if (out.empty()) out.push_back({"supports", variant.name, true, survey.summary()});
  return out;
}

}  // namespace attnrt::conformance
