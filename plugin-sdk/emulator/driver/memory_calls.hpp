// SPDX-License-Identifier: Apache-2.0
//
// Memory, copies, fills: what cuMemAlloc and hipMalloc and their like do inside `enter`. What a copy touches is checked
// when it is enqueued, against what is allocated then. Each throws Refusal; `name`: of the call, for messages.
#ifndef ATTNRT_EMULATOR_MEMORY_CALLS_HPP
#define ATTNRT_EMULATOR_MEMORY_CALLS_HPP
#include "state.hpp"

namespace attnrt::emulator {

void allocate(Context& c, Pointer* data, std::size_t bytes, const char* name);
void release(Context& c, Pointer data, const char* name);
void memory_info(Context& c, std::size_t* free, std::size_t* total);
void host_allocate(Context& c, void** data, std::size_t bytes, const char* name);
void host_release(Context& c, void* data, const char* name);
void copy_device_async(Context& c, Pointer to, Pointer from, std::size_t bytes, StreamHandle stream);
void copy_in_async(Context& c, Pointer to, const void* from, std::size_t bytes, StreamHandle stream);
void copy_out_async(Context& c, void* to, Pointer from, std::size_t bytes, StreamHandle stream);
void copy_in(Context& c, Pointer to, const void* from, std::size_t bytes, const char* name);
void copy_out(Context& c, void* to, Pointer from, std::size_t bytes, const char* name);
void fill(Context& c, Pointer to, unsigned char value, std::size_t count, StreamHandle stream);
void fill(Context& c, Pointer to, uint32_t value, std::size_t count, StreamHandle stream);

/// One side of a copy of rows: where row 0 begins, and which address it has on the device (0: host memory).
struct Rows {
  char* data;
  Pointer address;
  std::size_t pitch;
};
Rows device_rows(Context& c, Pointer first, std::size_t pitch, std::size_t width_bytes, std::size_t height,
                 const char* what);
void copy_rows(Context& c, const Rows& to, const Rows& from, std::size_t width_bytes, std::size_t height,
               StreamHandle stream);

}  // namespace attnrt::emulator
#endif
