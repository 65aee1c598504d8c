// SPDX-License-Identifier: Apache-2.0
//
// What cuModuleLoadData is given: PTX, a cubin, or a fat binary of several. The emulator runs PTX. That of a cubin lies
// beside the library which holds the cubin: for lib/x.so in lib/x.ptx/<SHA-256 of the cubin>.ptx, or in a folder that
// ATTNRT_EMULATOR_PTX names.
#ifndef ATTNRT_EMULATOR_IMAGE_HPP
#define ATTNRT_EMULATOR_IMAGE_HPP
#include <cstddef>
#include <cstdint>
#include <string>

namespace attnrt::emulator {

struct PtxText {
  std::string text;
  std::string from;  ///< "text", "fat binary" or the file's name
};

/// The PTX of an image for a device of this architecture. Throws Refusal with what CUDA answers for an image that is
/// none or not for this device, and with NO_BINARY_FOR_GPU where there is machine code without PTX.
PtxText ptx_of(const void* image, uint32_t arch);

}  // namespace attnrt::emulator
#endif
