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

// Beside the program in the build tree and after installation: bin/ and lib/attnrt/.
std::string emulator_file() {
  std::error_code error;
  const auto root = std::filesystem::read_symlink("/proc/self/exe", error).parent_path().parent_path();
  for (const char* folder : {"lib/attnrt", ATTNRT_LIBRARY_FOLDER "/attnrt"}) {
    const std::filesystem::path file = root / folder / "attnrt_cuda_emulator.so";
    if (access(file.c_str(), R_OK) == 0) return file.string();
  }
  throw Failure("attnrt_cuda_emulator.so is missing, wanted the emulator of the plugin SDK beside attnrt");
}

}  // namespace

void emulate_device(const std::string& device) {
  const std::string file = emulator_file();
  setenv("ATTNRT_CUDA_DRIVER", file.c_str(), 1);
  setenv("ATTNRT_EMULATOR_DEVICE", device.c_str(), 1);
  void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw Failure(fmt::format("{} cannot be loaded: {}", file, dlerror()));
  const auto call = [library](const char* name, auto argument) {
    int (*function)(decltype(argument)) = nullptr;
    void* const symbol = dlsym(library, name);
    std::memcpy(&function, &symbol, sizeof function);
    return function ? function(argument) : -1;
  };
  if (call("cuInit", 0u) != 0)
    throw Failure(fmt::format(
        "--emulate is '{}', wanted cuda:8.0, cuda:8.6, cuda:8.9, cuda:9.0, cuda:10.0 or cuda:12.0", device));
}

}  // namespace attnrt::cli
