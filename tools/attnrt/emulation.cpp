// SPDX-License-Identifier: Apache-2.0
#include "emulation.hpp"

#include <dlfcn.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "failure.hpp"

namespace attnrt::cli {
namespace {

struct Emulator {
  const char *file, *variable, *init, *devices;
};
constexpr Emulator kCuda{"attnrt_cuda_emulator.so", "ATTNRT_CUDA_DRIVER", "cuInit",
                         "cuda:8.0, cuda:8.6, cuda:8.9, cuda:9.0, cuda:10.0 or cuda:12.0"};
constexpr Emulator kHip{"attnrt_hip_emulator.so", "ATTNRT_HIP_DRIVER", "hipInit",
                        "rocm:gfx90a, rocm:gfx942 or rocm:gfx950"};

// Beside the program in the build tree and after installation: bin/ and lib/attnrt/.
std::string file_of(const Emulator& emulator) {
  std::error_code error;
  const auto root = std::filesystem::read_symlink("/proc/self/exe", error).parent_path().parent_path();
  for (const char* folder : {"lib/attnrt", ATTNRT_LIBRARY_FOLDER "/attnrt"}) {
    const std::filesystem::path file = root / folder / emulator.file;
    if (access(file.c_str(), R_OK) == 0) return file.string();
  }
  throw Failure(fmt::format("{} is missing, wanted the emulator of the plugin SDK beside attnrt", emulator.file));
}

}  // namespace

void emulate_device(const std::string& device) {
  const Emulator& emulator = device.starts_with("rocm:") ? kHip : kCuda;
  const std::string file = file_of(emulator);
  setenv(emulator.variable, file.c_str(), 1);
  setenv("ATTNRT_EMULATOR_DEVICE", device.c_str(), 1);
  void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw Failure(fmt::format("{} cannot be loaded: {}", file, dlerror()));
  const auto call = [library](const char* name, auto argument) {
    int (*function)(decltype(argument)) = nullptr;
    void* const symbol = dlsym(library, name);
    std::memcpy(&function, &symbol, sizeof function);
    return function ? function(argument) : -1;
  };
  if (call(emulator.init, 0u) != 0)
    throw Failure(fmt::format("--emulate is '{}', wanted {}", device, emulator.devices));
}

}  // namespace attnrt::cli
