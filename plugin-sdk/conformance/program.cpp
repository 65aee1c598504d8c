// SPDX-License-Identifier: Apache-2.0
//
// FILE.so [quick|normal|all] [BACKEND]: every check of the conformance kit on each variant that this machine can
// execute, as a test of the plugin's own project runs it. Prints a line for each check and each failure. Exit status 0:
// all passed; 1: a check failed, or there was nothing to check; 2: the arguments or the file are not usable. A crash is
// the plugin's.
#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "attnrt/cpu_isa.hpp"
#include "conformance/availability.hpp"
#include "conformance/checks.hpp"
#include "conformance/fenced_memory.hpp"
#include "conformance/image.hpp"
#include "conformance/refusals.hpp"

namespace {

using namespace attnrt::conformance;

bool passed(const std::string& subject, const char* check, const Findings& findings) {
  const Findings failed = failures(findings);
  std::printf("%-8s %s %s: %zu findings\n", failed.empty() ? "passed" : "FAILED", subject.c_str(), check,
              findings.size());
  for (const Finding& f : failed)
    std::printf("  %s: %s\n    %s\n", f.check.c_str(), f.sentence.c_str(), f.where.c_str());
  return failed.empty();
}

bool run_checks(const std::string& subject, const attnrt_variant& variant, const CheckOptions& options) {
  bool good = true;
  FencedMemory memory;
  GridOptions grid;
  grid.isa = options.isa;
  if (const std::string why = unavailable_here(variant, memory, grid); !why.empty()) {
    std::printf("skipped  %s: %s\n", subject.c_str(), why.c_str());
    return true;
  }
  for (const Check& check : variant_checks()) {
    good &= passed(subject, check.name, check.run(variant, memory, options));
    std::fflush(stdout);
  }
  return good;
}

int run(const char* file, const std::string& depth, const char* only) {
  void* handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  attnrt_plugin_query_fn query = nullptr;
  void* symbol = handle ? dlsym(handle, ATTNRT_PLUGIN_QUERY) : nullptr;
  std::memcpy(&query, &symbol, sizeof query);
  const attnrt_plugin* plugin = query ? query(ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR) : nullptr;
  if (!plugin) {
    const char* why = dlerror();
    std::fprintf(stderr, "%s: %s\n", file, why ? why : "attnrt_plugin_query gave no table, wanted one");
    return 2;
  }
  CheckOptions options;
  options.depth = depth == "quick" ? Depth::quick : depth == "all" ? Depth::all : Depth::normal;
  options.isa = attnrt::sdk::cpu_isa();
  options.host_checks = leaves_checks_to_host(*plugin);
  bool good = passed(file, "image", check_image(handle, *plugin));
  int checked = 0;
  for (uint32_t b = 0; b < plugin->num_backends; ++b)
    for (uint32_t v = 0; v < plugin->backends[b]->num_variants; ++v) {
      const attnrt_backend& backend = *plugin->backends[b];
      const attnrt_variant& variant = *backend.variants[v];
      const std::string subject = std::string(backend.name) + "/" + variant.name;
      if (only && std::strcmp(only, backend.name) != 0) continue;
      if (variant.caps->device_type != ATTNRT_DEVICE_CPU || (variant.caps->isa & ~options.isa)) {
        std::printf("skipped  %s: this machine cannot execute it\n", subject.c_str());
        continue;
      }
      good &= run_checks(subject, variant, options);
      ++checked;
    }
  if (!checked) std::printf("FAILED   %s: no variant was checked, wanted at least one\n", file);
  return good && checked ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string depth = argc > 2 ? argv[2] : "normal";
  if (argc < 2 || argc > 4 || (depth != "quick" && depth != "normal" && depth != "all")) {
    std::fprintf(stderr, "usage: %s FILE.so [quick|normal|all] [BACKEND]\n", argv[0]);
    return 2;
  }
  return run(argv[1], depth, argc > 3 ? argv[3] : nullptr);
}
