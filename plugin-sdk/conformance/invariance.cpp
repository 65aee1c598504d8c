// SPDX-License-Identifier: Apache-2.0
#include "conformance/invariance.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <type_traits>

#include "attnrt/check.hpp"
#include "conformance/grid.hpp"
#include "conformance/number.hpp"
#include "conformance/quantised.hpp"
#include "conformance/random.hpp"
#include "conformance/request.hpp"
#include "conformance/rig.hpp"

namespace attnrt::conformance {
namespace {

using sdk::say;

// The bytes of one request, comparable.
struct Bits {
  std::vector<uint8_t> out;
  std::vector<float> lse;

  bool operator==(const Bits& other) const {
    return out == other.out && lse.size() == other.lse.size() &&
           (lse.empty() || std::memcmp(lse.data(), other.lse.data(), lse.size() * sizeof(float)) == 0);
  }
};

class Prover {
 public:
  Prover(Rig& rig, const Case& c, Findings& out) : rig_(rig), case_(c), findings_(out), operands_(make_operands(c)) {}

  RequestData request(Length length, uint64_t seed) const {
    return make_request(case_.problem, operands_, length, seed);
  }

  // Runs a batch and gives the bits of the request at `place`.
  bool run(const std::vector<const RequestData*>& requests, std::size_t place, const Placement& where, bool garbage,
           Bits& bits) {
    const Outcome outcome = rig_.run(operands_, requests, case_.lse, where, garbage);
    for (const Fault& fault : outcome.faults) note(fault.check.c_str(), "", false, fault.sentence);
    if (!outcome.done || !outcome.faults.empty()) return false;
    bits = {outcome.bytes[place], outcome.lse[place]};
    return true;
  }

  void note(const char* check, const std::string& more, bool pass, const std::string& sentence) {
    findings_.push_back({check, text(case_) + more, pass, sentence});
  }

  // Plain attention over all keys, and merged from two parts, must not give the same bits.
  bool order_matters(const RequestData& r) const {
    const attnrt_problem& p = case_.problem;
    const int32_t row = r.query_len - 1;
    Operands bare = operands_;
    bare.sinks.clear();
    for (int32_t h = 0; h < static_cast<int32_t>(p.num_heads); ++h) {
      std::vector<int32_t> seen;
      for (int32_t j = 0; j < r.num_keys; ++j)
        if (visible(p, bare, r, h, row, j)) seen.push_back(j);
      std::vector<float> whole, first, second;
      float lse, lse_first, lse_second;
      plain_row(p, bare, r, row, h, 0, r.num_keys, whole, lse);
      // Where ALiBi leaves only the last keys, only a split among those is another order.
      for (std::size_t behind = 2; behind < seen.size(); behind *= 2) {
        const int32_t middle = seen[seen.size() - behind];
        plain_row(p, bare, r, row, h, 0, middle, first, lse_first);
        plain_row(p, bare, r, row, h, middle, r.num_keys, second, lse_second);
        const float top = std::max(lse_first, lse_second);
        const float a = std::exp(lse_first - top), b = std::exp(lse_second - top);
        if (case_.lse && lse != top + std::log(a + b)) return true;
        for (std::size_t d = 0; d < whole.size(); ++d)
          if (rounded(p.out_dtype, whole[d]) != rounded(p.out_dtype, (a * first[d] + b * second[d]) / (a + b)))
            return true;
      }
    }
    return false;
  }

  // A request whose bits depend on the order of summation, where there is one; a row that one loud key owns is none.
  RequestData telling(Length length, Random& random) {
    RequestData r = request(length, random.next());
    bool tells = order_matters(r);
    for (int more = 0; more < 12 && !tells; ++more) {
      r = request(length, random.next());
      tells = order_matters(r);
    }
    note("control", "", tells,
         tells ? "another order of summation gives other bits"
               : "another order of summation gives the same bits, so that equal bits prove nothing here");
    return r;
  }

