// SPDX-License-Identifier: Apache-2.0
//
// An instruction ready to run: a function over the lanes of a warp and the places of its operands in the warp's
// register file. Everything that the text says is decided when a module is loaded.
#ifndef ATTNRT_EMULATOR_INSTRUCTION_HPP
#define ATTNRT_EMULATOR_INSTRUCTION_HPP
#include <cstdint>

namespace attnrt::emulator {

class Warp;
struct Instruction;

constexpr uint32_t kLanes = 32;      ///< of a warp
constexpr uint32_t kAllLanes = ~0u;  ///< a set of lanes is a bit for each

/// Runs an instruction for these lanes, of which there is one at least. Throws Fault.
using Handler = void (*)(Warp&, const Instruction&, uint32_t lanes);

/// What follows an instruction.
enum class Flow : uint8_t {
  next,    ///< the one behind it
  branch,  ///< `target` for its lanes, the one behind it for the others
  table,   ///< `targets` by an index of each lane
  exit,    ///< nothing: its lanes end
  pause,   ///< the one behind it, perhaps after others have run: the handler decides
};

enum class Space : uint8_t { generic, global, shared, local, parameter, constant };

struct Instruction {
  Handler run = nullptr;
  const uint32_t* at = nullptr;  ///< byte offsets of the operands in a register file, in the order of the syntax
  int64_t displacement = 0;      ///< of the (first) address; an immediate operand
  int64_t displacement_2 = 0;    ///< of the second address
  uint32_t target = 0;           ///< index of an instruction
  uint32_t line = 0;             ///< of the source
  uint32_t guard = 0;            ///< place of the guarding predicate; 0 = none
  uint32_t count = 1;            ///< elements of a vector, matrices, bytes of a copy: whatever the handler counts
  uint32_t option = 0;           ///< a modifier that the handler looks at
  Flow flow = Flow::next;
  Space space = Space::generic;
  bool guard_negated = false;
  bool narrow = false, narrow_2 = false;  ///< the address is in a register of 32 bits
  uint8_t negated = 0;                    ///< predicate operands with '!', a bit for each place
};

}  // namespace attnrt::emulator
#endif
