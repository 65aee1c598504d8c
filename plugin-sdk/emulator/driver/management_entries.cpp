// SPDX-License-Identifier: Apache-2.0
//
// What libnvidia-ml.so.1 tells of the devices: the library that stands in for the driver answers here too, so that a
// host which looks for devices without starting CUDA finds the one that is played. Handles are positions from 1.
// Nothing here initialises the driver.
#include <cstdio>
#include <cstring>

#include "export.hpp"
#include "state.hpp"

using namespace attnrt::emulator;

namespace {

constexpr CuResult kInvalidArgument = CuResult(2), kNothingFound = CuResult(6);  // nvmlReturn_t

std::size_t count() { return state().contexts.size(); }
void* handle_at(std::size_t index) { return reinterpret_cast<void*>(index + 1); }
const DeviceModel* model_of(void* handle) {
  const std::size_t index = reinterpret_cast<std::size_t>(handle) - 1;
  return index < count() ? &state().contexts[index]->model : nullptr;
}
CuResult write_uuid(std::size_t index, char* uuid, unsigned bytes) {
  const int length = std::snprintf(uuid, bytes, "GPU-a7a7a7a7-a7a7-a7a7-a7a7-%012zx", index);
  return length > 0 && static_cast<unsigned>(length) < bytes ? CUDA_SUCCESS : kInvalidArgument;
}

}  // namespace

ATTNRT_CUDA_ENTRY nvmlInit_v2() { return CUDA_SUCCESS; }
ATTNRT_CUDA_ENTRY nvmlSystemGetDriverVersion(char* version, unsigned bytes) {
  std::snprintf(version, bytes, "emulated");
  return CUDA_SUCCESS;
}
ATTNRT_CUDA_ENTRY nvmlDeviceGetCount_v2(unsigned* devices) {
  *devices = static_cast<unsigned>(count());
  return CUDA_SUCCESS;
}
ATTNRT_CUDA_ENTRY nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  if (index >= count()) return kInvalidArgument;
  *device = handle_at(index);
  return CUDA_SUCCESS;
}
ATTNRT_CUDA_ENTRY nvmlDeviceGetHandleByUUID(const char* uuid, void** device) {
  char known[64] = "";
  for (std::size_t i = 0; i < count(); ++i)
    if (write_uuid(i, known, sizeof known) == CUDA_SUCCESS && std::strcmp(known, uuid) == 0) {
      *device = handle_at(i);
      return CUDA_SUCCESS;
    }
  return kNothingFound;
}
ATTNRT_CUDA_ENTRY nvmlDeviceGetUUID(void* device, char* uuid, unsigned bytes) {
  return model_of(device) ? write_uuid(reinterpret_cast<std::size_t>(device) - 1, uuid, bytes) : kInvalidArgument;
}
ATTNRT_CUDA_ENTRY nvmlDeviceGetName(void* device, char* name, unsigned bytes) {
  const DeviceModel* const model = model_of(device);
  if (!model) return kInvalidArgument;
  std::snprintf(name, bytes, "attnrt emulated device %u.%u", model->arch / 10, model->arch % 10);
  return CUDA_SUCCESS;
}
ATTNRT_CUDA_ENTRY nvmlDeviceGetCudaComputeCapability(void* device, int* major, int* minor) {
  const DeviceModel* const model = model_of(device);
  if (!model) return kInvalidArgument;
  *major = static_cast<int>(model->arch / 10);
  *minor = static_cast<int>(model->arch % 10);
  return CUDA_SUCCESS;
}
