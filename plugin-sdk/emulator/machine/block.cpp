// SPDX-License-Identifier: Apache-2.0
#include "block.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace attnrt::emulator {

Block::Block(const Launch& launch)
    : launch_(launch), global_(*launch.memory, launch.mode.report_unwritten), executed_(launch.kernel->code.size(), 0) {
  const Kernel& kernel = *launch.kernel;
  const uint32_t threads = launch.threads[0] * launch.threads[1] * launch.threads[2];
  const uint32_t warps = (threads + kLanes - 1) / kLanes;
  warps_.resize(warps);
  for (uint32_t i = 0; i < warps; ++i) warps_[i].configure(*this, i, kernel);
  shared_.configure(shared_base(launch.arch), kernel.shared_bytes + launch.dynamic_shared, kernel.shared_granule, warps,
                    launch.mode.report_races, launch.mode.report_unwritten);
  local_.resize(std::size_t{kernel.local_bytes} * warps * kLanes);
  if (launch.mode.count_wavefronts) wavefronts_.resize(kernel.code.size());
}

std::string Block::name() const { return say(at_[0], " ", at_[1], " ", at_[2]); }

// xorshift64* (Vigna, 2016)
uint32_t Block::random() {
  random_ ^= random_ >> 12;
  random_ ^= random_ << 25;
  random_ ^= random_ >> 27;
  return static_cast<uint32_t>(random_ * 2685821657736338717ull >> 32);
}

void Block::run(uint32_t x, uint32_t y, uint32_t z) {
  at_[0] = x, at_[1] = y, at_[2] = z;
  random_ = (launch_.mode.seed + 1) * 0x9e3779b97f4a7c15ull + (uint64_t{z} << 42) + (uint64_t{y} << 21) + x + 1;
  shared_.clear();
  transactions_.clear();
  bulk_.clear();
  arrivals_.clear();
  tensor_work_.clear();
  if (launch_.kernel->uses_tensor_memory) tensor_memory_.clear();
  std::fill(local_.begin(), local_.end(), static_cast<char>(0xff));
  for (Barrier& barrier : barriers_) barrier = {};
  progress_ = turns_ = 0;
  const uint32_t threads = launch_.threads[0] * launch_.threads[1] * launch_.threads[2];
  alive_threads_ = threads;
  for (uint32_t i = 0; i < warps_.size(); ++i) {
    const uint32_t left = threads - i * kLanes;
    warps_[i].start(left >= kLanes ? kAllLanes : (1u << left) - 1);
    fill_specials(warps_[i]);
  }
  run_warps();
}

void Block::fill_specials(Warp& warp) {
  const uint32_t* const grid = launch_.grid;
  const uint32_t* const threads = launch_.threads;
  const uint32_t shared = launch_.kernel->shared_bytes + launch_.dynamic_shared;
  for (const Kernel::SpecialPlace& place : launch_.kernel->specials)
    for (uint32_t lane = 0; lane < kLanes; ++lane) {
      const uint32_t thread = warp.index() * kLanes + lane;
      uint64_t value = 0;
      switch (place.which) {
        case Special::tid_x:
          value = thread % threads[0];
          break;
        case Special::tid_y:
          value = thread / threads[0] % threads[1];
          break;
        case Special::tid_z:
          value = thread / threads[0] / threads[1];
          break;
        case Special::ntid_x:
          value = threads[0];
          break;
        case Special::ntid_y:
          value = threads[1];
          break;
        case Special::ntid_z:
          value = threads[2];
          break;
        case Special::ctaid_x:
        case Special::clusterid_x:
          value = at_[0];
          break;
        case Special::ctaid_y:
        case Special::clusterid_y:
          value = at_[1];
          break;
        case Special::ctaid_z:
        case Special::clusterid_z:
          value = at_[2];
          break;
        case Special::nctaid_x:
          value = grid[0];
          break;
        case Special::nctaid_y:
          value = grid[1];
          break;
        case Special::nctaid_z:
          value = grid[2];
          break;
        case Special::laneid:
          value = lane;
          break;
        case Special::warpid:
          value = warp.index();
          break;
        case Special::nwarpid:
          value = warps_.size();
          break;
        case Special::nsmid:
          value = 1;
          break;
        case Special::lanemask_eq:
          value = 1u << lane;
          break;
        case Special::lanemask_lt:
          value = (1u << lane) - 1;
          break;
        case Special::lanemask_le:
          value = (2u << lane) - 1;
          break;
        case Special::lanemask_gt:
          value = ~((2u << lane) - 1);
          break;
        case Special::lanemask_ge:
          value = ~((1u << lane) - 1);
          break;
        case Special::dynamic_smem_size:
          value = launch_.dynamic_shared;
          break;
        case Special::total_smem_size:
          value = shared;
          break;
        case Special::cluster_nctaid_x:
        case Special::cluster_nctaid_y:
        case Special::cluster_nctaid_z:
        case Special::cluster_nctarank:
          value = 1;
          break;
        default:
          break;  // clocks stand still, and a cluster is one block
      }
      if (place.which == Special::clock64 || place.which == Special::globaltimer)
        warp.lanes<uint64_t>(place.offset)[lane] = value;
      else
        warp.lanes<uint32_t>(place.offset)[lane] = static_cast<uint32_t>(value);
    }
}

