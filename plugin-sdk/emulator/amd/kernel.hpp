// SPDX-License-Identifier: Apache-2.0
//
// A kernel of AMD's as the emulator runs it: what its code object says of it, and what its IR became for this CPU.
#ifndef ATTNRT_EMULATOR_AMD_KERNEL_HPP
#define ATTNRT_EMULATOR_AMD_KERNEL_HPP
#include <cstdint>
#include <string>
#include <vector>

namespace attnrt::emulator::amd {

struct Rule;

/// An instruction of the IR that calls the machine: an access, or a function of llvm.amdgcn.
struct Site {
  const Rule* rule = nullptr;  ///< of a function; NULL = a load or a store
  uint32_t line = 0;           ///< in the IR's file
  uint32_t bytes = 0;          ///< of the access, or of the function's first operand
  uint32_t alignment = 1;      ///< that the IR promises
};

/// A parameter in the segment of kernel arguments.
struct Parameter {
  uint32_t offset = 0, bytes = 0;
};

/// Of the metadata note (LLVM's AMDGPU usage, "Code Object V3+ Metadata"). All sizes in bytes.
struct KernelInfo {
  std::string name;    ///< of the function
  std::string symbol;  ///< of its descriptor, "attention.kd"
  std::vector<Parameter> parameters;
  std::vector<std::string> hidden;  ///< kinds of the arguments that the runtime adds: "hidden_block_count_x"
  uint32_t explicit_bytes = 0;      ///< of the arguments that the host gives
  uint32_t segment_bytes = 0;       ///< with the hidden ones
  uint32_t lds_bytes = 0;           ///< static
  uint32_t private_bytes = 0;       ///< of scratch a lane
  uint32_t most_threads = 0;        ///< max_flat_workgroup_size
  uint32_t wavefront = 64;
  uint32_t vgprs = 0, agprs = 0, sgprs = 0, vgpr_spills = 0, sgpr_spills = 0;
};

using KernelCode = void (*)(void* lane, const char* arguments);

struct Kernel {
  KernelInfo info;
  KernelCode code = nullptr;
  std::vector<Site> sites;
  std::string source;  ///< the IR's file
  std::string from;    ///< its name
};

}  // namespace attnrt::emulator::amd
#endif
