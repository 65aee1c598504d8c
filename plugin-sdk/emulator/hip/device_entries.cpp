// SPDX-License-Identifier: Apache-2.0
//
// Initialisation, errors, devices.
#include <cstdio>
#include <cstring>

#include "api.hpp"
#include "face.hpp"

using namespace attnrt::emulator;
using namespace attnrt::emulator::hip;

namespace {

int attribute_of(const DeviceModel& model, int attribute) {
  switch (attribute) {
    case kComputeMajor:  // 9.4 = gfx942, 9.5 = gfx950; 9.0 is gfx900, gfx906, gfx908 and gfx90a alike
      return static_cast<int>(model.arch >> 8);
    case kComputeMinor:
      return static_cast<int>(model.arch >> 4 & 15);
    case kMaxThreadsPerBlock:
      return 1024;
    case kMultiprocessors:
      return static_cast<int>(model.multiprocessors);
    case kLdsPerBlock:
      return static_cast<int>(model.shared_bytes);
    case kWarpSize:
      return 64;
    default:
      refuse(kInvalidValue, say("device attribute ", attribute, " is not known to the emulator"));
  }
}

}  // namespace

ATTNRT_HIP_ENTRY hipInit(unsigned flags) {
  return enter("hipInit", Needs::nothing, [&](Context*) {
    if (flags) refuse(kInvalidValue, "flags are not 0");
    initialise();
  });
}
ATTNRT_HIP_ENTRY hipDriverGetVersion(int* version) {
  *version = kVersion;
  return kSuccess;
}
ATTNRT_HIP_ENTRY hipRuntimeGetVersion(int* version) { return hipDriverGetVersion(version); }

// A kernel's fault is told with its name: tools that know only of names tell what happened.
extern "C" __attribute__((visibility("default"))) const char* hipGetErrorName(Result error) {
  static thread_local std::string text;
  const char* const name = error_name(error);
  if (!name) return "hipErrorUnknown";
  const std::lock_guard lock(state().mutex);
  bool of_kernel = false;
  for (const auto& context : state().contexts) of_kernel |= error && context->sticky.load() == error;
  return of_kernel ? (text = say(name, ": ", state().complaint)).c_str() : name;
}
extern "C" __attribute__((visibility("default"))) const char* hipGetErrorString(Result error) {
  static thread_local std::string text;
  const std::lock_guard lock(state().mutex);
  text = error ? state().complaint : "no error";
  return text.c_str();
}

ATTNRT_HIP_ENTRY hipGetDeviceCount(int* count) {
  return enter("hipGetDeviceCount", Needs::initialisation,
               [&](Context*) { *count = static_cast<int>(state().contexts.size()); });
}
ATTNRT_HIP_ENTRY hipDeviceGet(int* found, int ordinal) {
  return enter("hipDeviceGet", Needs::initialisation, [&](Context*) {
    device(ordinal);
    *found = ordinal;
  });
}
ATTNRT_HIP_ENTRY hipGetDevice(int* ordinal) {
  return enter("hipGetDevice", Needs::initialisation, [&](Context*) { *ordinal = current_device(); });
}
ATTNRT_HIP_ENTRY hipSetDevice(int ordinal) {
  return enter("hipSetDevice", Needs::initialisation, [&](Context*) {
    device(ordinal);
    current_device() = ordinal;
  });
}
ATTNRT_HIP_ENTRY hipDeviceGetName(char* name, int bytes, int ordinal) {
  return enter("hipDeviceGetName", Needs::initialisation, [&](Context*) {
    std::snprintf(name, static_cast<std::size_t>(bytes), "attnrt emulated %s",
                  arch_name(device(ordinal).model.arch).c_str());
  });
}
ATTNRT_HIP_ENTRY hipDeviceGetAttribute(int* value, int attribute, int ordinal) {
  return enter("hipDeviceGetAttribute", Needs::initialisation,
               [&](Context*) { *value = attribute_of(device(ordinal).model, attribute); });
}
ATTNRT_HIP_ENTRY hipDeviceGetPCIBusId(char* id, int bytes, int ordinal) {
  return enter("hipDeviceGetPCIBusId", Needs::initialisation, [&](Context*) {
    std::snprintf(id, static_cast<std::size_t>(bytes), "0000:%02x:00.0", device(ordinal).ordinal + 1);
  });
}
ATTNRT_HIP_ENTRY hipDeviceTotalMem(std::size_t* bytes, int ordinal) {
  return enter("hipDeviceTotalMem", Needs::initialisation, [&](Context*) { *bytes = device(ordinal).memory.limit(); });
}
ATTNRT_HIP_ENTRY hipGetDevicePropertiesR0600(char* properties, int ordinal) {
  return enter("hipGetDevicePropertiesR0600", Needs::initialisation, [&](Context*) {
    const Context& context = device(ordinal);
    const uint64_t memory = context.memory.limit(), lds = context.model.shared_bytes;
    const int warp = 64;
    std::memset(properties, 0, kPropertiesBytes);
    std::snprintf(properties, 256, "attnrt emulated %s", arch_name(context.model.arch).c_str());
    std::memcpy(properties + kPropertiesMemory, &memory, sizeof memory);
    std::memcpy(properties + kPropertiesLds, &lds, sizeof lds);
    std::memcpy(properties + kPropertiesWarp, &warp, sizeof warp);
    std::snprintf(properties + kPropertiesArch, 256, "%s:sramecc+:xnack-", arch_name(context.model.arch).c_str());
  });
}
ATTNRT_HIP_ENTRY hipDeviceSynchronize() {
  return enter("hipDeviceSynchronize", Needs::context, [&](Context* c) {
    outside_captures("hipDeviceSynchronize");
    wait_for_all(*c);
  });
}
