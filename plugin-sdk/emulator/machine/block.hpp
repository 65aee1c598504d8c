// SPDX-License-Identifier: Apache-2.0
//
// A block of threads: its warps, shared memory, barriers. One thread of the host runs it to its end.
#ifndef ATTNRT_EMULATOR_BLOCK_HPP
#define ATTNRT_EMULATOR_BLOCK_HPP
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "bank_conflicts.hpp"
#include "memory_map.hpp"
#include "mode.hpp"
#include "module.hpp"
#include "recent_pieces.hpp"
#include "shared_memory.hpp"
#include "tensor_memory.hpp"
#include "transaction_barrier.hpp"
#include "warp.hpp"

namespace attnrt::emulator {

/// A launch, as all of its blocks see it.
struct Launch {
  const Module* module = nullptr;
  const Kernel* kernel = nullptr;
  GlobalMemory* memory = nullptr;
  uint32_t grid[3] = {1, 1, 1}, threads[3] = {1, 1, 1};
  uint32_t dynamic_shared = 0;
  uint32_t arch = 80;
  std::string arguments;  ///< the block of parameters
  Mode mode;
};

class Block {
 public:
  explicit Block(const Launch& launch);
  /// Throws Fault.
  void run(uint32_t x, uint32_t y, uint32_t z);
  /// Adds what ran to the kernel's counters.
  void count_executed();

  const Launch& launch() const { return launch_; }
  const Module& module() const { return *launch_.module; }
  const Mode& mode() const { return launch_.mode; }
  SharedMemory& shared() { return shared_; }
  Transactions& transactions() { return transactions_; }
  uint64_t* executed() { return executed_.data(); }
  /// A counter for each instruction; NULL = nobody counts (Mode::count_wavefronts).
  Wavefronts* wavefronts() { return wavefronts_.empty() ? nullptr : wavefronts_.data(); }
  std::string name() const;
  Warp& warp(uint32_t index) { return warps_[index]; }
  uint32_t num_warps() const { return static_cast<uint32_t>(warps_.size()); }
  uint32_t random();

  /// Host addresses. Throw Fault where the bytes are not there.
  const char* read_global(uint64_t address, uint32_t bytes) { return global_.read(address, bytes); }
  char* write_global(uint64_t address, uint32_t bytes) { return global_.write(address, bytes); }
  char* local(const Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes);
  const char* parameter(uint64_t address, uint32_t bytes) const;

  /// bar.sync and its like: these lanes arrive; `expected` threads, 0 = all of the block. They wait unless
  /// `arrive_only`.
  void arrive(Warp& warp, uint32_t lanes, uint32_t barrier, uint32_t expected, bool arrive_only);
  /// The reduction that the lanes of barrier.red get when they are released.
  struct Reduction {
    uint32_t all = ~0u, any = 0, count = 0;
  };
  Reduction& reduction(uint32_t barrier) { return barriers_[barrier].reduction; }
  /// Who waits for a reduction reads it here: of the phase that was completed last.
  const Reduction& last_reduction(uint32_t barrier) const { return barriers_[barrier].last; }
  void lanes_exit(const Warp& warp, uint32_t lanes);
  /// Something happened that a polling warp may have waited for.
  void progress() { ++progress_; }
  /// The last round of all warps changed nothing.
  bool stalled() const { return stalled_; }
  /// A bulk copy to shared memory was issued; its bytes are those of the issue.
  struct PendingBulk {
    uint32_t warp, to;
    std::string bytes;
    uint64_t barrier;
  };
  void add_bulk(PendingBulk copy);
  /// An arrival at an mbarrier that follows the copies which a lane has issued until now (cp.async.mbarrier.arrive).
  struct PendingArrival {
    uint32_t warp, lane;
    uint64_t issued, barrier;
  };
  void add_arrival(const PendingArrival& arrival);
  /// The mbarrier at this shared address, as a warp that knows of its init sees it. Throws Fault.
  TransactionBarrier& transaction(const Warp& warp, uint64_t address);
  TensorMemory& tensor_memory() { return tensor_memory_; }
  /// A product or a commit of the tensor cores of sm_100 was issued.
  void add_tensor_work(const TensorWork& work);
  /// Nobody may touch what a product in flight sums into, or, where `writes`, reads. Throws Fault.
  void want_tensor_idle(const TensorRange& range, bool writes, const char* what) const;
  /// A write to global memory that comes later is allowed. Throws Fault.
  void want_global(uint64_t address, uint32_t bytes) { global_.want_writable(address, bytes); }
  /// A warp has run for a while. Throws Fault where the block seems endless.
  void count_turn(Warp& warp);
  static constexpr uint64_t kTurn = 4096;  ///< instructions of a warp between two calls of count_turn

 private:
  struct Barrier {
    uint32_t arrived = 0, expected = 0;  ///< threads
    uint32_t warps_arrived = 0, warps_waiting = 0;
    Clocks clocks;
    Reduction reduction, last;
  };
  void complete_barriers();
  bool complete(uint32_t id);
  void fill_specials(Warp& warp);
  void run_warps();
  void land_bulk(std::size_t index);
  void land_arrival(std::size_t index);
  void land_tensor_work();
  [[noreturn]] void fail_stuck() const;

  const Launch& launch_;
  RecentPieces global_;
  SharedMemory shared_;
  Transactions transactions_;
  std::vector<PendingBulk> bulk_;
  std::vector<PendingArrival> arrivals_;
  TensorMemory tensor_memory_;
  std::deque<TensorWork> tensor_work_;
  std::vector<Warp> warps_;
  std::vector<char> local_;
  std::vector<uint64_t> executed_;
  std::vector<Wavefronts> wavefronts_;
  Barrier barriers_[16];
  uint32_t at_[3] = {0, 0, 0};
  uint32_t alive_threads_ = 0;
  uint64_t progress_ = 0, turns_ = 0, random_ = 1;
  bool stalled_ = false;
};

/// Runs a whole grid on several threads of the host. Throws the first Fault, after all threads have stopped.
void run_grid(const Launch& launch);

}  // namespace attnrt::emulator
#endif
