// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_EMULATOR_HIP_FACE_HPP
#define ATTNRT_EMULATOR_HIP_FACE_HPP
#include <string>

#include "state.hpp"

namespace attnrt::emulator::hip {

/// The device of the calling thread, 0 until it calls hipSetDevice.
int& current_device();
/// Throws Refusal where there is no such device.
Context& device(int ordinal);
/// "gfx942"
std::string arch_name(uint32_t arch);
/// "hipErrorInvalidValue"; NULL = no error of that number.
const char* error_name(Result error);

}  // namespace attnrt::emulator::hip
#endif
