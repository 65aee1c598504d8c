// SPDX-License-Identifier: Apache-2.0
//
// Places for virtual registers. PTX names thousands, of which few live at a time: registers that never live together
// share a place, so that the register files of a block stay in the processor's cache. Lanes that are elsewhere do no
// harm, for an instruction writes the places of its own lanes alone.
#ifndef ATTNRT_EMULATOR_LIVENESS_HPP
#define ATTNRT_EMULATOR_LIVENESS_HPP
#include <cstdint>
#include <vector>

#include "module.hpp"

namespace attnrt::emulator {

/// A virtual register as an operand.
struct Reference {
  uint32_t id;
  bool written;
  bool kept;  ///< shares its place with nobody
};

/// A kernel before its registers have places.
struct Program {
  std::vector<uint32_t> register_bits;    ///< of each virtual register: 1, 16, 32, 64
  std::vector<bool> fixed;                ///< constants and special registers: filled from outside, never written
  std::vector<Reference> references;      ///< of all instructions
  std::vector<uint32_t> first_reference;  ///< of each instruction, and one more
};

/// Gives every register a place in the kernel's file, in `places` by its id, and says which are read unwritten.
void allocate_registers(const Program& program, Kernel& kernel, std::vector<uint32_t>& places);

/// Bytes that a register takes: a value for each lane, a predicate a bit.
constexpr uint32_t register_file_bytes(uint32_t bits) { return bits == 1 ? 4 : bits / 8 * kLanes; }

}  // namespace attnrt::emulator
#endif
