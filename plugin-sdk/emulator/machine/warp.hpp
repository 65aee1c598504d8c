// SPDX-License-Identifier: Apache-2.0
//
// 32 lanes that run together where they can. Lanes that branched apart are fragments; the one that is furthest back
// runs, so that fragments meet again where their paths join. A warp runs until it has to wait for another.
#ifndef ATTNRT_EMULATOR_WARP_HPP
#define ATTNRT_EMULATOR_WARP_HPP
#include <bit>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "fault.hpp"
#include "module.hpp"

namespace attnrt::emulator {

class Block;
class Warp;

/// Lanes at the same instruction.
struct Fragment {
  uint32_t pc = 0, lanes = 0;
  int barrier = -1;     ///< the one they wait at
  bool polled = false;  ///< they looked for something in vain: the other lanes of the warp go first
};

/// A copy from global to shared memory that was issued (manual 9.7.9.25.3).
struct PendingCopy {
  uint32_t group;   ///< of its lane
  uint64_t number;  ///< of its lane: 1, 2, ..
  uint32_t to, bytes, source_bytes;
  uint64_t from;
};

struct TensorBox;
/// A bulk copy from shared to global memory that was issued.
struct PendingStore {
  uint32_t group;
  uint32_t from, bytes;
  uint64_t to;
  std::shared_ptr<TensorBox> box;  ///< of a tensor, instead of `to`; else NULL
  bool landed;
};

/// A product of a warpgroup that was issued (wgmma).
struct PendingProduct {
  const Instruction* instruction;
  void (*compute)(Warp&, const Instruction&);  ///< NULL: it was computed when it was issued
  std::vector<char> operands;  ///< descriptors, the flag, rows of A from registers, as they were at the issue
  std::vector<char> sums;      ///< the accumulators, for the first of several products that share them
};

/// tcgen05.ld and tcgen05.st that were issued.
struct PendingTensorLoad {
  const Instruction* instruction;
  std::vector<uint32_t> values;  ///< by register, then lane
};
struct PendingTensorStore {
  uint32_t address;
  const Instruction* instruction;
  std::vector<uint32_t> values;  ///< by lane, then register
};
void finish_tensor_loads(Warp& warp);
void finish_tensor_stores(Warp& warp, bool waits);

class Warp {
 public:
  void configure(Block& block, uint32_t index, const Kernel& kernel);
  /// Before a block begins: all lanes in `lanes` stand at the first instruction.
  void start(uint32_t lanes);
  /// Until nothing of it can run. Throws Fault with the place.
  void run();

  template <class T>
  T* lanes(uint32_t place) {
    return reinterpret_cast<T*>(registers_ + place);
  }
  uint32_t predicate(uint32_t place, bool negated = false) {
    const uint32_t value = *lanes<uint32_t>(place);
    return negated ? ~value : value;
  }
  void set_predicate(uint32_t place, uint32_t value, uint32_t lanes_set) {
    uint32_t& bits = *lanes<uint32_t>(place);
    bits = (bits & ~lanes_set) | (value & lanes_set);
  }

  Block& block() { return *block_; }
  const Kernel& kernel() const { return *kernel_; }
  uint32_t index() const { return index_; }
  uint32_t alive() const { return alive_; }
  /// What the running lanes wait for; called by handlers of kind Flow::pause.
  void wait_at(int barrier) { waits_at_ = barrier; }
  /// Others may run before this warp goes on.
  void yield() { yields_ = true; }
  /// The same of a warp that looks for something in vain.
  void poll() { yields_ = polls_ = true; }
  /// For an instruction that needs these lanes together, a handler of kind Flow::pause: true where they all run it.
  /// Where some are elsewhere it is a Fault, unless those poll: then the instruction runs again when they have come.
  bool meets(uint32_t members, uint32_t running, const char* what);
  /// Lanes at barrier `id`, and their release.
  uint32_t waiting_at(int barrier) const;
  void release(int barrier);
  bool can_run() const;
  uint64_t instructions() const { return instructions_; }

  // Of asynchronous copies and products: see async_copy.cpp, warpgroup.cpp.
  std::vector<PendingCopy> copies[kLanes];
  uint32_t copy_group[kLanes] = {};
  uint64_t copies_issued[kLanes] = {};
  uint32_t num_copies = 0;
  std::vector<PendingStore> stores;
  uint32_t store_group = 0;
  std::vector<PendingProduct> products;
  std::deque<std::size_t> product_groups;  ///< how many products each committed group has
  std::vector<PendingTensorLoad> tensor_loads;
  std::vector<PendingTensorStore> tensor_stores;
  bool products_fenced = false;  ///< wgmma.fence ran since the last wait

 private:
  bool pick();
  void run_fragment();
  [[noreturn]] void rethrow(const Fault& fault, uint32_t pc) const;

  Block* block_ = nullptr;
  const Kernel* kernel_ = nullptr;
  std::unique_ptr<char[]> storage_;
  char* registers_ = nullptr;
  uint32_t index_ = 0, alive_ = 0;
  std::vector<Fragment> fragments_;
  Fragment now_;          ///< the one that runs
  uint32_t limit_ = ~0u;  ///< where the next fragment that can run stands
  int waits_at_ = -1;
  bool yields_ = false, polls_ = false, again_ = false;
  bool others_behind_ = false;  ///< lanes that poll stand behind those that run
  uint64_t instructions_ = 0;
  uint64_t next_turn_ = 0;  ///< when a jump back is told to the block again
};

}  // namespace attnrt::emulator
#endif
