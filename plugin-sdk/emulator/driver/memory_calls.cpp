// SPDX-License-Identifier: Apache-2.0
#include "memory_calls.hpp"

#include <cstdlib>
#include <cstring>

#include "fault.hpp"

namespace attnrt::emulator {
namespace {

// The host address of device memory, or refusal; `writes` counts when the work runs.
char* device_bytes(Context& context, Pointer address, std::size_t bytes, const char* what) {
  char* const data = context.memory.at(address, bytes, false);
  if (!data) refuse(kInvalidValue, say(what, " of ", bytes, " bytes at ", context.memory.whereabouts(address)));
  return data;
}

void mark_written(Context& context, Pointer address, std::size_t bytes) { context.memory.at(address, bytes, true); }

void copy_now(const char* name, Context& context, const Work& copy) {
  outside_captures(name);
  enqueue(context, stream_of(context, nullptr), copy);
  wait_for(context.legacy->last());
}

Work within_device(Context& c, Pointer to, Pointer from, std::size_t bytes) {
  char* const target = device_bytes(c, to, bytes, "a copy writes");
  const char* const source = device_bytes(c, from, bytes, "a copy reads");
  return [&c, to, target, source, bytes] {
    std::memmove(target, source, bytes);
    mark_written(c, to, bytes);
  };
}
Work from_host(Context& c, Pointer to, const void* from, std::size_t bytes) {
  char* const target = device_bytes(c, to, bytes, "a copy writes");
  return [&c, to, target, from, bytes] {
    std::memcpy(target, from, bytes);
    mark_written(c, to, bytes);
  };
}
Work to_host(Context& c, void* to, Pointer from, std::size_t bytes) {
  const char* const source = device_bytes(c, from, bytes, "a copy reads");
  return [to, source, bytes] { std::memcpy(to, source, bytes); };
}

template <class T>
void fill_with(Context& c, Pointer to, T value, std::size_t count, StreamHandle stream) {
  if (to % sizeof(T)) refuse(kInvalidValue, "a fill is not aligned to its element");
  char* const target = device_bytes(c, to, count * sizeof(T), "a fill");
  enqueue(c, stream_of(c, stream), [&c, to, target, value, count] {
    for (std::size_t i = 0; i < count; ++i) std::memcpy(target + i * sizeof(T), &value, sizeof(T));
    mark_written(c, to, count * sizeof(T));
  });
}

}  // namespace

void allocate(Context& c, Pointer* data, std::size_t bytes, const char* name) {
  outside_captures(name);
  if (!bytes) refuse(kInvalidValue, "an allocation of 0 bytes");
  *data = c.memory.allocate(bytes);
  if (!*data) refuse(kOutOfMemory, say("there are no ", bytes, " bytes left"));
}

void release(Context& c, Pointer data, const char* name) {
  if (!data) return;
  outside_captures(name);
  wait_for_all(c);
  Piece piece;
  if (!c.memory.find(data, piece) || piece.begin != data || !c.memory.release(data))
    refuse(kInvalidValue, say("freed what is not allocated: ", c.memory.whereabouts(data)));
}

void memory_info(Context& c, std::size_t* free, std::size_t* total) {
  *total = c.memory.limit();
  *free = *total - c.memory.used();
}

void host_allocate(Context& c, void** data, std::size_t bytes, const char* name) {
  outside_captures(name);
  if (!bytes) refuse(kInvalidValue, "an allocation of 0 bytes");
  *data = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (!*data) refuse(kOutOfMemory, "there is no host memory left");
  c.memory.add_host(*data, bytes);
  c.host_pieces.insert(*data);
}

void host_release(Context& c, void* data, const char* name) {
  if (!data) return;
  outside_captures(name);
  wait_for_all(c);
  if (!c.host_pieces.erase(data)) refuse(kInvalidValue, "freed host memory that is not allocated");
  c.memory.release(reinterpret_cast<uint64_t>(data));
  std::free(data);
}

void copy_device_async(Context& c, Pointer to, Pointer from, std::size_t bytes, StreamHandle stream) {
  if (bytes) enqueue(c, stream_of(c, stream), within_device(c, to, from, bytes));
}

void copy_in_async(Context& c, Pointer to, const void* from, std::size_t bytes, StreamHandle stream) {
  if (!bytes) return;
  // Pageable memory is staged when the call is made; pinned memory is read when the stream gets there.
  const bool pinned = c.memory.at(reinterpret_cast<uint64_t>(from), bytes, false) != nullptr;
  Stream& target = stream_of(c, stream);
  if (pinned || target.capture) return enqueue(c, target, from_host(c, to, from, bytes));
  const auto staged =
      std::make_shared<std::vector<char>>(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
  enqueue(c, target, [staged, copy = from_host(c, to, staged->data(), bytes)] { copy(); });
}

void copy_out_async(Context& c, void* to, Pointer from, std::size_t bytes, StreamHandle stream) {
  if (!bytes) return;
  Stream& source = stream_of(c, stream);
  enqueue(c, source, to_host(c, to, from, bytes));
  // To pageable memory the call returns when the copy is done.
  if (!source.capture && !c.memory.at(reinterpret_cast<uint64_t>(to), bytes, false)) wait_for(source.last());
}

void copy_in(Context& c, Pointer to, const void* from, std::size_t bytes, const char* name) {
  if (bytes) copy_now(name, c, from_host(c, to, from, bytes));
}

void copy_out(Context& c, void* to, Pointer from, std::size_t bytes, const char* name) {
  if (bytes) copy_now(name, c, to_host(c, to, from, bytes));
}

void fill(Context& c, Pointer to, unsigned char value, std::size_t count, StreamHandle stream) {
  fill_with(c, to, value, count, stream);
}

void fill(Context& c, Pointer to, uint32_t value, std::size_t count, StreamHandle stream) {
  fill_with(c, to, value, count, stream);
}

Rows device_rows(Context& c, Pointer first, std::size_t pitch, std::size_t width_bytes, std::size_t height,
                 const char* what) {
  if (width_bytes > pitch) refuse(kInvalidValue, say(what, " rows wider than their pitch"));
  return {device_bytes(c, first, (height - 1) * pitch + width_bytes, what), first, pitch};
}

void copy_rows(Context& c, const Rows& to, const Rows& from, std::size_t width_bytes, std::size_t height,
               StreamHandle stream) {
  enqueue(c, stream_of(c, stream), [&c, to, from, width_bytes, height] {
    for (std::size_t row = 0; row < height; ++row) {
      std::memmove(to.data + row * to.pitch, from.data + row * from.pitch, width_bytes);
      if (to.address) mark_written(c, to.address + row * to.pitch, width_bytes);
    }
  });
}

}  // namespace attnrt::emulator
