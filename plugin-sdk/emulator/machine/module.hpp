// SPDX-License-Identifier: Apache-2.0
//
// A loaded module: its kernels and its variables. Loading decides everything that can be wrong in the text: an opcode,
// a modifier or an operand that the table does not know is an error with its line.
#ifndef ATTNRT_EMULATOR_MODULE_HPP
#define ATTNRT_EMULATOR_MODULE_HPP
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "instruction.hpp"
#include "placement.hpp"

namespace attnrt::emulator {

/// A parameter of a kernel: where its bytes are in the block of arguments.
struct Parameter {
  std::string name;
  uint32_t offset, bytes;
};

/// Registers that hold the same value in every warp of a launch, of a block, or in every lane (manual 10).
enum class Special : uint8_t {
  tid_x,
  tid_y,
  tid_z,
  ntid_x,
  ntid_y,
  ntid_z,
  ctaid_x,
  ctaid_y,
  ctaid_z,
  nctaid_x,
  nctaid_y,
  nctaid_z,
  laneid,
  warpid,
  nwarpid,
  smid,
  nsmid,
  clock,
  clock_hi,
  lanemask_eq,
  lanemask_lt,
  lanemask_le,
  lanemask_gt,
  lanemask_ge,
  dynamic_smem_size,
  total_smem_size,
  clock64,
  globaltimer,
  cluster_ctaid_x,
  cluster_ctaid_y,
  cluster_ctaid_z,
  cluster_nctaid_x,
  cluster_nctaid_y,
  cluster_nctaid_z,
  cluster_ctarank,
  cluster_nctarank,
  clusterid_x,
  clusterid_y,
  clusterid_z,
  none
};

struct Kernel {
  std::string name;
  std::vector<Instruction> code;
  std::vector<Parameter> parameters;
  uint32_t parameter_bytes = 0;
  uint32_t shared_bytes = 0;                 ///< static, and where dynamic shared memory starts
  uint32_t local_bytes = 0;                  ///< a lane
  uint32_t required_threads[3] = {0, 0, 0};  ///< .reqntid, 0 = free
  uint32_t most_threads = 1024;              ///< .maxntid

  /// The register file of a warp.
  struct Constant {
    uint32_t offset, bits;
    uint64_t value;
  };
  struct SpecialPlace {
    Special which;
    uint32_t offset;
  };
  struct Range {
    uint32_t offset, bytes;
  };
  uint32_t register_bytes = 0;
  std::vector<Constant> constants;
  std::vector<SpecialPlace> specials;
  std::vector<Range> unwritten;  ///< registers that a path reads before it writes them; poisoned at the start
  bool uses_tensor_memory = false;
  uint32_t shared_granule = 16;  ///< the narrowest access of shared memory, in bytes

  std::vector<uint32_t> places;                               ///< what Instruction::at points into
  std::vector<std::vector<uint32_t>> branch_tables;           ///< of brx.idx
  using Counters = std::unique_ptr<std::atomic<uint64_t>[]>;  ///< one for each instruction
  Counters executed;                                          ///< how often it ran for a lane at least
  Counters wavefronts, ideal_wavefronts;                      ///< of shared memory: see bank_conflicts.hpp
};

/// A variable in .global or .const memory.
struct Variable {
  std::string name;
  uint64_t address = 0;  ///< as kernels see it; given by the memory that the module is loaded into
  std::size_t bytes = 0;
  std::string initial;  ///< `bytes` long
};

class Module {
 public:
  /// Throws TextFault. `arch` of the device, 90 = 9.0: code for a newer one is refused.
  Module(std::string source, uint32_t arch, Placement& placement);
  const std::string& source() const { return source_; }
  /// NULL = there is none.
  const Kernel* kernel(std::string_view name) const;
  const std::vector<std::unique_ptr<Kernel>>& kernels() const { return kernels_; }
  const std::vector<Variable>& variables() const { return variables_; }
  /// The text of a line of the source, without space at both ends.
  std::string_view line(uint32_t number) const;

 private:
  friend class ModuleReader;
  std::string source_;
  std::vector<std::unique_ptr<Kernel>> kernels_;
  std::vector<Variable> variables_;
};

/// How many instructions of a kernel ran, the lines of those that never did, and what its accesses of shared memory
/// cost where launches counted it (Mode::count_wavefronts).
struct Coverage {
  uint64_t instructions = 0, executed = 0;
  std::vector<uint32_t> missed_lines;
  struct Access {
    uint32_t line;
    uint64_t wavefronts, ideal;
  };
  uint64_t wavefronts = 0, ideal_wavefronts = 0;  ///< of the whole kernel
  std::vector<Access> conflicts;                  ///< the instructions that took more than the ideal
};
Coverage coverage_of(const Kernel& kernel);

}  // namespace attnrt::emulator
#endif
