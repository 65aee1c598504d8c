// SPDX-License-Identifier: Apache-2.0
//
// 9.7.13.15 mbarrier, 9.7.9.25.4 bulk copies. A bulk copy lands some time after its issue: at once, or in the late mode
// when the block has nothing else to do or chance wills it; then it completes its bytes on the barrier.
#include <utility>

#include "access.hpp"
#include "async_copy.hpp"
#include "chapters.hpp"

namespace attnrt::emulator {
namespace {

uint64_t shared_address(Warp& warp, uint32_t place, bool narrow, int64_t displacement, uint32_t lane,
                        uint32_t alignment) {
  uint64_t address = address_of(warp, place, narrow, displacement, lane);
  if (!narrow) resolve(Space::generic, address);
  want_aligned(address, alignment);
  return address;
}

template <class Body>
void each_barrier(Warp& warp, const Instruction& in, uint32_t lanes, uint32_t place, Body body) {
  for (uint32_t left = lanes; left; left &= left - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(left));
    body(i, shared_address(warp, in.at[place], in.narrow, in.displacement, i, 8));
  }
}

void init_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  each_barrier(warp, in, lanes, 0, [&](uint32_t i, uint64_t address) {
    const uint64_t zero = 0;
    warp.block().shared().write(warp.index(), address, &zero, 8);
    warp.block().transactions().init(address, warp.lanes<uint32_t>(in.at[1])[i]);
  });
}
void inval_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  each_barrier(warp, in, lanes, 0,
               [&](uint32_t, uint64_t address) { warp.block().transactions().invalidate(address); });
}

void arrive_at(Warp& warp, TransactionBarrier& barrier, uint64_t address, uint32_t count) {
  if (count > barrier.pending)
    throw Fault(Answer::illegal_instruction,
                say(count, " arrivals at the mbarrier at ", address, ", which waits for ", barrier.pending));
  warp.block().shared().release(warp.index(), barrier.arriving);
  barrier.pending -= count;
  Transactions::advance(barrier);
  warp.block().progress();
}

// option: 1 = expect_tx
void arrive_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  each_barrier(warp, in, lanes, 1, [&](uint32_t i, uint64_t address) {
    TransactionBarrier& barrier = warp.block().transaction(warp, address);
    const uint32_t value = warp.lanes<uint32_t>(in.at[2])[i];
    warp.lanes<uint64_t>(in.at[0])[i] = barrier.phase;
    if (in.option & 1) barrier.transactions += value;
    arrive_at(warp, barrier, address, in.option & 1 ? 1 : value);
  });
}
void expect_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  each_barrier(warp, in, lanes, 0, [&](uint32_t i, uint64_t address) {
    TransactionBarrier& barrier = warp.block().transaction(warp, address);
    const int64_t bytes = warp.lanes<uint32_t>(in.at[1])[i];
    barrier.transactions += in.option ? -bytes : bytes;
    if (in.option) Transactions::advance(barrier);
    warp.block().progress();
  });
}

// option: 1 = parity, 2 = try_wait, which lets others run before it says no
void wait_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  uint32_t done = 0;
  each_barrier(warp, in, lanes, 1, [&](uint32_t i, uint64_t address) {
    TransactionBarrier& barrier = warp.block().transaction(warp, address);
    const bool ended = in.option & 1 ? (barrier.phase & 1) != (warp.lanes<uint32_t>(in.at[2])[i] & 1)
                                     : barrier.phase > warp.lanes<uint64_t>(in.at[2])[i];
    if (!ended) return;
    done |= 1u << i;
    warp.block().shared().acquire(warp.index(), barrier.completed);
  });
  warp.set_predicate(in.at[0], done, lanes);
  if (done != lanes) warp.poll();
}

void mbarrier_init(Assembly& a) {
  a.shared_access(8);
  a.in.run = &init_run;
}
void mbarrier_inval(Assembly& a) { a.in.run = &inval_run; }

