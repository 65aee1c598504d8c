// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attnrt/plugin.h"
#include "result.hpp"

namespace attnrt::core {

/// One device, real (id >= 0) or only asked about (id below 0, as cpu_vendor.hpp says).
struct Device {
  int32_t type = ATTNRT_DEVICE_CPU;
  int32_t id = 0;
  uint32_t arch = 0; ///< as attnrt_problem.arch
  uint64_t isa = 0;  ///< ATTNRT_ISA_*, CPU only
};

/// Who made a CPU: makers give the same instructions different speeds. any = somebody else, or nobody knows.
enum class CpuVendor { any, intel, amd };

/// What looking for devices of one kind told.
struct DeviceReport {
  Device device;
  bool present = false;
  std::string name;     ///< "AMD EPYC", "NVIDIA H200"
  std::string sentence; ///< why absent, or what was found
  CpuVendor vendor = CpuVendor::any;
};

/// What the variables of CUDA and ROCm leave of a machine's GPUs; nothing = not set.
struct VisibleDevices {
  std::optional<std::string> cuda;  ///< CUDA_VISIBLE_DEVICES
  std::optional<std::string> hip;   ///< HIP_VISIBLE_DEVICES
  std::optional<std::string> rocr;  ///< ROCR_VISIBLE_DEVICES
};

/// The CPU and every GPU that the drivers' management libraries and the kernel tell of; kinds without a device report
/// one absent entry with the reason. Initialises no compute driver, so a process may still fork afterwards. CUDA's
/// devices have the numbers that CUDA gives them under CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER=PCI_BUS_ID; without
/// the latter it puts the fastest first: the same order where all are alike. ROCm's have those that HIP gives them.
std::vector<DeviceReport> detect_devices(const VisibleDevices& visible = {});

/// Instruction sets that come together, by which kinds of CPU are told apart: "baseline", "avx2", "avx512",
/// "avx512_bf16", "amx".
struct CpuLevel {
  const char* name;
  uint64_t isa;
};
/// The highest level of which a CPU has everything.
const CpuLevel& cpu_level(uint64_t isa);

/// "cpu", "cpu:avx2", "cuda:0" (real), "cuda:9.0", "rocm:0", "rocm:gfx942"; "" = the first real GPU, else the CPU.
Result<Device> parse_device(std::string_view text, const std::vector<DeviceReport>& machine);

}  // namespace attnrt::core
