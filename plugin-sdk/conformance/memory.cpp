// SPDX-License-Identifier: Apache-2.0
#include "conformance/memory.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace attnrt::conformance {
namespace {
constexpr uint8_t guard_byte = 0xfb;  // NaN in bf16 and fp16 alike, were it read
constexpr std::align_val_t host_alignment{4096};
}  // namespace

void* HostMemory::allocate(std::size_t bytes, std::size_t) {
  return ::operator new(std::max<std::size_t>(bytes, 1), host_alignment, std::nothrow);
}
void HostMemory::release(void* data) { ::operator delete(data, host_alignment); }
void HostMemory::copy_in(void* to, const void* from, std::size_t bytes) {
  if (bytes) std::memcpy(to, from, bytes);
}
void HostMemory::copy_out(void* to, const void* from, std::size_t bytes) {
  if (bytes) std::memcpy(to, from, bytes);
}
void HostMemory::fill(void* to, uint8_t byte, std::size_t bytes) {
  if (bytes) std::memset(to, byte, bytes);
}

Buffer::Buffer(Memory& memory, std::size_t bytes, uint8_t poison, std::size_t alignment)
    : memory_(memory), bytes_(bytes), front_(std::max<std::size_t>(256, alignment)), back_(front_) {
  if (memory.fenced()) back_ = (bytes + alignment - 1) / alignment * alignment - bytes;
  base_ = static_cast<char*>(memory_.allocate(front_ + bytes_ + back_, alignment));
  if (!base_) return;
  data_ = base_ + front_;
  memory_.fill(base_, guard_byte, front_);
  memory_.fill(data_, poison, bytes_);
  memory_.fill(data_ + bytes_, guard_byte, back_);
}

Buffer::~Buffer() {
  if (base_) memory_.release(base_);
}

void Buffer::name(const char* what) {
  name_ = what;
  if (base_) memory_.name(base_, what);
}

void Buffer::write(std::size_t offset, const void* from, std::size_t bytes) const {
  memory_.copy_in(data_ + offset, from, bytes);
}

std::vector<uint8_t> Buffer::read() const {
  std::vector<uint8_t> out(bytes_);
  memory_.copy_out(out.data(), data_, bytes_);
  return out;
}

std::size_t Buffer::guard_damage() const {
  std::size_t damaged = 0;
  for (const auto& [side, size] : {std::pair(base_, front_), {data_ + bytes_, back_}}) {
    std::vector<uint8_t> guard(size);
    memory_.copy_out(guard.data(), side, size);
    damaged += static_cast<std::size_t>(
        std::count_if(guard.begin(), guard.end(), [](uint8_t byte) { return byte != guard_byte; }));
  }
  return damaged;
}

}  // namespace attnrt::conformance
