// SPDX-License-Identifier: Apache-2.0
#include "conformance/merge.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "attnrt/check.hpp"
#include "conformance/batch.hpp"
#include "conformance/judge.hpp"
#include "conformance/number.hpp"
#include "conformance/random.hpp"
#include "conformance/request.hpp"
#include "conformance/rig.hpp"

namespace attnrt::conformance {
namespace {

using sdk::say;
constexpr uint8_t canary = 0xc3;
constexpr float infinite = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

std::size_t at(int64_t i) { return static_cast<std::size_t>(i); }

// Partial results: rows of [Hq, Dv] each with its LSE.
struct Partial {
  std::vector<float> out, lse;
};

struct Merged {
  std::vector<float> out, lse;
  std::vector<Fault> faults;
};

Merged merge(const Rig& rig, const std::vector<Partial>& partials, int64_t tokens, int64_t merged,
             uint32_t partial_dtype) {
  const attnrt_problem& p = rig.problem();
  const int64_t heads = p.num_heads, dv = p.head_size_v, rows = tokens + 2;  // two that must be left alone
  const std::size_t element = sdk::dtype_bytes(p.out_dtype);
  Shelf shelf(rig.memory());
  std::vector<const attnrt_tensor*> outs, lses;
  for (const Partial& partial : partials) {
    outs.push_back(shelf.rows(partial.out, tokens, heads, dv, partial_dtype, 8, 2));
    std::vector<float> lse = partial.lse;
    lse.resize(at(rows * heads), 0.0f);
    lses.push_back(shelf.tensor(shelf.put(lse), sdk::to_dlpack(ATTNRT_FP32), {rows, heads}));
  }
  Buffer& out = shelf.raw(at(rows * heads * dv) * element, canary);
  Buffer& lse = shelf.raw(at(rows * heads) * sizeof(float), canary);
  attnrt_merge_args args{};
  args.struct_size = sizeof(args);
  args.num_partials = static_cast<int32_t>(partials.size());
  args.outs = outs.data();
  args.lses = lses.data();
  args.out = shelf.tensor(out.data(), sdk::to_dlpack(p.out_dtype), {rows, heads, dv});
  args.lse = shelf.tensor(lse.data(), sdk::to_dlpack(ATTNRT_FP32), {rows, heads}, {1, rows});
  args.num_tokens = tokens;
  args.num_merged_tokens = merged;
  Merged result;
  Sink sink;
  const attnrt_status status = rig.variant().merge_states(rig.op(), &args, rig.memory().stream(), sink.get());
  rig.memory().finish(rig.memory().stream());
  if (status != ATTNRT_OK) {
    result.faults.push_back({"merge_states", sink.text("merge_states", status)});
    return result;
  }
  const std::vector<uint8_t> bytes = out.read(), lse_bytes = lse.read();
  result.out.resize(at(tokens * heads * dv));
  decode_row(p.out_dtype, bytes.data(), result.out.size(), result.out.data());
  bool touched = shelf.guard_damage() != 0;
  for (std::size_t i = result.out.size() * element; i < bytes.size(); ++i) touched |= bytes[i] != canary;
  for (int64_t t = 0; t < rows; ++t)
    for (int64_t h = 0; h < heads; ++h) {
      const uint8_t* from = &lse_bytes[at(h * rows + t) * sizeof(float)];
      if (t < tokens)
        result.lse.push_back(decode(ATTNRT_FP32, from));
      else
        touched |= std::any_of(from, from + sizeof(float), [](uint8_t byte) { return byte != canary; });
    }
  if (touched) result.faults.push_back({"merge_canary", "merge_states wrote past num_tokens or beside its tensors"});
  return result;
}

// Keys [first, last) of a request as a request of its own.
RequestData part_of(const RequestData& r, const attnrt_problem& p, int32_t first, int32_t last) {
  RequestData part = r;
  const auto cut = [&](const std::vector<float>& rows, int64_t d) {
    if (rows.empty()) return rows;
    const int64_t step = int64_t{p.num_kv_heads} * d;
    return std::vector<float>(rows.begin() + first * step, rows.begin() + last * step);
  };
  part.k = cut(r.k, p.head_size_qk);
  part.v = cut(r.v, p.head_size_v);
  part.k_given = cut(r.k_given, p.head_size_qk);
  part.v_given = cut(r.v_given, p.head_size_v);
  part.k_row_scale = cut(r.k_row_scale, 1);
  part.v_row_scale = cut(r.v_row_scale, 1);
  part.num_keys = part.seq_len = last - first;
  return part;
}

// A decode of one token sees all keys of each part, so parts are plain requests.
void check_split(Rig& rig, const Case& c, const NumericsOptions& options, Findings& out) {
  const Operands operands = make_operands(c);
  const std::vector<RequestData> requests = make_requests(c, operands);
  for (int32_t count = 1; count <= 3; ++count) {
    std::vector<Partial> partials(at(count));
    std::vector<Fault> faults;
    for (int32_t part = 0; part < count; ++part) {
      std::vector<RequestData> pieces;
      for (const RequestData& r : requests)
        pieces.push_back(part_of(r, c.problem, r.num_keys * part / count, r.num_keys * (part + 1) / count));
      // A query of one token needs a sequence of at least one: parts are never empty here, see the lengths.
      std::vector<const RequestData*> pointers;
      for (const RequestData& r : pieces) pointers.push_back(&r);
      const Outcome outcome = rig.run(operands, pointers, true, c.placement);
      faults.insert(faults.end(), outcome.faults.begin(), outcome.faults.end());
      if (!outcome.done) break;
      for (std::size_t r = 0; r < requests.size(); ++r) {
        partials[at(part)].out.insert(partials[at(part)].out.end(), outcome.out[r].begin(), outcome.out[r].end());
        partials[at(part)].lse.insert(partials[at(part)].lse.end(), outcome.lse[r].begin(), outcome.lse[r].end());
      }
    }
    if (faults.empty()) {
      const auto tokens = static_cast<int64_t>(requests.size());
      Merged merged = merge(rig, partials, tokens, tokens, c.problem.out_dtype);
      faults = merged.faults;
      if (faults.empty()) {
        Outcome whole;
        const std::size_t heads = c.problem.num_heads, row = heads * c.problem.head_size_v;
        for (std::size_t r = 0; r < requests.size(); ++r) {
          whole.out.emplace_back(merged.out.begin() + static_cast<std::ptrdiff_t>(r * row),
                                 merged.out.begin() + static_cast<std::ptrdiff_t>((r + 1) * row));
          whole.lse.emplace_back(merged.lse.begin() + static_cast<std::ptrdiff_t>(r * heads),
                                 merged.lse.begin() + static_cast<std::ptrdiff_t>((r + 1) * heads));
        }
        faults =
            judge(c.problem, operands, requests, whole, {options.reference_pairs, options.reference_threads, c.seed});
        // Each partial was rounded to the output's type, so the RMS measure of a single rounding does not apply.
        std::erase_if(faults, [](const Fault& fault) { return fault.check == "rms"; });
      }
    }
    const std::string where = text(c) + say(" in ", count, " parts");
    for (const Fault& fault : faults) out.push_back({"merge_" + fault.check, where, false, fault.sentence});
    if (faults.empty()) out.push_back({"merge", where, true, "as the whole"});
  }
}

// Partials made up here: some empty, some without a usable LSE, some rows that are not merged at all.
void check_rules(const Rig& rig, const Case& c, Findings& out) {
  const attnrt_problem& p = rig.problem();
  const int64_t tokens = 7, merged_tokens = 5, heads = p.num_heads, dv = p.head_size_v;
  Random random(c.seed);
  for (const uint32_t dtype : {p.out_dtype, static_cast<uint32_t>(ATTNRT_FP32)}) {
    std::vector<Partial> partials(3);
    for (Partial& partial : partials) {
      for (int64_t i = 0; i < tokens * heads * dv; ++i) partial.out.push_back(rounded(dtype, random.normal()));
      for (int64_t i = 0; i < tokens * heads; ++i) partial.lse.push_back(40.0f * random.normal());
    }
    const auto spoil = [&](std::size_t part, int64_t token, float lse, float value) {
      for (int64_t i = 0; i < heads; ++i) partials[part].lse[at(token * heads + i)] = lse;
      for (int64_t i = 0; i < heads * dv; ++i) partials[part].out[at(token * heads * dv + i)] = value;
    };
    spoil(1, 1, -infinite, 0.0f);
    spoil(0, 2, infinite, nan);
    spoil(0, 0, nan, nan);
    spoil(0, 5, nan, nan);  // not read: the last partial alone counts
    spoil(2, 6, nan, nan);
    for (std::size_t part = 0; part < 3; ++part) spoil(part, 3, -infinite, 0.0f);
    for (int64_t i = 0; i < heads; ++i)  // two of equal weight
      partials[1].lse[at(4 * heads + i)] = partials[0].lse[at(4 * heads + i)];
    Merged merged = merge(rig, partials, tokens, merged_tokens, dtype);
    std::vector<Fault> faults = merged.faults;
    for (int64_t row = 0; faults.empty() && row < tokens * heads; ++row) {
      const bool copied = row / heads >= merged_tokens;
      const auto lse_of = [&](std::size_t part) {
        const double lse = partials[part].lse[at(row)];
        return lse == infinite || (copied && part != 2) ? -HUGE_VAL : lse;
      };
      if (std::isnan(lse_of(0)) || std::isnan(lse_of(1)) || std::isnan(lse_of(2))) {
        if (!std::isnan(merged.lse[at(row)]))
          faults.push_back({"lse", say("row ", row / heads, " head ", row % heads, " has LSE ", merged.lse[at(row)],
                                       ", wanted NaN, as of a partial")});
        for (int64_t d = 0; faults.empty() && d < dv; ++d)
          if (const double got = merged.out[at(row * dv + d)]; !std::isnan(got))
            faults.push_back({"rules", say("row ", row / heads, " head ", row % heads, " holds ", got,
                                           ", wanted NaN, as the LSE of a partial")});
        continue;
      }
      const double top = std::max({lse_of(0), lse_of(1), lse_of(2)});
      double sum = 0;
      for (std::size_t part = 0; part < 3; ++part) sum += top == -HUGE_VAL ? 0 : std::exp(lse_of(part) - top);
      const double lse = top == -HUGE_VAL ? top : top + std::log(sum);
      if (!lse_agrees(merged.lse[at(row)], lse))
        faults.push_back({"lse", say("row ", row / heads, " head ", row % heads, " has LSE ", merged.lse[at(row)],
                                     ", wanted ", lse)});
      for (int64_t d = 0; faults.empty() && d < dv; ++d) {
        double wanted = 0, bound = 0;
        for (std::size_t part = 0; part < 3 && top != -HUGE_VAL; ++part) {
          const double weight = std::exp(lse_of(part) - lse);
          const double value = partials[part].out[at(row * dv + d)];
          wanted += weight > 0 ? weight * value : 0;
          bound += weight > 0 ? weight * std::fabs(value) : 0;
        }
        const double got = merged.out[at(row * dv + d)];
        constexpr double flushed = (2 * 3 + 1) * kLeastNormal;  // of each partial a product and a sum, and the result
        if (!(std::fabs(got - wanted) <= tolerance(p.out_dtype, bound, 0, flushed)))
          faults.push_back({"rules", say("row ", row / heads, " head ", row % heads, " holds ", got, ", wanted ",
                                         wanted, copied ? " (the last partial, alone)" : "")});
      }
    }
    const std::string where = text(c) + say(" partials of ", sdk::dtype_name(dtype));
    for (const Fault& fault : faults) out.push_back({"merge_" + fault.check, where, false, fault.sentence});
    if (faults.empty()) out.push_back({"merge", where, true, "empty partials do not count, and NaN does"});
    if (dtype == ATTNRT_FP32) break;
  }
}

}  // namespace

Findings check_merge_states(const attnrt_variant& variant, Memory& memory, const NumericsOptions& options) {
  Findings out;
  if (!variant.merge_states) return out;
  // Of each output type one decode of the grid, without the features whose meaning depends on where a key stands.
  constexpr uint64_t kept = ATTNRT_FEATURE_SOFTCAP | ATTNRT_FEATURE_DIFF_KV | ATTNRT_FEATURE_KV_SCALES |
                            ATTNRT_FEATURE_PER_HEAD_SCALES | ATTNRT_FEATURE_SPLIT_Q;
  uint32_t seen = 0;
  for (Case c : make_grid(variant, options.grid)) {
    attnrt_problem& p = c.problem;
    const uint32_t kind = 1u << (p.out_dtype + (p.family == ATTNRT_FAMILY_MLA ? 8 : 0));
    p.features = (p.features & kept) | ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_LSE;
    p.causal = ATTNRT_CAUSAL_ALWAYS;
    p.flex = nullptr;
    p.window_left = p.window_right = -1;
    p.cp_size = p.cp_rank = p.cp_interleave = p.sparse_topk = 0;
    if (!(options.q_dtypes >> p.q_dtype & 1u) || (seen & kind) || p.attn_type != ATTNRT_ATTN_DECODER ||
        !admitted(variant, p))
      continue;
    seen |= kind;
    c.lengths = {{1, 5}, {1, 64}, {1, 213}};
    c.lse = true;
    Rig rig(variant, memory, c.problem);
    for (const Fault& fault : rig.faults()) out.push_back({fault.check, text(c), false, fault.sentence});
    if (!rig.op()) continue;
    check_split(rig, c, options, out);
    check_rules(rig, c, out);
  }
  return out;
}

}  // namespace attnrt::conformance
