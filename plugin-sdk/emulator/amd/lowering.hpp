// SPDX-License-Identifier: Apache-2.0
//
// From the IR that Triton's AMD pipeline ends in to IR for this CPU, text to text: LLVM 24's syntax becomes LLVM 22's,
// pointers lose their address spaces, and what a lane cannot do alone, or what shall be checked, becomes a call of the
// machine (service.hpp): every access of memory, every function of llvm.amdgcn, divisors. Whatever is not known is
// refused with its line: an instruction, a function, an address space.
#ifndef ATTNRT_EMULATOR_AMD_LOWERING_HPP
#define ATTNRT_EMULATOR_AMD_LOWERING_HPP
#include <string>
#include <vector>

#include "kernel.hpp"

namespace attnrt::emulator::amd {

struct Lowered {
  std::string text;  ///< defines the kernel as attnrt_kernel(lane, arguments), and kServiceTable
  std::vector<Site> sites;
};

/// The kernel of a module's text. Throws TextFault: "line 12: ...".
Lowered lower(const std::string& source, const KernelInfo& kernel);

}  // namespace attnrt::emulator::amd
#endif
