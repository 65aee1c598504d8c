// SPDX-License-Identifier: Apache-2.0
#include "conformance/fenced_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "attnrt/check.hpp"

namespace attnrt::conformance {
namespace {

std::size_t page() {
  static const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

}  // namespace

FencedMemory::~FencedMemory() {
  for (const auto& [data, span] : spans_) munmap(span.pages, span.page_bytes);
}

void* FencedMemory::allocate(std::size_t bytes, std::size_t alignment) {
  const std::size_t room = (bytes + page() - 1) / page() * page(), all = room + 2 * page();
  void* pages = mmap(nullptr, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return nullptr;
  char* inside = static_cast<char*>(pages) + page();
  // Populated at once: all of it will be filled, and a fault for each page costs more than the filling.
  constexpr int kind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE;
  if (room && mmap(inside, room, PROT_READ | PROT_WRITE, kind, -1, 0) == MAP_FAILED) {
    munmap(pages, all);
    return nullptr;
  }
  char* data = inside + (room - bytes) / alignment * alignment;
  const std::lock_guard lock(mutex_);
  spans_[data] = {static_cast<char*>(pages), all, bytes, ""};
  return data;
}

void FencedMemory::release(void* data) {
  const std::lock_guard lock(mutex_);
  const auto found = spans_.find(static_cast<char*>(data));
  if (found == spans_.end()) return;
  munmap(found->second.pages, found->second.page_bytes);
  spans_.erase(found);
}

void FencedMemory::copy_in(void* to, const void* from, std::size_t bytes) {
  if (bytes) std::memcpy(to, from, bytes);
}
void FencedMemory::copy_out(void* to, const void* from, std::size_t bytes) {
  if (bytes) std::memcpy(to, from, bytes);
}
void FencedMemory::fill(void* to, uint8_t byte, std::size_t bytes) {
  if (bytes) std::memset(to, byte, bytes);
}

void FencedMemory::name(void* data, const char* what) {
  const std::lock_guard lock(mutex_);
  if (const auto found = spans_.find(static_cast<char*>(data)); found != spans_.end()) found->second.name = what;
}

std::string FencedMemory::whereabouts(const void* address) const {
  const char* at = static_cast<const char*>(address);
  for (const auto& [data, span] : spans_) {
    if (at < span.pages || at >= span.pages + span.page_bytes) continue;
    const std::ptrdiff_t behind = at - data - static_cast<std::ptrdiff_t>(span.bytes);
    return sdk::say(at < data ? data - at : behind, at < data ? " bytes before " : " bytes behind ", span.name,
                    *span.name ? ", " : "", "a piece of ", span.bytes, " bytes");
  }
  return "";
}

}  // namespace attnrt::conformance
