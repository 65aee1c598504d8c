// SPDX-License-Identifier: Apache-2.0
//
// Memory, copies, fills.
#include "api.hpp"
#include "memory_calls.hpp"

using namespace attnrt::emulator;
using namespace attnrt::emulator::hip;

namespace {

Pointer number(const void* pointer) { return reinterpret_cast<Pointer>(pointer); }

Rows rows_of(Context& c, bool on_device, const void* first, std::size_t pitch, std::size_t width, std::size_t height,
             const char* what) {
  if (on_device) return device_rows(c, number(first), pitch, width, height, what);
  if (width > pitch) refuse(kInvalidValue, say(what, " rows wider than their pitch"));
  return {static_cast<char*>(const_cast<void*>(first)), 0, pitch};
}
[[noreturn]] void refuse_kind(int kind) { refuse(kInvalidValue, say("a copy of kind ", kind, ", wanted 1, 2 or 3")); }

}  // namespace

ATTNRT_HIP_ENTRY hipMalloc(void** data, std::size_t bytes) {
  return enter("hipMalloc", Needs::context, [&](Context* c) {
    Pointer address = 0;
    *data = nullptr;
    if (!bytes) return;  // HIP gives a null pointer, where CUDA's driver refuses
    allocate(*c, &address, bytes, "hipMalloc");
    *data = reinterpret_cast<void*>(address);
  });
}
ATTNRT_HIP_ENTRY hipFree(void* data) {
  return enter("hipFree", Needs::context, [&](Context* c) { release(*c, number(data), "hipFree"); });
}
ATTNRT_HIP_ENTRY hipMemGetInfo(std::size_t* free, std::size_t* total) {
  return enter("hipMemGetInfo", Needs::context, [&](Context* c) { memory_info(*c, free, total); });
}
ATTNRT_HIP_ENTRY hipHostMalloc(void** data, std::size_t bytes, unsigned) {
  return enter("hipHostMalloc", Needs::context, [&](Context* c) { host_allocate(*c, data, bytes, "hipHostMalloc"); });
}
ATTNRT_HIP_ENTRY hipHostFree(void* data) {
  return enter("hipHostFree", Needs::context, [&](Context* c) { host_release(*c, data, "hipHostFree"); });
}

ATTNRT_HIP_ENTRY hipMemcpy(void* to, const void* from, std::size_t bytes, int kind) {
  return enter("hipMemcpy", Needs::context, [&](Context* c) {
    if (kind == kHostToDevice) return copy_in(*c, number(to), from, bytes, "hipMemcpy");
    if (kind == kDeviceToHost) return copy_out(*c, to, number(from), bytes, "hipMemcpy");
    if (kind != kDeviceToDevice) refuse_kind(kind);
    outside_captures("hipMemcpy");
    copy_device_async(*c, number(to), number(from), bytes, nullptr);
    wait_for(c->legacy->last());
  });
}
ATTNRT_HIP_ENTRY hipMemcpyAsync(void* to, const void* from, std::size_t bytes, int kind, StreamHandle stream) {
  return enter("hipMemcpyAsync", Needs::context, [&](Context* c) {
    if (kind == kHostToDevice) return copy_in_async(*c, number(to), from, bytes, stream);
    if (kind == kDeviceToHost) return copy_out_async(*c, to, number(from), bytes, stream);
    if (kind != kDeviceToDevice) refuse_kind(kind);
    copy_device_async(*c, number(to), number(from), bytes, stream);
  });
}
ATTNRT_HIP_ENTRY hipMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                                  std::size_t width, std::size_t height, int kind, StreamHandle stream) {
  return enter("hipMemcpy2DAsync", Needs::context, [&](Context* c) {
    if (kind < kHostToDevice || kind > kDeviceToDevice) refuse_kind(kind);
    if (!width || !height) return;
    const Rows source = rows_of(*c, kind != kHostToDevice, from, from_pitch, width, height, "a copy reads");
    const Rows target = rows_of(*c, kind != kDeviceToHost, to, to_pitch, width, height, "a copy writes");
    copy_rows(*c, target, source, width, height, stream);
  });
}
ATTNRT_HIP_ENTRY hipMemsetAsync(void* to, int value, std::size_t bytes, StreamHandle stream) {
  return enter("hipMemsetAsync", Needs::context,
               [&](Context* c) { fill(*c, number(to), static_cast<unsigned char>(value), bytes, stream); });
}
ATTNRT_HIP_ENTRY hipMemsetD8Async(void* to, unsigned char value, std::size_t count, StreamHandle stream) {
  return enter("hipMemsetD8Async", Needs::context, [&](Context* c) { fill(*c, number(to), value, count, stream); });
}
ATTNRT_HIP_ENTRY hipMemsetD32Async(void* to, int value, std::size_t count, StreamHandle stream) {
  return enter("hipMemsetD32Async", Needs::context,
               [&](Context* c) { fill(*c, number(to), static_cast<uint32_t>(value), count, stream); });
}