void arrive_operands(Assembly& a, bool expects) {
  if (a.num_operands() < (expects ? 3u : 2u) || a.num_operands() > 3) a.fail("mbarrier.arrive state, [address], count");
  a.destination(a.operand(0), Type::b64);
  a.address(a.operand(1));
  a.num_operands() == 3 ? static_cast<void>(a.source(a.operand(2), Type::u32)) : a.constant(Type::u32, 1);
  a.in.option = expects;
  a.in.run = &arrive_run;
}
void mbarrier_arrive(Assembly& a) { arrive_operands(a, false); }
void mbarrier_arrive_expect(Assembly& a) { arrive_operands(a, true); }
void mbarrier_expect(Assembly& a) {
  a.in.option = a.choice(0) == "complete_tx";
  a.in.run = &expect_run;
}
void mbarrier_wait(Assembly& a) {  // test_wait|try_wait parity? sem? scope? space? b64
  const bool parity = a.has(1);
  if (a.num_operands() < 3 || a.num_operands() > 4) a.fail("mbarrier.try_wait p, [address], state");
  a.destination(a.operand(0), Type::pred);
  a.address(a.operand(1));
  a.source(a.operand(2), parity ? Type::u32 : Type::b64);
  if (a.given(3)) a.source(a.operand(3), Type::u32);
  a.in.option = parity;
  a.in.flow = Flow::pause;
  a.in.run = &wait_run;
}

// The arrival follows the copies of the lane, some time later; without .noinc the barrier expects one more for it.
void copy_arrive_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  each_barrier(warp, in, lanes, 0, [&](uint32_t i, uint64_t address) {
    TransactionBarrier& barrier = warp.block().transaction(warp, address);
    if (!in.option) ++barrier.pending;
    warp.block().add_arrival({warp.index(), i, warp.copies_issued[i], address});
  });
}
void copy_arrive(Assembly& a) {
  a.in.option = a.has(3);
  a.in.run = &copy_arrive_run;
}

// ---- bulk copies: [to], [from], bytes, [barrier]

void want_bulk(uint64_t bytes, uint64_t global) {
  if (bytes % 16 || global % 16)
    throw Fault(Answer::illegal_instruction,
                say("a bulk copy of ", bytes, " bytes, wanted multiples of 16 in sizes and addresses"));
}

void bulk_in_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  for (uint32_t left = lanes; left; left &= left - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(left));
    const uint64_t to = shared_address(warp, in.at[0], in.narrow, in.displacement, i, 16);
    const uint64_t from = address_of(warp, in.at[1], in.narrow_2, in.displacement_2, i);
    const uint32_t bytes = warp.lanes<uint32_t>(in.at[2])[i];
    const uint64_t barrier = shared_address(warp, in.at[3], in.option & 1, 0, i, 8);
    want_bulk(bytes, from);
    if (!bytes) continue;
    warp.block().transaction(warp, barrier);
    warp.block().shared().begin_copy(warp.index(), to, bytes);
    const char* const data = warp.block().read_global(from, bytes);
    warp.block().add_bulk({warp.index(), static_cast<uint32_t>(to), std::string(data, bytes), barrier});
  }
}
void bulk_in(Assembly& a) {
  const bool hint = a.has(5);
  a.want_operands(hint ? 5 : 4);
  a.address(a.operand(0));
  a.address(a.operand(1), true);
  a.source(a.operand(2), Type::u32);
  const bool narrow = a.in.narrow;
  const int64_t displacement = a.in.displacement;
  a.address(a.operand(3));
  if (a.in.displacement) a.fail("the address of a barrier has no displacement here");
  a.in.option = a.in.narrow;
  a.in.narrow = narrow;
  a.in.displacement = displacement;
  a.shared_access(16);
  a.in.run = &bulk_in_run;
}

void land_store(Warp& warp, PendingStore& store) {
  if (std::exchange(store.landed, true)) return;
  warp.block().progress();
  if (store.box) return land_box(warp, store);
  const char* const from = warp.block().shared().read(warp.index(), store.from, store.bytes, true);
  std::memcpy(warp.block().write_global(store.to, store.bytes), from, store.bytes);
}

