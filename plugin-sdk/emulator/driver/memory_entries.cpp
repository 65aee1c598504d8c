// SPDX-License-Identifier: Apache-2.0
//
// Memory, copies, fills. What a copy touches is checked when it is enqueued, against what is allocated then.
#include <cstdlib>
#include <cstring>

#include "export.hpp"
#include "fault.hpp"
#include "state.hpp"

using namespace attnrt::emulator;

namespace {

// The host address of device memory, or refusal; `writes` counts when the work runs.
char* device_bytes(Context& context, CuPointer address, std::size_t bytes, const char* what) {
  char* const data = context.memory.at(address, bytes, false);
  if (!data)
    refuse(CUDA_ERROR_INVALID_VALUE, say(what, " of ", bytes, " bytes at ", context.memory.whereabouts(address)));
  return data;
}
void mark_written(Context& context, CuPointer address, std::size_t bytes) { context.memory.at(address, bytes, true); }

void copy_now(const char* name, Context& context, const Work& copy) {
  outside_captures(name);
  enqueue(context, stream_of(context, nullptr), copy);
  wait_for(context.legacy->last());
}

Work device_copy(Context& c, CuPointer to, CuPointer from, std::size_t bytes) {
  char* const target = device_bytes(c, to, bytes, "a copy writes");
  const char* const source = device_bytes(c, from, bytes, "a copy reads");
  return [&c, to, target, source, bytes] {
    std::memmove(target, source, bytes);
    mark_written(c, to, bytes);
  };
}
Work copy_in(Context& c, CuPointer to, const void* from, std::size_t bytes) {
  char* const target = device_bytes(c, to, bytes, "a copy writes");
  return [&c, to, target, from, bytes] {
    std::memcpy(target, from, bytes);
    mark_written(c, to, bytes);
  };
}
Work copy_out(Context& c, void* to, CuPointer from, std::size_t bytes) {
  const char* const source = device_bytes(c, from, bytes, "a copy reads");
  return [to, source, bytes] { std::memcpy(to, source, bytes); };
}

template <class T>
void fill(Context& c, CuPointer to, T value, std::size_t count, CuStream stream) {
  if (to % sizeof(T)) refuse(CUDA_ERROR_INVALID_VALUE, "a fill is not aligned to its element");
  char* const target = device_bytes(c, to, count * sizeof(T), "a fill");
  enqueue(c, stream_of(c, stream), [&c, to, target, value, count] {
    for (std::size_t i = 0; i < count; ++i) std::memcpy(target + i * sizeof(T), &value, sizeof(T));
    mark_written(c, to, count * sizeof(T));
  });
}

// One side of a copy of rows: where row 0 begins, and which address it has on the device (0: host memory).
struct Rows {
  char* data;
  CuPointer address;
};
Rows rows_of(Context& c, unsigned type, CuPointer on_device, const void* on_host, std::size_t x, std::size_t y,
             std::size_t pitch, const CuCopy2d& copy, const char* what) {
  if (copy.width_bytes > pitch) refuse(CUDA_ERROR_INVALID_VALUE, say(what, " rows wider than their pitch"));
  const std::size_t offset = y * pitch + x, bytes = (copy.height - 1) * pitch + copy.width_bytes;
  if (type == kMemoryHost) return {const_cast<char*>(static_cast<const char*>(on_host)) + offset, 0};
  if (type != kMemoryDevice) refuse(CUDA_ERROR_NOT_SUPPORTED, say(what, " memory of type ", type));
  return {device_bytes(c, on_device + offset, bytes, what), on_device + offset};
}

}  // namespace

ATTNRT_CUDA_ENTRY cuMemAlloc_v2(CuPointer* data, std::size_t bytes) {
  return enter("cuMemAlloc", Needs::context, [&](Context* c) {
    outside_captures("cuMemAlloc");
    if (!bytes) refuse(CUDA_ERROR_INVALID_VALUE, "an allocation of 0 bytes");
    *data = c->memory.allocate(bytes);
    if (!*data) refuse(CUDA_ERROR_OUT_OF_MEMORY, say("there are no ", bytes, " bytes left"));
  });
}
ATTNRT_CUDA_ENTRY cuMemFree_v2(CuPointer data) {
  return enter("cuMemFree", Needs::context, [&](Context* c) {
    if (!data) return;
    outside_captures("cuMemFree");
    wait_for_all(*c);
    Piece piece;
    if (!c->memory.find(data, piece) || piece.begin != data || !c->memory.release(data))
      refuse(CUDA_ERROR_INVALID_VALUE, say("freed what is not allocated: ", c->memory.whereabouts(data)));
  });
}
ATTNRT_CUDA_ENTRY cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  return enter("cuMemGetInfo", Needs::context, [&](Context* c) {
    *total = c->memory.limit();
    *free = *total - c->memory.used();
  });
}
ATTNRT_CUDA_ENTRY cuMemHostAlloc(void** data, std::size_t bytes, unsigned) {
  return enter("cuMemHostAlloc", Needs::context, [&](Context* c) {
    outside_captures("cuMemHostAlloc");
    if (!bytes) refuse(CUDA_ERROR_INVALID_VALUE, "an allocation of 0 bytes");
    *data = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (!*data) refuse(CUDA_ERROR_OUT_OF_MEMORY, "there is no host memory left");
    c->memory.add_host(*data, bytes);
    c->host_pieces.insert(*data);
  });
}
ATTNRT_CUDA_ENTRY cuMemFreeHost(void* data) {
  return enter("cuMemFreeHost", Needs::context, [&](Context* c) {
    if (!data) return;
    outside_captures("cuMemFreeHost");
    wait_for_all(*c);
    if (!c->host_pieces.erase(data)) refuse(CUDA_ERROR_INVALID_VALUE, "freed host memory that is not allocated");
    c->memory.release(reinterpret_cast<uint64_t>(data));
    std::free(data);
  });
}

