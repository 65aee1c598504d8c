// SPDX-License-Identifier: Apache-2.0
#include "cuda_devices.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <set>
#include <string_view>
#include <type_traits>

#include "attnrt/fork.hpp"
#include "cuda_helper.hpp"

namespace attnrt::core {
namespace {

constexpr const char* kLibrary = "libnvidia-ml.so.1";

/// The functions of NVML that are asked; it tells names and compute capabilities without creating a CUDA context.
struct Nvml {
  int (*init)() = nullptr;
  int (*get_count)(unsigned*) = nullptr;
  int (*get_handle)(unsigned, void**) = nullptr;
  int (*get_handle_by_uuid)(const char*, void**) = nullptr;
  int (*get_uuid)(void*, char*, unsigned) = nullptr;
  int (*get_name)(void*, char*, unsigned) = nullptr;
  int (*get_capability)(void*, int*, int*) = nullptr;
  // These may be NULL: a driver too old for MIG, or that does not tell its version.
  int (*get_driver_version)(char*, unsigned) = nullptr;
  int (*get_mig_mode)(void*, unsigned* current, unsigned* pending) = nullptr;
  int (*get_most_migs)(void*, unsigned*) = nullptr;
  int (*get_mig)(void*, unsigned, void**) = nullptr;
  int (*get_gpu_of_mig)(void*, void**) = nullptr;
  int (*get_instance)(void*, unsigned*) = nullptr;

  bool missing = false;  ///< the library itself was not found

  /// "" or what is missing.
  std::string load() {
    const sdk::LoadLock lock;
    // What stands in for the driver answers for its devices too. Plugins heed it whatever the engine says.
    const char* const stand_in = secure_getenv("ATTNRT_CUDA_DRIVER");
    const bool given = stand_in && *stand_in;
    void* library = dlopen(given ? stand_in : kLibrary, RTLD_NOW | RTLD_LOCAL);
    if (!library && given) return std::string("ATTNRT_CUDA_DRIVER is ") + stand_in + ", which cannot be loaded";
    missing = !library;
    if (missing) return std::string(kLibrary) + " (part of the NVIDIA driver) not found";
    const auto find = [library](auto*& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
      return function != nullptr;
    };
    if (!find(init, "nvmlInit_v2") || !find(get_count, "nvmlDeviceGetCount_v2") ||
        !find(get_handle, "nvmlDeviceGetHandleByIndex_v2") || !find(get_handle_by_uuid, "nvmlDeviceGetHandleByUUID") ||
        !find(get_uuid, "nvmlDeviceGetUUID") || !find(get_name, "nvmlDeviceGetName") ||
        !find(get_capability, "nvmlDeviceGetCudaComputeCapability"))
      return std::string(given ? stand_in : kLibrary) + " lacks a function of NVML's version 2";
    find(get_driver_version, "nvmlSystemGetDriverVersion");
    if (!find(get_mig_mode, "nvmlDeviceGetMigMode") || !find(get_most_migs, "nvmlDeviceGetMaxMigDeviceCount") ||
        !find(get_mig, "nvmlDeviceGetMigDeviceHandleByIndex") || !find(get_instance, "nvmlDeviceGetGpuInstanceId") ||
        !find(get_gpu_of_mig, "nvmlDeviceGetDeviceHandleFromMigDeviceHandle"))
      get_mig_mode = nullptr;
    return "";
  }

