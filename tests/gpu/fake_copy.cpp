// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <cstring>

#include "fake_state.hpp"

namespace attnrt::fake::entry {

CuResult copy_device_async(CuPointer to, CuPointer from, std::size_t bytes, CuStream stream) {
  const Entry entry("cuMemcpyDtoDAsync");
  if (entry.error) return entry.error;
  const DeviceMemory& memory = *state().memory;
  if (!memory.holds(to, bytes) || !memory.holds(from, bytes))
    return refuse(kCuInvalidValue, say("a copy of ", bytes, " bytes leaves its memory"));
  return enqueue(stream, [=] {
    std::memmove(state().memory->at(to, bytes, "copy writes"), state().memory->at(from, bytes, "copy reads"), bytes);
  });
}
CuResult copy_2d_async(const CuCopy2d* copy, CuStream stream) {
  const Entry entry("cuMemcpy2DAsync");
  if (entry.error) return entry.error;
  const CuCopy2d c = *copy;
  const std::size_t last = c.height ? c.height - 1 : 0;
  const DeviceMemory& memory = *state().memory;
  if (c.src_type != kCuDeviceMemory || c.dst_type != kCuDeviceMemory || c.width_bytes > c.src_pitch ||
      c.width_bytes > c.dst_pitch || !memory.holds(c.src_device, last * c.src_pitch + c.width_bytes) ||
      !memory.holds(c.dst_device, last * c.dst_pitch + c.width_bytes))
    return refuse(kCuInvalidValue, "a copy of rows leaves its memory");
  return enqueue(stream, [c] {
    for (std::size_t row = 0; row < c.height; ++row)
      std::memmove(state().memory->at(c.dst_device + row * c.dst_pitch, c.width_bytes, "copy writes"),
                   state().memory->at(c.src_device + row * c.src_pitch, c.width_bytes, "copy reads"), c.width_bytes);
  });
}
CuResult fill_8_async(CuPointer to, unsigned char value, std::size_t count, CuStream stream) {
  const Entry entry("cuMemsetD8Async");
  if (entry.error) return entry.error;
  if (!state().memory->holds(to, count)) return refuse(kCuInvalidValue, "a fill leaves its memory");
  return enqueue(stream, [=] { std::memset(state().memory->at(to, count, "fill writes"), value, count); });
}
CuResult fill_32_async(CuPointer to, unsigned value, std::size_t count, CuStream stream) {
  const Entry entry("cuMemsetD32Async");
  if (entry.error) return entry.error;
  if (to % 4 || !state().memory->holds(to, count * 4)) return refuse(kCuInvalidValue, "a fill leaves its memory");
  return enqueue(stream, [=] {
    char* data = state().memory->at(to, count * 4, "fill writes");
    for (std::size_t i = 0; i < count; ++i) std::memcpy(data + i * 4, &value, 4);
  });
}

CuResult host_allocate(void** data, std::size_t bytes, unsigned) {
  const Entry entry("cuMemHostAlloc");
  if (entry.error) return entry.error;
  if (const CuResult error = outside_capture("cuMemHostAlloc")) return error;
  *data = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  return *data ? 0 : kCuOutOfMemory;
}
CuResult host_release(void* data) {
  const Entry entry("cuMemFreeHost");
  std::free(data);
  return entry.error;
}

static CuResult copy_host(const char* name, const std::function<void(DeviceMemory&)>& copy) {
  const Entry entry(name);
  if (entry.error) return entry.error;
  if (const CuResult error = outside_capture(name)) return error;
  if (const CuResult error = drain_all()) return error;
  try {
    copy(*state().memory);
  } catch (const BadAccess& bad) {
    return refuse(kCuInvalidValue, bad.what());
  }
  return 0;
}
CuResult copy_to_device(CuPointer to, const void* from, std::size_t bytes) {
  return copy_host("cuMemcpyHtoD", [&](DeviceMemory& m) { std::memcpy(m.at(to, bytes, "copy writes"), from, bytes); });
}
CuResult copy_to_host(void* to, CuPointer from, std::size_t bytes) {
  return copy_host("cuMemcpyDtoH", [&](DeviceMemory& m) { std::memcpy(to, m.at(from, bytes, "copy reads"), bytes); });
}

}  // namespace attnrt::fake::entry
