// SPDX-License-Identifier: Apache-2.0
//
// The plugin under test, its driver replaced.
#ifndef ATTNRT_TESTS_GPU_FAKE_PLUGIN_HPP
#define ATTNRT_TESTS_GPU_FAKE_PLUGIN_HPP
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "attnrt/plugin.h"
#include "fake_driver.hpp"

namespace attnrt::fake {

/// Loads the plugin, that of ATTNRT_TEST_PLUGIN where the variable is set, and puts a fresh device under it.
class Plugin {
 public:
  explicit Plugin(const DeviceModel& model = {}) {
    const char* const other = std::getenv("ATTNRT_TEST_PLUGIN");
    void* handle = dlopen(other ? other : TWIN_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    if (!handle) throw std::runtime_error(dlerror());
    attnrt_plugin_query_fn query = nullptr;
    void* symbol = dlsym(handle, ATTNRT_PLUGIN_QUERY);
    std::memcpy(&query, &symbol, sizeof query);
    table_ = query(ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR);
    hook_ = static_cast<const sdk::TestDriverHook*>(table_->extension(sdk::kTestDriver));
    reset(model, static_cast<const gpu::KernelImage*>(hook_->kernels), hook_->num_kernels);
    hook_->use(driver());
  }
  ~Plugin() { hook_->use(nullptr); }
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  const attnrt_plugin& table() const { return *table_; }
  const attnrt_variant& variant(const std::string& backend, const std::string& name) const {
    for (uint32_t b = 0; b < table_->num_backends; ++b)
      for (uint32_t v = 0; v < table_->backends[b]->num_variants; ++v)
        if (backend == table_->backends[b]->name && name == table_->backends[b]->variants[v]->name)
          return *table_->backends[b]->variants[v];
    throw std::runtime_error("there is no variant " + backend + "/" + name);
  }

 private:
  const attnrt_plugin* table_;
  const sdk::TestDriverHook* hook_;
};

}  // namespace attnrt::fake
#endif
