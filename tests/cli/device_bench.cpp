// SPDX-License-Identifier: Apache-2.0
// A benchmark case on a device: what is copied there, captured and fetched. The emulator plays the device, whose times
// say nothing and are not looked at.
#include <catch2/catch.hpp>

#include "bench/device_timer.hpp"
#include "bench/setup.hpp"

using namespace attnrt;
using namespace attnrt::cli;

namespace {

Runtime open_plugin() {
  Options options;
  options.plugin_path = ATTNRT_TEST_TRITON;
  options.cache_folder = "";
  return Runtime(options);
}

BenchCase small(bool mla) {
  const boost::json::value value{{"seqs", {{1, 33}, {17, 40}}}, {"hq", 4}, {"hkv", 2}, {"d", 128}, {"kind", "mixed"}};
  const boost::json::value latent{
      {"seqs", {{1, 33}, {1, 70}}}, {"hq", 16}, {"hkv", 1}, {"kind", "decode"}, {"mla", true}};
  return bench_case("small", mla ? latent : value, "test");
}

}  // namespace

TEST_CASE("a case runs on a device, alone and from a captured graph, and its output is fetched") {
  Runtime runtime = open_plugin();
  for (const bool mla : {false, true}) {
    CAPTURE(mla);
    const BenchData data(small(mla), ATTNRT_BF16);
    BenchWish wish;
    wish.device = "cuda:0";
    if (!mla) wish.layout = ATTNRT_KV_NHD;
    BenchSetup setup(runtime, data, wish, runtime.executor(1));
    CHECK_THAT(setup.variant(), Catch::Contains(mla ? "TRITON_MLA/" : "TRITON_ATTN/"));
    setup.run();
    CHECK(data.error(setup.out()) < 0.02);
    CHECK_NOTHROW(setup.timed_run());
    CHECK(data.error(setup.out()) < 0.02);
  }
}

TEST_CASE("runs that refuse a capture are timed one behind the other") {
  Runtime runtime = open_plugin();
  const Mirror device(runtime.problem("cuda:0"), nullptr);
  int runs = 0;
  bool refuse = false;
  DeviceTimer captured(*device.memory(), [&] { ++runs; });
  CHECK(runs == 2 + 20);
  captured.seconds();
  CHECK(runs == 2 + 20);

  runs = 0;
  DeviceTimer enqueued(*device.memory(), [&] {
    if (refuse) throw Error(ATTNRT_UNSUPPORTED, "not in a capture");
    refuse = ++runs == 2;
  });
  refuse = false;
  enqueued.seconds();
  CHECK(runs == 2 + 20);
}
