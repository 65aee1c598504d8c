// SPDX-License-Identifier: Apache-2.0
//
// attnrt/amx.hpp: permission to use the tile data of AMX, which Linux grants a process that asks for it. Header-only,
// C++17.
#ifndef ATTNRT_AMX_HPP
#define ATTNRT_AMX_HPP
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#if defined(__x86_64__)
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace attnrt::sdk {
namespace amx {

/// The system call arch_prctl(code, argument): 0, or -1 and errno.
using ArchPrctl = long (*)(int code, uint64_t argument);

constexpr int kGetSupported = 0x1021, kRequest = 0x1023;  // ARCH_GET_XCOMP_SUPP, ARCH_REQ_XCOMP_PERM
constexpr uint64_t kTileData = 18;                        // XFEATURE_XTILEDATA

inline long arch_prctl([[maybe_unused]] int code, [[maybe_unused]] uint64_t argument) {
#if defined(__x86_64__)
  return syscall(SYS_arch_prctl, code, argument);
#else
  errno = ENOSYS;
  return -1;
#endif
}

/// May a process ask the system for tile data? Changes nothing. [thread-safe]
inline bool system_has_tile_data(ArchPrctl call = &arch_prctl) {
  uint64_t features = 0;
  return call(kGetSupported, reinterpret_cast<uintptr_t>(&features)) == 0 && (features >> kTileData & 1);
}

}  // namespace amx

/// Asks the system to let this process use the tile data of AMX. Returns "" where it may, else one sentence with the
/// system's word. An op that executes AMX calls it in `create` and answers UNAVAILABLE with the sentence: a CPU variant
/// is called wherever its sheet's instruction sets are there (ATTNRT_ISA_AMX_*), and nobody asks before. A process that
/// executes AMX without permission ends by SIGILL.
///
/// The permission holds for all threads of the process, those that run already and those to come, and for its forks; an
/// exec loses it. It cannot be given back, and it has a price: from then on the system refuses an alternate signal
/// stack (sigaltstack) that is too small for the tiles, which take 8 KiB of it, and where a thread has such a one
/// already, the request fails. Asking again costs a system call. [thread-safe]
inline std::string request_amx(amx::ArchPrctl call = &amx::arch_prctl) {
  if (call(amx::kRequest, amx::kTileData) == 0) return "";
  const int error = errno;
  std::string sentence =
      "the system does not permit AMX tile data to this process: arch_prctl(ARCH_REQ_XCOMP_PERM) answered ";
  sentence += std::strerror(error);
#if defined(__x86_64__)
  if (error == ENOSPC)
    sentence += "; a thread's alternate signal stack (sigaltstack) is too small for the tiles, wanted at least " +
                std::to_string(getauxval(AT_MINSIGSTKSZ)) + " bytes (AT_MINSIGSTKSZ)";
#endif
  return sentence;
}

}  // namespace attnrt::sdk
#endif
