// SPDX-License-Identifier: Apache-2.0
//
// mbarrier objects (manual 9.7.13.15): a count of arrivals and of bytes still to come, a phase that ends when both are
// zero. The object's 64 bits lie in shared memory; what they mean is the implementation's own, so that a kernel may
// only hand them around.
#ifndef ATTNRT_EMULATOR_TRANSACTION_BARRIER_HPP
#define ATTNRT_EMULATOR_TRANSACTION_BARRIER_HPP
#include <cstdint>
#include <map>

#include "shared_memory.hpp"

namespace attnrt::emulator {

struct TransactionBarrier {
  uint32_t expected = 0;     ///< arrivals of the next phase
  uint32_t pending = 0;      ///< arrivals that this phase still waits for
  int64_t transactions = 0;  ///< bytes that this phase still waits for
  uint64_t phase = 0;        ///< how many have ended
  Clocks arriving;           ///< what the arrivals of this phase release
  Clocks completed;          ///< of all phases that ended
};

class Transactions {
 public:
  void clear() { barriers_.clear(); }
  /// Throws Fault: `count` out of range, or the bytes already hold a barrier.
  void init(uint64_t address, uint32_t count);
  void invalidate(uint64_t address);
  /// Throws Fault where no barrier was made.
  TransactionBarrier& at(uint64_t address);
  /// Ends the phase if nothing is missing. true where it ended.
  static bool advance(TransactionBarrier& barrier);

 private:
  std::map<uint64_t, TransactionBarrier> barriers_;
};

}  // namespace attnrt::emulator
#endif