void bulk_out_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  for (uint32_t left = lanes; left; left &= left - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(left));
    const uint64_t to = address_of(warp, in.at[0], in.narrow, in.displacement, i);
    const uint64_t from = shared_address(warp, in.at[1], in.narrow_2, in.displacement_2, i, 16);
    const uint32_t bytes = warp.lanes<uint32_t>(in.at[2])[i];
    want_bulk(bytes, to);
    if (!bytes) continue;
    warp.block().want_global(to, bytes);
    warp.block().shared().read(warp.index(), from, bytes, true);
    add_store(warp, {warp.store_group, static_cast<uint32_t>(from), bytes, to, nullptr, false});
  }
}
void bulk_out(Assembly& a) {
  a.want_operands(a.has(5) ? 4 : 3);
  a.address(a.operand(0));
  a.address(a.operand(1), true);
  a.source(a.operand(2), Type::u32);
  a.shared_access(16);
  a.in.run = &bulk_out_run;
}
void bulk_commit(Assembly& a) {
  a.in.run = [](Warp& warp, const Instruction&, uint32_t) { ++warp.store_group; };
}
void bulk_wait(Assembly& a) {
  a.in.run = [](Warp& warp, const Instruction& in, uint32_t) {
    const int64_t last = int64_t{warp.store_group} - 1 - in.displacement;
    std::erase_if(warp.stores, [&](PendingStore& store) {
      if (int64_t{store.group} > last) return false;
      land_store(warp, store);
      return true;
    });
  };
}

constexpr Rule kRules[] = {
    {"9.7.13.15.9", "mbarrier", "init shared::cta|shared? b64", "[a] b:u32", &mbarrier_init},
    {"9.7.13.15.10", "mbarrier", "inval shared::cta|shared? b64", "[a]", &mbarrier_inval},
    {"9.7.13.15.11", "mbarrier", "expect_tx|complete_tx relaxed? cta|cluster? shared::cta|shared::cluster|shared? b64",
     "[a] b:u32", &mbarrier_expect},
    {"9.7.13.15.13", "mbarrier", "arrive release|relaxed? cta|cluster? shared::cta|shared::cluster|shared? b64", "*",
     &mbarrier_arrive},
    {"9.7.13.15.13", "mbarrier",
     "arrive expect_tx release|relaxed? cta|cluster? shared::cta|shared::cluster|shared? b64", "*",
     &mbarrier_arrive_expect},
    {"9.7.13.15.15", "cp", "async mbarrier arrive noinc? shared::cta|shared? b64", "[a]", &copy_arrive},
    {"9.7.13.15.16", "mbarrier", "test_wait|try_wait parity? acquire|relaxed? cta|cluster? shared::cta|shared? b64",
     "*", &mbarrier_wait},
    {"9.7.9.25.4.1", "cp", "async bulk shared::cluster|shared::cta global mbarrier::complete_tx::bytes L2::cache_hint?",
     "*", &bulk_in},
    {"9.7.9.25.4.1", "cp", "async bulk global shared::cta bulk_group L2::cache_hint?", "*", &bulk_out},
    {"9.7.9.25.5.1", "cp", "async bulk commit_group", "", &bulk_commit},
    {"9.7.9.25.5.2", "cp", "async bulk wait_group read?", "i", &bulk_wait},
};

}  // namespace

void add_store(Warp& warp, PendingStore store) {
  warp.stores.push_back(std::move(store));
  if (!warp.block().mode().late) land_store(warp, warp.stores.back());
}

void Block::add_arrival(const PendingArrival& arrival) {
  arrivals_.push_back(arrival);
  if (!mode().late) land_arrival(arrivals_.size() - 1);
  progress();
}
void Block::land_arrival(std::size_t index) {
  const PendingArrival arrival = arrivals_[index];
  arrivals_.erase(arrivals_.begin() + static_cast<std::ptrdiff_t>(index));
  Warp& warp = warps_[arrival.warp];
  finish_copies(warp, arrival.lane, arrival.issued);
  arrive_at(warp, transactions_.at(arrival.barrier), arrival.barrier, 1);
}

void Block::add_bulk(PendingBulk copy) {
  bulk_.push_back(std::move(copy));
  if (!mode().late) land_bulk(bulk_.size() - 1);
}

void Block::land_bulk(std::size_t index) {
  PendingBulk copy = std::move(bulk_[index]);
  bulk_.erase(bulk_.begin() + static_cast<std::ptrdiff_t>(index));
  shared_.write(copy.warp, copy.to, copy.bytes.data(), static_cast<uint32_t>(copy.bytes.size()), Writer::bulk);
  TransactionBarrier& barrier = transactions_.at(copy.barrier);
  shared_.release(copy.warp, barrier.arriving);
  barrier.transactions -= static_cast<int64_t>(copy.bytes.size());
  Transactions::advance(barrier);
  progress();
}

std::span<const Rule> transaction_rules() { return kRules; }

}  // namespace attnrt::emulator