// Rounds: every warp that can run does so, in an order that the seed shuffles. Where a whole round changes nothing that
// a polling warp could see, the block is stuck.
void Block::run_warps() {
  std::vector<uint32_t> order(warps_.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  uint64_t before = ~uint64_t{0};
  stalled_ = false;
  for (int idle = 0; idle < 8;) {  // some rounds more than one: lanes of a warp that poll take turns
    if (launch_.mode.seed)
      for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
    bool ran = false, alive = false;
    for (const uint32_t i : order)
      if (warps_[i].can_run()) {
        warps_[i].run();
        ran = true;
      }
    complete_barriers();
    if (!bulk_.empty() && (progress_ == before || random() % 4 == 0)) land_bulk(random() % bulk_.size());
    if (!arrivals_.empty() && (progress_ == before || random() % 4 == 0)) land_arrival(random() % arrivals_.size());
    if (!tensor_work_.empty() && (progress_ == before || random() % 4 == 0)) land_tensor_work();
    for (const Warp& warp : warps_) alive |= warp.alive() != 0;
    if (!alive && bulk_.empty() && arrivals_.empty() && tensor_work_.empty()) {
      if (launch_.kernel->uses_tensor_memory && tensor_memory_.any_allocated())
        throw Fault(Answer::launch_failed, say("block ", name(), " ends with tensor memory that it allocated"));
      return;
    }
    stalled_ = progress_ == before || !ran;
    idle = stalled_ ? idle + 1 : 0;
    before = progress_;
  }
  fail_stuck();
}

void Block::fail_stuck() const {
  std::string waits;
  for (const Warp& warp : warps_)
    for (int id = 0; id < 16; ++id)
      if (const uint32_t lanes = warp.waiting_at(id))
        waits += say(waits.empty() ? "" : ", ", "warp ", warp.index(), " at barrier ", id,
                     lanes == warp.alive() ? "" : " with some of its lanes");
  throw Fault(
      Answer::timeout,
      say("block ", name(), " waits for ever: ", waits.empty() ? "every warp polls for what nobody does" : waits));
}

void Block::count_turn(Warp& warp) {
  if ((turns_ += kTurn) > launch_.mode.most_instructions)
    throw Fault(Answer::timeout, say("the block ran ", turns_, " instructions and does not end"));
  // A loop that waits for another warp through memory must let it run.
  if (turns_ % (1u << 20) == 0) warp.yield();
  ++progress_;
}

void Block::lanes_exit(const Warp& warp, uint32_t lanes) {
  // Copies that an mbarrier waits for may outlive their lane.
  for (std::size_t i = 0; i < arrivals_.size();)
    if (arrivals_[i].warp == warp.index() && (lanes >> arrivals_[i].lane & 1))
      land_arrival(i);
    else
      ++i;
  if (warp.num_copies)
    for (uint32_t left = lanes; left; left &= left - 1)
      if (!warp.copies[std::countr_zero(left)].empty())
        throw Fault(Answer::launch_failed, "a lane ends while a copy that it issued is in flight (cp.async)");
  if (!warp.stores.empty() && lanes == warp.alive())
    throw Fault(Answer::launch_failed, "a warp ends while a bulk copy that it issued is in flight");
  if (!warp.tensor_loads.empty() || !warp.tensor_stores.empty())
    throw Fault(Answer::launch_failed, "a warp ends while an access of tensor memory is in flight (tcgen05)");
  if (!warp.products.empty()) throw Fault(Answer::launch_failed, "a warp ends while a product is in flight (wgmma)");
  alive_threads_ -= static_cast<uint32_t>(std::popcount(lanes));
  ++progress_;
}

void Block::arrive(Warp& warp, uint32_t lanes, uint32_t id, uint32_t expected, bool arrive_only) {
  if (id > 15) throw Fault(Answer::illegal_instruction, say("barrier ", id, ", wanted 0 to 15"));
  if (expected % kLanes || expected > warps_.size() * kLanes)
    throw Fault(Answer::illegal_instruction, say("barrier ", id, " for ", expected,
                                                 " threads, wanted a multiple of 32 up to ", warps_.size() * kLanes));
  Barrier& barrier = barriers_[id];
  if (barrier.arrived && barrier.expected != expected)
    throw Fault(Answer::illegal_instruction, say("barrier ", id, " is for ", barrier.expected, " threads and for ",
                                                 expected, " threads in one phase"));
  barrier.expected = expected;
  barrier.arrived += static_cast<uint32_t>(std::popcount(lanes));
  barrier.warps_arrived |= 1u << warp.index();
  if (!arrive_only) barrier.warps_waiting |= 1u << warp.index();
  shared_.release(warp.index(), barrier.clocks);
  ++progress_;
  const uint32_t wanted = expected ? expected : alive_threads_;
  if (barrier.arrived > wanted)
    throw Fault(Answer::illegal_instruction,
                say(barrier.arrived, " threads arrive at barrier ", id, ", wanted ", wanted));
  // Whoever comes last does not wait, and may come again for the next phase before the others have run.
  if (!complete(id) && !arrive_only) warp.wait_at(static_cast<int>(id));
}

void Block::complete_barriers() {
  for (uint32_t id = 0; id < 16; ++id)
    if (barriers_[id].arrived) complete(id);
}

bool Block::complete(uint32_t id) {
  Barrier& barrier = barriers_[id];
  // A warp of 20 threads counts as 32 in a count of threads, and lanes that ended count as arrived.
  uint32_t missing = 0;
  for (const Warp& warp : warps_)
    if (barrier.warps_arrived >> warp.index() & 1)
      missing += kLanes - static_cast<uint32_t>(std::popcount(warp.alive()));
  const bool full =
      barrier.expected ? barrier.arrived + missing >= barrier.expected : barrier.arrived >= alive_threads_;
  if (!full) return false;
  // At a barrier of all threads those that ended count as arrived, with what they did.
  uint32_t ended = 0;
  for (const Warp& warp : warps_)
    if (!warp.alive() && !barrier.expected) {
      ended |= 1u << warp.index();
      shared_.release(warp.index(), barrier.clocks);
    }
  const uint32_t all = kAllLanes >> (kMostWarps - num_warps());
  const bool everybody = (barrier.warps_waiting | ended) == all;
  for (Warp& warp : warps_)
    if (barrier.warps_waiting >> warp.index() & 1) {
      warp.release(static_cast<int>(id));
      shared_.acquire(warp.index(), barrier.clocks);
    }
  if (everybody) shared_.meet_all(all);
  const Reduction last = barrier.reduction;
  barrier = {};
  barrier.last = last;
  ++progress_;
  return true;
}

TransactionBarrier& Block::transaction(const Warp& warp, uint64_t address) {
  TransactionBarrier& barrier = transactions_.at(address);
  shared_.read(warp.index(), address, 8);  // a race with its init is a race
  return barrier;
}

char* Block::local(const Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes) {
  const uint32_t size = launch_.kernel->local_bytes;
  if (address > size || bytes > size - address)
    throw Fault(Answer::illegal_address,
                say("an access of ", bytes, " bytes at local address ", address, ", wanted one inside ", size));
  return local_.data() + (std::size_t{warp.index()} * kLanes + lane) * size + address;
}

const char* Block::parameter(uint64_t address, uint32_t bytes) const {
  if (address > launch_.arguments.size() || bytes > launch_.arguments.size() - address)
    throw Fault(Answer::illegal_address, say("an access of ", bytes, " bytes at parameter address ", address));
  return launch_.arguments.data() + address;
}

void Block::count_executed() {
  for (std::size_t i = 0; i < executed_.size(); ++i)
    if (executed_[i]) launch_.kernel->executed[i].fetch_add(executed_[i], std::memory_order_relaxed);
  std::fill(executed_.begin(), executed_.end(), 0);
  for (std::size_t i = 0; i < wavefronts_.size(); ++i) {
    if (!wavefronts_[i].needed) continue;
    launch_.kernel->wavefronts[i].fetch_add(wavefronts_[i].needed, std::memory_order_relaxed);
    launch_.kernel->ideal_wavefronts[i].fetch_add(wavefronts_[i].ideal, std::memory_order_relaxed);
  }
  std::fill(wavefronts_.begin(), wavefronts_.end(), Wavefronts());
}

}  // namespace attnrt::emulator
