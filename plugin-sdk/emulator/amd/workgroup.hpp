// SPDX-License-Identifier: Apache-2.0
//
// A workgroup: its waves, their lanes, LDS. A lane is a fibre that runs compiled code until it has to meet the others
// of its wave or waits at a barrier; then the next lane of the wave goes on. One thread of the host runs a workgroup to
// its end.
#ifndef ATTNRT_EMULATOR_AMD_WORKGROUP_HPP
#define ATTNRT_EMULATOR_AMD_WORKGROUP_HPP
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fibre.hpp"
#include "intrinsic.hpp"
#include "kernel.hpp"
#include "lds.hpp"
#include "mode.hpp"
#include "recent_pieces.hpp"

namespace attnrt::emulator::amd {

class Workgroup;

/// A launch, as all of its workgroups see it.
struct Launch {
  const Kernel* kernel = nullptr;
  GlobalMemory* memory = nullptr;
  uint32_t grid[3] = {1, 1, 1};  ///< workgroups
  uint32_t threads = 64;
  uint32_t dynamic_lds = 0;
  uint32_t arch = 0x942;
  uint32_t implicit[64] = {};  ///< the hidden arguments, as the runtime fills them
  std::string arguments;       ///< of the host
  Mode mode;
};

/// A copy to LDS on its way.
struct LdsCopy {
  uint64_t source;
  uint32_t address, group;  ///< groups are counted by asyncmark
  std::string bytes;        ///< as they were when it was issued
};

struct Lane {
  void* stack = nullptr;
  Wave* wave = nullptr;
  uint32_t index = 0;   ///< in the wave
  uint32_t thread = 0;  ///< in the workgroup
  enum { running, meeting, at_barrier, ended } state = running;
  uint32_t site = 0;  ///< where it meets
  const char* in = nullptr;
  char* out = nullptr;
  uint32_t marks = 0;  ///< asyncmark so far
  std::vector<LdsCopy> copies;
};

struct Wave {
  Workgroup* group = nullptr;
  uint32_t index = 0;
  std::vector<Lane> lanes;
  std::vector<uint32_t> order;  ///< in which lanes run
  uint32_t current = 0;         ///< place in `order`
  uint32_t met = 0;             ///< lanes that arrived at a meeting
  uint32_t segment = 0;         ///< meetings so far
  bool over = false;
};

class Workgroup {
 public:
  explicit Workgroup(const Launch& launch);
  ~Workgroup() { give_back(std::move(stacks_)); }
  Workgroup(const Workgroup&) = delete;
  Workgroup& operator=(const Workgroup&) = delete;
  /// Throws Fault.
  void run(uint32_t x, uint32_t y, uint32_t z);

  const Launch& launch() const { return launch_; }
  uint32_t position(uint32_t axis) const { return at_[axis]; }
  Lds& lds() { return lds_; }
  Moment moment(const Lane& lane) const { return {lane.thread, lane.wave->index, epoch_, lane.wave->segment}; }

  RecentPieces& global() { return global_; }

  /// The lane waits for its wave; the last to arrive does the work. Throws Fault where lanes are at different places.
  void meet(Lane& lane, uint32_t site, const char* in, char* out);
  void barrier(Lane& lane);
  void finish(Lane& lane);
  /// Ends the run with the failure of this lane, in the middle of its code. Does not return.
  void abandon(Lane& lane, std::exception_ptr failure);
  /// Counts calls. Throws Fault where the workgroup seems endless.
  void count_call();

 private:
  void start_waves();
  bool run_round();
  void go_on(Lane& lane);
  void resolve(Wave& wave);
  void wake(Lane& lane);
  uint32_t random();
  void shuffle(std::vector<uint32_t>& order);

  const Launch& launch_;
  RecentPieces global_;
  Lds lds_;
  std::unique_ptr<Stacks> stacks_;
  std::vector<Wave> waves_;
  std::vector<uint32_t> order_;
  void* scheduler_ = nullptr;
  std::exception_ptr failure_;
  uint32_t at_[3] = {0, 0, 0};
  uint32_t epoch_ = 1;
  uint64_t calls_ = 0, random_ = 1;
};

/// Runs a grid on several threads of the host. Throws the first Fault, with the instruction, after all have stopped.
void run_grid(const Launch& launch);

}  // namespace attnrt::emulator::amd
#endif
