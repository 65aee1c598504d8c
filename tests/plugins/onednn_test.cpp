// SPDX-License-Identifier: Apache-2.0
//
// CPU_ATTN/onednn keeps to the worker that calls it: oneDNN's OpenMP starts no thread beside it, and an engine that uses
// OpenMP on that thread finds its settings as they were.
#include <dlfcn.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <string>

#include "attnrt/cpu_isa.hpp"
#include "conformance/availability.hpp"
#include "conformance/launch.hpp"
#include "conformance/request.hpp"
#include "conformance/rig.hpp"

using namespace attnrt::conformance;

namespace {

const attnrt_variant* onednn_of(const char* path) {
  void* file = dlopen(path, RTLD_NOW | RTLD_LOCAL);  // stays open: plugins are never unloaded
  REQUIRE(file != nullptr);
  attnrt_plugin_query_fn query = nullptr;
  void* symbol = dlsym(file, ATTNRT_PLUGIN_QUERY);
  std::memcpy(&query, &symbol, sizeof query);
  const attnrt_backend& backend = *query(ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR)->backends[0];
  for (uint32_t v = 0; v < backend.num_variants; ++v)
    if (backend.variants[v]->name == std::string("onednn")) return backend.variants[v];
  return nullptr;
}

long threads() {
  const std::filesystem::directory_iterator all("/proc/self/task");
  return std::distance(begin(all), end(all));
}

}  // namespace

TEST_CASE("an item's products run on the thread that has the item, whose OpenMP settings stay") {
  setenv("OMP_NUM_THREADS", "3", 1);  // before anything loads OpenMP
  const attnrt_variant* variant = onednn_of(ATTNRT_TEST_PLUGINS "/cpu_attn.so");
  REQUIRE(variant != nullptr);
  GridOptions options;
  options.isa = attnrt::sdk::cpu_isa();
  HostMemory memory;
  const std::string why = variant->caps->isa & ~options.isa ? "this machine cannot execute it"
                                                             : unavailable_here(*variant, memory, options);
  if (!why.empty()) {
    WARN(why);
    return;
  }

  void* openmp = dlopen("libgomp.so.1", RTLD_NOW | RTLD_NOLOAD);
  REQUIRE(openmp != nullptr);
  int (*most)() = nullptr;
  void* symbol = dlsym(openmp, "omp_get_max_threads");
  std::memcpy(&most, &symbol, sizeof most);
  REQUIRE(most() == 3);

  const long before = threads();
  int runs = 0;
  for (Case c : sample_cases(*variant, options, 6)) {
    c.placement.workers = 1;
    c.lengths = {{300, 300}};  // items of as many rows as there are, over several tiles
    const Rig rig(*variant, memory, c.problem);
    const Operands operands = make_operands(c);
    const std::vector<RequestData> requests = make_requests(c, operands);
    const Launch launch(rig, operands, {&requests[0]}, c.lse, c.placement);
    REQUIRE(launch.plan() != nullptr);
    const Sink sink;
    CHECK(variant->plan_update(launch.plan(), &launch.batch(), nullptr, sink.get()) == ATTNRT_OK);
    CHECK(variant->run(launch.plan(), &launch.args(), nullptr, sink.get()) == ATTNRT_OK);
    ++runs;
  }
  CHECK(runs == 6);
  CHECK(threads() == before);
  CHECK(most() == 3);
}
