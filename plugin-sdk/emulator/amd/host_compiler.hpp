// SPDX-License-Identifier: Apache-2.0
//
// IR for this CPU to code in this process: by LLVM 22's llc and the system's linker, each a process of its own. What
// was compiled is kept under the hash of its text, so that many processes share it.
#ifndef ATTNRT_EMULATOR_AMD_HOST_COMPILER_HPP
#define ATTNRT_EMULATOR_AMD_HOST_COMPILER_HPP
#include <string>

#include "kernel.hpp"

namespace attnrt::emulator::amd {

/// The code of lower()'s text, loaded for the life of the process, its table of services filled. Throws TextFault where
/// there is no compiler, or where it refuses the text. [thread-safe]
KernelCode compile(const std::string& text);

/// "" where a compiler was found, else what is missing.
std::string missing_compiler();

}  // namespace attnrt::emulator::amd
#endif
