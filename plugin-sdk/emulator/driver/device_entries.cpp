// SPDX-License-Identifier: Apache-2.0
//
// Initialisation, errors, devices, contexts.
#include <cstdio>
#include <cstring>

#include "api.hpp"
#include "context_stack.hpp"
#include "export.hpp"
#include "fault.hpp"
#include "state.hpp"

using namespace attnrt::emulator;

namespace {

constexpr int kVersion = 13000;

int attribute_of(const DeviceModel& model, int attribute, int ordinal) {
  switch (attribute) {
    case kMaxThreadsPerBlock:
    case kMaxBlockX:
    case kMaxBlockY:
      return 1024;
    case kMaxBlockZ:
      return 64;
    case kMaxGridX:
      return 0x7fffffff;
    case kMaxGridY:
    case kMaxGridZ:
      return 65535;
    case kSharedPerBlock:
      return 48 * 1024;
    case kConstantBytes:
      return 64 * 1024;
    case kWarpSize:
      return 32;
    case kMaxPitch:
      return 0x7fffffff;
    case kRegistersPerBlock:
    case kRegistersPerMultiprocessor:
      return 65536;
    case kClockRate:
      return 1000000;
    case kMultiprocessors:
      return static_cast<int>(model.multiprocessors);
    case kConcurrentKernels:
    case kUnifiedAddressing:
      return 1;
    case kPciBus:
      return ordinal + 1;
    case kIntegrated:
    case kComputeMode:
    case kPciDevice:
    case kManagedMemory:
      return 0;
    case kMaxThreadsPerMultiprocessor:
      return model.arch == 80 || model.arch == 90 || model.arch == 100 ? 2048 : 1536;
    case kComputeMajor:
      return static_cast<int>(model.arch / 10);
    case kComputeMinor:
      return static_cast<int>(model.arch % 10);
    case kSharedPerMultiprocessor:
      return static_cast<int>(model.shared_multiprocessor);
    case kSharedOptIn:
      return static_cast<int>(model.shared_bytes);
    case kMaxBlocksPerMultiprocessor:
      return 32;
    case kReservedShared:
      return 1024;
    default:
      refuse(CUDA_ERROR_INVALID_VALUE, say("device attribute ", attribute, " is not known to the emulator"));
  }
}

Context& device(CuDevice ordinal) {
  if (ordinal < 0 || static_cast<std::size_t>(ordinal) >= state().contexts.size())
    refuse(CUDA_ERROR_INVALID_DEVICE, say("device ", ordinal, " of ", state().contexts.size()));
  return *state().contexts[static_cast<std::size_t>(ordinal)];
}
CuContext handle(Context* context) { return reinterpret_cast<CuContext>(context); }
Context* context_of(CuContext handle) {
  for (const auto& context : state().contexts)
    if (reinterpret_cast<CuContext>(context.get()) == handle) return context.get();
  refuse(CUDA_ERROR_INVALID_CONTEXT, "a context that is none");
}

}  // namespace

ATTNRT_CUDA_ENTRY cuInit(unsigned flags) {
  return enter("cuInit", Needs::nothing, [&](Context*) {
    if (flags) refuse(CUDA_ERROR_INVALID_VALUE, "flags are not 0");
    initialise();
  });
}
ATTNRT_CUDA_ENTRY cuDriverGetVersion(int* version) {
  return enter("cuDriverGetVersion", Needs::nothing, [&](Context*) { *version = kVersion; });
}
// A kernel's fault is told with its name: tools that know only of names tell what happened.
ATTNRT_CUDA_ENTRY cuGetErrorName(CuResult error, const char** name) {
  static thread_local std::string text;
  *name = nullptr;
#define ATTNRT_NAME_(word, number) \
  if (error == number) *name = "CUDA_" #word;
  ATTNRT_EMULATOR_ERRORS(ATTNRT_NAME_)
#undef ATTNRT_NAME_
  if (!*name) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(state().mutex);
  bool of_kernel = false;
  for (const auto& context : state().contexts) of_kernel |= error && context->sticky.load() == error;
  if (of_kernel) *name = (text = say(*name, ": ", state().complaint)).c_str();
  return CUDA_SUCCESS;
}
ATTNRT_CUDA_ENTRY cuGetErrorString(CuResult error, const char** text) {
  const std::lock_guard lock(state().mutex);
  static thread_local std::string copy;
  copy = error ? state().complaint : "no error";
  *text = copy.c_str();
  return CUDA_SUCCESS;
}