  void repeatable(const RequestData& r, const Placement& where) {
    Bits once, again;
    if (!run({&r}, 0, where, false, once) || !run({&r}, 0, where, false, again)) return;
    const bool same = once == again;
    note("repeatable", "", same,
         same ? "the same call gives the same bits" : "the same call gave other bits the second time");
  }

  void batch_invariant(const RequestData& r, uint32_t rounds, int32_t most, Random& random) {
    Bits alone;
    Placement where;
    where.direct = case_.placement.direct;
    if (!run({&r}, 0, where, false, alone)) return;
    const int64_t crowds[] = {1, 3, 17, 5, 64, 2, 255};
    for (uint32_t round = 0; round < rounds; ++round) {
      const bool decode_only = case_.problem.phase == ATTNRT_PHASE_DECODE;
      const int64_t crowd = crowds[round % 7];
      std::deque<RequestData> others;
      std::vector<const RequestData*> batch;
      double work = 1e8 / (case_.problem.num_heads * (case_.problem.head_size_qk + case_.problem.head_size_v));
      for (int64_t i = 0; i < crowd; ++i) {
        const int64_t longest = i == 0 ? most : crowd > 32 ? 48 : std::min(most, 700);
        auto keys = static_cast<int32_t>(1 + random.below(longest));
        int32_t query = random.chance(0.5) || i == 0 ? 1 : static_cast<int32_t>(1 + random.below(std::min(keys, 96)));
        if (decode_only) query = std::min(keys, static_cast<int32_t>(case_.problem.decode_query_len));
        if (case_.problem.phase == ATTNRT_PHASE_PREFILL && !sdk::is_paged(case_.problem.kv_layouts))
          query = std::min(keys, 96);
        if (case_.problem.attn_type & (ATTNRT_ATTN_ENCODER | ATTNRT_ATTN_ENCODER_ONLY)) keys = query;
        if ((work -= static_cast<double>(query) * keys) < 0) break;
        others.push_back(request({query, keys}, random.next()));
        batch.push_back(&others.back());
      }
      const auto place = static_cast<std::size_t>(random.below(static_cast<int64_t>(batch.size()) + 1));
      batch.insert(batch.begin() + static_cast<std::ptrdiff_t>(place), &r);
      where.seed = random.next();
      where.workers = static_cast<uint32_t>(1 + random.below(4));
      where.pad_tokens = static_cast<int32_t>(random.below(9));
      where.pad_seqs = static_cast<int32_t>(random.below(3));
      where.strided = random.chance(0.5);
      Bits among;
      if (!run(batch, place, where, random.chance(0.5), among)) return;
      const std::string more = say(", request ", place, " of ", batch.size(), ", ", where.workers, " workers, padded ",
                                   where.pad_tokens, "+", where.pad_seqs, where.strided ? ", strided" : "");
      const bool same = among == alone;
      note("batch_invariant", more, same, same ? "the same bits as alone" : "other bits than alone");
      if (!same) return;
    }
  }

  // Rows [first, last) of a prompt as a step of their own: keys up to the last row.
  RequestData chunk(const RequestData& whole, int32_t first, int32_t last) const {
    const attnrt_problem& p = case_.problem;
    RequestData r = whole;
    const auto cut = [](const auto& rows, int64_t step, int64_t begin, int64_t end) {
      return rows.empty() ? rows : std::decay_t<decltype(rows)>(rows.begin() + begin * step, rows.begin() + end * step);
    };
    r.query_len = last - first;
    r.seq_len = r.num_keys = last;
    r.q = cut(whole.q, int64_t{p.num_heads} * p.head_size_qk, first, last);
    r.k = cut(whole.k, int64_t{p.num_kv_heads} * p.head_size_qk, 0, last);
    r.v = cut(whole.v, int64_t{p.num_kv_heads} * p.head_size_v, 0, last);
    r.k_given = cut(whole.k_given, int64_t{p.num_kv_heads} * p.head_size_qk, 0, last);
    r.v_given = cut(whole.v_given, int64_t{p.num_kv_heads} * p.head_size_v, 0, last);
    r.k_row_scale = cut(whole.k_row_scale, p.num_kv_heads, 0, last);
    r.v_row_scale = cut(whole.v_row_scale, p.num_kv_heads, 0, last);
    r.sparse_indices = cut(whole.sparse_indices, p.sparse_topk, first, last);
    return r;
  }

