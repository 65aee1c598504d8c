// SPDX-License-Identifier: Apache-2.0
//
// What the banks of shared memory make of one access of a warp (CUDA programming guide, shared memory: 32 banks of 4
// bytes). In one wavefront each bank serves one word, to every lane that asks for it; further words of the same bank
// take further wavefronts. Lanes with 8 bytes each go by half warps, with 16 by quarters, and a matrix of ldmatrix or
// stmatrix is such a quarter: eight rows of 16 bytes.
#ifndef ATTNRT_EMULATOR_BANK_CONFLICTS_HPP
#define ATTNRT_EMULATOR_BANK_CONFLICTS_HPP
#include <cstdint>

#include "instruction.hpp"

namespace attnrt::emulator {

struct Wavefronts {
  uint64_t needed = 0;  ///< for the addresses as they are
  uint64_t ideal = 0;   ///< if the words were spread evenly over the banks
  void add(const Wavefronts& other) {
    needed += other.needed;
    ideal += other.ideal;
  }
};

/// Of one access: `addresses` has one for each lane, of which those in `lanes` count; `bytes` a lane, 1 to 32.
Wavefronts wavefronts_of(const uint32_t (&addresses)[kLanes], uint32_t lanes, uint32_t bytes);

/// Adds an access to the counters of its instruction, where the launch counts and for those lanes that are in shared
/// memory: `place`, `narrow` and `displacement` make a lane's address.
void count_wavefronts(Warp& warp, const Instruction& in, uint32_t lanes, uint32_t place, bool narrow,
                      int64_t displacement, Space space, uint32_t bytes);

}  // namespace attnrt::emulator
#endif
