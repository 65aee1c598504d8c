// SPDX-License-Identifier: Apache-2.0
//
// What a device leaves open, and which choice the machine makes: a kernel must be right for all of them.
#ifndef ATTNRT_EMULATOR_MODE_HPP
#define ATTNRT_EMULATOR_MODE_HPP
#include <cstdint>

namespace attnrt::emulator {

struct Mode {
  uint64_t seed = 0;              ///< order of the warps of a block; 0 = ascending
  bool late = true;               ///< asynchronous copies and products land when they are waited for, else when issued
  bool perturbed = false;         ///< approximations are off by up to their documented error, else exact
  bool report_races = true;       ///< accesses of shared memory that no barrier orders
  bool report_unwritten = true;   ///< reads of shared or global memory that nobody wrote
  bool count_wavefronts = false;  ///< what accesses of shared memory cost; see bank_conflicts.hpp
  uint32_t threads = 0;           ///< that run blocks; 0 = one a processor
  uint64_t most_instructions = uint64_t{1} << 31;  ///< of a block, before it counts as endless
};

}  // namespace attnrt::emulator
#endif
