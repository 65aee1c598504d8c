// SPDX-License-Identifier: Apache-2.0
#include "transaction_barrier.hpp"

#include "fault.hpp"

namespace attnrt::emulator {
namespace {

constexpr uint32_t kMostArrivals = (1u << 20) - 1;

}  // namespace

void Transactions::init(uint64_t address, uint32_t count) {
  if (!count || count > kMostArrivals)
    throw Fault(Answer::illegal_instruction,
                say("mbarrier.init for ", count, " arrivals, wanted 1 to ", kMostArrivals));
  if (!barriers_.emplace(address, TransactionBarrier{count, count, 0, 0, {}, {}}).second)
    throw Fault(Answer::illegal_instruction,
                say("mbarrier.init at shared address ", address, ", where one is, wanted mbarrier.inval first"));
}
void Transactions::invalidate(uint64_t address) {
  at(address);
  barriers_.erase(address);
}
TransactionBarrier& Transactions::at(uint64_t address) {
  const auto found = barriers_.find(address);
  if (found == barriers_.end())
    throw Fault(Answer::illegal_instruction, say("there is no mbarrier at shared address ", address));
  return found->second;
}
bool Transactions::advance(TransactionBarrier& barrier) {
  if (barrier.pending || barrier.transactions) return false;
  barrier.pending = barrier.expected;
  ++barrier.phase;
  barrier.completed.join(barrier.arriving, kMostWarps);
  return true;
}

}  // namespace attnrt::emulator
