// SPDX-License-Identifier: Apache-2.0
//
// Floating-point constants: LLVM 24 writes f0x3FB8AA3B, -inf, +nan(0x3F) and decimals of any length; LLVM 22 reads
// the hexadecimal forms 0x3FF0000000000000 (float and double), 0xH3C00 (half) and 0xR3F80 (bfloat).
#ifndef ATTNRT_EMULATOR_AMD_LITERAL_HPP
#define ATTNRT_EMULATOR_AMD_LITERAL_HPP
#include <string>
#include <string_view>

namespace attnrt::emulator::amd {

/// A constant of "half", "bfloat", "float" or "double" as LLVM 22 reads it. Throws TextFault.
std::string literal_of(std::string_view type, std::string_view text);

}  // namespace attnrt::emulator::amd
#endif
