// SPDX-License-Identifier: Apache-2.0
//
// The numbers that docs/numerics.md makes promises about, through every variant: NaN and infinity, seen and hidden;
// scores and values of the largest magnitudes; masks of the least finite number; the caller's floating-point mode.
#include <catch2/catch.hpp>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "conformance/grid.hpp"
#include "conformance/judge.hpp"
#include "conformance/launch.hpp"
#include "conformance/number.hpp"
#include "conformance/kv_8bit.hpp"
#include "conformance/request.hpp"
#include "subject.hpp"

using namespace attnrt::conformance;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

std::size_t at(int64_t i) { return static_cast<std::size_t>(i); }

/// Small cases of the subject's dtype whose numbers are stored as they are.
std::vector<Case> cases_of(const attnrt_variant& variant, std::size_t count) {
  GridOptions grid;
  grid.isa = attnrt::sdk::cpu_isa();
  grid.max_multiply_adds = 2e7;
  std::vector<Case> cases;
  for (Case& c : make_grid(variant, grid)) {
    if (c.problem.q_dtype != subject_dtype() || quantises(c.problem) || cases.size() == count) continue;
    c.lse = true;
    c.placement.direct = true;
    c.problem.features |= ATTNRT_FEATURE_LSE;
    if (!admitted(variant, c.problem)) continue;
    cases.push_back(std::move(c));
  }
  return cases;
}

Outcome run(const attnrt_variant& variant, const Case& c, const Operands& operands,
            const std::vector<RequestData>& requests) {
  HostMemory memory;
  std::vector<const RequestData*> all;
  for (const RequestData& r : requests) all.push_back(&r);
  Outcome outcome = Rig(variant, memory, c.problem).run(operands, all, c.lse, c.placement);
  for (const Fault& fault : outcome.faults) FAIL_CHECK(fault.check << ": " << fault.sentence);
  REQUIRE(outcome.done);
  return outcome;
}

/// Calls body(request, query, head, its first number in the outcome, its LSE's place).
template <class Body>
void each_row(const Case& c, const std::vector<RequestData>& requests, Body&& body) {
  for (std::size_t r = 0; r < requests.size(); ++r)
    for (int32_t i = 0; i < requests[r].query_len; ++i)
      for (int32_t h = 0; h < static_cast<int32_t>(c.problem.num_heads); ++h) {
        const std::size_t row = at(int64_t{i} * c.problem.num_heads + h);
        body(r, i, h, row * c.problem.head_size_v, row);
      }
}

bool sees(const Case& c, const Operands& o, const RequestData& r, int32_t h, int32_t i, int32_t key) {
  return key >= 0 && key < r.num_keys && visible(c.problem, o, r, h, i, key);
}
bool sees_any(const Case& c, const Operands& o, const RequestData& r, int32_t h, int32_t i) {
  for (int32_t key = 0; key < r.num_keys; ++key)
    if (sees(c, o, r, h, i, key)) return true;
  return false;
}

void fill_row(std::vector<float>& rows, int64_t row, int64_t size, float value) {
  std::fill_n(rows.begin() + static_cast<std::ptrdiff_t>(row * size), size, value);
}

/// Keys of one request that are made strange, -1 = none.
struct Strange {
  int32_t nan_key = -1, nan_value = -1, infinite_value = -1, nan_query = -1;
};
Strange make_strange(const Case& c, RequestData& r, std::size_t salt) {
  Strange s;
  const int32_t own = r.num_keys - r.prefix_keys;
  if (own < 4 || r.query_len == 0) return s;
  const auto pick = [&](std::size_t n) {  // both ends, and between them
    const auto span = at(own);
    const std::size_t places[] = {span - 1, 0, span / 2, span - 2, span / 3, span * 3 / 4};
    return r.prefix_keys + static_cast<int32_t>(places[n % 6]);
  };
  const int64_t kv_heads = c.problem.num_kv_heads;
  const auto spoil = [&](std::vector<float>& rows, int64_t size, int32_t key, float value) {
    for (int64_t h = 0; h < kv_heads; ++h) fill_row(rows, key * kv_heads + h, size, value);
  };
  if (salt % 3 != 1) spoil(r.k, c.problem.head_size_qk, s.nan_key = pick(salt), kNan);
  if (r.v.empty()) return s;
  if (salt % 3 != 2) spoil(r.v, c.problem.head_size_v, s.nan_value = pick(salt + 1), kNan);
  if (salt % 3 != 0) spoil(r.v, c.problem.head_size_v, s.infinite_value = pick(salt + 2), -kInfinity);
  if (salt % 4 == 3) {
    s.nan_query = r.query_len / 2;
    for (int64_t h = 0; h < c.problem.num_heads; ++h)
      fill_row(r.q, s.nan_query * c.problem.num_heads + h, c.problem.head_size_qk, kNan);
  }
  return s;
}

