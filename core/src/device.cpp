// SPDX-License-Identifier: Apache-2.0
#include "device.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "amd_devices.hpp"
#include "attnrt/cpu_isa.hpp"
#include "cpu_vendor.hpp"
#include "cuda_devices.hpp"
#include "file_text.hpp"
#include "spelling/nearest.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

std::string cpu_name() {
  const std::string text = read_text("/proc/cpuinfo").value_or("");
  const std::size_t at = text.find("model name");
  const std::size_t colon = at == std::string::npos ? at : text.find(": ", at);
  return colon == std::string::npos ? "CPU" : text.substr(colon + 2, text.find('\n', colon) - colon - 2);
}

CpuVendor cpu_vendor() {
#if defined(__x86_64__)
  unsigned most = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(0, &most, &b, &c, &d)) {
    if (b == signature_INTEL_ebx && c == signature_INTEL_ecx && d == signature_INTEL_edx) return CpuVendor::intel;
    if (b == signature_AMD_ebx && c == signature_AMD_ecx && d == signature_AMD_edx) return CpuVendor::amd;
  }
#endif
  return CpuVendor::any;
}

// Named levels mean "a CPU with all up to this one", so that a question reads as people ask it.
constexpr uint64_t kAvx2 = ATTNRT_ISA_AVX2, kAvx512 = kAvx2 | ATTNRT_ISA_AVX512,
                   kBf16 = kAvx512 | ATTNRT_ISA_AVX512_BF16 | ATTNRT_ISA_AVX512_VNNI,
                   kAmx = kBf16 | ATTNRT_ISA_AMX_TILE | ATTNRT_ISA_AMX_BF16 | ATTNRT_ISA_AMX_INT8;
constexpr CpuLevel kLevels[] = {
    {"baseline", 0}, {"avx2", kAvx2}, {"avx512", kAvx512}, {"avx512_bf16", kBf16}, {"amx", kAmx}};

struct Maker {
  const char* name;
  CpuVendor vendor;
  int32_t id;  ///< of a CPU of theirs that is only asked about
};
constexpr Maker kMakers[] = {{"intel", CpuVendor::intel, kAskedIntel}, {"amd", CpuVendor::amd, kAskedAmd}};

Status unknown_device(std::string_view text, const char* wanted) {
  std::vector<std::string> known;
  for (const CpuLevel& level : kLevels) known.push_back(std::string("cpu:") + level.name);
  for (const CpuLevel& level : kLevels)
    for (const Maker& maker : kMakers) known.push_back(std::string("cpu:") + maker.name + ":" + level.name);
  for (const char* kind : {"cpu", "cuda", "rocm"}) known.emplace_back(kind);
  return invalid("device is '" + std::string(text) + "', wanted " + wanted + did_you_mean(text, known));
}

/// What stands behind "cpu:" in `text`, a level or MAKER:level; `here` is this machine's CPU.
Result<Device> parse_cpu(std::string_view text, std::string_view rest, const DeviceReport& here) {
  Device d = here.device;
  if (rest.empty()) return d;
  int32_t absent = -1;
  if (const std::size_t colon = rest.find(':'); colon != std::string_view::npos)
    for (const Maker& maker : kMakers)
      if (equal_ignoring_case(rest.substr(0, colon), maker.name)) {
        absent = maker.id;
        if (maker.vendor != here.vendor) d.id = absent;
        rest.remove_prefix(colon + 1);
        break;
      }
  for (const CpuLevel& level : kLevels)
    if (equal_ignoring_case(rest, level.name)) {
      if (level.isa & ~d.isa) d.id = absent;
      d.isa = level.isa;
      return d;
    }
  return unknown_device(
      text,
      "cpu:baseline, cpu:avx2, cpu:avx512, cpu:avx512_bf16 or cpu:amx, with intel: or amd: before the "
      "level where the CPU's maker matters");
}

}  // namespace