ATTNRT_CUDA_ENTRY cuDeviceGetCount(int* count) {
  return enter("cuDeviceGetCount", Needs::initialisation,
               [&](Context*) { *count = static_cast<int>(state().contexts.size()); });
}
ATTNRT_CUDA_ENTRY cuDeviceGet(CuDevice* found, int ordinal) {
  return enter("cuDeviceGet", Needs::initialisation, [&](Context*) {
    device(ordinal);
    *found = ordinal;
  });
}
ATTNRT_CUDA_ENTRY cuDeviceGetName(char* name, int bytes, CuDevice ordinal) {
  return enter("cuDeviceGetName", Needs::initialisation, [&](Context*) {
    const uint32_t arch = device(ordinal).model.arch;
    std::snprintf(name, static_cast<std::size_t>(bytes), "attnrt emulated device %u.%u", arch / 10, arch % 10);
  });
}
ATTNRT_CUDA_ENTRY cuDeviceGetUuid_v2(char* uuid, CuDevice ordinal) {
  return enter("cuDeviceGetUuid", Needs::initialisation, [&](Context*) {
    device(ordinal);
    std::memset(uuid, 0xa7, 16);
    uuid[15] = static_cast<char>(ordinal);
  });
}
ATTNRT_CUDA_ENTRY cuDeviceGetAttribute(int* value, int attribute, CuDevice ordinal) {
  return enter("cuDeviceGetAttribute", Needs::initialisation,
               [&](Context*) { *value = attribute_of(device(ordinal).model, attribute, ordinal); });
}
ATTNRT_CUDA_ENTRY cuDeviceTotalMem_v2(std::size_t* bytes, CuDevice ordinal) {
  return enter("cuDeviceTotalMem", Needs::initialisation, [&](Context*) { *bytes = device(ordinal).memory.limit(); });
}

ATTNRT_CUDA_ENTRY cuDevicePrimaryCtxRetain(CuContext* context, CuDevice ordinal) {
  return enter("cuDevicePrimaryCtxRetain", Needs::initialisation, [&](Context*) {
    Context& found = device(ordinal);
    if (!found.retained) outside_captures("cuDevicePrimaryCtxRetain");
    if (const CuResult error = found.sticky.load()) refuse(error, state().complaint);
    ++found.retained;
    *context = handle(&found);
  });
}
ATTNRT_CUDA_ENTRY cuDevicePrimaryCtxRelease_v2(CuDevice ordinal) {
  return enter("cuDevicePrimaryCtxRelease", Needs::initialisation, [&](Context*) {
    Context& found = device(ordinal);
    if (!found.retained) refuse(CUDA_ERROR_INVALID_CONTEXT, "the primary context is not retained");
    --found.retained;
  });
}
ATTNRT_CUDA_ENTRY cuDevicePrimaryCtxGetState(CuDevice ordinal, unsigned* flags, int* active) {
  return enter("cuDevicePrimaryCtxGetState", Needs::initialisation, [&](Context*) {
    *flags = 0;
    *active = device(ordinal).retained != 0;
  });
}
ATTNRT_CUDA_ENTRY cuCtxPushCurrent_v2(CuContext context) {
  return enter("cuCtxPushCurrent", Needs::initialisation,
               [&](Context*) { current_contexts().push_back(context_of(context)); });
}
ATTNRT_CUDA_ENTRY cuCtxPopCurrent_v2(CuContext* context) {
  return enter("cuCtxPopCurrent", Needs::initialisation, [&](Context*) {
    if (current_contexts().empty()) refuse(CUDA_ERROR_INVALID_CONTEXT, "no context was pushed in this thread");
    if (context) *context = handle(current_contexts().back());
    current_contexts().pop_back();
  });
}
ATTNRT_CUDA_ENTRY cuCtxSetCurrent(CuContext context) {
  return enter("cuCtxSetCurrent", Needs::initialisation, [&](Context*) {
    Context* const wanted = context ? context_of(context) : nullptr;
    auto& contexts = current_contexts();
    if (!contexts.empty()) contexts.pop_back();
    if (wanted) contexts.push_back(wanted);
  });
}
ATTNRT_CUDA_ENTRY cuCtxGetCurrent(CuContext* context) {
  return enter("cuCtxGetCurrent", Needs::initialisation,
               [&](Context*) { *context = current_contexts().empty() ? nullptr : handle(current_contexts().back()); });
}
ATTNRT_CUDA_ENTRY cuCtxGetDevice(CuDevice* ordinal) {
  return enter("cuCtxGetDevice", Needs::context, [&](Context* c) { *ordinal = static_cast<int>(c->ordinal); });
}
ATTNRT_CUDA_ENTRY cuCtxSynchronize() {
  return enter("cuCtxSynchronize", Needs::context, [&](Context* c) {
    outside_captures("cuCtxSynchronize");
    wait_for_all(*c);
  });
}
