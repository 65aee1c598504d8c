// SPDX-License-Identifier: Apache-2.0
#include "conformance/allocation_count.hpp"

#include <cerrno>
#include <cstddef>

#include "attnrt/plugin.h"

namespace {
thread_local uint64_t count = 0;
}

namespace attnrt::conformance {
bool can_count_allocations() noexcept { return ATTNRT_SANITIZERS == 0; }
uint64_t allocation_count() noexcept { return count; }
}  // namespace attnrt::conformance

#if !ATTNRT_SANITIZERS
// glibc keeps its own under these names for those who replace the public ones; free stays glibc's.
extern "C" {
void* __libc_malloc(std::size_t) noexcept;
void* __libc_calloc(std::size_t, std::size_t) noexcept;
void* __libc_realloc(void*, std::size_t) noexcept;
void* __libc_memalign(std::size_t, std::size_t) noexcept;

ATTNRT_EXPORT void* malloc(std::size_t bytes) noexcept {
  ++count;
  return __libc_malloc(bytes);
}
ATTNRT_EXPORT void* calloc(std::size_t n, std::size_t bytes) noexcept {
  ++count;
  return __libc_calloc(n, bytes);
}
ATTNRT_EXPORT void* realloc(void* old, std::size_t bytes) noexcept {
  ++count;
  return __libc_realloc(old, bytes);
}
ATTNRT_EXPORT void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  ++count;
  return __libc_memalign(alignment, bytes);
}
ATTNRT_EXPORT void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  ++count;
  return __libc_memalign(alignment, bytes);
}
ATTNRT_EXPORT int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) noexcept {
  ++count;
  if (alignment % sizeof(void*) || (alignment & (alignment - 1)) || alignment == 0) return EINVAL;
  void* memory = __libc_memalign(alignment, bytes);
  if (!memory) return ENOMEM;
  *out = memory;
  return 0;
}
}
#endif