std::vector<DeviceReport> detect_devices(const VisibleDevices& visible) {
  std::vector<DeviceReport> out;
  const uint64_t isa = sdk::cpu_isa();
  const std::string sets = join(names_of(words::isa, isa));
  out.push_back({{ATTNRT_DEVICE_CPU, 0, 0, isa}, true, cpu_name(), sets.empty() ? "baseline instructions only" : sets,
                 cpu_vendor()});
  for (DeviceReport& r : cuda_devices(visible.cuda)) out.push_back(std::move(r));
  AmdPlaces places;
  if (const char* const stand_in = secure_getenv("ATTNRT_HIP_DRIVER")) places.stand_in = stand_in;
  for (DeviceReport& r : amd_devices(visible, places)) out.push_back(std::move(r));
  return out;
}

const CpuLevel& cpu_level(uint64_t isa) {
  const CpuLevel* highest = kLevels;
  for (const CpuLevel& level : kLevels)
    if (!(level.isa & ~isa)) highest = &level;
  return *highest;
}

Result<Device> parse_device(std::string_view text, const std::vector<DeviceReport>& machine) {
  const auto real = [&machine](int32_t type, int32_t id) -> const DeviceReport* {
    for (const DeviceReport& r : machine)
      if (r.present && r.device.type == type && r.device.id == id) return &r;
    return nullptr;
  };
  if (text.empty()) {
    for (const int32_t type : {ATTNRT_DEVICE_CUDA, ATTNRT_DEVICE_ROCM})
      if (const DeviceReport* r = real(type, 0)) return r->device;
    return real(ATTNRT_DEVICE_CPU, 0)->device;
  }
  const std::string_view kind = text.substr(0, text.find(':'));
  const std::string_view rest = kind.size() < text.size() ? text.substr(kind.size() + 1) : std::string_view{};
  constexpr const char* wanted = "cpu, cpu:avx2, cuda:0, cuda:9.0, rocm:0 or rocm:gfx942";
  const auto type = value_of(words::devices, kind);
  if (!type) return unknown_device(text, wanted);
  Device d;
  d.type = static_cast<int32_t>(*type);
  if (d.type == ATTNRT_DEVICE_CPU) return parse_cpu(text, rest, *real(ATTNRT_DEVICE_CPU, 0));
  const char* const begin = rest.data();
  const char* const end = begin + rest.size();
  if (d.type == ATTNRT_DEVICE_ROCM && rest.size() >= 6 && equal_ignoring_case(rest.substr(0, 3), "gfx")) {
    const auto [at, error] = std::from_chars(begin + 3, end, d.arch, 16);
    if (error != std::errc{} || at != end || d.arch < 0x600 || d.arch > 0xfffff) return unknown_device(text, wanted);
    d.id = -1;
    return d;
  }
  if (d.type == ATTNRT_DEVICE_CUDA && rest.find('.') != std::string_view::npos) {
    uint32_t major = 0, minor = 0;
    const auto [dot, error] = std::from_chars(begin, end, major);
    if (error != std::errc{} || dot == end || *dot != '.') return unknown_device(text, wanted);
    const auto [at, error2] = std::from_chars(dot + 1, end, minor);
    if (error2 != std::errc{} || at != end || minor > 9 || major < 1 || major > 99) return unknown_device(text, wanted);
    d.arch = major * 10 + minor;
    d.id = -1;
    return d;
  }
  int32_t id = 0;
  if (!rest.empty()) {
    const auto [at, error] = std::from_chars(begin, end, id);
    if (error != std::errc{} || at != end || id < 0) return unknown_device(text, wanted);
  }
  if (const DeviceReport* r = real(d.type, id)) return r->device;
  for (const DeviceReport& r : machine)
    if (!r.present && r.device.type == d.type)
      return Status{ATTNRT_UNAVAILABLE, "device '" + std::string(text) + "' is not in this machine (" + r.sentence +
                                           "); to ask about such hardware name its architecture, as in " +
                                           (d.type == ATTNRT_DEVICE_CUDA ? "cuda:9.0" : "rocm:gfx942")};
  return Status{ATTNRT_UNAVAILABLE, "device '" + std::string(text) + "' is not in this machine"};
}

}  // namespace attnrt::core
