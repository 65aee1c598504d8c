// SPDX-License-Identifier: Apache-2.0
//
// The backend that a test is about. The environment says which: ATTNRT_TEST_PLUGIN (a file), ATTNRT_TEST_BACKEND,
// ATTNRT_TEST_DTYPE (of q), ATTNRT_TEST_ALL (set = the dense grid).
#ifndef ATTNRT_TESTS_SUBJECT_HPP
#define ATTNRT_TESTS_SUBJECT_HPP
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "attnrt/check.hpp"
#include "attnrt/cpu_isa.hpp"

inline std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// ATTNRT_DTYPE_COUNT_ where the environment names none.
inline uint32_t subject_dtype() {
  for (uint32_t d = 0; d < ATTNRT_DTYPE_COUNT_; ++d)
    if (setting("ATTNRT_TEST_DTYPE") == attnrt::sdk::dtype_name(d)) return d;
  return ATTNRT_DTYPE_COUNT_;
}

/// NULL where the file, or the backend in it, is not there.
inline const attnrt_backend* subject_backend() {
  void* file = dlopen(setting("ATTNRT_TEST_PLUGIN").c_str(), RTLD_NOW | RTLD_LOCAL);  // stays: plugins are not unloaded
  void* symbol = file ? dlsym(file, ATTNRT_PLUGIN_QUERY) : nullptr;
  attnrt_plugin_query_fn query = nullptr;
  std::memcpy(&query, &symbol, sizeof(query));
  const attnrt_plugin* plugin = query ? query(ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR) : nullptr;
  for (uint32_t b = 0; plugin && b < plugin->num_backends; ++b)
    if (setting("ATTNRT_TEST_BACKEND") == plugin->backends[b]->name) return plugin->backends[b];
  return nullptr;
}

/// Those of its variants that this machine can execute and that take the dtype.
inline std::vector<const attnrt_variant*> subject_variants() {
  const attnrt_backend* backend = subject_backend();
  std::vector<const attnrt_variant*> variants;
  for (uint32_t v = 0; backend && v < backend->num_variants; ++v) {
    const attnrt_variant* variant = backend->variants[v];
    const bool able = !(variant->caps->isa & ~attnrt::sdk::cpu_isa());
    if (able && (variant->caps->q_dtypes >> subject_dtype() & 1u)) variants.push_back(variant);
  }
  return variants;
}

/// What there is to say where a test has no variant to try, "" where it has. Where instruction sets alone are missing,
/// ctest counts a test of emulated ones as skipped for this sentence.
inline std::string why_no_variant() {
  if (!subject_backend())
    return "no backend " + setting("ATTNRT_TEST_BACKEND") + " in " + setting("ATTNRT_TEST_PLUGIN");
  return subject_variants().empty() ? "this processor has the instruction sets of no variant" : "";
}

/// Those whose results do not depend on the batch and whose sheets say what `claims` prefetches for.
template <class Claims>
std::vector<const attnrt_variant*> batch_invariant_variants(Claims&& claims) {
  std::vector<const attnrt_variant*> variants = subject_variants();
  std::erase_if(variants, [&](const attnrt_variant* v) {
    return v->caps->determinism < ATTNRT_DETERMINISM_BATCH_INVARIANT || !claims(*v->caps);
  });
  return variants;
}

#endif
