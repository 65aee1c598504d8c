// SPDX-License-Identifier: Apache-2.0
//
// Addresses of lanes, and memory of any state space behind them (manual 5.1).
#ifndef ATTNRT_EMULATOR_ACCESS_HPP
#define ATTNRT_EMULATOR_ACCESS_HPP
#include <cstring>

#include "block.hpp"
#include "lanes.hpp"

namespace attnrt::emulator {

/// The address of a lane: its register, of 32 or 64 bits, and a displacement.
inline uint64_t address_of(Warp& warp, uint32_t place, bool narrow, int64_t displacement, uint32_t lane) {
  if (narrow) return static_cast<uint32_t>(warp.lanes<uint32_t>(place)[lane] + static_cast<uint32_t>(displacement));
  return warp.lanes<uint64_t>(place)[lane] + static_cast<uint64_t>(displacement);
}

/// Which space a generic address is in; the address becomes that of the space.
inline Space resolve(Space space, uint64_t& address) {
  if (space != Space::generic) return space;
  if (address >= kParameterWindow) {
    address -= kParameterWindow;
    return Space::parameter;
  }
  if (address >= kLocalWindow) {
    address -= kLocalWindow;
    return Space::local;
  }
  if (address >= kSharedWindow) {
    address -= kSharedWindow;
    return Space::shared;
  }
  return Space::global;
}

/// A parameter of a call, in local memory, and not one of the kernel.
inline bool is_of_call(uint64_t parameter_address) { return parameter_address >= kLocalWindow; }

/// Vector accesses are aligned to their whole size (manual 6.4.1).
inline void want_aligned(uint64_t address, uint32_t bytes) {
  if (address % bytes)
    throw Fault(Answer::misaligned_address,
                say("an access of ", bytes, " bytes at address ", address, ", wanted a multiple of ", bytes));
}

inline void read_memory(Warp& warp, Space space, uint64_t address, void* to, uint32_t bytes, uint32_t lane) {
  want_aligned(address, bytes);
  const char* from = nullptr;
  switch (resolve(space, address)) {
    case Space::shared:
      from = warp.block().shared().read(warp.index(), address, bytes);
      break;
    case Space::local:
      from = warp.block().local(warp, lane, address, bytes);
      break;
    case Space::parameter:
      from = is_of_call(address) ? warp.block().local(warp, lane, address - kLocalWindow, bytes)
                                 : warp.block().parameter(address, bytes);
      break;
    default:
      from = warp.block().read_global(address, bytes);
      break;
  }
  std::memcpy(to, from, bytes);
}

inline void write_memory(Warp& warp, Space space, uint64_t address, const void* from, uint32_t bytes, uint32_t lane) {
  want_aligned(address, bytes);
  switch (resolve(space, address)) {
    case Space::shared:
      warp.block().shared().write(warp.index(), address, from, bytes);
      return;
    case Space::local:
      std::memcpy(warp.block().local(warp, lane, address, bytes), from, bytes);
      return;
    case Space::parameter:
      if (is_of_call(address)) {
        std::memcpy(warp.block().local(warp, lane, address - kLocalWindow, bytes), from, bytes);
        return;
      }
      throw Fault(Answer::illegal_address, "a write to a parameter");
    default:
      std::memcpy(warp.block().write_global(address, bytes), from, bytes);
      return;
  }
}

}  // namespace attnrt::emulator
#endif
