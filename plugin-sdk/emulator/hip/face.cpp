// SPDX-License-Identifier: Apache-2.0
//
// What is HIP's own: devices, the current one of a thread, names of errors.
#include "face.hpp"

#include <cstdio>

#include "api.hpp"

namespace attnrt::emulator {
namespace {

Result code_of(Answer answer) {
  switch (answer) {
    case Answer::illegal_address:
    case Answer::misaligned_address:
      return kIllegalAddress;
    case Answer::timeout:
      return kLaunchTimeout;
    case Answer::launch_failed:
    case Answer::illegal_instruction:
      return kLaunchFailed;
  }
  return kLaunchFailed;
}

// Compute units and LDS of MI250X (a die), MI300X and MI355X (AMD's CDNA white papers).
bool hip_named(const std::string& name, DeviceModel& model) {
  struct Known {
    const char* name;
    uint32_t arch, multiprocessors, lds_kib;
  };
  static constexpr Known known[] = {
      {"gfx90a", 0x90a, 110, 64}, {"gfx942", 0x942, 304, 64}, {"gfx950", 0x950, 256, 160}};
  const std::string arch = name.rfind("rocm:", 0) == 0 ? name.substr(5) : name;
  for (const Known& k : known)
    if (arch == k.name) {
      model.arch = k.arch;
      model.multiprocessors = k.multiprocessors;
      model.shared_bytes = model.shared_multiprocessor = k.lds_kib * 1024;
      return true;
    }
  return false;
}

Context& current() { return hip::device(hip::current_device()); }

}  // namespace

const Face face{"attnrt_hip_emulator",
                "HIP",
                "rocm:gfx90a, rocm:gfx942 or rocm:gfx950",
                "rocm:gfx942",
                &hip_named,
                &current,
                false,
                &code_of};

namespace hip {

int& current_device() {
  thread_local int ordinal = 0;
  return ordinal;
}

Context& device(int ordinal) {
  if (ordinal < 0 || static_cast<std::size_t>(ordinal) >= state().contexts.size())
    refuse(kInvalidDevice, say("device ", ordinal, " of ", state().contexts.size()));
  return *state().contexts[static_cast<std::size_t>(ordinal)];
}

std::string arch_name(uint32_t arch) {
  char text[24];
  std::snprintf(text, sizeof text, "gfx%x", arch);
  return text;
}

const char* error_name(Result error) {
  struct Known {
    Result number;
    const char* name;
  };
  static constexpr Known known[] = {{kSuccess, "hipSuccess"},
                                    {kInvalidValue, "hipErrorInvalidValue"},
                                    {kOutOfMemory, "hipErrorOutOfMemory"},
                                    {kNotInitialized, "hipErrorNotInitialized"},
                                    {kInvalidDeviceFunction, "hipErrorInvalidDeviceFunction"},
                                    {kNoDevice, "hipErrorNoDevice"},
                                    {kInvalidDevice, "hipErrorInvalidDevice"},
                                    {kInvalidImage, "hipErrorInvalidImage"},
                                    {kInvalidContext, "hipErrorInvalidContext"},
                                    {kNoBinaryForGpu, "hipErrorNoBinaryForGpu"},
                                    {kInvalidPtx, "hipErrorInvalidKernelFile"},
                                    {kInvalidHandle, "hipErrorInvalidHandle"},
                                    {kNotFound, "hipErrorNotFound"},
                                    {kNotReady, "hipErrorNotReady"},
                                    {kIllegalAddress, "hipErrorIllegalAddress"},
                                    {kLaunchOutOfResources, "hipErrorLaunchOutOfResources"},
                                    {kLaunchTimeout, "hipErrorLaunchTimeOut"},
                                    {kLaunchFailed, "hipErrorLaunchFailure"},
                                    {kNotSupported, "hipErrorNotSupported"},
                                    {kStreamCaptureUnsupported, "hipErrorStreamCaptureUnsupported"},
                                    {kStreamCaptureInvalidated, "hipErrorStreamCaptureInvalidated"},
                                    {kStreamCaptureMerge, "hipErrorStreamCaptureMerge"},
                                    {kStreamCaptureUnmatched, "hipErrorStreamCaptureUnmatched"},
                                    {kStreamCaptureUnjoined, "hipErrorStreamCaptureUnjoined"},
                                    {kStreamCaptureIsolation, "hipErrorStreamCaptureIsolation"},
                                    {kStreamCaptureImplicit, "hipErrorStreamCaptureImplicit"},
                                    {kCapturedEvent, "hipErrorCapturedEvent"},
                                    {kStreamCaptureWrongThread, "hipErrorStreamCaptureWrongThread"}};
  for (const Known& k : known)
    if (k.number == error) return k.name;
  return nullptr;
}

}  // namespace hip
}  // namespace attnrt::emulator