ATTNRT_CUDA_ENTRY cuMemcpyDtoDAsync_v2(CuPointer to, CuPointer from, std::size_t bytes, CuStream stream) {
  return enter("cuMemcpyDtoDAsync", Needs::context, [&](Context* c) {
    if (bytes) enqueue(*c, stream_of(*c, stream), device_copy(*c, to, from, bytes));
  });
}
ATTNRT_CUDA_ENTRY cuMemcpyHtoDAsync_v2(CuPointer to, const void* from, std::size_t bytes, CuStream stream) {
  return enter("cuMemcpyHtoDAsync", Needs::context, [&](Context* c) {
    if (!bytes) return;
    // Pageable memory is staged when the call is made; pinned memory is read when the stream gets there.
    const bool pinned = c->memory.at(reinterpret_cast<uint64_t>(from), bytes, false) != nullptr;
    Stream& target = stream_of(*c, stream);
    if (pinned || target.capture) return enqueue(*c, target, copy_in(*c, to, from, bytes));
    const auto staged =
        std::make_shared<std::vector<char>>(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
    enqueue(*c, target, [staged, copy = copy_in(*c, to, staged->data(), bytes)] { copy(); });
  });
}
ATTNRT_CUDA_ENTRY cuMemcpyDtoHAsync_v2(void* to, CuPointer from, std::size_t bytes, CuStream stream) {
  return enter("cuMemcpyDtoHAsync", Needs::context, [&](Context* c) {
    if (!bytes) return;
    Stream& source = stream_of(*c, stream);
    enqueue(*c, source, copy_out(*c, to, from, bytes));
    // To pageable memory the call returns when the copy is done.
    if (!source.capture && !c->memory.at(reinterpret_cast<uint64_t>(to), bytes, false)) wait_for(source.last());
  });
}
ATTNRT_CUDA_ENTRY cuMemcpyHtoD_v2(CuPointer to, const void* from, std::size_t bytes) {
  return enter("cuMemcpyHtoD", Needs::context, [&](Context* c) {
    if (bytes) copy_now("cuMemcpyHtoD", *c, copy_in(*c, to, from, bytes));
  });
}
ATTNRT_CUDA_ENTRY cuMemcpyDtoH_v2(void* to, CuPointer from, std::size_t bytes) {
  return enter("cuMemcpyDtoH", Needs::context, [&](Context* c) {
    if (bytes) copy_now("cuMemcpyDtoH", *c, copy_out(*c, to, from, bytes));
  });
}
ATTNRT_CUDA_ENTRY cuMemcpy2DAsync_v2(const CuCopy2d* copy, CuStream stream) {
  return enter("cuMemcpy2DAsync", Needs::context, [&](Context* c) {
    const CuCopy2d rows = *copy;
    if (!rows.height || !rows.width_bytes) return;
    const Rows from = rows_of(*c, rows.src_type, rows.src_device, rows.src_host, rows.src_x, rows.src_y, rows.src_pitch,
                              rows, "a copy reads");
    const Rows to = rows_of(*c, rows.dst_type, rows.dst_device, rows.dst_host, rows.dst_x, rows.dst_y, rows.dst_pitch,
                            rows, "a copy writes");
    enqueue(*c, stream_of(*c, stream), [c, from, to, rows] {
      for (std::size_t row = 0; row < rows.height; ++row) {
        std::memmove(to.data + row * rows.dst_pitch, from.data + row * rows.src_pitch, rows.width_bytes);
        if (to.address) mark_written(*c, to.address + row * rows.dst_pitch, rows.width_bytes);
      }
    });
  });
}
ATTNRT_CUDA_ENTRY cuMemsetD8Async(CuPointer to, unsigned char value, std::size_t count, CuStream stream) {
  return enter("cuMemsetD8Async", Needs::context, [&](Context* c) { fill(*c, to, value, count, stream); });
}
ATTNRT_CUDA_ENTRY cuMemsetD32Async(CuPointer to, unsigned value, std::size_t count, CuStream stream) {
  return enter("cuMemsetD32Async", Needs::context, [&](Context* c) { fill(*c, to, value, count, stream); });
}
