// SPDX-License-Identifier: Apache-2.0
//
// triton_attn on the SDK's emulator inside the test's own process, so that calls of the driver can be counted, made to
// fail or watched.
#ifndef ATTNRT_TESTS_GPU_EMULATED_PLUGIN_HPP
#define ATTNRT_TESTS_GPU_EMULATED_PLUGIN_HPP
#include <dlfcn.h>

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../../plugins/gpu/kernel_table.hpp"
#include "attnrt/gpu_driver.hpp"
#include "attnrt/plugin.h"

namespace attnrt::emulated {

/// An emulated 9.0 as the real driver's table; there are two devices.
inline const sdk::GpuDriver& driver() {
  static const sdk::GpuDriver table = [] {
    setenv(sdk::kCudaDriverVariable, EMULATOR, 1);
    setenv("ATTNRT_EMULATOR_DEVICE", "cuda:9.0", 1);
    setenv("ATTNRT_EMULATOR_DEVICES", "2", 1);
    sdk::GpuDriver made;
    if (const std::string why = sdk::load_cuda(made); !why.empty()) throw std::runtime_error(why);
    return made;
  }();
  return table;
}

template <class Result, class... Arguments>
Result ask(const char* name, Arguments... arguments) {
  driver();
  Result (*function)(Arguments...) = nullptr;
  if (!sdk::detail::find_in(dlopen(EMULATOR, RTLD_NOW | RTLD_LOCAL), name, function))
    throw std::runtime_error(std::string("the emulator has no ") + name);
  return function(arguments...);
}
/// What calls are to answer from here: "cuInit=802,cuMemAlloc=2@5"; NULL = what they would.
inline void fail(const char* list) { ask<void>("attnrt_emulator_fail", list); }
/// How often a function was called: "cuMemAlloc".
inline uint64_t calls(const char* function) { return ask<uint64_t>("attnrt_emulator_calls", function); }

struct Launch {
  const gpu::KernelImage* image;
  uint32_t grid[3];
};

/// The plugin, on the emulator or, where `table` is given, on a table of the test's own. [one object at a time]
class Plugin {
 public:
  explicit Plugin(const sdk::GpuDriver* table = nullptr) {
    driver();
    void* const handle = dlopen(TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    attnrt_plugin_query_fn query = nullptr;
    if (!handle || !sdk::detail::find_in(handle, ATTNRT_PLUGIN_QUERY, query)) throw std::runtime_error(dlerror());
    table_ = query(ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR);
    hook_ = static_cast<const sdk::TestDriverHook*>(table_->extension(sdk::kTestDriver));
    hook_->use(table);
  }
  ~Plugin() { hook_->use(nullptr); }
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  const attnrt_plugin& table() const { return *table_; }
  const attnrt_variant& variant(const std::string& backend) const {
    for (uint32_t b = 0; b < table_->num_backends; ++b)
      if (backend == table_->backends[b]->name) return *table_->backends[b]->variants[0];
    throw std::runtime_error("there is no backend " + backend);
  }
  const gpu::KernelImage* image(const void* data) const {
    const auto* const images = static_cast<const gpu::KernelImage*>(hook_->kernels);
    for (uint32_t i = 0; i < hook_->num_kernels; ++i)
      if (images[i].image == data) return &images[i];
    return nullptr;
  }

 private:
  const attnrt_plugin* table_;
  const sdk::TestDriverHook* hook_;
};

/// A table in front of the emulator that notes launches: for questions about the host alone.
class Watch {
 public:
  Watch() {
    state() = {};
    table_ = driver();
    table_.module_load = [](sdk::GpuModule* module, const void* image) {
      const sdk::GpuResult error = driver().module_load(module, image);
      state().images[*module] = image;
      return error;
    };
    table_.module_function = [](sdk::GpuFunction* function, sdk::GpuModule module, const char* name) {
      const sdk::GpuResult error = driver().module_function(function, module, name);
      state().functions[*function] = state().images[module];
      return error;
    };
    table_.launch = [](sdk::GpuFunction function, unsigned x, unsigned y, unsigned z, unsigned block_x,
                       unsigned block_y, unsigned block_z, unsigned shared, sdk::GpuStream stream, void** arguments,
                       void** extra) {
      ++state().count;
      if (state().counting) return 0;
      state().launches.push_back({state().functions[function], {x, y, z}});
      if (state().holding) return 0;
      return driver().launch(function, x, y, z, block_x, block_y, block_z, shared, stream, arguments, extra);
    };
  }
  const sdk::GpuDriver* table() const { return &table_; }
  /// Launches since the last question.
  std::vector<Launch> take(const Plugin& plugin) const {
    std::vector<Launch> out;
    for (const auto& noted : std::exchange(state().launches, {}))
      out.push_back({plugin.image(noted.image), {noted.grid[0], noted.grid[1], noted.grid[2]}});
    return out;
  }
  /// From here launches are noted in the place of them.
  void hold(bool held) const { state().holding = held; }
  /// From here launches are counted in the place of them, without a call of the heap.
  void count_alone() const { state().counting = true; }
  uint64_t count() const { return state().count; }

 private:
  struct Noted {
    const void* image;
    uint32_t grid[3];
  };
  struct State {
    std::map<sdk::GpuModule, const void*> images;
    std::map<sdk::GpuFunction, const void*> functions;
    std::vector<Noted> launches;
    uint64_t count = 0;
    bool counting = false, holding = false;
  };
  static State& state() {
    static State all;
    return all;
  }
  sdk::GpuDriver table_;
};

}  // namespace attnrt::emulated
#endif
