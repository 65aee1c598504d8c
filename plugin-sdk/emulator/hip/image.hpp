// SPDX-License-Identifier: Apache-2.0
//
// What hipModuleLoadData is given: a code object. The emulator runs the IR that it was compiled from, which lies beside
// the library that holds the code object: for lib/x.so in lib/x.llir/<SHA-256 of the code object>.ll, or in a folder
// that ATTNRT_EMULATOR_LLIR names.
#ifndef ATTNRT_EMULATOR_HIP_IMAGE_HPP
#define ATTNRT_EMULATOR_HIP_IMAGE_HPP
#include <cstdint>
#include <memory>

#include "kernel.hpp"

namespace attnrt::emulator::hip {

/// The kernel of an image, ready to run on a device of this architecture. Throws Refusal with what HIP answers for an
/// image that is none or not for this device; with NO_BINARY_FOR_GPU where there is no IR, and with INVALID_KERNEL_FILE
/// where the emulator does not understand it or has no compiler.
std::unique_ptr<amd::Kernel> kernel_of(const void* image, uint32_t arch);

}  // namespace attnrt::emulator::hip
#endif