/// Cases in which each score is scale * q.k.
std::vector<Case> plain_cases_of(const attnrt_variant& variant, std::size_t count) {
  constexpr uint64_t other = ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_ALIBI_SQRT | ATTNRT_FEATURE_DENSE_MASK |
                             ATTNRT_FEATURE_TREE_MASK | ATTNRT_FEATURE_SINKS | ATTNRT_FEATURE_SOFTCAP;
  std::vector<Case> cases;
  for (Case& c : cases_of(variant, 200)) {
    c.problem.features &= ~other;
    c.problem.softcap = 0;
    if (cases.size() < count && admitted(variant, c.problem)) cases.push_back(std::move(c));
  }
  return cases;
}

/// All rows of q are `q`; key `winner` of each request is `loud`, all others are `k`.
void set_scores(const Case& c, std::vector<RequestData>& requests, float q, float k, float loud, int32_t winner) {
  for (RequestData& r : requests) {
    std::fill(r.q.begin(), r.q.end(), q);
    std::fill(r.k.begin(), r.k.end(), k);
    for (int64_t h = 0; h < c.problem.num_kv_heads && winner < r.num_keys; ++h)
      fill_row(r.k, winner * c.problem.num_kv_heads + h, c.problem.head_size_qk, loud);
    round_row(c.problem.q_dtype, r.q.data(), r.q.size());
    round_row(c.problem.kv_dtype, r.k.data(), r.k.size());
  }
}

double unit(const Case& c) {
  return (c.problem.out_dtype == ATTNRT_FP32 ? 64 : 4) * unit_roundoff(c.problem.out_dtype);
}

/// `slack`: times the usual tolerance.
void require_close(const Case& c, const Operands& o, const std::vector<RequestData>& requests, const Outcome& got,
                   double slack = 1) {
  std::size_t wrong = 0;
  Row row;
  each_row(c, requests, [&](std::size_t r, int32_t i, int32_t h, std::size_t first, std::size_t lse) {
    reference_row(c.problem, o, requests[r], i, h, row);
    bool off = !lse_agrees(got.lse[r][lse], row.lse);
    for (std::size_t d = 0; d < row.out.size(); ++d)
      off = off || !(std::fabs(got.out[r][first + d] - row.out[d]) <= slack * unit(c) * row.bound[d] + 0x1p-126);
    if (off && ++wrong < 4)
      FAIL_CHECK("request " << r << " row " << i << " head " << h << ": out " << got.out[r][first] << " lse "
                            << got.lse[r][lse] << ", wanted " << row.out[0] << " and " << row.lse);
  });
}

}  // namespace

TEST_CASE("NaN and infinity reach the rows that see them, and no bit of any other", "[special_values]") {
  for (const attnrt_variant* variant : subject_variants()) {
    std::size_t salt = 0;
    for (const Case& c : cases_of(*variant, 60)) {
      INFO(variant->name << " " << text(c));
      const Operands o = make_operands(c);
      std::vector<RequestData> requests = make_requests(c, o);
      const Outcome clean = run(*variant, c, o, requests);
      std::vector<Strange> strange;
      for (RequestData& r : requests) strange.push_back(make_strange(c, r, salt++));
      const Outcome got = run(*variant, c, o, requests);
      std::size_t wrong = 0;
      each_row(c, requests, [&](std::size_t r, int32_t i, int32_t h, std::size_t first, std::size_t lse) {
        const RequestData& request = requests[r];
        const Strange& s = strange[r];
        const std::size_t size = c.problem.head_size_v;
        const float* out = got.out[r].data() + first;
        const bool nan_score = sees(c, o, request, h, i, s.nan_key) ||
                               (i == s.nan_query && sees_any(c, o, request, h, i));
        const bool odd_value =
            sees(c, o, request, h, i, s.nan_value) || sees(c, o, request, h, i, s.infinite_value);
        const std::size_t bytes = attnrt::sdk::dtype_bytes(c.problem.out_dtype);
        bool right;
        if (nan_score)
          right = std::isnan(got.lse[r][lse]) && std::all_of(out, out + size, [](float x) { return std::isnan(x); });
        else
          right = std::memcmp(&got.lse[r][lse], &clean.lse[r][lse], sizeof(float)) == 0;
        if (!nan_score && odd_value)
          right = right && std::none_of(out, out + size, [](float x) { return std::isfinite(x); });
        if (!nan_score && !odd_value)
          right = right && std::memcmp(&got.bytes[r][first * bytes], &clean.bytes[r][first * bytes], size * bytes) == 0;
        if (!right && ++wrong < 4)
          FAIL_CHECK("request " << r << " row " << i << " head " << h << (nan_score ? ", NaN score" : "")
                                << (odd_value ? ", odd value" : "") << ": out " << out[0] << " lse " << got.lse[r][lse]
                                << ", clean " << clean.out[r][first] << " and " << clean.lse[r][lse] << "; keys "
                                << s.nan_key << " " << s.nan_value << " " << s.infinite_value);
      });
      CHECK(wrong == 0);
    }
  }
  CHECK(why_no_variant() == "");
}

