// SPDX-License-Identifier: Apache-2.0
// check.hpp: scales that lose or spoil all they are multiplied with are refused where the host can read them.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "attnrt/check.hpp"

using namespace attnrt::sdk;
using Catch::Matchers::Contains;

namespace {

constexpr float kBad[] = {0.0f, -0.0f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()};

attnrt_problem problem(int32_t device) {
  attnrt_problem p{};
  p.struct_size = sizeof p;
  p.device_type = device;
  p.family = ATTNRT_FAMILY_STANDARD;
  p.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_PER_HEAD_SCALES;
  p.kv_layouts = ATTNRT_KV_NHD;
  p.kv_dtype = ATTNRT_INT8;
  p.num_heads = p.num_kv_heads = 2;
  p.head_size_qk = p.head_size_v = 64;
  p.block_size = 16;
  return p;
}

/// What a check says of values in a tensor [2, 2], or [2], of its device.
std::string said(int32_t device, float (&values)[4], bool of_run) {
  int64_t shape[] = {2, 2}, strides[] = {2, 1};
  const attnrt_tensor scale{
      values, {device, 0}, of_run ? 2 : 1, to_dlpack(ATTNRT_FP32), shape, of_run ? strides : strides + 1, 0};
  DiagSink sink;
  const Diag diag(sink.get());
  const attnrt_problem p = problem(device);
  const bool ok = of_run ? detail::check_run_scale(diag, p, 2, "k_scale", &scale)
                         : detail::check_cache_scale(diag, p, "k_scale", &scale);
  CHECK(ok == (sink.count() == 0));
  return sink.text();
}

}  // namespace

TEST_CASE("scales of a cache are finite and not 0") {
  for (const bool of_run : {true, false}) {
    float good[4] = {1, 0.5f, -2, 1e-30f};
    CHECK(said(ATTNRT_DEVICE_CPU, good, of_run) == "");
    for (const float bad : kBad) {
      float values[4] = {1, bad, 1, 1};
      CHECK_THAT(said(ATTNRT_DEVICE_CPU, values, of_run),
                 Contains(of_run ? "k_scale[0][1] is " : "k_scale[1] is ") &&
                     Contains(", wanted a finite number other than 0: 1 where values are stored as they are"));
      CHECK(said(ATTNRT_DEVICE_CUDA, values, of_run) == "");  // whose memory is not read
    }
  }
}

TEST_CASE("the softmax scale is finite and not 0, and the sentence has the usual one") {
  for (const float bad : kBad) {
    attnrt_problem p = problem(ATTNRT_DEVICE_CUDA);
    attnrt_run_args a{};
    a.scale = bad;
    DiagSink sink;
    CHECK_FALSE(check_run(Diag(sink.get()), p, attnrt_limits{}, BatchShape{}, a));
    CHECK_THAT(sink.text(), Contains("scale is ") && Contains("as a rule 1 / sqrt(head_size), 0.125 for head_size 64"));
    // The latent head is wider than the one that the scale belongs to.
    p.family = ATTNRT_FAMILY_MLA;
    p.head_size_qk = 576, p.mla_nope = 128, p.mla_rope = 64;
    DiagSink latent;
    CHECK_FALSE(check_run(Diag(latent.get()), p, attnrt_limits{}, BatchShape{}, a));
    CHECK_THAT(latent.text(), Contains("0.072169 for head_size 192"));
  }
}
