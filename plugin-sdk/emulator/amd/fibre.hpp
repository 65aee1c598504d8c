// SPDX-License-Identifier: Apache-2.0
//
// A second stack, and the step from one to another: what a lane needs to stop in the middle of compiled code. The
// switch is of the classic kind (the System V ABI's callee-saved registers are pushed, the stack pointer is exchanged),
// without the signal mask that swapcontext saves by a system call, which costs fifty times as much; a tile of
// attention takes tens of thousands of switches. Boost.Context does the same but is a library, and the SDK has none.
#ifndef ATTNRT_EMULATOR_AMD_FIBRE_HPP
#define ATTNRT_EMULATOR_AMD_FIBRE_HPP
#include <cstddef>
#include <memory>

namespace attnrt::emulator::amd {

/// Continues on the stack `to`; returns when somebody switches to what `from` became. No exception may cross it.
extern "C" void attnrt_amd_switch(void** from, void* to);

/// A stack that runs `entry` when it is switched to first; entry must not return. `top`: its end, the highest address.
void* fresh_stack(char* top, void (*entry)());

/// Stacks of equal size in one mapping, with an unmapped page below each. Their tops lie in different sets of the
/// cache.
class Stacks {
 public:
  Stacks() = default;
  ~Stacks();
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;
  /// Throws std::bad_alloc.
  void reserve(std::size_t count);
  char* top(std::size_t index) const;
  std::size_t count() const { return count_; }
  static constexpr std::size_t kBytes = 96 * 1024;  ///< of one, usable

 private:
  char* pages_ = nullptr;
  std::size_t count_ = 0;
};

/// Stacks for so many lanes, that others may have used: their pages are there. Throws std::bad_alloc. [thread-safe]
std::unique_ptr<Stacks> take_stacks(std::size_t count);
/// For the next one who takes some. [thread-safe]
void give_back(std::unique_ptr<Stacks> stacks);

}  // namespace attnrt::emulator::amd
#endif
