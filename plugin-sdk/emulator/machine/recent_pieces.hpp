// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_EMULATOR_RECENT_PIECES_HPP
#define ATTNRT_EMULATOR_RECENT_PIECES_HPP
#include <cstdint>

#include "memory_map.hpp"

namespace attnrt::emulator {

/// Accesses of a block or workgroup to global memory: the pieces that it touched last are found without a lock. They
/// must not be released while it lives. [one thread per object]
class RecentPieces {
 public:
  /// `report_unwritten`: a read of bytes that nobody wrote is a fault.
  RecentPieces(const GlobalMemory& memory, bool report_unwritten) : memory_(memory), unwritten_(report_unwritten) {}
  /// Host addresses of bytes that lie in one piece. Throw Fault.
  const char* read(uint64_t address, uint32_t bytes);
  char* write(uint64_t address, uint32_t bytes);
  /// A write that comes later is allowed. Throws Fault.
  void want_writable(uint64_t address, uint32_t bytes) const { find(address, bytes, "write"); }

 private:
  Piece find(uint64_t address, uint32_t bytes, const char* what) const;
  const Piece& recent(uint64_t address, uint32_t bytes, const char* what);

  const GlobalMemory& memory_;
  bool unwritten_;
  Piece last_[4];
  uint32_t next_ = 0;
};

}  // namespace attnrt::emulator
#endif