  void schedule_invariant(const RequestData& whole, Random& random) {
    Bits expected;
    if (!run({&whole}, 0, case_.placement, false, expected)) return;
    const int32_t steps[] = {64, 17, 1, static_cast<int32_t>(2 + random.below(90))};
    for (const int32_t step : steps) {
      Bits got;
      for (int32_t first = 0; first < whole.query_len;) {
        // Random chunks around the step; token by token skips most of the prompt's start to save time.
        const int32_t size = step == 1 ? 1 : static_cast<int32_t>(1 + random.below(2 * step));
        const int32_t last =
            std::min(whole.query_len, step == 1 && first == 0 ? std::max(1, whole.query_len - 48) : first + size);
        const RequestData r = chunk(whole, first, last);
        Placement where = case_.placement;
        where.seed = random.next();
        where.workers = static_cast<uint32_t>(1 + random.below(4));
        Bits part;
        if (!run({&r}, 0, where, false, part)) return;
        got.out.insert(got.out.end(), part.out.begin(), part.out.end());
        got.lse.insert(got.lse.end(), part.lse.begin(), part.lse.end());
        first = last;
      }
      const bool same = got == expected;
      const std::string more = step == 1 ? ", its end token by token" : say(", in chunks around ", step);
      note("schedule_invariant", more, same, same ? "the same bits as whole" : "other bits than whole");
      if (!same) return;
    }
  }

