// SPDX-License-Identifier: Apache-2.0
#include "fibre.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#if !defined(__x86_64__)
#error "the AMD emulator switches stacks by hand and knows x86-64 alone"
#endif

__asm__(
    ".text\n"
    ".hidden attnrt_amd_switch\n"
    ".globl attnrt_amd_switch\n"
    ".type attnrt_amd_switch, @function\n"
    "attnrt_amd_switch:\n"
    "  push %rbp\n  push %rbx\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, (%rdi)\n"
    "  mov %rsi, %rsp\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbx\n  pop %rbp\n"
    "  ret\n"
    ".size attnrt_amd_switch, . - attnrt_amd_switch\n");

namespace attnrt::emulator::amd {
namespace {

constexpr std::size_t kPage = 4096;
// One guard page below each stack, and 13 lines of the cache that move the tops apart.
constexpr std::size_t kStride = kPage + Stacks::kBytes + kPage;

// Never destroyed: threads of streams may outlive the statics.
struct Pool {
  std::mutex mutex;
  std::vector<std::unique_ptr<Stacks>> idle;
};
Pool& pool() {
  static Pool* const all = new Pool;
  return *all;
}

}  // namespace

void* fresh_stack(char* top, void (*entry)()) {
  char* at = reinterpret_cast<char*>(reinterpret_cast<uintptr_t>(top) & ~uintptr_t{63});
  at -= 8;  // a return address that entry never uses; at its start the stack is off by 8 from a multiple of 16
  std::memset(at, 0, 8);
  at -= 8;
  std::memcpy(at, &entry, 8);
  at -= 6 * 8;
  std::memset(at, 0, 6 * 8);
  return at;
}

Stacks::~Stacks() {
  if (pages_) munmap(pages_, count_ * kStride);
}

void Stacks::reserve(std::size_t count) {
  if (count <= count_) return;
  if (pages_) munmap(pages_, count_ * kStride);
  pages_ = nullptr;
  void* const pages =
      mmap(nullptr, count * kStride, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  pages_ = static_cast<char*>(pages);
  count_ = count;
  for (std::size_t i = 0; i < count; ++i) mprotect(pages_ + i * kStride, kPage, PROT_NONE);
}

char* Stacks::top(std::size_t index) const { return pages_ + (index + 1) * kStride - index * 13 * 64 % kPage; }

std::unique_ptr<Stacks> take_stacks(std::size_t count) {
  std::unique_ptr<Stacks> found;
  {
    const std::lock_guard lock(pool().mutex);
    auto& idle = pool().idle;
    for (std::size_t i = 0; i < idle.size() && !found; ++i)
      if (idle[i]->count() >= count) {
        found = std::move(idle[i]);
        idle.erase(idle.begin() + static_cast<std::ptrdiff_t>(i));
      }
  }
  if (!found) found = std::make_unique<Stacks>();
  found->reserve(count);
  return found;
}

void give_back(std::unique_ptr<Stacks> stacks) {
  const std::lock_guard lock(pool().mutex);
  pool().idle.push_back(std::move(stacks));
}

}  // namespace attnrt::emulator::amd
