// SPDX-License-Identifier: Apache-2.0
// How `attnrt run` judges fp32 by the size of the scores: what arithmetic loses passes, what is wrong does not.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>

#include "made_file.hpp"

using namespace attnrt::cli;

namespace {

/// Causal, 30 tokens, scores of about `size`.
struct Large {
  Tensors file;
  explicit Large(float size, int64_t tokens = 30) {
    file["q"] = noise({tokens, 4, 128});
    file["k"] = noise({tokens, 1, 128});
    file["v"] = noise({tokens, 1, 128});
    for (int64_t i = 0; i < file["q"].elements(); ++i) file["q"].as<float>()[i] *= size;
    Attention a;
    a.scale = 1 / std::sqrt(128.0f);
    expect(file, file["q"], file["k"], file["v"], 128, {{0, tokens, 0, tokens, tokens}}, a);
  }
  float& out(int64_t token, int64_t head, int64_t d) {
    return file["expected.out"].as<float>()[(token * 4 + head) * 128 + d];
  }
};

double bound(const boost::json::value& report) { return report.at("out").at("bound").as_double(); }

}  // namespace

TEST_CASE("the bound of fp32 follows the size of the scores") {
  for (const float size : {1.0f, 100.0f, 2000.0f, 30000.0f}) {
    CAPTURE(size);
    Large made(size);
    for (const char* backend : {"CPU_ATTN", "CPU_ATTN/portable", "CPU_ATTN/avx2"})
      check_file(made.file, {}, std::string("--attention-backend ") + backend);
  }
  // 64 times 4 u max|v| where scores are small, 4 u max|v| times 4 for each unit of their size beyond.
  Large small(1), large(2000);
  small.out(9, 2, 5) += 1;
  large.out(9, 2, 5) += 1;
  const double narrow = bound(check_file(small.file, {}, "", 1)), wide = bound(check_file(large.file, {}, "", 1));
  CHECK(narrow < 1e-4);
  CHECK(wide > 20 * narrow);
  CHECK(wide < 0.1);
}

TEST_CASE("outputs that are off are found whatever the size of the scores") {
  for (const float size : {1.0f, 2000.0f}) {
    CAPTURE(size);
    Large shifted(size);
    shifted.out(20, 1, 3) += size > 100 ? 0.3f : 1e-3f;
    CHECK(check_file(shifted.file, {}, "", 1).at("out").at("worst").at("index") == boost::json::value({20, 1, 3}));
    Large other(size);  // the first rows see more than they should
    check_file(other.file, {{"causal", "false"}}, "", 1);
    Large first(size);  // a row stands in another's place
    std::swap_ranges(&first.out(0, 0, 0), &first.out(0, 0, 0) + 512, &first.out(9, 0, 0));
    check_file(first.file, {}, "", 1);
    Large nan(size);
    nan.out(0, 0, 0) = std::nanf("");
    check_file(nan.file, {}, "", 1);
  }
}

TEST_CASE("small faults are found where scores are small") {
  Large made(1);
  check_file(made.file, {{"scale", "0.09"}}, "", 1);
  check_file(made.file, {{"sliding_window", "29"}}, "", 1);  // hides one key from one token
}

TEST_CASE("scores too many to be looked at are bounded by the lengths of q and k") {
  Large many(1, 1100);  // 4.8 million scores
  check_file(many.file, {});
  many.out(700, 3, 60) += 1e-2f;
  CHECK(check_file(many.file, {}, "", 1).at("out").at("worst").at("index") == boost::json::value({700, 3, 60}));
}
