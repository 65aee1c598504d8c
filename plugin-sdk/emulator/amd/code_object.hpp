// SPDX-License-Identifier: Apache-2.0
//
// A code object of AMD's: an ELF file with machine code, which the emulator does not run, and a note that describes the
// kernels (LLVM's AMDGPU usage, "ELF Code Object" and "Code Object V5 Metadata").
#ifndef ATTNRT_EMULATOR_AMD_CODE_OBJECT_HPP
#define ATTNRT_EMULATOR_AMD_CODE_OBJECT_HPP
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernel.hpp"

namespace attnrt::emulator::amd {

struct CodeObject {
  uint32_t arch = 0;     ///< 0x942 = gfx942; 0 = one that the emulator does not know
  uint32_t machine = 0;  ///< EF_AMDGPU_MACH of the header's flags
  uint32_t version = 0;  ///< of the code object: 4, 5, 6
  std::vector<KernelInfo> kernels;
};

/// Bytes of an image by its own headers, of which the first 64 are read; 0 where they are none of AMD's.
std::size_t code_object_size(const void* image);

/// Throws TextFault with what is wrong. Reads nothing outside of `image`.
CodeObject read_code_object(std::string_view image);

}  // namespace attnrt::emulator::amd
#endif
