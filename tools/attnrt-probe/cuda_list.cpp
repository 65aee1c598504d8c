// SPDX-License-Identifier: Apache-2.0
#include "cuda_list.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <string>

namespace attnrt::probe {
namespace {

constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR

/// The functions of the driver that are asked.
struct Cuda {
  int (*init)(unsigned) = nullptr;
  int (*get_count)(int*) = nullptr;
  int (*get_device)(int*, int) = nullptr;
  int (*get_name)(char*, int, int) = nullptr;
  int (*get_attribute)(int*, int, int) = nullptr;

  /// "" or what is missing.
  std::string load() {
    void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return "libcuda.so.1 cannot be loaded";
    std::string missing;
    const auto find = [&](auto*& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
      if (!function) missing = std::string("libcuda.so.1 lacks ") + name;
    };
    find(init, "cuInit");
    find(get_count, "cuDeviceGetCount");
    find(get_device, "cuDeviceGet");
    find(get_name, "cuDeviceGetName");
    find(get_attribute, "cuDeviceGetAttribute");
    return missing;
  }
};

std::string listing() {
  Cuda cuda;
  if (const std::string missing = cuda.load(); !missing.empty()) return "failed " + missing + "\n";
  int count = 0;
  std::string out, failure;
  const auto good = [&failure](const char* call, int error) {
    if (error) failure = std::string("failed ") + call + " answered " + std::to_string(error) + ", wanted 0\n";
    return error == 0;
  };
  if (!good("cuInit", cuda.init(0)) || !good("cuDeviceGetCount", cuda.get_count(&count))) return failure;
  for (int i = 0; i < count; ++i) {
    int device = 0, major = 0, minor = 0;
    char name[128] = "";
    if (!good("cuDeviceGet", cuda.get_device(&device, i)) ||
        !good("cuDeviceGetName", cuda.get_name(name, sizeof name, device)) ||
        !good("cuDeviceGetAttribute", cuda.get_attribute(&major, kMajor, device)) ||
        !good("cuDeviceGetAttribute", cuda.get_attribute(&minor, kMinor, device)))
      return failure;
    out += "device " + std::to_string(major) + " " + std::to_string(minor) + " " + name + "\n";
  }
  return count > 0 ? out : "failed the driver counts no device\n";
}

}  // namespace

int list_cuda(int descriptor) {
  const std::string text = listing();
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t wrote = write(descriptor, text.data() + done, text.size() - done);
    if (wrote <= 0) return 3;
    done += static_cast<std::size_t>(wrote);
  }
  return 0;
}

}  // namespace attnrt::probe
