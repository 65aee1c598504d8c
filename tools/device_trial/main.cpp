// SPDX-License-Identifier: Apache-2.0
//
// device_trial PLUGIN.so: the first minutes of a plugin on a CUDA device, the smallest question first: does cuInit
// answer, do all images load, does a thread without a context run, what do captures, streams and forks do. Prints a
// line a step; ends with 1 where one failed. ATTNRT_CUDA_DRIVER puts the SDK's emulator in the device's place.
#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <exception>

#include "attnrt/check.hpp"
#include "trial.hpp"

namespace attnrt::trial {
namespace {

// The driver, with what is loaded noted. Static: what a plugin keeps of it may outlive main.
sdk::GpuDriver real, noting;
std::vector<LoadedFunction> noted;

}  // namespace

Trial::Trial(const char* file) {
  if (const std::string why = sdk::load_cuda(real); !why.empty()) throw Failed{why};
  noting = real;
  noting.module_function = [](sdk::GpuFunction* function, sdk::GpuModule module, const char* name) {
    const sdk::GpuResult error = real.module_function(function, module, name);
    if (!error) noted.push_back({name, *function});
    return error;
  };
  void* const handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (!handle) throw Failed{dlerror()};
  attnrt_plugin_query_fn query = nullptr;
  const bool found = sdk::detail::find_in(handle, ATTNRT_PLUGIN_QUERY, query);
  const attnrt_plugin* const plugin = found ? query(ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR) : nullptr;
  if (!plugin) throw Failed{sdk::say(file, " is no plugin of this ABI")};
  if (const void* const hook = plugin->extension ? plugin->extension(sdk::kTestDriver) : nullptr)
    static_cast<const sdk::TestDriverHook*>(hook)->use(&noting);
  for (uint32_t b = 0; b < plugin->num_backends; ++b)
    for (uint32_t v = 0; v < plugin->backends[b]->num_variants; ++v)
      if (const attnrt_variant* variant = plugin->backends[b]->variants[v];
          variant->caps->device_type == ATTNRT_DEVICE_CUDA) {
        subjects_.push_back({plugin->backends[b]->name, variant});
        break;
      }
  if (subjects_.empty()) throw Failed{sdk::say(file, " has no variant for CUDA's devices")};
}

const sdk::GpuDriver& Trial::driver() const { return real; }
const std::vector<LoadedFunction>& Trial::functions() const { return noted; }

bool Trial::step(const std::string& name, const std::function<std::string()>& act) {
  const char* word = "passed";
  std::string sentence;
  try {
    sentence = act();
  } catch (const Failed& failed) {
    word = "FAILED";
    sentence = failed.sentence;
    ++failures_;
  }
  std::printf("%-7s %-28s %s\n", word, name.c_str(), sentence.c_str());
  std::fflush(stdout);  // the next step may end the process
  return *word == 'p';
}

void want(const Trial& trial, const char* call, sdk::GpuResult error) {
  if (error) throw Failed{sdk::say(call, " answered ", error, " (", trial.driver().name_of(error), "), wanted 0")};
}

}  // namespace attnrt::trial

int main(int argc, char** argv) {
  using namespace attnrt::trial;
  if (argc != 2) return std::fprintf(stderr, "usage: device_trial PLUGIN.so\n"), 2;
  try {
    Trial trial(argv[1]);
    try_driver(trial);
    if (!trial.failures()) try_engine(trial);
    std::printf("%d steps failed\n", trial.failures());
    return trial.failures() ? 1 : 0;
  } catch (const Failed& failed) {
    std::fprintf(stderr, "device_trial: %s\n", failed.sentence.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "device_trial: %s\n", error.what());
  }
  return 1;
}
