// SPDX-License-Identifier: Apache-2.0
//
// Memory, copies, fills.
#include "export.hpp"
#include "fault.hpp"
#include "memory_calls.hpp"

using namespace attnrt::emulator;

namespace {

// One side of a copy that may be the host's.
Rows rows_of(Context& c, unsigned type, CuPointer on_device, const void* on_host, std::size_t x, std::size_t y,
             std::size_t pitch, const CuCopy2d& copy, const char* what) {
  const std::size_t offset = y * pitch + x;
  if (type == kMemoryDevice) return device_rows(c, on_device + offset, pitch, copy.width_bytes, copy.height, what);
  if (type != kMemoryHost) refuse(CUDA_ERROR_NOT_SUPPORTED, say(what, " memory of type ", type));
  if (copy.width_bytes > pitch) refuse(CUDA_ERROR_INVALID_VALUE, say(what, " rows wider than their pitch"));
  return {const_cast<char*>(static_cast<const char*>(on_host)) + offset, 0, pitch};
}

}  // namespace

ATTNRT_CUDA_ENTRY cuMemAlloc_v2(CuPointer* data, std::size_t bytes) {
  return enter("cuMemAlloc", Needs::context, [&](Context* c) { allocate(*c, data, bytes, "cuMemAlloc"); });
}
ATTNRT_CUDA_ENTRY cuMemFree_v2(CuPointer data) {
  return enter("cuMemFree", Needs::context, [&](Context* c) { release(*c, data, "cuMemFree"); });
}
ATTNRT_CUDA_ENTRY cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  return enter("cuMemGetInfo", Needs::context, [&](Context* c) { memory_info(*c, free, total); });
}
ATTNRT_CUDA_ENTRY cuMemHostAlloc(void** data, std::size_t bytes, unsigned) {
  return enter("cuMemHostAlloc", Needs::context, [&](Context* c) { host_allocate(*c, data, bytes, "cuMemHostAlloc"); });
}
ATTNRT_CUDA_ENTRY cuMemFreeHost(void* data) {
  return enter("cuMemFreeHost", Needs::context, [&](Context* c) { host_release(*c, data, "cuMemFreeHost"); });
}
ATTNRT_CUDA_ENTRY cuMemcpyDtoDAsync_v2(CuPointer to, CuPointer from, std::size_t bytes, CuStream stream) {
  return enter("cuMemcpyDtoDAsync", Needs::context,
               [&](Context* c) { copy_device_async(*c, to, from, bytes, stream); });
}
ATTNRT_CUDA_ENTRY cuMemcpyHtoDAsync_v2(CuPointer to, const void* from, std::size_t bytes, CuStream stream) {
  return enter("cuMemcpyHtoDAsync", Needs::context, [&](Context* c) { copy_in_async(*c, to, from, bytes, stream); });
}
ATTNRT_CUDA_ENTRY cuMemcpyDtoHAsync_v2(void* to, CuPointer from, std::size_t bytes, CuStream stream) {
  return enter("cuMemcpyDtoHAsync", Needs::context, [&](Context* c) { copy_out_async(*c, to, from, bytes, stream); });
}
ATTNRT_CUDA_ENTRY cuMemcpyHtoD_v2(CuPointer to, const void* from, std::size_t bytes) {
  return enter("cuMemcpyHtoD", Needs::context, [&](Context* c) { copy_in(*c, to, from, bytes, "cuMemcpyHtoD"); });
}
ATTNRT_CUDA_ENTRY cuMemcpyDtoH_v2(void* to, CuPointer from, std::size_t bytes) {
  return enter("cuMemcpyDtoH", Needs::context, [&](Context* c) { copy_out(*c, to, from, bytes, "cuMemcpyDtoH"); });
}
ATTNRT_CUDA_ENTRY cuMemcpy2DAsync_v2(const CuCopy2d* copy, CuStream stream) {
  return enter("cuMemcpy2DAsync", Needs::context, [&](Context* c) {
    const CuCopy2d rows = *copy;
    if (!rows.height || !rows.width_bytes) return;
    const Rows from = rows_of(*c, rows.src_type, rows.src_device, rows.src_host, rows.src_x, rows.src_y, rows.src_pitch,
                              rows, "a copy reads");
    const Rows to = rows_of(*c, rows.dst_type, rows.dst_device, rows.dst_host, rows.dst_x, rows.dst_y, rows.dst_pitch,
                            rows, "a copy writes");
    copy_rows(*c, to, from, rows.width_bytes, rows.height, stream);
  });
}
ATTNRT_CUDA_ENTRY cuMemsetD8Async(CuPointer to, unsigned char value, std::size_t count, CuStream stream) {
  return enter("cuMemsetD8Async", Needs::context, [&](Context* c) { fill(*c, to, value, count, stream); });
}
ATTNRT_CUDA_ENTRY cuMemsetD32Async(CuPointer to, unsigned value, std::size_t count, CuStream stream) {
  return enter("cuMemsetD32Async", Needs::context, [&](Context* c) { fill(*c, to, value, count, stream); });
}
