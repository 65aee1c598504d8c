// SPDX-License-Identifier: Apache-2.0
//
// The local data share of a workgroup, with a shadow that knows who touched what since the last barrier. Waves meet at
// barriers all together, so a number that counts them orders everything (an epoch). Lanes of one wave are in step on a
// device but run one after the other here: what two of them do to the same bytes is in order only if they met in
// between (a segment), and is told otherwise, for here it might come out in the wrong order.
#ifndef ATTNRT_EMULATOR_AMD_LDS_HPP
#define ATTNRT_EMULATOR_AMD_LDS_HPP
#include <cstdint>
#include <string>
#include <vector>

namespace attnrt::emulator::amd {

/// Who accesses LDS, and when.
struct Moment {
  uint32_t thread;  ///< in the workgroup
  uint32_t wave;
  uint32_t epoch;    ///< barriers so far
  uint32_t segment;  ///< meetings of the wave so far
};

class Lds {
 public:
  /// `granule`: a power of two that divides all accesses.
  void configure(uint32_t bytes, uint32_t granule, bool report_races, bool report_unwritten);
  /// Poisons all; nobody has touched anything.
  void clear();
  uint32_t size() const { return static_cast<uint32_t>(data_.size()); }

  /// Host address of bytes that a lane may read now. Throws Fault: outside, not aligned, a race, never written.
  const char* read(uint32_t address, uint32_t bytes, uint32_t alignment, const Moment& when);
  void write(uint32_t address, uint32_t bytes, uint32_t alignment, const Moment& when, const char* value);
  /// An asynchronous copy was issued: nobody may touch its target before it lands. It lands as a write at `when`.
  void expect(uint32_t address, uint32_t bytes, const Moment& when);
  void land(uint32_t address, uint32_t bytes, const Moment& when, const char* value);

 private:
  struct Access {
    uint32_t epoch = 0;  ///< 0: none, as epochs begin at 1
    uint32_t segment = 0;
    uint16_t thread = 0, wave = 0;
  };
  static constexpr uint16_t kMany = 0xffff;
  struct Cell {
    Access written, read;
    bool flying = false;
  };
  void want_inside(const char* what, uint32_t address, uint32_t bytes, uint32_t alignment) const;
  void check_read(Cell& cell, uint32_t address, const Moment& when) const;
  void check_write(Cell& cell, uint32_t address, const Moment& when, bool same) const;
  [[noreturn]] void conflict(const char* did, uint32_t address, const Moment& when, const Access& other,
                             const char* other_did) const;

  std::vector<char> data_;
  std::vector<Cell> cells_;
  uint32_t shift_ = 0;
  bool races_ = true, unwritten_ = true;
};

}  // namespace attnrt::emulator::amd
#endif
