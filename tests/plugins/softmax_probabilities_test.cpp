// SPDX-License-Identifier: Apache-2.0
//
// Weights of scores: right where they count, never subnormal, never above 1 however large the scores are.
#include "softmax_probabilities.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "attnrt/cpu_isa.hpp"
#include "attnrt/plugin.h"

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Isa {
  const char* name;
  WeighFn weigh;
  uint64_t needs;
};
const Isa kIsas[] = {{"avx2", &attnrt::kernel::avx2::weigh_scores, ATTNRT_ISA_AVX2}};

template <class Body>
void each_isa(Body&& body) {
  std::size_t tried = 0;
  for (const Isa& isa : kIsas) {
    if (isa.needs & ~attnrt::sdk::cpu_isa()) continue;
    ++tried;
    INFO(isa.name);
    body(isa.weigh);
  }
  if (tried == 0) WARN("this processor has the instruction sets of no variant");
}

}  // namespace

TEST_CASE("a weight is 0 or a normal number, and right") {
  each_isa([](WeighFn weigh) {
    for (const float unit : {1.44269504f, 1e-6f, 0.18033688f, 9000.0f}) {
      std::vector<float> exponents, scores;
      for (float x = -160.0f; x < 0.0f; x += x < -140.0f || x > -100.0f ? 0.125f : 0.00390625f) exponents.push_back(x);
      exponents.resize((exponents.size() + 15) / 16 * 16, 0.0f);
      for (const float x : exponents) scores.push_back(x / unit);
      std::vector<float> weights = scores;
      weigh(weights.data(), static_cast<int64_t>(weights.size()), unit, 0.0f);
      for (std::size_t i = 0; i < weights.size(); ++i) {
        INFO("2^" << exponents[i] << ", unit " << unit << ": " << weights[i]);
        const double wanted = std::exp2(static_cast<double>(scores[i]) * static_cast<double>(unit));
        const bool vanishes = weights[i] == 0.0f && wanted < 0x1p-125;
        if (!(vanishes || (weights[i] >= 0x1p-126f && std::fabs(weights[i] - wanted) <= 3e-7 * wanted))) FAIL_CHECK();
      }
    }
  });
}

TEST_CASE("scores of any size have weights of at most 1") {
  each_isa([](WeighFn weigh) {
    for (const float max : {3e9f, -1e10f, 1.0000001e11f, 6.7e30f, -1e37f, std::numeric_limits<float>::lowest()}) {
      std::vector<float> scores(32, max);
      scores[3] = -kInfinity;
      scores[5] = std::nextafter(max, -kInfinity);
      const float sum = weigh(scores.data(), 32, 1.44269504f, max);
      INFO("maximum " << max);
      for (std::size_t i = 0; i < scores.size(); ++i) CHECK(scores[i] == (i == 3 || i == 5 ? 0.0f : 1.0f));
      CHECK(sum == 30.0f);
    }
  });
}

TEST_CASE("hidden scores weigh nothing, and NaN is not lost") {
  each_isa([](WeighFn weigh) {
    std::vector<float> hidden(16, -kInfinity);
    CHECK(weigh(hidden.data(), 16, 1.0f, -kInfinity) == 0.0f);
    for (const float w : hidden) CHECK(w == 0.0f);
    for (const float max : {0.0f, -kInfinity, kInfinity}) {
      std::vector<float> scores(16, max);
      scores[7] = std::numeric_limits<float>::quiet_NaN();
      CHECK(std::isnan(weigh(scores.data(), 16, 1.0f, max)));
      CHECK(std::isnan(scores[7]));
    }
  });
}