  std::string driver_version() const {
    char version[80] = "";
    return get_driver_version && get_driver_version(version, sizeof version) == 0 ? version : "";
  }
};

/// What CUDA shows as one device.
struct Visible {
  void* handle = nullptr;  ///< NULL = it tells nothing of itself
  void* gpu = nullptr;     ///< its own handle, or the GPU of which it is an instance
};

/// The GPU instances of a GPU in MIG mode, one device each however many compute instances it is cut into; nothing = the
/// GPU is whole.
std::optional<std::vector<Visible>> instances_of(const Nvml& nvml, void* gpu) {
  unsigned current = 0, pending = 0, most = 0;
  if (!nvml.get_mig_mode || nvml.get_mig_mode(gpu, &current, &pending) != 0 || current != 1) return std::nullopt;
  std::vector<Visible> out;
  std::set<unsigned> seen;
  if (nvml.get_most_migs(gpu, &most) != 0) return out;
  for (unsigned i = 0; i < most; ++i) {
    void* mig = nullptr;
    unsigned instance = 0;
    if (nvml.get_mig(gpu, i, &mig) == 0 && nvml.get_instance(mig, &instance) == 0 && seen.insert(instance).second)
      out.push_back({mig, gpu});
  }
  return out;
}

/// What CUDA numbers where CUDA_VISIBLE_DEVICES is not set. Drivers before 570 show one instance and nothing beside it.
std::vector<Visible> all_devices(const Nvml& nvml, unsigned count) {
  std::vector<Visible> out;
  std::optional<Visible> first_instance;
  for (unsigned i = 0; i < count; ++i) {
    void* gpu = nullptr;
    if (nvml.get_handle(i, &gpu) != 0) {
      out.push_back({});
      continue;
    }
    const auto instances = instances_of(nvml, gpu);
    if (!instances)
      out.push_back({gpu, gpu});
    else
      out.insert(out.end(), instances->begin(), instances->end());
    if (instances && !instances->empty() && !first_instance) first_instance = instances->front();
  }
  int major = 570;
  const std::string version = nvml.driver_version();
  std::from_chars(version.data(), version.data() + version.size(), major);
  return first_instance && major < 570 ? std::vector<Visible>{*first_instance} : out;
}

/// The device of one word of CUDA_VISIBLE_DEVICES: an index, a UUID or its first letters; nothing = there is none.
std::optional<Visible> device_of(const Nvml& nvml, std::string_view word, const std::vector<Visible>& all) {
  unsigned index = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), index);
  if (error == std::errc{} && end == word.data() + word.size())
    return index < all.size() && all[index].handle ? std::optional(all[index]) : std::nullopt;
  if (word.starts_with("GPU-"))
    for (const Visible& one : all)
      if (char uuid[96] = "";
          one.handle && nvml.get_uuid(one.handle, uuid, sizeof uuid) == 0 && std::string_view(uuid).starts_with(word))
        return one;
  Visible mig;
  if (!word.starts_with("MIG-") || nvml.get_handle_by_uuid(std::string(word).c_str(), &mig.handle) != 0)
    return std::nullopt;
  if (!nvml.get_mig_mode || nvml.get_gpu_of_mig(mig.handle, &mig.gpu) != 0) mig.gpu = mig.handle;
  return mig;
}

/// Those of CUDA_VISIBLE_DEVICES up to its first wrong word.
std::vector<Visible> chosen_devices(const Nvml& nvml, const std::vector<Visible>& all, const std::string& visible) {
  std::vector<Visible> out;
  for (std::size_t begin = 0; begin <= visible.size();) {
    const std::size_t end = std::min(visible.find(',', begin), visible.size());
    std::string_view word = std::string_view(visible).substr(begin, end - begin);
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    const std::optional<Visible> device = device_of(nvml, word, all);
    if (!device) break;
    out.push_back(*device);
    begin = end + 1;
  }
  return out;
}

DeviceReport absent(std::string why) {
  DeviceReport r;
  r.device.type = ATTNRT_DEVICE_CUDA;
  r.sentence = std::move(why);
  return r;
}

DeviceReport present(std::size_t number, const std::string& name, int major, int minor, const std::string& source) {
  return {{ATTNRT_DEVICE_CUDA, static_cast<int32_t>(number), static_cast<uint32_t>(major * 10 + minor), 0},
          true,
          name,
          "compute capability " + std::to_string(major) + "." + std::to_string(minor) + source};
}

std::vector<DeviceReport> without_nvml(const std::string& missing) {
  {
    const sdk::LoadLock lock;
    if (!dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL)) return {absent("no CUDA device: " + missing)};
  }
  std::vector<HelperDevice> devices;
  if (const std::string why = ask_cuda(devices); !why.empty())
    return {absent("no CUDA device: " + missing + ", and asking CUDA in another process failed: " + why)};
  std::vector<DeviceReport> out;
  for (const HelperDevice& d : devices) out.push_back(present(out.size(), d.name, d.major, d.minor, ", as CUDA says"));
  return out;
}

}  // namespace

std::vector<DeviceReport> cuda_devices(const std::optional<std::string>& visible) {
  Nvml nvml{};
  if (const std::string missing = nvml.load(); nvml.missing)
    return without_nvml(missing);
  else if (!missing.empty())
    return {absent("no CUDA device: " + missing)};
  unsigned count = 0;
  if (const int error = nvml.init())
    return {absent("no CUDA device: nvmlInit_v2 answered " + std::to_string(error) + ", wanted 0")};
  if (nvml.get_count(&count) != 0 || count == 0) return {absent("no CUDA device: the driver counts none")};
  std::vector<Visible> devices = all_devices(nvml, count);
  if (devices.empty()) return {absent("no CUDA device: GPUs are in MIG mode and have no instance")};
  if (visible) devices = chosen_devices(nvml, devices, *visible);
  if (devices.empty()) return {absent("no CUDA device: CUDA_VISIBLE_DEVICES is '" + *visible + "', which names none")};
  const std::string version = nvml.driver_version();
  std::vector<DeviceReport> out;
  for (const Visible& device : devices) {
    char name[96] = "";
    int major = 0, minor = 0;
    if (!device.handle || nvml.get_name(device.handle, name, sizeof name) ||
        nvml.get_capability(device.gpu, &major, &minor))
      out.push_back(absent("CUDA device " + std::to_string(out.size()) + " gives no name or compute capability"));
    else
      out.push_back(present(out.size(), name, major, minor, version.empty() ? "" : ", driver " + version));
  }
  return out;
}

}  // namespace attnrt::core