 private:
  Rig& rig_;
  const Case& case_;
  Findings& findings_;
  Operands operands_;
};

constexpr uint64_t per_request = ATTNRT_FEATURE_DENSE_MASK | ATTNRT_FEATURE_TREE_MASK | ATTNRT_FEATURE_MM_PREFIX |
                                 ATTNRT_FEATURE_SPARSE_TOPK | ATTNRT_FEATURE_CONTEXT_PARALLEL |
                                 ATTNRT_FEATURE_CAUSAL_PER_REQUEST | ATTNRT_FEATURE_WINDOW_PREFIX;

// The problem without what is not the same for every request, and without what leaves each row to a few keys: one key
// has no order of summation.
void shape(attnrt_problem& p, bool decoder) {
  p.features &= ~per_request;
  p.cp_size = p.cp_rank = p.cp_interleave = p.sparse_topk = 0;
  p.causal = decoder ? ATTNRT_CAUSAL_ALWAYS : ATTNRT_CAUSAL_NEVER;
  p.features &= ~(ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_NON_CAUSAL);
  p.features |= decoder ? ATTNRT_FEATURE_CAUSAL : ATTNRT_FEATURE_NON_CAUSAL;
  if (p.softcap > 10) p.softcap = 5;
  if (p.window_left >= 0) p.window_left = std::max(p.window_left, 63);
  if (p.window_right >= 0) p.window_right = decoder ? 0 : std::max(p.window_right, 63);
}

// A claim that nothing above could put to the test is not proved.
void require_shown(const attnrt_variant& variant, uint32_t level, const char* check, Findings& findings) {
  const bool shown = std::any_of(findings.begin(), findings.end(), [&](const Finding& f) { return f.check == check; });
  if (variant.caps->determinism >= level && !shown)
    findings.push_back({check, variant.name, false, "claimed, but no problem that the sheet admits could show it"});
}

}  // namespace

Findings check_invariance(const attnrt_variant& variant, Memory& memory, const InvarianceOptions& options) {
  Findings out;
  const uint32_t claim = variant.caps->determinism;
  if (claim < ATTNRT_DETERMINISM_REPEATABLE) return out;
  GridOptions grid;
  grid.isa = options.isa;
  grid.arch = options.arch;
  grid.seed = mix(options.seed, 0x1417);
  uint32_t count[8][3] = {};
  Random random(options.seed);
  for (Case c : make_grid(variant, grid)) {
    attnrt_problem& p = c.problem;
    if (!(options.q_dtypes >> p.q_dtype & 1u) || p.attn_type == ATTNRT_ATTN_ENCODER_DECODER) continue;
    // Enough heads for the work to be split in different ways, few enough to be quick.
    if (p.num_heads > 16 || p.head_size_qk < 64) continue;
    const bool decoder = p.attn_type == ATTNRT_ATTN_DECODER && (variant.caps->features & ATTNRT_FEATURE_CAUSAL);
    const uint32_t topk = p.sparse_topk;
    shape(p, decoder);
    // A cache of 8 bits has turns of its own, or the plain ones would take them all.
    const bool narrow = quantises(p);
    uint32_t& done = count[p.q_dtype][narrow ? 2 : decoder];
    const bool wants_cache = decoder && done % 2 == 0 && (variant.caps->kv_layouts & ~ATTNRT_KV_CONTIGUOUS);
    if (done >= (decoder && !narrow ? options.problems : 1) || (narrow && !decoder) ||
        (wants_cache && !sdk::is_paged(p.kv_layouts)))
      continue;
    const uint32_t wide = variant.caps->phases & ATTNRT_PHASE_MIXED ? ATTNRT_PHASE_MIXED : p.phase;
    p.phase = wide;
    if (c.placement.strided) c.placement.strided = false;
    p.determinism = claim;
    if (variant.caps->features & ATTNRT_FEATURE_LSE) {  // the finest measure there is
      p.features |= ATTNRT_FEATURE_LSE;
      c.lse = true;
    }
    if (topk && !admitted(variant, p)) {  // by a sheet that serves chosen keys alone
      p.features |= ATTNRT_FEATURE_SPARSE_TOPK;
      p.sparse_topk = topk;
    }
    if (!admitted(variant, p)) continue;
    ++done;
    c.lengths = {{1, 417}};
    Rig rig(variant, memory, p);
    for (const Fault& fault : rig.faults()) out.push_back({fault.check, text(c), false, fault.sentence});
    if (!rig.op()) continue;
    Prover prover(rig, c, out);
    const bool prompts = wide != ATTNRT_PHASE_DECODE;
    const RequestData decode = prover.telling(decoder ? Length{1, 417} : Length{61, 61}, random);
    prover.repeatable(decode, c.placement);
    if (claim >= ATTNRT_DETERMINISM_BATCH_INVARIANT) {
      prover.batch_invariant(decode, options.rounds, options.longest, random);
      if (decoder && prompts)
        prover.batch_invariant(prover.telling({37, 150}, random), options.rounds / 2, options.longest, random);
    }
    if (claim >= ATTNRT_DETERMINISM_SCHEDULE_INVARIANT && decoder && prompts)
      prover.schedule_invariant(prover.telling({307, 307}, random), random);
  }
  if ((variant.caps->q_dtypes & options.q_dtypes) == 0) return out;
  require_shown(variant, ATTNRT_DETERMINISM_REPEATABLE, "repeatable", out);
  require_shown(variant, ATTNRT_DETERMINISM_BATCH_INVARIANT, "batch_invariant", out);
  constexpr uint32_t prompts = ATTNRT_PHASE_PREFILL | ATTNRT_PHASE_MIXED;
  if ((variant.caps->attn_types & ATTNRT_ATTN_DECODER) && (variant.caps->features & ATTNRT_FEATURE_CAUSAL) &&
      (variant.caps->phases & prompts))
    require_shown(variant, ATTNRT_DETERMINISM_SCHEDULE_INVARIANT, "schedule_invariant", out);
  return out;
}

}  // namespace attnrt::conformance