TEST_CASE("a NaN query is NaN for any number of keys", "[special_values]") {
  for (const attnrt_variant* variant : subject_variants()) {
    std::vector<Case> cases = plain_cases_of(*variant, 200);
    std::erase_if(cases, [](const Case& c) {
      return c.problem.attn_type != ATTNRT_ATTN_DECODER || c.problem.cp_size > 1;
    });
    if (cases.size() > 6) cases.resize(6);
    for (Case c : cases) {
      c.lengths.clear();
      c.common_prefix = 0;
      for (int32_t keys = 1; keys <= 70; ++keys) c.lengths.push_back({1, keys});
      INFO(variant->name << " " << text(c));
      const Operands o = make_operands(c);
      std::vector<RequestData> requests = make_requests(c, o);
      for (RequestData& r : requests) r.q.assign(r.q.size(), kNan);
      const Outcome got = run(*variant, c, o, requests);
      std::size_t wrong = 0;
      each_row(c, requests, [&](std::size_t r, int32_t i, int32_t h, std::size_t first, std::size_t lse) {
        if (sees_any(c, o, requests[r], h, i))
          wrong += !std::isnan(got.out[r][first]) || !std::isnan(got.lse[r][lse]);
      });
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("scores and values of the largest magnitudes give finite and right results", "[special_values]") {
  const float largest_number = subject_dtype() == ATTNRT_FP16 ? 65504.0f : 4e17f;
  const float largest_value = subject_dtype() == ATTNRT_FP16 ? 65504.0f
                              : subject_dtype() == ATTNRT_BF16 ? 0x1.fep127f
                                                               : 3e38f;
  for (const attnrt_variant* variant : subject_variants()) {
    const std::vector<Case> cases = plain_cases_of(*variant, 12);
    REQUIRE(cases.size() > 0);
    for (const Case& c : cases) {
      INFO(variant->name << " " << text(c));
      Operands o = make_operands(c);
      o.scale = 0.125f;
      std::vector<RequestData> requests = make_requests(c, o);
      const bool latent = c.problem.family == ATTNRT_FAMILY_MLA && requests.size() > 0 && requests[0].v.empty();
      for (const float q : {100.0f, 3000.0f, 40000.0f, largest_number})
        for (const float sign : {1.0f, -1.0f})
          for (const float loud : {1.0f, 0.5f}) {
            INFO("q and k " << q << ", sign " << sign << ", the other key times " << loud);
            set_scores(c, requests, q, sign * q, sign * q * loud, 2);
            require_close(c, o, requests, run(*variant, c, o, requests));
          }
      if (subject_dtype() != ATTNRT_FP16)
        for (const float sign : {1.0f, -1.0f}) {  // beyond fp32: as in fp32 arithmetic
          set_scores(c, requests, 1e25f, sign * 1e25f, sign * 1e25f, 0);
          const Outcome got = run(*variant, c, o, requests);
          std::size_t wrong = 0;
          each_row(c, requests, [&](std::size_t r, int32_t i, int32_t h, std::size_t first, std::size_t lse) {
            if (!sees_any(c, o, requests[r], h, i)) return;
            const float out = got.out[r][first], sum = got.lse[r][lse];
            wrong += sign > 0 ? !std::isnan(out) || !std::isnan(sum) : out != 0.0f || sum != -kInfinity;
          });
          CHECK(wrong == 0);
        }
      set_scores(c, requests, 0.0f, latent ? largest_value : 1.0f, latent ? largest_value : 1.0f, 0);
      for (RequestData& r : requests) r.v.assign(r.v.size(), -largest_value);
      INFO("values " << largest_value);
      require_close(c, o, requests, run(*variant, c, o, requests), 16);  // equal numbers are all rounded one way
    }
  }
}

TEST_CASE("a row that a mask hides with finite numbers is the mean of its values", "[special_values]") {
  for (const attnrt_variant* variant : subject_variants()) {
    if (!(variant->caps->features & ATTNRT_FEATURE_DENSE_MASK)) continue;
    std::size_t tried = 0;
    for (const Case& c : cases_of(*variant, 200)) {
      if (!(c.problem.features & ATTNRT_FEATURE_DENSE_MASK) || tried == 8) continue;
      Operands o = make_operands(c);
      o.mask.type = MaskForm::Type::kFp32;
      o.sinks.clear();
      o.mask.one_request = o.mask.one_head = false;
      Case without = c;
      without.problem.features &= ~uint64_t{ATTNRT_FEATURE_SINKS};
      if (!admitted(*variant, without.problem)) continue;
      ++tried;
      for (const float hidden : {std::numeric_limits<float>::lowest(), -1e30f, -1e20f, -1e11f, -1e10f}) {
        INFO(variant->name << " " << text(without) << " mask " << hidden);
        std::vector<RequestData> requests = make_requests(without, o);
        for (RequestData& r : requests) r.dense_mask.assign(r.dense_mask.size(), hidden);
        const Outcome got = run(*variant, without, o, requests);
        std::size_t wrong = 0;
        std::vector<float> plain;
        each_row(without, requests, [&](std::size_t r, int32_t i, int32_t h, std::size_t first, std::size_t lse) {
          float plain_lse;
          plain_row(without.problem, o, requests[r], i, h, 0, requests[r].num_keys, plain, plain_lse);
          bool off = !(std::fabs(got.lse[r][lse] - plain_lse) <= 1e-5f * std::fabs(plain_lse)) &&
                     got.lse[r][lse] != plain_lse;
          for (std::size_t d = 0; d < plain.size(); ++d)
            off = off || !(std::fabs(got.out[r][first + d] - plain[d]) <= unit(without));
          if (off && ++wrong < 4)
            FAIL_CHECK("request " << r << " row " << i << " head " << h << ": out " << got.out[r][first] << " lse "
                                  << got.lse[r][lse] << ", wanted " << plain[0] << " and " << plain_lse);
        });
      }
    }
    CHECK(tried > 0);
  }
}

#if defined(__x86_64__)
TEST_CASE("the caller's floating-point mode changes no bit", "[special_values]") {
  constexpr unsigned kDefault = 0x1f80, kFlush = 0x8040, kTowardZero = 0x6000, kUp = 0x4000;
  const unsigned own = _mm_getcsr();
  for (const attnrt_variant* variant : subject_variants())
    for (Case& c : cases_of(*variant, 25)) {
      INFO(variant->name << " " << text(c));
      c.placement.workers = 2;
      const Operands o = make_operands(c);
      std::vector<RequestData> requests = make_requests(c, o);
      for (RequestData& r : requests)
        for (std::size_t i = 0; i < r.v.size(); i += 3) r.v[i] = rounded(c.problem.kv_dtype, r.v[i] * 1e-38f);
      std::vector<const RequestData*> all;
      for (const RequestData& r : requests) all.push_back(&r);
      HostMemory memory;
      const Rig rig(*variant, memory, c.problem);
      Launch launch(rig, o, all, c.lse, c.placement);
      REQUIRE(launch.update());
      Outcome first;
      for (const unsigned mode : {kDefault, kDefault | kFlush, kDefault | kTowardZero, kDefault | kUp}) {
        launch.clear();
        launch.outcome().done = false;
        _mm_setcsr(mode);
        const bool done = launch.run();
        const unsigned left = _mm_getcsr();
        _mm_setcsr(own);
        REQUIRE(done);
        CHECK((left & ~0x3fu) == mode);
        launch.collect();
        if (!first.done)
          first = launch.outcome(), first.done = true;
        else
          CHECK((launch.outcome().bytes == first.bytes && launch.outcome().lse == first.lse));
      }
    }
}
#endif
