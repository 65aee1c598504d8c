// SPDX-License-Identifier: Apache-2.0
//
// Types of LLVM's IR, as far as values of kernels have them.
#ifndef ATTNRT_EMULATOR_AMD_VALUE_TYPE_HPP
#define ATTNRT_EMULATOR_AMD_VALUE_TYPE_HPP
#include <cstdint>
#include <string>

#include "token.hpp"

namespace attnrt::emulator::amd {

/// AMD's address spaces (LLVM's AMDGPU usage, "Address Spaces"), those that a kernel's accesses name.
enum class Space { none, global, lds, constant, resource };

struct Type {
  std::string text;           ///< for this CPU: pointers have no space, and a buffer's resource is an i128
  uint32_t bytes = 0;         ///< in memory; 0 = void, or more than one bit that fill no bytes
  Space space = Space::none;  ///< of a pointer
  bool scalar = false;        ///< an integer, pointer or floating-point number alone
};

/// The type that begins at `at`, which is moved behind it. Throws TextFault where there is none that is known.
Type take_type(const Tokens& tokens, std::size_t& at);
/// Does a type begin there?
bool begins_type(const Tokens& tokens, std::size_t at);

}  // namespace attnrt::emulator::amd
#endif
