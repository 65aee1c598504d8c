// SPDX-License-Identifier: Apache-2.0
//
// The shared memory of a block, with a shadow that knows who wrote and read each granule and when. Accesses of two
// warps of which one writes must be ordered by a barrier (manual 8): the order is kept as vector clocks, and histories
// that many granules share are kept once, as FastTrack does for threads (Flanagan and Freund, 2009). Lanes of one warp
// are not told apart. Several warps may write the same value without a barrier, as compilers do where lanes hold
// copies.
#ifndef ATTNRT_EMULATOR_SHARED_MEMORY_HPP
#define ATTNRT_EMULATOR_SHARED_MEMORY_HPP
#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace attnrt::emulator {

constexpr uint32_t kMostWarps = 32;  ///< of a block: 1024 threads

/// How far the work of each warp is known: what happened at a smaller clock is ordered before whoever holds these, and
/// below `fenced` a proxy fence lies between, by whoever executed it (manual 8.10.5).
struct Clocks {
  std::array<uint32_t, kMostWarps> known{}, fenced{};
  void join(const Clocks& other, uint32_t warps) {
    for (uint32_t i = 0; i < warps; ++i) {
      known[i] = known[i] > other.known[i] ? known[i] : other.known[i];
      fenced[i] = fenced[i] > other.fenced[i] ? fenced[i] : other.fenced[i];
    }
  }
};

/// Who writes: a lane, a copy that it issued (cp.async), or the hardware (bulk copies), whose writes asynchronous reads
/// see without a fence.
enum class Writer : uint8_t { lane, copy, bulk };

class SharedMemory {
 public:
  /// `base`: the address of its first byte. `granule`: a power of two; accesses are multiples of it.
  void configure(uint32_t base, uint32_t bytes, uint32_t granule, uint32_t warps, bool races, bool unwritten);
  /// Poisons all of it and forgets its history.
  void clear();

  uint32_t base() const { return base_; }
  uint32_t bytes() const { return bytes_; }

  /// Bytes to read, seen by a warp. `asynchronous`: by the hardware on the warp's behalf (wgmma, bulk copies), which
  /// sees only what a proxy fence made visible. Throws Fault.
  const char* read(uint32_t warp, uint64_t address, uint32_t size, bool asynchronous = false);
  /// Writes and notes it. Throws Fault.
  void write(uint32_t warp, uint64_t address, const void* from, uint32_t size, Writer writer = Writer::lane);
  /// Bytes to change in place, read and written at once and never a race: atomic operations.
  char* update(uint32_t warp, uint64_t address, uint32_t size);
  /// From now on until `write` the bytes belong to a copy in flight.
  void begin_copy(uint32_t warp, uint64_t address, uint32_t size);
  /// The bytes of a copy in flight, before anybody may know; and the end of its flight.
  void land_early(uint64_t address, const void* from, uint32_t size);
  void open_copy(uint32_t warp, uint64_t address, uint32_t size, Writer writer = Writer::copy);

  /// What `warp` did is ordered before what follows `acquire` of these clocks.
  void release(uint32_t warp, Clocks& into);
  void acquire(uint32_t warp, const Clocks& from);
  /// All warps met.
  void meet_all(uint32_t lanes_of_warps);
  /// What the warp wrote or knows of is now visible to asynchronous reads (fence.proxy.async).
  void fence_proxy(uint32_t warp);

 private:
  struct Access {
    uint32_t warp, clock;
    bool visible;  ///< to asynchronous reads without a fence
  };
  using History = std::vector<Access>;
  struct State {
    Clocks clocks;
    uint32_t own_write = 0, own_read = 0;  ///< histories of this warp alone at its present clock; 0 = not made yet
    std::unordered_map<uint32_t, uint32_t> joined_reads, joined_writes;
    uint32_t last_from = 0, last_to = 0;
  };

  uint32_t offset_of(uint64_t address, uint32_t size) const;
  uint32_t add(History history);
  uint32_t own_write(uint32_t warp);
  uint32_t own_read(uint32_t warp);
  void changed(uint32_t warp);
  bool ordered(const Access& access, uint32_t warp) const;
  bool all_ordered(uint32_t history, uint32_t warp) const;
  void check_read(uint32_t warp, uint32_t granule, bool asynchronous);
  uint32_t with_read(uint32_t warp, uint32_t history);
  uint32_t with_write(uint32_t warp, uint32_t history);
  void check_write(uint32_t warp, uint32_t granule, const void* from);
  void note_write(uint32_t warp, uint32_t first, uint32_t last, const char* from);
  [[noreturn]] void fail_race(uint32_t warp, const char* does, uint32_t granule, const Access& other,
                              const char* did) const;

  uint32_t base_ = 0, bytes_ = 0, shift_ = 0, num_warps_ = 0;
  bool races_ = true, unwritten_ = true;
  std::unique_ptr<char[]> storage_;
  char* data_ = nullptr;
  std::vector<uint32_t> writes_, reads_;  ///< history of each granule; 0 = none
  std::vector<History> histories_;
  uint32_t floor_ = 1;  ///< histories below are ordered before everything now
  std::array<State, kMostWarps> warps_;
};

}  // namespace attnrt::emulator
#endif
