// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <cstring>

#include "fake_state.hpp"

namespace attnrt::fake::entry {

GpuResult copy_device_async(GpuPointer to, GpuPointer from, std::size_t bytes, GpuStream stream) {
  const Entry entry("cuMemcpyDtoDAsync");
  if (entry.error) return entry.error;
  const DeviceMemory& memory = *state().memory;
  if (!memory.holds(to, bytes) || !memory.holds(from, bytes))
    return refuse(kGpuInvalidValue, say("a copy of ", bytes, " bytes leaves its memory"));
  return enqueue(stream, [=] {
    std::memmove(state().memory->at(to, bytes, "copy writes"), state().memory->at(from, bytes, "copy reads"), bytes);
  });
}
GpuResult copy_2d_async(GpuPointer to, std::size_t to_pitch, GpuPointer from, std::size_t from_pitch, std::size_t width,
                        std::size_t height, GpuStream stream) {
  const Entry entry("cuMemcpy2DAsync");
  if (entry.error) return entry.error;
  const std::size_t last = height ? height - 1 : 0;
  const DeviceMemory& memory = *state().memory;
  if (width > from_pitch || width > to_pitch || !memory.holds(from, last * from_pitch + width) ||
      !memory.holds(to, last * to_pitch + width))
    return refuse(kGpuInvalidValue, "a copy of rows leaves its memory");
  return enqueue(stream, [=] {
    for (std::size_t row = 0; row < height; ++row)
      std::memmove(state().memory->at(to + row * to_pitch, width, "copy writes"),
                   state().memory->at(from + row * from_pitch, width, "copy reads"), width);
  });
}
GpuResult fill_8_async(GpuPointer to, unsigned char value, std::size_t count, GpuStream stream) {
  const Entry entry("cuMemsetD8Async");
  if (entry.error) return entry.error;
  if (!state().memory->holds(to, count)) return refuse(kGpuInvalidValue, "a fill leaves its memory");
  return enqueue(stream, [=] { std::memset(state().memory->at(to, count, "fill writes"), value, count); });
}
GpuResult fill_32_async(GpuPointer to, unsigned value, std::size_t count, GpuStream stream) {
  const Entry entry("cuMemsetD32Async");
  if (entry.error) return entry.error;
  if (to % 4 || !state().memory->holds(to, count * 4)) return refuse(kGpuInvalidValue, "a fill leaves its memory");
  return enqueue(stream, [=] {
    char* data = state().memory->at(to, count * 4, "fill writes");
    for (std::size_t i = 0; i < count; ++i) std::memcpy(data + i * 4, &value, 4);
  });
}

GpuResult host_allocate(void** data, std::size_t bytes, unsigned) {
  const Entry entry("cuMemHostAlloc");
  if (entry.error) return entry.error;
  if (const GpuResult error = outside_capture("cuMemHostAlloc")) return error;
  *data = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  return *data ? 0 : kGpuOutOfMemory;
}
GpuResult host_release(void* data) {
  const Entry entry("cuMemFreeHost");
  std::free(data);
  return entry.error;
}

static GpuResult copy_host(const char* name, const std::function<void(DeviceMemory&)>& copy) {
  const Entry entry(name);
  if (entry.error) return entry.error;
  if (const GpuResult error = outside_capture(name)) return error;
  if (const GpuResult error = drain_all()) return error;
  try {
    copy(*state().memory);
  } catch (const BadAccess& bad) {
    return refuse(kGpuInvalidValue, bad.what());
  }
  return 0;
}
GpuResult copy_to_device(GpuPointer to, const void* from, std::size_t bytes) {
  return copy_host("cuMemcpyHtoD", [&](DeviceMemory& m) { std::memcpy(m.at(to, bytes, "copy writes"), from, bytes); });
}
GpuResult copy_to_host(void* to, GpuPointer from, std::size_t bytes) {
  return copy_host("cuMemcpyDtoH", [&](DeviceMemory& m) { std::memcpy(to, m.at(from, bytes, "copy reads"), bytes); });
}

}  // namespace attnrt::fake::entry
